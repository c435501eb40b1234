"""Products of evaluation by oneDNN: the same logits but for last bits, and training keeps PyTorch's own."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cod_bench.training import model as models
from cod_bench.training.model import Classifier
from cod_bench.training.padding import real_rows
from cod_bench.training.products import Products
from tests.checkpoints import FAMILIES, make_model, make_tokenizer

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")
ROUNDS = pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()),
    reason="this CPU rounds no products to bfloat16",
)
ROWS = [[5, 9, 11, 14], [7, 8], [21, 22, 23, 24, 25, 26, 27], [30, 31, 32]] * 3


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def classifier(family: str = "bert") -> Classifier:
    pooling: Any = "mean" if family in FAMILIES[:2] else "last"
    return Classifier(make_model(family, len(make_tokenizer(family)), 2, 32), 2, pooling)


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_the_model_itself(family: str) -> None:
    model = classifier(family)
    found = models.predict(model, ROWS, pad_id=0, size=4)
    with torch.no_grad():
        alone = [model.eval()(torch.tensor([row]), torch.ones(1, len(row), dtype=torch.long)).logits[0] for row in ROWS]
    np.testing.assert_allclose(found, torch.stack(alone).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_every_linear_layer_multiplies_by_onednn_and_is_itself_again(
    bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cod_bench.training import products

    used: list[tuple[int, int]] = []
    own = products._linear

    def counted(layer: nn.Linear, *rest: Any) -> torch.Tensor:
        used.append((layer.in_features, layer.out_features))
        return own(layer, *rest)

    monkeypatch.setattr(products, "_linear", counted)
    model = nn.Sequential(nn.Linear(8, 16, bias=bias), nn.GELU(), nn.Linear(16, 3, bias=bias))
    x = torch.randn(5, 7, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = model(x)
        with Products(model).used():
            found = model(x)
        assert used == [(8, 16), (16, 3)]
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
        assert torch.equal(model(x), wanted)
    assert len(used) == 2


def test_what_training_put_in_place_comes_back() -> None:
    student = classifier()
    with real_rows(student):
        layers: list[Any] = [part for part in student.backbone.modules() if type(part) is nn.Linear]
        before = [layer.__dict__["forward"] for layer in layers]
        models.predict(student, ROWS, pad_id=0)
        assert [layer.__dict__["forward"] for layer in layers] == before
    assert not any("forward" in layer.__dict__ for layer in layers)


def test_training_after_an_evaluation_keeps_its_bits() -> None:
    evaluated = classifier()
    plain = copy.deepcopy(evaluated)
    models.predict(evaluated, ROWS, pad_id=0)
    ids, mask = torch.tensor([[5, 9, 11, 14]] * 4), torch.ones(4, 4, dtype=torch.long)
    found = []
    for student in (evaluated, plain):
        torch.manual_seed(0)
        logits = student.train()(ids, mask).logits
        nn.functional.cross_entropy(logits, torch.tensor([0, 1, 0, 1])).backward()
        found.append({"logits": logits, **{name: p.grad for name, p in student.named_parameters()}})
    first, second = ({name: value for name, value in one.items() if value is not None} for one in found)
    assert first.keys() == second.keys()
    assert len(first) > 20
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_other_precisions_are_left_alone() -> None:
    layer = nn.Linear(4, 4).bfloat16()
    with Products(layer).used():
        assert "forward" not in layer.__dict__


SHAPES = pytest.mark.parametrize("shape", [(384, 384), (384, 1536), (1536, 384), (768, 3072), (64, 64)])
LENGTHS = pytest.mark.parametrize("rows", [1, 2, 13, 32, 245, 800])


@SHAPES
@LENGTHS
def test_the_other_layout_of_weights_keeps_every_bit(shape: tuple[int, int], rows: int) -> None:
    layer = nn.Linear(*shape)
    x = torch.randn(1, rows, shape[0], generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = torch.ops.mkldnn._linear_pointwise(x, layer.weight, layer.bias, "none", [], "")
        with Products(layer).used():
            assert torch.equal(layer(x), wanted)


@ROUNDS
@SHAPES
@LENGTHS
def test_weights_that_are_rounded_once_keep_every_bit_of_autocast(shape: tuple[int, int], rows: int) -> None:
    layer = nn.Linear(*shape)
    x = torch.randn(1, rows, shape[0], generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        wanted = layer(x)
        with Products(layer, "bfloat16").used():
            found = layer(x)
    assert found.dtype == wanted.dtype == torch.bfloat16
    assert torch.equal(found, wanted)


@ROUNDS
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_in_bfloat16_gives_the_logits_of_autocast(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from cod_bench.training import products

    model = classifier(family)
    assert Products(model.backbone, "bfloat16").size > 0
    found = models.predict(model, ROWS, pad_id=0, size=4, precision="bfloat16")
    monkeypatch.setattr(products, "_takes", lambda *_: False)
    np.testing.assert_array_equal(found, models.predict(model, ROWS, pad_id=0, size=4, precision="bfloat16"))


def test_products_that_are_kept_give_what_new_ones_give() -> None:
    model = classifier()
    kept = Products(model.backbone)
    assert kept.size > 0
    for _ in range(2):
        found = models.predict(model, ROWS, pad_id=0, size=4, faster=kept)
        np.testing.assert_array_equal(found, models.predict(model, ROWS, pad_id=0, size=4))


def test_a_student_that_was_trained_on_is_multiplied_by_its_new_weights() -> None:
    model = classifier()
    before = models.predict(model, ROWS, pad_id=0)
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.mul_(1.5)
    after = models.predict(model, ROWS, pad_id=0)
    fresh = copy.deepcopy(model)
    np.testing.assert_array_equal(after, models.predict(fresh, ROWS, pad_id=0))
    assert not np.array_equal(before, after)


@ROUNDS
def test_a_layer_that_leaves_autocast_computes_as_it_always_does() -> None:
    layer = nn.Linear(64, 64)
    x = torch.randn(3, 5, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = layer(x)
        with Products(layer, "bfloat16").used():
            with torch.autocast("cpu", dtype=torch.bfloat16), torch.autocast("cpu", enabled=False):
                assert torch.equal(layer(x), wanted)
            assert torch.equal(layer(x), wanted)
        with Products(layer).used(), torch.autocast("cpu", dtype=torch.bfloat16):
            assert layer(x).dtype == torch.bfloat16
        with Products(layer.double()).used():
            assert layer(x.double()).dtype == torch.float64


def test_products_of_another_model_or_precision_are_refused() -> None:
    model, other = classifier(), classifier()
    for faster in (Products(other.backbone), Products(model.backbone, "bfloat16")):
        with pytest.raises(ValueError, match="of another model or precision"):
            models.predict(model, ROWS, pad_id=0, faster=faster)
