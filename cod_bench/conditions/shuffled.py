"""shuffled: what the pair pays: k/2 originals with counterfactuals of k/2 other ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cod_bench import Condition, Pair, Row, TrainingSet
from cod_bench.condition import Given, Spare, Told, partner_faults

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Draw


class Shuffled(Condition):
    """Slot j has the original of `cod`'s slot j and the counterfactual of slot k/2 + j, whose original is not there.

    Labels, texts of either kind and batches are those of `cod`; the contrast inside a pair is gone. A control of our
    own; no precedent is known to us.
    """

    name = "shuffled"
    short = "counterfactuals of other texts"
    meaning = "k/2 originals and the counterfactuals of k/2 other originals, which are not trained on"
    needs = "entries"

    def entries_at(self, k: int) -> int:
        """Those of the originals, which are passed over, and those of as many others."""
        return k

    def paid(self, k: int, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Those of the others: its own originals need none."""
        return entries[k // 2 :]

    def rows(self, draw: Draw, k: int, given: Given) -> TrainingSet:
        """The originals with the others' counterfactuals, or a substitute of that class."""
        slots, spare, pairs = draw.first_slots(k), Spare(draw, 2 * k), []
        for slot, other, entry in zip(slots[: k // 2], slots[k // 2 :], given[k // 2 :], strict=True):
            partner = (
                spare.next(other.target, slot)
                if entry.cfe is None
                else Row(entry.cfe, other.target, slot.index, "partner", other.original.id)
            )
            pairs.append(Pair(Row.of(slot.original, slot.index), partner))
        return TrainingSet(tuple(pairs))

    def substitutes(self, k: int, lacking: int) -> tuple[int, int]:
        """Those of the others alone, and no record tells which they are."""
        return max(0, lacking - k // 2), min(lacking, k // 2)

    def faults(self, rows: Sequence[Told], k: int, version: int) -> str:  # noqa: ARG002 - of every version
        """Whether there are k rows, each partner of the other class and of no original that is there."""
        if told := partner_faults(rows, k, made=False, flips=True):
            return told
        there = {source for source, _, role in rows if role == "o"}
        own = [source for source, _, role in rows if role == "p" and source in there]
        return f"rows.sources: {own[0]} is an original here and may have no counterfactual" if own else ""


CONDITION = Shuffled()
