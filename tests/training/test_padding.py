"""Linear layers that skip padding: same bits at real tokens and in every gradient, nothing left behind."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from cod_bench.training.model import Classifier
from cod_bench.training.padding import _alike, real_rows
from tests.checkpoints import FAMILIES, make_model, make_tokenizer


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def batch(rows: int = 8, length: int = 17) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([length, *torch.randint(3, length, (rows - 1,), generator=generator).tolist()])
    mask = (torch.arange(length) < lengths[:, None]).long()
    return torch.randint(4, 60, (rows, length), generator=generator) * mask, mask


def gradients(student: Classifier, ids: torch.Tensor, mask: torch.Tensor, skip: Any = None) -> tuple[Any, Any]:
    torch.manual_seed(0)
    student.train()
    if skip is None:
        logits = student(ids, mask).logits
    else:
        with skip(mask):
            logits = student(ids, mask).logits
    torch.nn.functional.cross_entropy(logits, torch.arange(len(ids)) % 2).backward()
    return logits.detach(), {name: p.grad for name, p in student.named_parameters()}


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_gradients_keep_their_bits(family: str) -> None:
    pooling: Any = "mean" if family in FAMILIES[:2] else "last"
    plain = Classifier(make_model(family, len(make_tokenizer(family)), 2, 32), 2, pooling)
    student = copy.deepcopy(plain)
    ids, mask = batch()
    logits, wanted = gradients(plain, ids, mask)
    with real_rows(student) as skip:
        found, own = gradients(student, ids, mask, skip)
    assert torch.equal(logits, found)
    assert not [name for name, value in wanted.items() if value is not None and not torch.equal(value, own[name])]


@pytest.mark.parametrize("family", FAMILIES)
def test_under_bfloat16_autocast_gradients_differ_by_rounding_alone(family: str) -> None:
    plain = Classifier(make_model(family, len(make_tokenizer(family)), 2, 32), 2)
    student = copy.deepcopy(plain)
    ids, mask = batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, wanted = gradients(plain, ids, mask)
        with real_rows(student) as skip:
            found, own = gradients(student, ids, mask, skip)
    assert torch.equal(logits, found)
    for name, value in wanted.items():
        if value is not None:
            assert own[name].dtype == torch.float32
            torch.testing.assert_close(own[name], value, rtol=0.02, atol=0.02 * float(value.abs().max()))


def test_what_stands_at_padding_is_not_computed_and_layers_are_as_before() -> None:
    student = Classifier(make_model("bert", 100, 1, 32), 2)
    layer: Any = student.backbone.encoder.layer[0].attention.self.query
    ids, mask = batch()
    states = torch.randn(*ids.shape, 32, requires_grad=True)
    with real_rows(student) as skip:
        with skip(mask):
            out = layer(states)
        assert torch.equal(layer(states), torch.nn.functional.linear(states, layer.weight, layer.bias))
    assert "forward" not in vars(layer)
    if _alike(layer):
        assert not out[mask == 0].any()
    assert torch.equal(out[mask == 1], layer(states)[mask == 1])
