"""Costs and accuracies of points -> their places on the axes of a figure, with ticks. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cod_bench.analysis import frontier as frontiers
from cod_bench.analysis.frontier import Axis, Point


@dataclass(frozen=True, slots=True)
class Scale:
    """Where amounts stand on a line from 0 to 1, and its ticks (place, label)."""

    low: float
    high: float
    log: bool = False
    zero: float = 0.0
    """Share of a logarithmic line that is set aside on its left for 0."""

    def at(self, value: float) -> float:
        """The place of an amount."""
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        if value <= 0:
            return self.zero / 3
        return self.zero + (1 - self.zero) * math.log(value / self.low) / math.log(self.high / self.low)

    @property
    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Round amounts: up to seven where the line is linear, else three a decade or fewer."""
        if not self.log:
            step = _round_step((self.high - self.low) / 6)
            first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
            return tuple((self.at(n * step), amount(n * step)) for n in range(first, last + 1))
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        span = self.high / self.low
        parts = (1, 2, 5) if span < 60 else (1, 3) if span < 3000 else (1,)
        values = [part * 10.0**decade for decade in decades for part in parts]
        if span > 1e6:
            values = values[::2]
        own = tuple((self.at(v), amount(v)) for v in values if self.low <= v <= self.high)
        return ((self.at(0.0), "0"), *own) if self.zero else own


def amount(spent: float) -> str:
    """A cost, or a tick, in as many digits as tell something."""
    if spent < 0:
        return f"-{amount(-spent)}"
    if spent == 0 or spent >= 100:
        return f"{spent:,.0f}"
    if spent >= 1:
        return f"{spent:.1f}".removesuffix(".0")
    return f"{spent:.{min(9, 1 - math.floor(math.log10(spent)))}f}".rstrip("0").removesuffix(".")


def short(place: float) -> str:
    """A place in a drawing to a tenth of a unit: a page has tens of thousands of them."""
    return f"{place:.1f}".removesuffix(".0")


def of_costs(costs: Iterable[float]) -> Scale:
    """From 0, or logarithmic where the amounts above 0 span a decade or more."""
    values = list(costs)
    above = [value for value in values if value > 0]
    if above and max(above) >= 10 * min(above):
        return Scale(min(above) / 1.3, max(above) * 1.3, log=True, zero=0.12 if len(above) < len(values) else 0.0)
    return Scale(0.0, 1.1 * max(above, default=1.0))


def of_accuracies(points: Iterable[Point]) -> Scale:
    """In %, between round values that hold every point and its interval."""
    values = [100 * v for p in points for v in (p.accuracy, p.low, p.high) if v is not None]
    step = _round_step(max(1.0, (max(values) - min(values)) / 5))
    low = step * math.floor(min(values) / step)
    return Scale(low, max(step * math.ceil(max(values) / step), low + step))


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(part * power for part in (1, 2, 5, 10) if part * power >= least * (1 - 1e-9))


def step_line(points: Sequence[Point], axis: Axis, across: Scale, up: Scale) -> list[tuple[float, float]]:
    """The corners of a frontier, from its cheapest point to the end of the axis."""
    corners: list[tuple[float, float]] = []
    for level in frontiers.steps(points, axis.name, most=len(points) + 2)[0]:
        x, y = across.at(level.cost), up.at(100 * level.points[0].accuracy)
        corners += [(x, corners[-1][1])] if corners else []
        corners.append((x, y))
    return [*corners, (1.0, corners[-1][1])] if corners else []
