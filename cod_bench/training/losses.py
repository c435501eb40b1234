"""Logits, hidden states -> losses: the parts that distillation methods are made of (protocol.md, "Loss")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cod_bench.track import Pooling
from cod_bench.training.model import initialise, pooled


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of float32 logits [B, classes] with hard labels [B]."""
    return functional.cross_entropy(logits.float(), labels)


def kl_divergence(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """T^2 * KL(teacher || student) at temperature T, summed over classes, mean over the batch (protocol.md, "Loss")."""
    student = functional.log_softmax(student_logits.float() / temperature, -1)
    teacher = functional.log_softmax(teacher_logits.float() / temperature, -1)
    return functional.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2


def layer_mse(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of [B, S, width] states over the positions where mask [B, S] is 1, and over the width."""
    squared = (student.float() - teacher.float()).square().mean(-1)
    weight = mask.to(squared.dtype)
    return (squared * weight).sum() / weight.sum()


def layers_mse(students: Sequence[Tensor], teachers: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Mean over the mapped layers of `layer_mse`."""
    return torch.stack([layer_mse(s, t, mask) for s, t in zip(students, teachers, strict=True)]).mean()


def projections(layers: int, width_in: int, width_out: int, seed: int) -> nn.ModuleList:
    """One linear map per mapped layer, outside the model: N(0, 0.02^2), bias 0, from a stream of its own."""
    maps = nn.ModuleList(nn.Linear(width_in, width_out) for _ in range(layers))
    initialise(maps, seed)
    return maps


def project(maps: nn.ModuleList, states: Mapping[int, Tensor], layers: Sequence[int]) -> list[Tensor]:
    """The states [B, S, width_in] of the given layers through their maps: each [B, S, width_out]."""
    return [one(states[layer]) for one, layer in zip(maps, layers, strict=True)]


def read_out(
    filtered: Sequence[Tensor], poolers: nn.ModuleList, heads: nn.ModuleList, mask: Tensor, dropout: float = 0.0,
    pooling: Pooling = "mean",
) -> list[Tensor]:  # fmt: skip
    """TED's first stage: logits [B, classes] from each filtered layer by the model's pooling, linear, gelu, linear."""
    vectors = [
        functional.gelu(pooler(pooled(state, mask, pooling))) for state, pooler in zip(filtered, poolers, strict=True)
    ]
    return [head(functional.dropout(vector, dropout)) for vector, head in zip(vectors, heads, strict=True)]


def filter_loss(logits: Sequence[Tensor], labels: Tensor) -> Tensor:
    """TED's first stage: mean over filters of the cross-entropy with hard labels (reference.md section 5)."""
    return torch.stack([cross_entropy(one, labels) for one in logits]).mean()
