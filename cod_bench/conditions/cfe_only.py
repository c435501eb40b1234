"""cfe-only: what the made texts pay by themselves: k counterfactuals and no original."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cod_bench import Condition, Pair, Row, TrainingSet
from cod_bench.condition import Given, Spare, Told

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Draw, Slot


class CfeOnly(Condition):
    """The counterfactuals of the first k slots, two of different classes beside each other.

    As the classifiers that Kaushik et al. (ICLR 2020, arXiv 1909.12434) train on revised texts alone.
    """

    name = "cfe-only"
    short = "counterfactuals alone"
    meaning = "k counterfactuals; none of their originals is trained on"
    needs = "entries"

    def entries_at(self, k: int) -> int:
        """One a row."""
        return k

    def rows(self, draw: Draw, k: int, given: Given) -> TrainingSet:
        """The counterfactuals slot by slot, or a substitute of that class."""
        slots, spare = draw.first_slots(k), Spare(draw, 2 * k)

        def row(slot: Slot, entry: Entry, place: int) -> Row:
            if entry.cfe is None:
                taken = spare.next(slot.target, slot)
                return Row(taken.text, taken.label, place, "substitute", taken.source)
            return Row(entry.cfe, slot.target, place, "partner", slot.original.id)

        made = [row(slot, entry, slot.index // 2) for slot, entry in zip(slots, given, strict=True)]
        return TrainingSet(tuple(map(Pair, made[::2], made[1::2])))

    def substitutes(self, k: int, lacking: int) -> tuple[int, int]:  # noqa: ARG002 - whatever k
        """One for each counterfactual that there is not."""
        return lacking, lacking

    def faults(self, rows: Sequence[Told], k: int, version: int) -> str:  # noqa: ARG002 - of every version
        """Whether there are k rows and none is an original as it was drawn for its own sake."""
        fits = len(rows) == k and {role for _, _, role in rows} <= {"p", "s"}
        return "" if fits else f"rows.roles: must be k={k} counterfactuals or substitutes"


CONDITION = CfeOnly()
