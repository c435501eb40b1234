"""split-pairs: what seeing both at once pays: the rows of `cod`, never two of a pair in one batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cod_bench import Partnered
from cod_bench.condition import Given, TrainingSet

if TYPE_CHECKING:
    from cod_bench.split import Draw


class SplitPairs(Partnered):
    """The rows of `cod` in another order; at k = 8, where one batch holds all rows, batches have half their size."""

    name = "split-pairs"
    short = "CoD, pairs split"
    meaning = "the rows of `cod`, an original and its counterfactual never in one batch"
    text = "cfe"
    flips = True

    def rows(self, draw: Draw, k: int, given: Given) -> TrainingSet:
        """Those of `cod`, to be kept apart."""
        return replace(super().rows(draw, k, given), apart=True)


CONDITION = SplitPairs()
