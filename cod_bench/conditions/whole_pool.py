"""whole-pool: the ceiling of a method that needs no budget: every row of the training pool under its gold label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cod_bench import Condition, Pair, Row, TrainingSet
from cod_bench.condition import Given, Told

if TYPE_CHECKING:
    from cod_bench.split import Draw


class WholePool(Condition):
    """All that the teacher was fitted on; rows that it gets wrong too."""

    name = "whole-pool"
    short = "whole pool"
    meaning = "every row of the training pool under its gold label, whatever the budget: a ceiling"
    equal_k = False
    whole_pool = True

    def rows(self, draw: Draw, k: int, given: Given) -> TrainingSet:  # noqa: ARG002 - there is no budget
        """Row by row, in the draw's order."""
        found = enumerate(draw.everything())
        return TrainingSet(tuple(Pair(Row.of(row, place, "partner")) for place, row in found))

    def faults(self, rows: Sequence[Told], k: int, version: int) -> str:  # noqa: ARG002 - of every version
        """Whether no row is anything but the pool's own."""
        fits = k == 0 and bool(rows) and {role for _, _, role in rows} == {"p"}
        return "" if fits else f"rows.roles: must be the training pool's rows, at k=0 and not k={k}"


CONDITION = WholePool()
