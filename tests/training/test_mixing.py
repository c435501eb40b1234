"""Crossings between two texts: known where the model is linear in its embeddings, and none where the ends agree."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cod_bench.track import Pooling
from cod_bench.training import mixing
from cod_bench.training.model import Classifier


class Plain(torch.nn.Module):
    """A backbone that hands its input embeddings on."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(hidden_size=1)
        self.words = torch.nn.Embedding(8, 1)
        self.words.weight.data = torch.tensor([[0.0], [1.0], [-1.0], [3.0], [-3.0], [0.5], [0.0], [0.0]])

    def get_input_embeddings(self) -> torch.nn.Embedding:
        return self.words

    def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        assert inputs_embeds.shape[:2] == attention_mask.shape
        return SimpleNamespace(last_hidden_state=inputs_embeds)


def linear(pooling: Pooling = "mean") -> Classifier:
    """Class 1 where what is pooled is above 0."""
    model = Classifier(Plain(), 2, pooling)
    model.head.weight.data = torch.tensor([[-1.0], [1.0]])
    model.head.bias.data.zero_()
    return model


def test_a_linear_model_crosses_where_arithmetic_says() -> None:
    found = mixing.crossings(linear(), [[1], [2, 2], [1, 1, 7]], [[2], [3, 1], [4, 1, 7]])
    # 1 - 2 s = 0; -2 + (2 + 4) s = 0; 2 + (-2 - 2) s = 0
    assert np.allclose(found, [1 / 2, 1 / 3, 1 / 2], atol=2**-12)


def test_where_both_ends_are_of_one_class_there_is_no_crossing() -> None:
    found = mixing.crossings(linear(), [[1], [1]], [[3], [4]])
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(0.25, abs=2**-12)


def test_the_last_token_decides_where_the_model_reads_it_alone() -> None:
    assert mixing.crossings(linear("last"), [[1, 2], [1, 7, 2]], [[2, 3], [1, 7, 1]]) == pytest.approx(
        [0.25, 0.5], abs=1e-3
    )


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    starts, ends = [[1], [1, 2, 2], [2], [5, 5], [3]], [[2], [3, 3, 3], [3], [2, 5], [4]]
    whole = mixing.crossings(linear(), starts, ends)
    monkeypatch.setattr(mixing, "SIZE", 2)
    assert np.allclose(mixing.crossings(linear(), starts, ends), whole)


def test_sides_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="equally many tokens"):
        mixing.crossings(linear(), [[1]], [[1, 2]])
