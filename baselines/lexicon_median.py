"""VADER's compound score against the median of unlabelled texts -> a text's class."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from .lexicon import Lexicon, compound  # noqa: TID251 - relative, not the bare folder

if TYPE_CHECKING:
    from cod_bench import Material, Track


class LexiconMedian(Lexicon):
    """Idea: `lexicon` with the median score of the training pool's texts as its threshold: as many above as below.

    Source: as `lexicon`; the threshold is ours. When: as a floor where people praise or complain in general, so that 0
    is no border. It reads the unlabelled pool and not one label, and assumes that classes are equally frequent.
    """

    name = "lexicon_median"
    short = "VADER at the median"
    version = 1
    summary = "A floor without any label: favourable where VADER's score is above the median of the unlabelled pool."

    @classmethod
    def hparams(cls, track: Track, k: int) -> dict[str, Any]:
        """As `lexicon`; the threshold is told by what it is taken from."""
        return {**super().hparams(track, k), "threshold": "pool-median"}

    def threshold(self, material: Material) -> float:
        """The median of the pool's scores."""
        return float(median(compound(text) for text in material.unlabelled()))


DISTILLER = LexiconMedian
