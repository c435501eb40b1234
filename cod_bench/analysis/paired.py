"""Grid, two conditions -> paired differences of every unit and evaluation row: means, and trends over k. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cod_bench.analysis.aggregate import Grid, Run

Scored = Literal["correct", "matched"]
"""What a row's difference is of: right as predicted, or right with the threshold at the evaluation prior."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Paired differences of two conditions in one task, averaged over ks, teachers and, where there are several,
    methods."""

    units: NDArray[np.float64]
    """Accuracy difference per seed with both sides at every k [seeds]."""
    rows: NDArray[np.float64]
    """Difference of correctness per evaluation row, averaged over seeds and ks [rows]."""


def differences(grid: Grid, task: str, method: str, pair: tuple[str, str], ks: Sequence[int]) -> Differences:
    """Paired differences pair[0] - pair[1]; a seed without both sides at every k is left out."""
    return mean_differences(grid, task, (method,), pair, ks)


def mean_differences(
    grid: Grid, task: str, methods: Sequence[str], pair: tuple[str, str], ks: Sequence[int],
    scored: Scored = "correct", *, teachers: Sequence[str] = (),
) -> Differences:  # fmt: skip
    """The same, of the mean over methods; a seed that any of them lacks is left out.

    Args:
        teachers: names of the track with some of its teachers; all of them if empty.
    """
    there = teachers or grid.on_teachers
    sides = [side for method in methods for k in ks for side in _sides(grid, task, method, pair, k, there)]
    seeds = _whole(grid, sides)
    if not seeds:
        return Differences(np.zeros(0), np.zeros(0))
    per_row = _per_row(sides, seeds, scored)
    return Differences(per_row.sum(axis=1) / (per_row.shape[1] * len(sides)), (per_row / len(sides)).mean(axis=0))


def trends(grid: Grid, task: str, method: str, pair: tuple[str, str], ks: Sequence[int]) -> Differences:
    """How much the difference pair[0] - pair[1] falls each time k doubles: the slope of a unit's differences over
    log2 k by least squares, times -1. A unit's is the mean over its teachers; `rows` holds that of every row."""
    places = np.log2(np.asarray(ks, dtype=np.float64))
    weights = (places.mean() - places) / np.square(places - places.mean()).sum()
    of_k = [_sides(grid, task, method, pair, k, grid.on_teachers) for k in ks]
    seeds = _whole(grid, [side for sides in of_k for side in sides])
    if not seeds:
        return Differences(np.zeros(0), np.zeros(0))
    slopes = sum(
        weight * _per_row(sides, seeds, "correct") / len(sides) for weight, sides in zip(weights, of_k, strict=True)
    )
    per_row = np.asarray(slopes, dtype=np.float64)
    return Differences(per_row.mean(axis=1), per_row.mean(axis=0))


_Side = tuple[dict[int, Run], dict[int, Run]]
"""Seed -> run, of both conditions of a pair."""


def _sides(grid: Grid, task: str, method: str, pair: tuple[str, str], k: int, teachers: Sequence[str]) -> list[_Side]:
    """Both sides of a pair at one k: for every teacher."""

    def side(condition: str, teacher: str) -> dict[int, Run]:
        own = grid.by_cell.get((task, method, condition, k), ())
        return {run.record.spec.seed: run for run in own if run.record.spec.track == teacher}

    return [(side(pair[0], teacher), side(pair[1], teacher)) for teacher in teachers]


def _whole(grid: Grid, sides: Sequence[_Side]) -> list[int]:
    """The seeds that no side lacks."""
    return [seed for seed in grid.suite.seeds if all(seed in side for both in sides for side in both)]


def _per_row(sides: Sequence[_Side], seeds: Sequence[int], scored: Scored) -> NDArray[Any]:
    """Sum over sides of the difference of every evaluation row [seeds, rows]."""
    # whole numbers before the division: a tie is exactly 0 and never counts as won
    kind = np.int32 if scored == "correct" else np.float64
    per_row: NDArray[Any] = np.zeros((len(seeds), len(sides[0][0][seeds[0]].correct)), dtype=kind)
    for ours, theirs in sides:
        for place, seed in enumerate(seeds):
            per_row[place] += np.subtract(getattr(ours[seed], scored), getattr(theirs[seed], scored), dtype=kind)
    return per_row
