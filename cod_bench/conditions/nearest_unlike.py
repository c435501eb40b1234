"""nearest-unlike: a counterfactual without a generator: the nearest real row of the other class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cod_bench import Condition, Pair, Row, TrainingSet, UsageError
from cod_bench.condition import Given, Told, partner_faults

if TYPE_CHECKING:
    from cod_bench.split import Draw


class NearestUnlike(Condition):
    """The pool is walked from the original outwards until the teacher gives a row the target class; its gold label is
    then looked up, and the row passed over where that is another.

    A nearest unlike neighbour: the counterfactual that a pool already holds (Keane and Smyth, ICCBR 2020); nearness is
    the cosine of the frozen student's mean-pooled states.
    """

    name = "nearest-unlike"
    short = "nearest texts of the other class"
    meaning = "k/2 originals and, for each, the nearest real row of the other class (frozen encoder of the student)"
    needs = "neighbours"

    def rows(self, draw: Draw, k: int, given: Given) -> TrainingSet:
        """The originals in turn, each with a row that no other slot has."""
        slots = draw.slots(k)
        used, pairs, in_vain = {slot.original.id for slot in slots}, [], dict[str, None]()
        for slot in slots:
            for near in given.of(slot.original.text):
                if near.said != slot.target or near.id in used:
                    continue
                row = draw.find(near.id)
                if row is not None and row.label == slot.target:
                    used.add(row.id)
                    pairs.append(Pair(Row.of(slot.original, slot.index), Row.of(row, slot.index, "partner")))
                    break
                in_vain[near.id] = None
            else:
                raise UsageError(f"condition {self.name!r} at k={k}: the pool has no row left; choose a smaller k")
        return TrainingSet(tuple(pairs), looked_up=tuple(in_vain))

    def faults(self, rows: Sequence[Told], k: int, version: int) -> str:  # noqa: ARG002 - of every version
        """Whether there are k rows, each partner one of its own, of another class."""
        return partner_faults(rows, k, made=False, flips=True)


CONDITION = NearestUnlike()
