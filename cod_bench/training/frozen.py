"""Texts -> what a pretrained backbone that nothing was trained on makes of each: the mean of its last hidden states.

Each text is computed alone, since a product of another shape may have other last bits: a state is a function of the
backbone and the text, whatever texts are asked for beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cod_bench import device
from cod_bench.training import model as models
from cod_bench.training.products import Products

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cod_bench.track import Side
    from cod_bench.training.pretrained import Pretrained

MEMORY = 100_000_000
"""Bytes of states that an encoder keeps: 65,000 texts at MiniLM's width."""


class Frozen:
    """A side's pretrained backbone with the layers that the side keeps, in float32 and in evaluation mode.

    It pools by the mean over a text's real tokens, whatever the side's classifier does: first or last tokens tell
    little before they are trained to.
    """

    def __init__(self, base: Callable[[], Pretrained], side: Side, *, max_length: int) -> None:
        self._base, self._side, self._max_length = base, side, max_length  # loaded by the first who asks for a state
        self._known: dict[str, NDArray[np.float32]] = {}
        self.loading = 0.0
        """Seconds that loading it took, once somebody had asked for a state."""

    @cached_property
    def _backbone(self) -> Any:
        start = time.perf_counter()
        backbone = models.keep_layers(self._base().backbone, self._side.layers)
        backbone = backbone.to(device.current()).eval().requires_grad_(False)
        self.loading += time.perf_counter() - start
        return backbone

    @cached_property
    def _faster(self) -> Products:
        backbone, start = self._backbone, time.perf_counter()
        found = Products(backbone)
        self.loading += time.perf_counter() - start
        return found

    @property
    def width(self) -> int:
        """Size of a state."""
        return int(self._backbone.config.hidden_size)

    def states(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 [len(texts), width], in the order given; a text that is remembered is not computed again."""
        found = np.empty((len(texts), self.width), dtype=np.float32)
        places: dict[str, list[int]] = {}
        for place, text in enumerate(texts):
            known = self._known.get(text)
            if known is None:
                places.setdefault(text, []).append(place)
            else:
                found[place] = known
        for text, state in zip(places, self._computed(list(places)), strict=True):
            found[places[text]] = state
            while self._known and (len(self._known) + 1) * state.nbytes > MEMORY:  # gone, it is computed again
                del self._known[next(iter(self._known))]
            self._known[text] = state
        return found

    def _computed(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        if not texts:
            return []
        made, tokenizer = [], self._base().tokenizer
        with torch.inference_mode(), self._faster.used():
            for row in models.tokenise(tokenizer, texts, self._max_length):
                ids, mask = models.pad([row], tokenizer.pad_token_id, on=device.current())
                states = self._backbone(input_ids=ids, attention_mask=mask).last_hidden_state
                made.append(models.masked_mean(states, mask)[0].cpu().numpy())
        return made
