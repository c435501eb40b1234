"""Spread in records -> how many seeds a design needs to see an effect. Pure; normal theory, checked by simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cod_bench.analysis import claims, paired, stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import ALPHA
from cod_bench.errors import UsageError

WANTED = 0.8
MOST_SEEDS = 200


@dataclass(frozen=True, slots=True)
class Need:
    """What one comparison of one method needs."""

    method: str
    condition: str
    over: str
    spread: tuple[float, ...]
    """Standard deviation over seeds of the paired difference (averaged over teachers and k), per task, in shares."""
    power_now: float
    """With the seeds that the suite declares, at the level that Holm asks of the first of its family."""
    family: str
    """What Holm corrects over, such as `3 methods`."""
    seeds: int | None
    """For 80 % power; None if `MOST_SEEDS` do not do."""


def needs(grid: Grid, effect: float, pair: tuple[str, str] = ("cod", "standard")) -> list[Need]:
    """One entry a method.

    Args:
        effect: true mean difference in shares (0.02 = two points), the same in every task.

    Raises:
        UsageError: an effect outside (0, 1), or a task with fewer than two seeds of both sides.
    """
    if not 0 < effect < 1:
        raise UsageError(f"--effect {effect}: is a share of accuracy; choose one above 0 and below 1, such as 0.02")
    found = []
    for method in grid.methods:
        named = [own for one, own in claims.asked(grid, method) if (one.condition, one.over) == pair]
        ks = named[0] if named else grid.primary(method, *pair)
        if not ks:
            continue
        units = [paired.differences(grid, task, method, pair, ks).units for task in grid.suite.tasks]
        short = [task for task, values in zip(grid.suite.tasks, units, strict=True) if len(values) < 2]
        if short:
            raise UsageError(
                f"power: {method} on {short[0]!r} has fewer than two seeds of {pair[0]} and {pair[1]}; run two or more"
            )
        spread = tuple(float(values.std(ddof=1)) for values in units)
        size, noun = _family(grid, method)
        level = ALPHA / max(size, 1)
        enough = next((n for n in range(2, MOST_SEEDS + 1) if power(effect, spread, n, level) >= WANTED), None)
        now = power(effect, spread, len(grid.suite.seeds), level)
        found.append(Need(method, *pair, spread, now, f"{size} {noun}{'' if size == 1 else 's'}", enough))
    return found


def _family(grid: Grid, method: str) -> tuple[int, str]:
    """How many of what Holm corrects over where a method's gain is tested."""
    if claims.by_asking(grid):
        return len(claims.asked(grid, method)), "comparison"
    if claims.by_conditions(grid):
        return [family for family, _ in claims.families(grid, method)].count(claims.COD_OVER), "comparison"
    return len(grid.methods), "method"


def power(effect: float, spread: Sequence[float], seeds: int, level: float) -> float:
    """Chance that the two-sided test over units rejects, by the noncentral t distribution.

    0 where the design is too small for the sign-flip test to reach the level at all.

    Args:
        spread: standard deviation of a unit's difference, per task.
        seeds: of each task.
    """
    from scipy.special import nctdtr

    tasks = len(spread)
    if stats.smallest_p(tasks * seeds) > level:
        return 0.0
    error = float(np.sqrt(np.sum(np.square(spread)) / seeds)) / tasks
    df = tasks * (seeds - 1)
    bound = stats.quantile(df, 1 - level)
    if error == 0:
        return 1.0
    return float(1 - nctdtr(df, effect / error, bound) + nctdtr(df, effect / error, -bound))
