"""Values and their intervals -> the ends of an axis that no single long whisker rules. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

LONG = 1.5
"""Halves of an interval count for the axis up to so many times the figure's median one."""
MARGIN = 0.04
"""Of the axis, free at either end."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A mean with its interval; no ends where there is none."""

    at: float
    """Its place on the other axis: k, a row, a cost."""
    mean: float
    low: float | None = None
    high: float | None = None
    n: int = 0
    """Runs that it is of."""


Limits = tuple[float, float]


def limits(
    spots: Sequence[Spot], others: Iterable[float] = (), *, least: float | None = None, most: float | None = None
) -> Limits:
    """Ends that hold every mean and other value, and of each interval as much as most have.

    Args:
        spots: what is drawn with whiskers.
        others: what is drawn without, and must be seen.
        least, most: where the quantity itself ends.
    """
    ends = list(others)
    halves = [half for spot in spots for half in _halves(spot)]
    reach = LONG * float(np.median(halves)) if halves else 0.0
    for spot in spots:
        below, above = _halves(spot) or (0.0, 0.0)
        ends += [spot.mean - min(below, reach), spot.mean + min(above, reach)]
    if not ends:
        return (0.0, 1.0)
    low, high = min(ends), max(ends)
    margin = MARGIN * max(high - low, 1.0)
    low, high = low - margin, high + margin
    return (low if least is None else max(low, least), high if most is None else min(high, most))


def beyond(spot: Spot, ends: Limits) -> tuple[bool, bool]:
    """Whether an interval goes on below and above the ends of the axis."""
    if spot.low is None or spot.high is None:
        return (False, False)
    return (spot.low < ends[0], spot.high > ends[1])


def _halves(spot: Spot) -> tuple[float, float] | tuple[()]:
    if spot.low is None or spot.high is None:
        return ()
    # equal seeds: the sum of their shares differs in its last bit
    return (max(0.0, spot.mean - spot.low), max(0.0, spot.high - spot.mean))
