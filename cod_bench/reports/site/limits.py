"""Grids with their claims -> where the headline does not hold: what is ahead of `cod`, tasks without a gain. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cod_bench.analysis import claims, paired, stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import Claim
from cod_bench.reports.gains import ahead_of_cod
from cod_bench.reports.tables import counted, interval, points
from cod_bench.spec import RunSpec


@dataclass(frozen=True, slots=True)
class Limit:
    """One place where `cod` does not gain, or one condition that gains more."""

    name: str
    """Of the condition or the task."""
    told: str
    suite: str
    rival: bool
    at: float
    """By how much it is short, as a share: orders the list."""
    elsewhere: tuple[str, ...] = ()
    """Of a task, the suites in which its interval lies above 0."""


def of(shown: Sequence[tuple[Grid, Sequence[Claim]]]) -> list[Limit]:
    """Rivals first, then tasks, the worst in front; of complete grids alone, and of none that somebody submitted.

    A task is named where the mean over methods, over the primary budgets, has an interval that holds 0 or lies below;
    under four seeds, which have no interval, where not every seed gains. Single tasks carry no verdict. Where a suite
    sets a method against ablations of it, or names its comparisons one by one, its first method alone speaks.
    """
    whole = [(g, own) for g, own in shown if g.complete and not (g.suite.submitted or g.suite.tried)]
    found = [limit for grid, own in whole for limit in _rivals(grid, own)]
    seen: set[RunSpec] = set()
    gains: dict[str, list[str]] = {}
    for grid, _ in whole:
        found += _tasks(grid, seen, gains)
    found = [limit if limit.rival else replace(limit, elsewhere=tuple(gains.get(limit.name, ()))) for limit in found]
    return sorted(found, key=lambda limit: (not limit.rival, limit.at))


def _rivals(grid: Grid, own: Sequence[Claim]) -> Iterator[Limit]:
    for claim in own:
        gain = claim.gains[0]
        e = gain.effect
        if not ahead_of_cod(claim) or e is None or e.low is None or e.high is None:
            continue
        about = grid.conditions_about.get(gain.over)
        unequal = "" if about is None or about.equal_k else "; not at equal k"
        told = f"is ahead of cod by {points(-e.estimate)} {interval(-e.high, -e.low)} points ({gain.method}){unequal}"
        yield Limit(gain.over, told, grid.suite.name, rival=True, at=e.estimate)


def _tasks(grid: Grid, seen: set[RunSpec], gains: dict[str, list[str]]) -> Iterator[Limit]:
    """The tasks without a gain; runs that an earlier grid has spoken for are added to `seen` and not told again.

    Args:
        gains: task -> suites whose interval lies above 0; added to.
    """
    have = [method for method in grid.methods if grid.primary(method, *claims.MAIN_PAIR)]
    methods = have if grid.suite.pooled and not claims.by_asking(grid) else have[:1]
    ks = [k for k in grid.ks if all(k in grid.primary(method, *claims.MAIN_PAIR) for method in methods)]
    for task in grid.suite.tasks if methods and ks else ():
        cells = [grid.cell(task, m, c, k) for m in methods for c in claims.MAIN_PAIR for k in ks]
        specs = {run.record.spec for cell in cells for run in cell}
        if specs <= seen:
            continue
        seen |= specs
        found = paired.mean_differences(grid, task, methods, claims.MAIN_PAIR, ks)
        if not len(found.units):
            continue
        if told := _flat(found):
            yield Limit(task, told, grid.suite.name, rival=False, at=float(found.units.mean()))
        elif len(found.units) >= stats.FEWEST:
            gains.setdefault(task, []).append(grid.suite.name)


def _flat(found: paired.Differences) -> str:
    """What is told of a task's gain where it is not above 0; empty where it is."""
    units, n = found.units, len(found.units)
    won = int(np.sum(units > 0))
    mean, seeds = float(units.mean()), f"{won} of {counted(n, 'seed')} {'gains' if won == 1 else 'gain'}"
    error = stats.unit_error([units])
    if n < stats.FEWEST or error is None:
        return "" if won == n else f"{points(mean)} points; {seeds}, too few for an interval"
    half = stats.half_width(error, stats.row_error([found.rows]), n - 1)
    if mean - half > 0:
        return ""
    state = "lies below 0" if mean + half < 0 else "holds 0"
    return f"{points(mean)} {interval(mean - half, mean + half)} points, an interval that {state}; {seeds}"
