"""Points of accuracy against cost -> one axis: a line a condition, floors in grey, the frontier behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cod_bench.analysis import frontier as frontiers
from cod_bench.analysis.frontier import Axis, Point
from cod_bench.reports.figures.curves import GREY, whiskers
from cod_bench.reports.figures.limits import Limits, Spot, limits
from cod_bench.reports.figures.scale import Scale, of_costs, step_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRONTIER, FLOORS = "frontier", "floors"
"""What a legend calls it, and the title of a panel of nothing but floors."""
FLOOR_LOOKS = ("*", "P", "X", "h", "<", ">")
"""Markers of floors, in the order of tables."""
APART = 0.008
"""Of the axis, between conditions at one cost."""


def known(points: Iterable[Point], axis: Axis) -> list[Point]:
    """The points that counted this cost."""
    return [point for point in points if point.costs[axis.name] is not None]


def shown(points: Iterable[Point], axis: Axis, methods: Sequence[str], conditions: Sequence[str]) -> list[Point]:
    """What a figure of these methods and conditions is about: their points, floors, and the frontier of all."""
    there = known(points, axis)
    best = {_key(point) for point in frontiers.frontier(there, axis.name)}
    return [
        point
        for point in there
        if point.floor or _key(point) in best
        or (point.method in methods and (not conditions or point.condition in conditions))
    ]  # fmt: skip


def ends(points: Iterable[Point]) -> Limits:
    """The axis of accuracy that holds these points, in %."""
    return limits([_spot(point, 0.0) for point in points], least=0.0, most=100.0)


def draw(
    ax: Axes, points: Sequence[Point], axis: Axis, own: Sequence[Point], looks: dict[str, tuple[str, str, str]], *,
    ringed: bool, method: Callable[[str], str] = str, condition: Callable[[str], str] = str,
) -> None:  # fmt: skip
    """Draw on an axis, whose costs are logarithmic where they span a decade, with room for 0.

    Args:
        points: all that the figure is `shown` to be about: these make the axes and the frontier.
        axis: the cost.
        own: the points of this axis, floors among them.
        looks: of conditions.
        ringed: whether there is a frontier: draw it, and a ring around each point on it.
        method, condition: what these are called.
    """
    from matplotlib.ticker import MaxNLocator

    there = known(points, axis)
    across = of_costs(point.costs[axis.name] or 0.0 for point in there)
    on = ends(there)
    _scaled(ax, across)
    if ringed and there:
        corners = [(_back(across, x), 100 * y) for x, y in step_line(there, axis, across, Scale(0.0, 100.0))]
        ax.plot(*zip(*corners, strict=True), color="#bbbbbb", linewidth=3, zorder=1, label=FRONTIER)
    students = [point for point in known(own, axis) if not point.floor]
    conditions = list(dict.fromkeys(point.condition for point in students))
    places: dict[tuple[str, str, int], tuple[float, float]] = {}
    for place, name in enumerate(conditions):
        curve = _in_order([point for point in students if point.condition == name], axis)
        # side by side, so that whiskers at one cost do not cover each other
        shift = APART * (place - (len(conditions) - 1) / 2)
        xs = [_back(across, across.at(point.costs[axis.name] or 0.0) + shift) for point in curve]
        colour, marker, dash = looks[name]
        spots = [_spot(point, x) for point, x in zip(curve, xs, strict=True)]
        whiskers(ax, xs, spots, on, color=colour, marker=marker, linestyle=dash, label=condition(name))
        places |= {_key(point): (spot.at, spot.mean) for point, spot in zip(curve, spots, strict=True)}
    floors = [point for point in known(own, axis) if point.floor]
    for turn, name in enumerate(dict.fromkeys(point.method for point in floors)):
        alike = _in_order([point for point in floors if point.method == name], axis)
        spots = [_spot(point, point.costs[axis.name] or 0.0) for point in alike]
        marker = FLOOR_LOOKS[turn % len(FLOOR_LOOKS)]
        whiskers(ax, [spot.at for spot in spots], spots, on, color=GREY, marker=marker, markersize=5.5,
                 label=f"{method(name)} (floor)")  # fmt: skip
        places |= {_key(point): (spot.at, spot.mean) for point, spot in zip(alike, spots, strict=True)}
    if ringed:
        marked = {_key(point) for point in frontiers.frontier(there, axis.name)}
        for key in sorted(marked & places.keys()):
            ax.plot(*places[key], "o", markersize=10, markerfacecolor="none", markeredgecolor="#000000", mew=0.9)
    ax.set_xlim(_back(across, -0.02), _back(across, 1.02))
    ax.set_ylim(*on)
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ticks = _thinned(across.ticks)
    ax.set_xticks([_back(across, place) for place, _ in ticks], [said for _, said in ticks], fontsize="small")
    ax.minorticks_off()
    ax.set_xlabel(f"{axis.many} a task")
    ax.grid(alpha=0.25)


def _scaled(ax: Axes, across: Scale) -> None:
    """Costs stand where `across` says, at their own values."""
    if across.log:
        ax.set_xscale("function", functions=(np.vectorize(lambda v: _forth(across, v), otypes=[float]),
                                             np.vectorize(lambda v: _back(across, v), otypes=[float])))  # fmt: skip


def _forth(across: Scale, cost: float) -> float:
    """The place of a cost; between 0 and the smallest in a straight line, so that every place has one cost."""
    if across.zero and cost < across.low:
        first = across.zero / 3
        return first + (across.zero - first) * cost / across.low
    return across.at(cost)


def _back(across: Scale, place: float) -> float:
    """The cost of a place."""
    if not across.log:
        return across.low + place * (across.high - across.low)
    if across.zero and place < across.zero:
        first = across.zero / 3
        return across.low * (place - first) / (across.zero - first)
    return float(across.low * (across.high / across.low) ** ((place - across.zero) / (1 - across.zero)))


def _thinned(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Ticks whose labels do not touch."""
    kept: list[tuple[float, str]] = []
    for place, said in ticks:
        if not kept or place - kept[-1][0] >= 0.03 * (len(said) + len(kept[-1][1])) / 2 + 0.03:
            kept.append((place, said))
    return kept


def _spot(point: Point, at: float) -> Spot:
    low, high = (None if end is None else 100 * end for end in (point.low, point.high))
    return Spot(at, 100 * point.accuracy, low, high, point.runs)


def _in_order(points: Sequence[Point], axis: Axis) -> list[Point]:
    return sorted(points, key=lambda point: (point.costs[axis.name] or 0.0, point.k))


def _key(point: Point) -> tuple[str, str, int]:
    return point.method, point.condition, point.k
