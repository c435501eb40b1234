"""half: the k/2 originals alone, as many steps as k rows take: what the partners add (protocol.md, "Rows")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cod_bench import Condition, Pair, Row, TrainingSet
from cod_bench.condition import Given, Told

if TYPE_CHECKING:
    from cod_bench.split import Draw


class Half(Condition):
    """Half of the budget, so that no sentence compares it at equal k."""

    name = "half"
    short = "half the labelled texts"
    meaning = "k/2 originals alone, trained for as many steps as k rows"
    equal_k = False

    def rows(self, draw: Draw, k: int, given: Given) -> TrainingSet:  # noqa: ARG002 - it is given nothing
        """The k/2 originals."""
        return TrainingSet(tuple(Pair(Row.of(slot.original, slot.index)) for slot in draw.slots(k)))

    def faults(self, rows: Sequence[Told], k: int, version: int) -> str:  # noqa: ARG002 - of every version
        """Whether there are k/2 originals and nothing else."""
        alone = all(role == "o" for _, _, role in rows) and len(rows) == k // 2
        return "" if alone else f"rows.roles: must be the {k // 2} originals of k={k} alone"


CONDITION = Half()
