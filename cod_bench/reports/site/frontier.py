"""A grid -> the page's charts of accuracy against cost, one an axis, with their sentences and their table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cod_bench.analysis import frontier as frontiers
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.frontier import AXES, Axis, Point
from cod_bench.reports import frontier as told
from cod_bench.reports.figures.scale import Scale, amount, of_accuracies, of_costs, short, step_line
from cod_bench.reports.site.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Style
from cod_bench.reports.tables import percent

FLOORS = "floors"


@dataclass(frozen=True, slots=True)
class Spot:
    """One point with its whisker, in panel units, and what it says; ringed where it stands on the frontier."""

    x: float
    y: float
    low: float | None
    high: float | None
    ringed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """The points of one condition by their cost; those of the floors have no style and no path.

    Floors stand in the first panel of an axis, and the others repeat its drawing: there they have no spots.
    """

    style: Style | None
    path: str
    spots: tuple[Spot, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One method against one cost, with the frontier of all methods."""

    method: str
    lines: tuple[Line, ...]
    frontier: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    label: str
    """The panel in words, for those who do not see it."""


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows of one axis; no panel where nothing costs anything or nothing was counted."""

    axis: Axis
    sentence: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """All axes of one section; no view where no cost was counted, and then `missing` says so. Texts are markdown."""

    views: tuple[View, ...]
    first: str
    """The axis to open on."""
    table: str
    missing: str


def chart(grid: Grid, styles: Mapping[str, Style]) -> Chart:
    """The charts of a grid; conditions look as everywhere on the page, whose styles these are."""
    points = frontiers.of(grid)
    if told.nothing_counted(points):
        return Chart((), "", "", told.uncounted(points))
    views = tuple(
        View(axis, told.sentence(grid, points, axis), _panels(grid, points, axis, styles)) for axis in AXES.values()
    )
    first = next((view.axis.name for view in views if view.panels), views[0].axis.name)
    whole = told.table(points, list(AXES.values()), marks=grid.complete)
    return Chart(views, first, f"{whole}\n\n{told.caption(grid)}", "")


def _panels(grid: Grid, points: Sequence[Point], axis: Axis, styles: Mapping[str, Style]) -> tuple[Panel, ...]:
    known = [point for point in points if point.costs[axis.name] is not None]
    if not told.costs_anything(known, axis):
        return ()
    across, up = of_costs(_cost(point, axis) for point in known), of_accuracies(known)
    on = frontiers.frontier(known, axis.name) if grid.complete else []
    corners = step_line(known, axis, across, up) if grid.complete else []
    floors = [point for point in known if point.floor]
    methods = list(dict.fromkeys(point.method for point in known if not point.floor)) or [FLOORS]
    found: list[Panel] = []
    for method in methods:
        own = [point for point in known if point.method == method and not point.floor]
        conditions = list(dict.fromkeys(point.condition for point in own))
        lines, words = [], []
        for place, condition in enumerate(conditions):
            curve = sorted((p for p in own if p.condition == condition), key=lambda p: (_cost(p, axis), p.k))
            # side by side, so that whiskers at one cost do not cover each other
            spots = _spots(curve, axis, across, up, on, shift=2 * (place - (len(conditions) - 1) / 2))
            path = "M" + "L".join(f"{short(spot.x)} {short(spot.y)}" for spot in spots)
            lines.append(Line(styles[condition], path, spots))
            words.append(f"{condition} " + ", ".join(_in_words(point, axis) for point in curve))
        if floors:  # they are the same in every panel, so that only the first one spells them out
            lines.append(Line(None, "", () if found else _spots(floors, axis, across, up, on)))
            each = ", ".join(f"{point.method} {_in_words(point, axis)}" for point in floors)
            words.append("floors as in the first panel" if found else f"floors {each}")
        step = "L".join(f"{short(_x(x))} {short(_y(y))}" for x, y in corners)
        found.append(
            Panel(
                method, tuple(lines), f"M{step}" if step else "",
                tuple((_x(x), text) for x, text in across.ticks), tuple((_y(y), text) for y, text in up.ticks),
                f"Accuracy in % of {method} against {axis.many} a task: {'; '.join(words)}.",
            )
        )  # fmt: skip
    return tuple(found)


def _spots(
    points: Sequence[Point], axis: Axis, across: Scale, up: Scale, on: Sequence[Point], *, shift: float = 0.0
) -> tuple[Spot, ...]:
    """Points where they stand, with their tooltips."""
    ringed = {id(point) for point in on}
    found = []
    for point in points:
        ends = [None if end is None else _y(up.at(100 * end)) for end in (point.low, point.high)]
        bounds = "" if point.low is None else f" [{percent(point.low)}, {percent(point.high)}]"
        text = f"{point.method}, {point.condition}, k = {point.k}: {percent(point.accuracy)} %{bounds}, "
        text += f"n = {point.runs}, {told.with_unit(_cost(point, axis), axis)} a task"
        text += ", on the frontier" if id(point) in ringed else ""
        x, y = _x(across.at(_cost(point, axis))) + shift, _y(up.at(100 * point.accuracy))
        found.append(Spot(x, y, ends[0], ends[1], id(point) in ringed, text))
    return tuple(found)


def _in_words(point: Point, axis: Axis) -> str:
    return f"{percent(point.accuracy)} for {amount(_cost(point, axis))}"


def _cost(point: Point, axis: Axis) -> float:
    """A known cost."""
    return point.costs[axis.name] or 0.0


def _x(place: float) -> float:
    return LEFT + place * (WIDTH - LEFT - RIGHT)


def _y(place: float) -> float:
    return HEIGHT - BOTTOM - place * (HEIGHT - BOTTOM - TOP)
