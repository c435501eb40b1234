"""The losses against numbers that the paper's released code gave on the same tensors, and against gradcheck."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from cod_bench import registry
from cod_bench.distiller import Batch, Outputs
from cod_bench.training import losses

DATA = json.loads((Path(__file__).with_name("parity.json")).read_text())
EXPECTED = DATA["expected"]
TOLERANCE = 1e-5
LAYER_MAP = ((1, 2), (2, 4))


def tensor(value: dict[str, Any], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(value["values"], dtype=dtype).reshape(value["shape"])


def linears(value: dict[str, Any], dtype: torch.dtype = torch.float32) -> nn.ModuleList:
    maps = nn.ModuleList()
    for weight, bias in zip(value["weight"], value["bias"], strict=True):
        w = tensor(weight, dtype)
        one = nn.Linear(w.shape[1], w.shape[0], dtype=dtype)
        one.weight.data, one.bias.data = w, tensor(bias, dtype)
        maps.append(one)
    return maps


def batch(dtype: torch.dtype = torch.float32) -> tuple[Outputs, Batch]:
    states = {i + 1: tensor(s, dtype) for i, s in enumerate(DATA["student_states"])}
    teacher = {i + 1: tensor(s, dtype) for i, s in enumerate(DATA["teacher_states"])}
    mask = torch.ones(states[1].shape[:2], dtype=torch.long)
    outputs = Outputs(tensor(DATA["student_logits"], dtype).requires_grad_(), states, mask)
    return outputs, Batch(
        rows=range(4), ids=mask, mask=mask, labels=torch.tensor(DATA["labels"]),
        teacher_logits=tensor(DATA["teacher_logits"], dtype), teacher_hidden=teacher, layer_mask=mask,
    )  # fmt: skip


def distiller(name: str, dtype: torch.dtype = torch.float32) -> Any:
    """A method with the fixture's filters instead of freshly drawn ones."""
    method = registry.load("baseline", name)()
    weights = {"kl_weight": 20.0, "temperature": 2.0, "layer_weight": 20.0}
    if name == "kd":
        method.prepare(SimpleNamespace(hparams=weights))
    method._hparams = weights
    method._students, method._teachers = zip(*LAYER_MAP, strict=True)
    method._layers = (method._students, method._teachers)
    method._maps = method._student_filters = linears(DATA["student_filters"], dtype)
    method._teacher_filters = linears(DATA["teacher_filters"], dtype)
    return method


def test_cross_entropy_and_kl_are_the_references() -> None:
    student, b = batch()
    assert losses.cross_entropy(student.logits, b.labels).item() == pytest.approx(EXPECTED["ce"], rel=TOLERANCE)
    kl = losses.kl_divergence(student.logits, b.teacher_logits, 2.0)
    assert kl.item() == pytest.approx(EXPECTED["kl"], rel=TOLERANCE)


@pytest.mark.parametrize("name", ["kd", "lwd", "ted"])
def test_totals_are_the_references(name: str) -> None:
    student, b = batch()
    total = torch.stack(list(distiller(name).loss(student, b).values())).sum()
    assert total.item() == pytest.approx(EXPECTED[f"{name}_total"], rel=TOLERANCE)


def test_gradient_of_the_kd_total_is_the_references() -> None:
    student, b = batch()
    torch.stack(list(distiller("kd").loss(student, b).values())).sum().backward()
    torch.testing.assert_close(student.logits.grad, tensor(EXPECTED["kd_gradient"]), rtol=TOLERANCE, atol=1e-5)


@pytest.mark.parametrize("name", ["lwd", "ted"])
def test_layer_parts_are_the_references(name: str) -> None:
    student, b = batch()
    method = distiller(name)
    students = losses.project(linears(DATA["student_filters"]), student.hidden, method._students)
    if name == "lwd":
        teachers = [b.teacher_hidden[layer] for layer in method._teachers]
    else:
        teachers = losses.project(method._teacher_filters, b.teacher_hidden, method._teachers)
    parts = [losses.layer_mse(s, t, b.mask).item() for s, t in zip(students, teachers, strict=True)]
    assert parts == pytest.approx(EXPECTED[f"{name}_layers"], rel=TOLERANCE)
    assert losses.layers_mse(students, teachers, b.mask).item() == pytest.approx(EXPECTED[f"{name}_mse"], rel=TOLERANCE)


def test_first_stage_is_the_references_where_its_first_token_is_all_that_is_pooled() -> None:
    student, b = batch()
    first_token = torch.zeros_like(b.mask)
    first_token[:, 0] = 1
    filtered = losses.project(linears(DATA["student_filters"]), student.hidden, (1, 2))
    logits = losses.read_out(filtered, linears(DATA["poolers"]), linears(DATA["heads"]), first_token)
    for found, wanted in zip(logits, EXPECTED["stage_one_logits"], strict=True):
        torch.testing.assert_close(found, tensor(wanted), rtol=TOLERANCE, atol=1e-6)
    assert losses.filter_loss(logits, b.labels).item() == pytest.approx(EXPECTED["stage_one"], rel=TOLERANCE)


@pytest.mark.parametrize("name", ["lwd", "ted"])
def test_gradients_pass_gradcheck_in_float64(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # the losses compute in float32 for autocast's sake; gradcheck needs them in float64
    monkeypatch.setattr(torch.Tensor, "float", lambda self: self)
    student, b = batch(torch.float64)
    method = distiller(name, torch.float64)
    weight = method._maps[0].weight.detach().clone().requires_grad_()

    def total(logits: torch.Tensor, state: torch.Tensor, filter_weight: torch.Tensor) -> torch.Tensor:
        hidden = {1: state, 2: student.hidden[2]}
        maps = method._maps
        bias = maps[0].bias
        replaced = nn.ModuleList([_Functional(filter_weight, bias), maps[1]])
        method._maps = method._student_filters = replaced
        try:
            parts = method.loss(Outputs(logits, hidden, b.mask), b)
        finally:
            method._maps = method._student_filters = maps
        return torch.stack(list(parts.values())).sum()

    state = student.hidden[1].clone().requires_grad_()
    assert torch.autograd.gradcheck(total, (student.logits, state, weight))


class _Functional(nn.Module):
    """A linear map with a given weight tensor, so that gradcheck may vary it."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self.__dict__["w"], self.__dict__["b"] = weight, bias

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return states @ self.__dict__["w"].T + self.__dict__["b"]


def test_padding_counts_only_when_the_mask_says_so() -> None:
    student, teacher = torch.zeros(1, 3, 2), torch.zeros(1, 3, 2)
    student[0, 2] = 6.0  # the padded position
    real = torch.tensor([[1, 1, 0]])
    assert losses.layer_mse(student, teacher, real).item() == 0.0
    assert losses.layer_mse(student, teacher, torch.ones_like(real)).item() == pytest.approx(36 / 3)


def test_projections_are_drawn_from_their_seed_alone() -> None:
    one, same, other = (losses.projections(2, 3, 4, seed) for seed in (1, 1, 2))
    assert torch.equal(one[0].weight, same[0].weight)
    assert not torch.equal(one[0].weight, other[0].weight)
    assert not torch.equal(one[0].weight, one[1].weight)
    assert not one[0].bias.any()
    wide = losses.projections(1, 200, 200, 3)[0].weight
    assert wide.std().item() == pytest.approx(0.02, rel=0.05)
