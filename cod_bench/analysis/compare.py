"""Two sides of runs -> their difference: paired where teacher and environment are one. Pure; exploratory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from cod_bench.analysis import stats
from cod_bench.analysis.aggregate import Grid, Run
from cod_bench.records.record import Record
from cod_bench.spec import stream
from cod_bench.track import of_teacher

Key = tuple[str, int, int, int]
"""(task, seed, k, seed of the teacher): runs are paired with the same teacher, or not at all."""
Side = Mapping[Key, Run]
Budgets = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left` minus `right` in shares, over the units both sides have."""

    left: str
    right: str
    units: int
    tasks: int
    """How many have a unit."""
    ks: tuple[int, ...]
    paired: bool
    """Whether both sides have one teacher, evaluation rows and environment in every task."""
    estimate: float | None
    """Mean over those tasks of the mean over seeds; None where the sides share no unit."""
    low: float | None
    high: float | None
    """Ends of the interval; None for fewer than `stats.FEWEST` units."""
    p: float | None
    """Of the sign-flip test, not adjusted for anything; None for unpaired sides and for as few units."""


def side(grid: Grid, method: str, condition: str, ks: Sequence[int]) -> dict[Key, Run]:
    """The counted runs of one method and condition at these budgets, with every teacher."""
    return {
        (task, run.record.spec.seed, k, of_teacher(run.record.spec.track)[1]): run
        for task in grid.suite.tasks
        for k in ks
        for run in grid.cell(task, method, condition, k)
    }


def minus(left: Side, right: Side) -> dict[Key, Run]:
    """Row by row difference of two sides as a side of its own: what an interaction is made of."""
    return {
        key: replace(run, correct=run.correct - right[key].correct, matched=run.matched - right[key].matched)
        for key, run in left.items()
        if key in right
    }


def means_only(found: Comparison) -> Comparison:
    """What may be told before every declared run is there: no interval and no p (protocol.md, "What may be said")."""
    return replace(found, low=None, high=None, p=None)


def compare(
    left: tuple[str, Side], right: tuple[str, Side], level: float = 0.95, *, test: bool = True,
    budgets: Budgets | None = None,
) -> Comparison:  # fmt: skip
    """The difference of two named sides; a unit is averaged over teachers and budgets, and a seed without both sides
    with every teacher at every k that either has is left out.

    Args:
        level: of the interval.
        test: whether p is wanted; with many units it is most of the work.
        budgets: task -> the k that count, if not the same in every task.
    """
    (name, ours), (other, theirs) = left, right
    if budgets is None:
        every = tuple(sorted({key[2] for key in (*ours, *theirs)}))
        budgets = {key[0]: every for key in ours}
    ks = tuple(sorted({k for own in budgets.values() for k in own}))
    teachers = sorted({key[3] for key in (*ours, *theirs)})
    cells = {task: tuple(product(own, teachers)) for task, own in budgets.items()}
    seeds: dict[str, list[int]] = {}
    for task, seed in sorted({key[:2] for key in ours if key[0] in budgets}):
        if all((task, seed, *cell) in found for cell in cells[task] for found in (ours, theirs)):
            seeds.setdefault(task, []).append(seed)
    units = sum(map(len, seeds.values()))
    if not units:
        return Comparison(name, other, 0, 0, ks, False, None, None, None, None)
    keys = [(task, seed, *cell) for task, own in seeds.items() for seed in own for cell in cells[task]]
    paired = all(_common(ours[key].record) == _common(theirs[key].record) for key in keys)
    found = _paired(ours, theirs, seeds, cells, level, test) if paired else _unpaired(ours, theirs, seeds, cells, level)
    made = Comparison(name, other, units, len(seeds), ks, paired, *found)
    return made if units >= stats.FEWEST else means_only(made)


def _common(record: Record) -> tuple[Any, ...]:
    """What two runs must share to be paired: teacher, rows and the kind of machine."""
    return record.teacher_hash, record.eval_hash, record.provenance.get("environment")


_Found = tuple[float, float | None, float | None, float | None]
_Cells = Mapping[str, Sequence[tuple[int, int]]]
"""Task -> the (k, seed of a teacher) that a unit is averaged over."""


def _paired(
    ours: Side, theirs: Side, seeds: Mapping[str, Sequence[int]], cells: _Cells, level: float, test: bool
) -> _Found:
    differences, rows = [], []
    for task, own in seeds.items():
        averaged = cells[task]
        per_row = np.array(
            [
                np.sum([ours[task, s, *cell].correct - theirs[task, s, *cell].correct for cell in averaged], axis=0)
                for s in own
            ]
        )
        rows.append(per_row.mean(axis=0) / len(averaged))
        differences.append(per_row.sum(axis=1) / (per_row.shape[1] * len(averaged)))
    units, weights = stats.stacked(differences)
    estimate, se_units, df = float(units @ weights), stats.unit_error(differences), sum(len(d) - 1 for d in differences)
    half = None if se_units is None else stats.half_width(se_units, stats.row_error(rows), df, level)
    low, high = (None, None) if half is None else (estimate - half, estimate + half)
    p = float(stats.sign_flip(units[None], weights, stream("sign-flip", "compare"))[0]) if test else None
    return estimate, low, high, p


def _unpaired(ours: Side, theirs: Side, seeds: Mapping[str, Sequence[int]], cells: _Cells, level: float) -> _Found:
    """Means of both sides with their spreads added in squares: other teachers make other problems, pairs mean nothing.

    Evaluation rows count on both sides as if drawn apart, which errs on the wide side where they are the same.
    """
    parts = []
    for found in (ours, theirs):
        units = [np.array([_accuracy(found, task, s, cells[task]) for s in own]) for task, own in seeds.items()]
        rows = [
            np.mean([found[task, s, *cell].correct for s in own for cell in cells[task]], axis=0)
            for task, own in seeds.items()
        ]
        parts.append((float(np.mean([u.mean() for u in units])), stats.unit_error(units), stats.row_error(rows)))
    (a, a_units, a_rows), (b, b_units, b_rows) = parts
    if a_units is None or b_units is None:
        return a - b, None, None, None
    df = sum(len(own) - 1 for own in seeds.values())
    half = stats.half_width(float(np.hypot(a_units, b_units)), float(np.hypot(a_rows, b_rows)), df, level)
    return a - b, a - b - half, a - b + half, None


def _accuracy(found: Side, task: str, seed: int, cells: Sequence[tuple[int, int]]) -> float:
    return float(np.mean([found[task, seed, *cell].correct.mean() for cell in cells]))
