"""A grid -> exploratory figures beside the claims: who wins how often, labels saved, methods ranked. Pure.

Nothing here is a claim: no p is adjusted, and every heading that shows these figures says "exploratory".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.stats import TASKS_NEEDED

TIE = 1e-9
"""Means closer than this are equal: sums in another order differ in their last bits."""


@dataclass(frozen=True, slots=True)
class Improvement:
    """Chance that a run of `condition` beats one of `over`, any two seeds taken apart (Agarwal et al., 2021), with one
    and the same teacher."""

    method: str
    condition: str
    over: str
    k: int
    probability: float | None
    """Mean over tasks; a tie counts half. None while a task has no run of either."""


@dataclass(frozen=True, slots=True)
class Saving:
    """How many labelled rows the plain method needs for what `cod` reaches at `k`."""

    task: str
    method: str
    k: int
    reached: float
    """Mean accuracy of `cod` at k."""
    needed: int | None
    """Smallest declared budget at which the mean of `standard` is as high; None if none is."""


@dataclass(frozen=True, slots=True)
class Rank:
    """Place of a (method, condition) among all, by mean accuracy over tasks and primary budgets."""

    method: str
    condition: str
    mean: float
    rank: float
    """Mean over tasks of the rank within a task; ties share theirs."""
    low: float | None
    high: float | None
    """Interval of the mean rank over tasks, from five tasks on and in a complete grid."""


def improvements(grid: Grid, pairs: Sequence[tuple[str, str]] = (("cod", "standard"),)) -> list[Improvement]:
    """One entry a method, pair and budget that the suite declares for both sides."""
    found = []
    for method in grid.methods:
        for condition, over in pairs:
            for k in grid.ks_of(method, condition, over):
                shares = [
                    _beats(_of(grid, t, method, condition, k), _of(grid, t, method, over, k)) for t in _tasks(grid)
                ]
                known = [share for share in shares if share is not None]
                mean = float(np.mean(known)) if known and len(known) == len(shares) else None
                found.append(Improvement(method, condition, over, k, mean))
    return found


def savings(grid: Grid) -> list[Saving]:
    """Per task, method and budget where both `cod` and `standard` are declared and `cod` was run."""
    found = []
    for task in _tasks(grid):
        for method in grid.methods:
            if not {"cod", "standard"} <= set(grid.conditions(method)):
                continue
            plain = {k: _all(grid, task, method, "standard", k) for k in grid.ks_of(method, "standard")}
            for k in grid.ks_of(method, "cod"):
                own = _all(grid, task, method, "cod", k)
                if len(own):
                    reached = float(own.mean())
                    enough = [at for at, values in plain.items() if len(values) and values.mean() >= reached - TIE]
                    found.append(Saving(task, method, k, reached, min(enough, default=None)))
    return found


def ranking(grid: Grid) -> list[Rank]:
    """Every (method, condition) with all primary budgets complete in every task, best mean rank first."""
    entries = []
    for method in grid.methods:
        for condition in grid.conditions(method):
            ks = grid.primary(method, condition)
            if ks and ks == tuple(k for k in grid.ks if k in grid.suite.primary_k):
                cells = [[_all(grid, task, method, condition, k) for k in ks] for task in _tasks(grid)]
                whole = len(grid.suite.seeds) * len(grid.on_teachers)
                if all(len(values) == whole for task in cells for values in task):
                    entries.append((method, condition, [float(np.mean([v.mean() for v in task])) for task in cells]))
    if not entries:
        return []
    scores = np.array([means for _, _, means in entries])
    ranks = np.stack([_ranks(-scores[:, place]) for place in range(scores.shape[1])], axis=1)
    found = []
    for (method, condition, means), own in zip(entries, ranks, strict=True):
        low, high = _interval(own) if grid.tested else (None, None)  # none before every declared run is there
        found.append(Rank(method, condition, float(np.mean(means)), float(own.mean()), low, high))
    return sorted(found, key=lambda entry: (entry.rank, -entry.mean, entry.method, entry.condition))


def matrix(grid: Grid, entries: Sequence[Rank]) -> list[list[float | None]]:
    """Chance that a run of the row's entry beats one of the column's, mean over tasks and primary budgets."""
    cells = [(task, k) for task in _tasks(grid) for k in grid.ks if k in grid.suite.primary_k]
    values = [[_of(grid, task, entry.method, entry.condition, k) for task, k in cells] for entry in entries]

    def chance(a: int, b: int) -> float | None:
        if a == b:
            return None
        shares = [_beats(ours, theirs) for ours, theirs in zip(values[a], values[b], strict=True)]
        known = [share for share in shares if share is not None]
        return float(np.mean(known)) if known else None

    places = range(len(entries))
    return [[chance(a, b) for b in places] for a in places]


def _tasks(grid: Grid) -> tuple[str, ...]:
    return grid.suite.tasks


def _all(grid: Grid, task: str, method: str, condition: str, k: int) -> np.ndarray:
    return np.array([run.metrics["accuracy"] for run in grid.cell(task, method, condition, k)], dtype=np.float64)


def _of(grid: Grid, task: str, method: str, condition: str, k: int) -> list[np.ndarray]:
    """Accuracies of a cell, teacher by teacher."""
    runs = grid.cell(task, method, condition, k)
    return [
        np.array([run.metrics["accuracy"] for run in runs if run.record.spec.track == name], dtype=np.float64)
        for name in grid.on_teachers
    ]


def _beats(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float | None:
    """Mean over the teachers that both have."""
    gaps = [own[:, None] - other[None, :] for own, other in zip(ours, theirs, strict=True) if len(own) and len(other)]
    return float(np.mean([np.mean((gap > 0) + 0.5 * (gap == 0)) for gap in gaps])) if gaps else None


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, equals share the mean of theirs."""
    gap = values[:, None] - values[None, :]
    order, equal = gap > TIE, np.abs(gap) <= TIE
    return np.asarray(order.sum(axis=1) + (equal.sum(axis=1) + 1) / 2)


def _interval(ranks: np.ndarray) -> tuple[float | None, float | None]:
    """t interval of the mean rank over tasks; not estimable below five tasks."""
    from cod_bench.analysis.stats import mean_interval

    if len(ranks) < TASKS_NEEDED:
        return None, None
    return mean_interval(ranks) or (None, None)
