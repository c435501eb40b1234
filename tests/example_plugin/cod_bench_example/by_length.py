"""by-length: each original beside the row of the other class that is nearest to it in length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cod_bench import Condition, Pair, Row, TrainingSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cod_bench.split import Draw

LOOKED = 20
"""Rows of each class that are looked at beyond the originals."""


class ByLength(Condition):
    """Pairs that length cannot tell apart. For corpora where one class writes longer texts."""

    name = "by-length"
    version = 1
    meaning = "k originals; the partner of an original is, of 20 rows of the other class, the nearest in length"

    def rows(self, draw: Draw, k: int, given: Sequence[object]) -> TrainingSet:
        """The k/2 originals and, for each, the row of its target class with the most similar number of words."""
        first = k // (2 * draw.classes)
        left = {label: [draw.row(label, first + i) for i in range(LOOKED)] for label in range(draw.classes)}
        pairs = []
        for slot in draw.slots(k):
            words = len(slot.original.text.split())
            near = min(left[slot.target], key=lambda row: (abs(len(row.text.split()) - words), row.id))
            left[slot.target].remove(near)
            pairs.append(Pair(Row.of(slot.original, slot.index), Row.of(near, slot.index, "partner")))
        return TrainingSet(tuple(pairs))


CONDITION = ByLength()
