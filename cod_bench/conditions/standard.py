"""standard: k originals, what the same budget buys without a counterfactual (protocol.md, "Rows")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cod_bench import Condition, Pair, Row, TrainingSet
from cod_bench.condition import Given, Told, partner_faults

if TYPE_CHECKING:
    from cod_bench.split import Draw


class Standard(Condition):
    """Another original of the other class beside each, from the draw's next rows."""

    name = "standard"
    short = "labelled texts"
    meaning = "k originals; the partner of an original is another original of the other class"

    def rows(self, draw: Draw, k: int, given: Given) -> TrainingSet:  # noqa: ARG002 - it is given nothing
        """The k/2 originals and the next k/2 rows of their partners' classes."""
        found = zip(draw.slots(k), draw.partners(k), strict=True)
        return TrainingSet(tuple(Pair(Row.of(s.original, s.index), Row.of(p, s.index, "partner")) for s, p in found))

    def faults(self, rows: Sequence[Told], k: int, version: int) -> str:  # noqa: ARG002 - of every version
        """Whether there are k rows, each partner one of its own, of another class."""
        return partner_faults(rows, k, made=False, flips=True)


CONDITION = Standard()
