"""Batch -> one optimiser step: loss, gradients, AdamW and its schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cod_bench.distiller import Batch, Distiller
from cod_bench.errors import RunError
from cod_bench.spec import RunSpec

if TYPE_CHECKING:
    from cod_bench.training.model import Classifier


@dataclass(slots=True)
class Model:
    """What a step is taken on: a student, the method that says its loss, and what is trained beside it."""

    student: Classifier
    distiller: Distiller
    outside: nn.Module | None
    layers: Sequence[int]
    bf16: bool
    skip: Callable[[Tensor], Any] | None
    spec: RunSpec
    names: tuple[str, ...] = ()
    """Of the values of a step, once there was one: the loss and, if there are several, its parts."""

    @property
    def modules(self) -> list[nn.Module]:
        """Everything that is trained."""
        return [self.student, *([self.outside] if self.outside is not None else [])]

    def backward(self, batch: Batch) -> Tensor:
        """Gradients of a batch's loss; gives the loss and its parts [1 or 1 + parts], by `names`."""
        student = self.student
        with torch.autocast(student.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            with nullcontext() if self.skip is None else self.skip(batch.mask):
                outputs = student(batch.ids, batch.mask, self.layers)
            parts = self.distiller.loss(outputs, batch)
        if not self.names:
            _demand_scalars(parts, self.spec)
            self.names = ("loss", *(parts if len(parts) > 1 else ()))
        each = torch.stack(list(parts.values()))
        total = each.sum()
        total.backward()
        return torch.cat([total[None], each]).detach() if len(parts) > 1 else total.detach()[None]


class _Ordinary:
    """Steps one by one: the CPU's."""

    told = ""

    def __init__(self, model: Model, hparams: Mapping[str, Any]) -> None:
        self._model = model
        self._optimiser, self._schedule = optimiser_for(model.modules, hparams)

    def step(self, batch: Batch, seed: int) -> Tensor:
        """One step; its values."""
        torch.manual_seed(seed)
        values = self._model.backward(batch)
        self._optimiser.step()
        self._schedule.step()
        self._optimiser.zero_grad(set_to_none=True)
        return values


def optimiser_for(modules: Sequence[nn.Module], hparams: Mapping[str, Any]) -> tuple[torch.optim.Optimizer, Any]:
    """AdamW (no decay on biases and norms) over what is trainable, and its schedule: warm-up, then linear to 0."""
    optimiser = adamw(modules, hparams, hparams["learning_rate"])
    return optimiser, schedule_of(optimiser, hparams)


def adamw(modules: Sequence[nn.Module], hparams: Mapping[str, Any], rate: float | Tensor, **own: bool) -> Any:
    """The fused AdamW of every student, at a rate that may be a tensor; `own` are further options of PyTorch's."""
    trainable = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.dim() > 1], "weight_decay": hparams["weight_decay"]},
        {"params": [p for p in trainable if p.dim() <= 1], "weight_decay": 0.0},
    ]
    adam: dict[str, Any] = {"eps": hparams.get("adam_epsilon", 1e-8), **own}
    adam["betas"] = tuple(hparams.get("adam_betas", (0.9, 0.999)))
    return torch.optim.AdamW(groups, lr=rate, fused=True, **adam)


def schedule_of(optimiser: torch.optim.Optimizer, hparams: Mapping[str, Any]) -> Any:
    """Warm-up, then linear to 0."""
    import transformers

    steps = int(hparams["steps"])
    return transformers.get_scheduler(
        "linear", optimiser, num_warmup_steps=int(hparams["warmup"] * steps), num_training_steps=steps
    )


def _demand_scalars(parts: object, spec: RunSpec) -> None:
    """Whether a method's loss is what the interface says."""
    if not isinstance(parts, dict) or not parts:
        raise RunError(f"{spec.method}: loss returned {type(parts).__name__}; return a dict of named scalar tensors")
    for name, value in parts.items():
        if not isinstance(value, Tensor) or value.dim():
            told = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise RunError(f"{spec.method}: loss part {name!r} is {told}; return scalar tensors")
