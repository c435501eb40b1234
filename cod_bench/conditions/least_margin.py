"""least-margin: active selection at equal queries: the rows of which the teacher is least sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cod_bench import Condition, Pair, Row, TrainingSet, UsageError
from cod_bench.condition import Given, Told

if TYPE_CHECKING:
    from cod_bench.split import Draw

LOOKED_AT = 41
"""Texts that the teacher is asked about for each row that is taken (protocol.md, second edition)."""


class LeastMargin(Condition):
    """Of 41 k unlabelled texts the k/2 of each of the teacher's classes that it is least sure of, if it is right.

    Active selection of difficult texts (Scheffer et al., IDA 2001), by the teacher's margin instead of the student's.
    """

    name = "least-margin"
    short = "least-margin texts"
    meaning = "the k rows, balanced, that the teacher is least sure of among 41 k looked at"
    needs = "texts"

    def texts_at(self, k: int) -> int:
        """41 for each row."""
        return LOOKED_AT * k

    def rows(self, draw: Draw, k: int, given: Given) -> TrainingSet:
        """Class by class from the least sure on; rows whose gold label is another are passed over."""
        columns: list[list[Row]] = []
        in_vain: list[str] = []
        for label in range(draw.classes):
            column: list[Row] = []
            for text in sorted((text for text in given if text.said == label), key=lambda text: (text.sure, text.id)):
                row = draw.find(text.id)
                if row is None or row.label != label:
                    in_vain.append(text.id)
                    continue
                column.append(Row.of(row, len(column), "partner"))
                if len(column) == k // draw.classes:
                    break
            else:
                raise UsageError(
                    f"condition {self.name!r} at k={k}: among {len(given)} texts are {len(column)} usable ones of "
                    f"class {label}; choose a smaller k"
                )
            columns.append(column)
        return TrainingSet(tuple(_pairs(columns)), looked_up=tuple(in_vain))

    def faults(self, rows: Sequence[Told], k: int, version: int) -> str:  # noqa: ARG002 - of every version
        """Whether there are k rows as the pool has them, and none of them an original of the draw."""
        fits = len(rows) == k and {role for _, _, role in rows} == {"p"}
        return "" if fits else f"rows.roles: must be k={k} rows that were chosen"


def _pairs(columns: Sequence[Sequence[Row]]) -> list[Pair]:
    """Rows of two classes beside each other, every class as often in front as the others."""
    rows = [row for place in zip(*columns, strict=True) for row in place]
    found = []
    for slot in range(len(rows) // 2):
        pair = rows[2 * slot : 2 * slot + 2]
        first, second = (Row(r.text, r.label, slot, r.role, r.source) for r in (pair if slot % 2 == 0 else pair[::-1]))
        found.append(Pair(first, second))
    return found


CONDITION = LeastMargin()
