"""Pairs of texts of equal token count, a model -> where between the two it changes its mind, in its own embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cod_bench.training import model as models

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cod_bench.training.model import Classifier

HALVINGS = 12
"""The place is known to half of 2^-12 of the way."""
SIZE = 64
"""Pairs at once."""


def crossings(model: Classifier, starts: Sequence[Sequence[int]], ends: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """The share of the way from one text to the other at which a two-class model changes its mind, [pairs].

    Between the two lie mixtures of their input embeddings, token by token: (1 - share) of the one and share of the
    other. NaN where the model says the same of both ends. Found by bisection, in float32 and evaluation mode.

    Args:
        starts, ends: token ids of both sides; the two of a pair are equally long.

    Raises:
        ValueError: the two of a pair are not equally long.
    """
    if any(len(one) != len(other) for one, other in zip(starts, ends, strict=True)):
        raise ValueError("the two sides of a pair must have equally many tokens")
    found = np.full(len(starts), np.nan)
    model.eval()
    with torch.inference_mode():
        for batch in models.by_length(starts, SIZE):
            found[batch] = _batch(model, [starts[i] for i in batch], [ends[i] for i in batch])
    return found


def _batch(model: Classifier, starts: list[Sequence[int]], ends: list[Sequence[int]]) -> NDArray[np.float64]:
    embed = model.backbone.get_input_embeddings()  # type: ignore[operator]  # every backbone of transformers has it
    first, mask = models.pad(starts, 0, on=model.device)
    one, other = embed(first), embed(models.pad(ends, 0, on=model.device)[0])

    def upper(share: Tensor) -> Tensor:
        mixed = torch.lerp(one, other, share[:, None, None])
        result = model.backbone(inputs_embeds=mixed, attention_mask=mask)
        vector = models.pooled(result.last_hidden_state, mask, model.pooling)
        if model.pooler is not None:
            vector = torch.nn.functional.gelu(model.pooler(vector))
        logits: Tensor = model.head(vector)
        return logits[:, 1] > logits[:, 0]

    low, high = torch.zeros(len(starts), device=model.device), torch.ones(len(starts), device=model.device)
    before = upper(low)
    told = upper(high) != before
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        same = upper(middle) == before
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    return np.where(told.cpu().numpy(), ((low + high) / 2).double().cpu().numpy(), np.nan)
