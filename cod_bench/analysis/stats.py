"""Paired differences of units (task, seed) -> test, interval, Holm. Pure numpy and scipy; the RNG is passed in.

The estimator, once for every table: a unit is (task, seed); its difference is averaged over k. The estimate is the mean
over tasks of the mean over seeds. Two things vary it, and both standard errors are shown:

- units: `se_units`^2 = sum over tasks of s_t^2 / n_t / tasks^2, s_t the standard deviation over the task's seeds;
- evaluation rows: `se_rows`^2 = the variance, over resampled evaluation rows, of the mean over tasks of the seed- and
  k-averaged paired difference. For a mean the bootstrap's variance is known in closed form (its value for infinitely
  many draws), so none is drawn and no simulation noise enters the tables.

The 95 % interval is estimate +- sqrt((t(0.975, df) * se_units)^2 + (1.96 * se_rows)^2) with df = sum over tasks of
(n_t - 1): the units' spread is known from few of them and takes t, the rows' from hundreds and takes the normal one.
Seed-by-row noise is counted in both parts, so the interval errs on the wide side; the tests measure its coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

EXACT_UNITS = 16
"""Up to so many units all 2^n sign patterns are enumerated (65,536)."""
DRAWS = 99_999
FEWEST = 4
"""Fewer units get neither interval nor p: two of them span a hundred points, and no p of theirs is below a quarter."""
ROWS_DF = 10**6
"""Degrees of freedom of the row part: as good as normal."""
TASKS_NEEDED = 5
"""Fewer tasks say nothing about new tasks: "not estimable"."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Effect:
    """One paired comparison. Differences are shares (0.01 = one accuracy point); None where not estimable."""

    estimate: float
    se_units: float | None
    se_rows: float
    df: int
    low: float | None
    high: float | None
    p: float
    smallest_p: float
    exact: bool
    units: int
    tasks: int
    won: int
    """Units with a positive difference."""
    new_tasks: tuple[float, float] | None
    """95 % interval that also resamples tasks; None under five tasks."""


def effect(differences: Sequence[Floats], rows: Sequence[Floats], rng: np.random.Generator) -> Effect:
    """The comparison of two conditions; see `effects`."""
    return effects([(differences, rows)], rng)[0]


def effects(comparisons: Sequence[tuple[Sequence[Floats], Sequence[Floats]]], rng: np.random.Generator) -> list[Effect]:
    """Several comparisons; those of equal shape share the drawn sign patterns.

    Args:
        comparisons: each with, per task, the unit differences [seeds], and, per task, the seed- and k-averaged paired
            difference of correctness [evaluation rows].
        rng: draws sign patterns where there are too many to enumerate.

    Raises:
        ValueError: a comparison without tasks, a task without units, or row arrays for other than these tasks.
    """
    shapes: dict[tuple[int, ...], list[int]] = {}
    for place, (differences, rows) in enumerate(comparisons):
        if not differences or len(differences) != len(rows) or any(len(d) == 0 for d in differences):
            raise ValueError("differences and rows need one non-empty array per task")
        shapes.setdefault(tuple(len(d) for d in differences), []).append(place)
    found: dict[int, Effect] = {}
    for places in shapes.values():
        weights = stacked(comparisons[places[0]][0])[1]
        units = np.stack([stacked(comparisons[place][0])[0] for place in places])
        for place, unit, p in zip(places, units, sign_flip(units, weights, rng), strict=True):
            found[place] = _effect(*comparisons[place], unit, weights, float(p))
    return [found[place] for place in range(len(comparisons))]


def _effect(differences: Sequence[Floats], rows: Sequence[Floats], units: Floats, weights: Floats, p: float) -> Effect:
    estimate = float(units @ weights)
    se_units, se_rows, df = unit_error(differences), row_error(rows), sum(len(d) - 1 for d in differences)
    half = None if se_units is None else half_width(se_units, se_rows, df)
    return Effect(
        estimate=estimate,
        se_units=se_units,
        se_rows=se_rows,
        df=df,
        low=None if half is None else estimate - half,
        high=None if half is None else estimate + half,
        p=p,
        smallest_p=smallest_p(len(units)),
        exact=len(units) <= EXACT_UNITS,
        units=len(units),
        tasks=len(differences),
        won=int(np.sum(units > 0)),
        new_tasks=new_tasks(differences),
    )


def stacked(differences: Sequence[Floats]) -> tuple[Floats, Floats]:
    """All units [n] and their weights [n] in the mean over tasks of the mean over seeds."""
    weights = [np.full(len(d), 1 / (len(d) * len(differences))) for d in differences]
    return np.concatenate(list(differences)).astype(np.float64), np.concatenate(weights)


def sign_flip(units: Floats, weights: Floats, rng: np.random.Generator) -> Floats:
    """Two-sided p of the sign-flip test over whole units, for many data sets at once.

    Exact up to `EXACT_UNITS` units, else (b + 1) / (m + 1) over m = 99,999 drawn sign patterns.

    Its null is that the two sides are exchangeable within a unit, so that a difference is as likely as its opposite. A
    mean of 0 is less: where one side alone collapses now and then it rejects too often (the self-checks say how often),
    which is why a verdict needs the interval too.

    Args:
        units: differences [data sets, units].
        weights: weight of each unit in the statistic [units].

    Returns:
        p [data sets]; 1 where every difference is 0.
    """
    weighted = units * weights
    observed = np.abs(weighted.sum(axis=1))
    # Sums in another order differ in their last bits; such a pattern is a tie and counts.
    bound: Floats = observed - 1e-9 * np.abs(weighted).sum(axis=1) - 1e-15
    n = units.shape[1]
    if n <= EXACT_UNITS:
        reached = _reached(_patterns(n), weighted, bound)
        return np.asarray(reached / 2 ** (n - 1), dtype=np.float64)
    total = np.zeros(len(units), dtype=np.int64)
    for start in range(0, DRAWS, 10_000):
        size = min(10_000, DRAWS - start)
        signs = rng.integers(0, 2, size=(size, n), dtype=np.int8).astype(np.float64) * 2 - 1
        total += _reached(signs, weighted, bound)
    return np.asarray((total + 1) / (DRAWS + 1), dtype=np.float64)


def smallest_p(units: int) -> float:
    """The smallest p that the design can reach: all units of one sign, and the other way round."""
    floor = 2.0 / 2.0**units
    return min(1.0, floor if units <= EXACT_UNITS else max(floor, 1 / (DRAWS + 1)))


def unit_error(differences: Sequence[Floats]) -> float | None:
    """Standard error over units, stratified by task; None where a task has a single seed."""
    if any(len(d) < 2 for d in differences):
        return None
    return float(np.sqrt(sum(float(np.var(d, ddof=1)) / len(d) for d in differences)) / len(differences))


def row_error(rows: Sequence[Floats]) -> float:
    """Standard error over evaluation rows: the row bootstrap's, resampled within each task, in closed form."""
    return float(np.sqrt(sum(float(np.var(r)) / len(r) for r in rows)) / len(rows))


def half_width(se_units: float, se_rows: float, df: int, level: float = 0.95) -> float:
    """Half of the interval: the units' t half-width and the rows' normal half-width, added in squares."""
    return float(np.hypot(quantile(df, level) * se_units, quantile(ROWS_DF, level) * se_rows))


def equivalence(estimate: float, se_units: float | None, se_rows: float, df: int, margin: float) -> float:
    """p of the two one-sided tests that the mean lies within +- margin: the smallest level alpha at which the 1 - 2
    alpha interval, made as every interval here, lies within it; 1 where the estimate does not or no error is known."""
    room = margin - abs(estimate)
    if room <= 0 or se_units is None:
        return 1.0
    low, high = 0.0, 0.5  # of alpha; the interval is wider the smaller alpha is
    for _ in range(60):
        alpha = (low + high) / 2
        low, high = (low, alpha) if half_width(se_units, se_rows, df, 1 - 2 * alpha) <= room else (alpha, high)
    return high


@lru_cache(maxsize=256)
def quantile(df: int, level: float = 0.95) -> float:
    """Two-sided t quantile."""
    from scipy.special import stdtrit  # scipy.stats has the same behind an import ten times as long

    return float(stdtrit(df, (1 + level) / 2))


def new_tasks(differences: Sequence[Floats], level: float = 0.95) -> tuple[float, float] | None:
    """Interval for tasks drawn anew: t over task means, which carry the noise of units and rows with them."""
    if len(differences) < TASKS_NEEDED:
        return None
    means = np.array([d.mean() for d in differences])
    half = quantile(len(means) - 1, level) * float(means.std(ddof=1)) / np.sqrt(len(means))
    return float(means.mean() - half), float(means.mean() + half)


def mean_interval(values: Floats, level: float = 0.95) -> tuple[float, float] | None:
    """t interval of one cell's mean over seeds, evaluation rows fixed; None for fewer than FEWEST seeds."""
    if len(values) < FEWEST:
        return None
    half = quantile(len(values) - 1, level) * float(values.std(ddof=1)) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def holm(p: Sequence[float]) -> list[float]:
    """Holm-adjusted p of one family, in the given order.

    statsmodels' `multipletests` gives the same (tested), but collects garbage on every call: seconds with many records.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return [float(v) for v in adjusted]


@lru_cache(maxsize=32)
def _patterns(n: int) -> Floats:
    # The statistic is compared by size, so a pattern and its mirror image count alike: the first sign is held at +.
    bits = (np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1
    return 1.0 - 2.0 * bits.astype(np.float64)


def _reached(signs: Floats, weighted: Floats, bound: Floats) -> NDArray[np.int64]:
    """How many sign patterns reach the bound [data sets], in blocks that stay small in memory."""
    block = max(1, 4_000_000 // len(signs))
    found = [
        np.count_nonzero(np.abs(signs @ weighted[i : i + block].T) >= bound[i : i + block], axis=0)
        for i in range(0, len(weighted), block)
    ]
    return np.concatenate(found).astype(np.int64)
