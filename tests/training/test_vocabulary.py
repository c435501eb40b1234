"""Embedding rows of a run's own: the others stay, the table is whole again, and exceptions leave it so."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cod_bench.training.model import Classifier
from cod_bench.training.vocabulary import OwnRows, own_rows
from tests.checkpoints import make_model

ROWS = [[5, 7, 9], [5, 30]]


def student() -> Classifier:
    return Classifier(make_model("bert", 60, 1, 16), 2)


def table(model: Classifier) -> Any:
    backbone: Any = model.backbone
    return backbone.get_input_embeddings()


def test_only_the_rows_of_the_texts_are_trained_and_the_table_is_whole_again() -> None:
    model = student()
    own, before = table(model), table(model).weight.detach().clone()
    with own_rows(model, ROWS, 0, 0.0) as does:
        assert does
        assert table(model).weight.shape == (5, 16)
        assert all(own.weight is not parameter for parameter in model.parameters())
        with torch.no_grad():
            table(model).weight += 1
        ids = torch.tensor([[5, 59]])
        torch.testing.assert_close(table(model).eval()(ids)[0], before[ids[0]] + torch.tensor([[1.0], [0.0]]))
    assert table(model) is own
    moved = (own.weight != before).any(1).nonzero()[:, 0].tolist()
    assert moved == [0, 5, 7, 9, 30]


@pytest.mark.parametrize("why", ["decay", "frozen"])
def test_with_weight_decay_or_frozen_embeddings_nothing_is_done(why: str) -> None:
    model = student()
    table(model).weight.requires_grad_(why != "frozen")
    with own_rows(model, ROWS, 0, 0.01 if why == "decay" else 0.0) as does:
        assert not does
        assert not isinstance(table(model), OwnRows)


def test_an_error_leaves_the_table_whole() -> None:
    model = student()
    own = table(model)
    with pytest.raises(ZeroDivisionError), own_rows(model, ROWS, 0, 0.0):
        raise ZeroDivisionError
    assert table(model) is own
