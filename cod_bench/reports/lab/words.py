"""Rows of `words.csv` -> what students that say the class's word gain by counterfactuals: a table and a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cod_bench.reports.lab.moons import Section
from cod_bench.reports.lab.read import Row, number
from cod_bench.reports.lab.text import TEACHER, difference

PERCENT = 100.0
OTHERS = ("standard", "half")


def sections(found: Sequence[Row]) -> list[Section]:
    """The one question that is put to them.

    Raises:
        UsageError: the file lacks a column.
    """
    students = [row for row in found if row["condition"] != TEACHER]
    seeds = len({row["seed"] for row in students})
    ks = sorted({int(row["k"]) for row in students})
    rows, said = [], []
    for k in ks:
        # `difference` pairs by task and seed; all are of one task
        own = [{**row, "task": ""} for row in students if int(row["k"]) == k]
        gains = {name: difference(own, "cod", name, "accuracy")[1] for name in OTHERS}
        said.append(f"at k = {k} minus `standard` {gains['standard']}, minus `half` {gains['half']}")
        rows += [
            (f"`{name}`", str(k), *_shares([row for row in own if row["condition"] == name]), gains.get(name, ""))
            for name in dict.fromkeys(row["condition"] for row in own)
        ]
    taught = [row for row in found if row["condition"] == TEACHER]
    rows += [("the teacher", "", *_shares(taught), "")]
    return [
        Section(
            "Does a counterfactual teach a student that speaks?",
            f"Greedy answers on the first rows of the evaluation split; {seeds} seeds; an "
            "answer that is no class's word is wrong.",
            f"Accuracy of `cod`, points: {'; '.join(said)}.",
            ("condition", "k", "accuracy, %", "says what the teacher says, %", "says a class's word, %",
             "slots with a valid counterfactual, %", "`cod` minus it"),
            rows,
        )
    ]  # fmt: skip


def _shares(own: Sequence[Row]) -> list[str]:
    return [
        f"{PERCENT * float(np.mean([number(row, name) for row in own])):.1f}"
        for name in ("accuracy", "agreement", "words", "valid")
    ]
