"""Products of evaluation by oneDNN: the same logits but for last bits, and training keeps PyTorch's own."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cod_bench import model as models
from cod_bench.model import Classifier
from cod_bench.padding import real_rows
from cod_bench.products import onednn
from tests.checkpoints import FAMILIES, make_model, make_tokenizer

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")
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
    from cod_bench import products

    used: list[nn.Linear] = []
    own = products._linear

    def counted(layer: nn.Linear, states: torch.Tensor) -> torch.Tensor:
        used.append(layer)
        return own(layer, states)

    monkeypatch.setattr(products, "_linear", counted)
    model = nn.Sequential(nn.Linear(8, 16, bias=bias), nn.GELU(), nn.Linear(16, 3, bias=bias))
    x = torch.randn(5, 7, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = model(x)
        with onednn(model):
            found = model(x)
        assert used == [model[0], model[2]]
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
    with onednn(layer):
        assert "forward" not in layer.__dict__
