"""Rows of `text.csv` and `text-margins.csv` -> consistency on pairs, crossings, margins: tables and sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cod_bench.analysis import stats
from cod_bench.reports.lab.moons import Section
from cod_bench.reports.lab.read import Row, number

PERCENT = 100.0
TEACHER = "teacher"
CONTROLS = ("standard", "near", "far", "random", "unvalidated", "shuffled", "half", "teacher-labelled")
KINDS = ("foreign", "held-out")
DISTANCE = ("near", "cod", "far")


def sections(found: Sequence[Row], margins: Sequence[Row]) -> list[Section]:
    """Every question that is put to students of real texts.

    Raises:
        UsageError: a file lacks a column.
    """
    there = [kind for kind in KINDS if any(row.get(f"consistency.{kind}.both") for row in found)]
    return [*(_consistency(found, kind) for kind in there), _gap(found), _distance(found), _margins(margins)]


def difference(found: Sequence[Row], one: str, other: str, column: str, scale: float = PERCENT) -> tuple[float, str]:
    """Mean paired difference of two conditions, and the same with its 95 % t interval over (task, seed) units.

    The interval is stratified by task; NaN where a unit has no value, which leaves it out.
    """
    by_task: dict[str, list[float]] = {}
    sides = {
        name: {(row["task"], row["seed"]): number(row, column) for row in found if row["condition"] == name}
        for name in (one, other)
    }
    for unit, value in sides[one].items():
        if unit in sides[other] and not np.isnan(gain := value - sides[other][unit]):
            by_task.setdefault(unit[0], []).append(gain * scale)
    groups = [np.array(values) for values in by_task.values()]
    if not groups:
        return float("nan"), "none"
    mean, error = float(np.mean([group.mean() for group in groups])), stats.unit_error(groups)
    if error is None:
        return mean, f"{mean:+.1f}"
    half = stats.half_width(error, 0.0, sum(len(group) - 1 for group in groups))
    return mean, f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]"


def _consistency(found: Sequence[Row], kind: str) -> Section:
    column = f"consistency.{kind}.both"
    own = [row for row in found if row[column]]
    pairs = {row["task"]: row[f"consistency.{kind}.pairs"] for row in own}
    said = [
        f"`{name}` {difference(own, 'cod', name, column)[1]}" for name in ("standard", "random", "teacher-labelled")
    ]
    told = ", ".join(f"{count} of {task}" for task, count in pairs.items())
    names = (*CONTROLS[:1], "cod", *CONTROLS[1:], TEACHER)
    foreign = kind == "foreign"
    return Section(
        "Do students get both sides of a pair right that somebody else wrote?" if foreign else
        "And on held-out pairs of the generator that the training pairs are of?",
        "Share of pairs both sides of which get their class: "
        + ("rewrites by other hands, with their own labels" if foreign else "dev texts and their counterfactuals, of "
           "the classes that the teacher gives them, which favours students of the same generator") + f"; {told}.",
        f"`cod` minus {', minus '.join(said)} points.",
        ("condition", "both sides, %", "original", "other side", "accuracy", "`cod` minus it, both sides",
         "in accuracy"),
        [
            (
                f"`{name}`" if name != TEACHER else "the teacher",
                *(
                    f"{PERCENT * _mean(own, name, f'consistency.{kind}.{part}'):.1f}"
                    for part in ("both", "first", "second")
                ),
                f"{PERCENT * _mean(own, name, 'accuracy'):.1f}",
                *(
                    (difference(own, "cod", name, value)[1] for value in (column, "accuracy"))
                    if name not in ("cod", TEACHER) else ("", "")
                ),
            )
            for name in names
            if any(row["condition"] == name for row in own)
        ],
    )  # fmt: skip


def _gap(found: Sequence[Row]) -> Section:
    students = [row for row in found if row["condition"] != TEACHER]
    level = PERCENT * float(np.mean([number(row, "gap.level") for row in students]))
    _, gain = difference(students, "cod", "standard", "gap.gap")
    _, crossed = difference(students, "cod", "standard", "gap.crossed")
    return Section(
        "Where between the two sides do students change their mind?",
        "Held-out pairs whose sides have equally many tokens; each model mixes its own input embeddings of the two; "
        "the gap is the distance of both models' crossings as a share of the way, over pairs that both cross.",
        f"{level:.0f} % of the pairs have sides of equal length. `cod` minus `standard`: gap {gain}, pairs crossed "
        f"{crossed}, in points of a hundred.",
        ("condition", "pairs crossed by both, %", "gap, %", "student crosses at, %", "teacher at, %"),
        [
            (
                f"`{name}`",
                *(
                    f"{PERCENT * _mean(students, name, f'gap.{part}'):.1f}"
                    for part in ("crossed", "gap", "student", "teacher")
                ),
            )
            for name in dict.fromkeys(row["condition"] for row in students)
        ],
    )


def _distance(found: Sequence[Row]) -> Section:
    near, far = (difference(found, "cod", name, "accuracy")[1] for name in ("near", "far"))
    return Section(
        "Does the distance to the boundary explain the gain?",
        "`near`, `cod` and `far`: the same originals, counterfactuals of less or more margin; distance is set by the "
        "condition, not observed.",
        f"`cod` minus `near` {near}, minus `far` {far} points of accuracy.",
        ("condition", "accuracy, %", "slots valid, %", "gap, %"),
        [
            (
                f"`{name}`", f"{PERCENT * _mean(found, name, 'accuracy'):.1f}",
                f"{PERCENT * _mean(found, name, 'valid'):.1f}", f"{PERCENT * _mean(found, name, 'gap.gap'):.1f}",
            )
            for name in DISTANCE
        ],
    )  # fmt: skip


def _margins(margins: Sequence[Row]) -> Section:
    flips = "; ".join(
        f"{row['task']}: {PERCENT * number(row, 'flipped'):.0f} % of first answers flip the teacher"
        for row in margins
        if row["kind"] == "first"
    )
    return Section(
        "How far from the teacher's boundary are the texts of a pool?",
        "Log odds of the other class by the teacher, in the pools of these runs.",
        f"{flips or 'No first answer'}; {_confident(margins)}.",
        ("task", "text", "texts", "mean, logits", "quartiles", "of the other class"),
        [
            (
                row["task"], row["kind"], row["texts"], f"{number(row, 'mean'):+.2f}",
                " / ".join(f"{number(row, part):+.2f}" for part in ("low", "middle", "high")),
                f"{PERCENT * number(row, 'flipped'):.0f} %",
            )
            for row in margins
        ],
    )  # fmt: skip


def _confident(margins: Sequence[Row]) -> str:
    """How originals and counterfactuals stand to the boundary, in median log odds, task by task."""
    told = []
    for task in dict.fromkeys(row["task"] for row in margins):
        middle = {row["kind"]: number(row, "middle") for row in margins if row["task"] == task}
        told.append(
            f"{task}: originals at {middle['original']:+.1f} in the median, counterfactuals at {middle['cfe']:+.1f}"
        )
    return "; ".join(told)


def _mean(found: Sequence[Row], condition: str, column: str) -> float:
    """Mean over tasks of the mean over seeds, without what has no value."""
    by_task: dict[str, list[float]] = {}
    for row in found:
        if row["condition"] == condition and not np.isnan(value := number(row, column)):
            by_task.setdefault(row["task"], []).append(value)
    return float(np.mean([np.mean(values) for values in by_task.values()])) if by_task else float("nan")
