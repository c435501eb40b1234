"""Gains and cells -> the geometry and colours of the page's charts; the template draws them as SVG. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cod_bench.analysis import aggregate, stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import ALPHA, Gain
from cod_bench.reports import plots
from cod_bench.reports.figures.scale import short
from cod_bench.reports.tables import interval, number, p_value, points

PAPER, NIGHT = "#fdfcfa", "#16181b"
"""Background of the light and of the dark page."""
GRAPHIC_CONTRAST: Mapping[str, float] = {PAPER: 3.2, NIGHT: 4.5}
"""At least, between a line and the page (WCAG 2.2, 1.4.11 asks for 3)."""
FAR = "far apart"
DASHES: Mapping[str, str] = {"-": "", "--": "6 3", "-.": "7 3 1.5 3", ":": "1.5 3", FAR: "1.5 6"}
"""matplotlib's line style, or ours -> SVG's stroke-dasharray."""

CHANCE = "chance"
"""Of naming the larger class alone: its share among the evaluation rows."""

WIDTH, HEIGHT = 320, 232
LEFT, RIGHT, TOP, BOTTOM = 38, 12, 10, 40
"""A panel of curves, in its own units, and the margins of its axes."""


@dataclass(frozen=True, slots=True)
class Style:
    """How one condition is drawn on both pages; marker and dashes say the same as the colour."""

    condition: str
    css: str
    light: str
    dark: str
    marker: str
    dash: str


@dataclass(frozen=True, slots=True)
class Whisker:
    """One row of a forest plot; positions in % of its width, None where there is no value."""

    method: str
    condition: str
    over: str
    at: float | None
    low: float | None
    high: float | None
    clear: bool
    """Holm's p is at most 5 %: drawn filled."""
    points: str
    interval: str
    p: str
    ks: str


@dataclass(frozen=True, slots=True)
class Forest:
    """Gains on one scale with their ticks (position in %, label)."""

    rows: tuple[Whisker, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float


@dataclass(frozen=True, slots=True)
class Mark:
    """One mean of a curve with its whisker, in panel units, and what it says."""

    x: float
    y: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One condition's line through a panel."""

    style: Style
    path: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """A grey line that curves are measured against, such as a floor's."""

    label: str
    path: str
    dash: str
    behind: bool
    """Whether it is another condition of the same method."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Accuracy against k for one method in one task, of one condition where it has many."""

    task: str
    title: str
    levels: tuple[Level, ...]
    curves: tuple[Curve, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    label: str
    """The panel in words, for those who do not see it."""


def styles(conditions: Iterable[str]) -> dict[str, Style]:
    """The declared conditions' styles and those of others, in both colour schemes visible against the page."""
    return {
        condition: Style(
            condition,
            f"c{place}",
            visible(colour, PAPER),
            visible(colour, NIGHT),
            marker if marker.isalpha() else {"^": "up"}[marker],
            DASHES[dash],
        )
        for place, (condition, (colour, marker, dash)) in enumerate(plots.styles(conditions).items())
    }


def visible(colour: str, page: str) -> str:
    """The colour moved towards black or white until it stands out from the page, `PAPER` or `NIGHT`."""
    towards = 0.0 if luminance(page) > 0.5 else 1.0
    rgb = _rgb(colour)
    if towards and len(set(rgb)) == 1:
        rgb = [1 - value for value in rgb]  # black on paper is white at night, and greys keep their order
    for step in range(21):
        moved = [value + (towards - value) * step / 20 for value in rgb]
        found = "#" + "".join(f"{round(255 * value):02x}" for value in moved)
        if contrast(found, page) >= GRAPHIC_CONTRAST[page]:
            return found
    raise ValueError(f"no shade of {colour} stands out from {page}")


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """WCAG's relative luminance of #rrggbb."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in _rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _rgb(colour: str) -> list[float]:
    return [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]


def forest(gains: Sequence[Gain]) -> Forest:
    """Gains on one scale that holds 0 and every interval."""
    values = [100 * value for gain in gains for value in _bounds(gain) if value is not None]
    low, high = min([0.0, *values]), max([0.0, *values])
    step, margin = _step(high - low, 6), 0.05 * max(high - low, 1.0)
    scale = _scale((low - margin, high + margin), (0.0, 100.0))
    ticks = step * np.arange(math.ceil(low / step), math.floor(high / step) + 1)
    rows = []
    for gain in gains:
        at, least, most = (None if v is None else scale(100 * v) for v in _bounds(gain))
        e = gain.effect
        rows.append(
            Whisker(
                gain.method, gain.condition, gain.over, at, least, most,
                clear=gain.holm is not None and gain.holm <= ALPHA,
                points=points(gain.mean),
                interval=interval(e.low, e.high) if e else "",
                p=p_value(gain.holm) if e else "",
                ks=", ".join(map(str, gain.ks)),
            )
        )  # fmt: skip
    return Forest(tuple(rows), tuple((scale(v), f"{number(float(v), 0)}") for v in ticks), scale(0.0))


def _bounds(gain: Gain) -> tuple[float | None, float | None, float | None]:
    e = gain.effect
    return (gain.mean, None, None) if e is None else (e.estimate, e.low, e.high)


def panels(grid: Grid, conditions: Iterable[str]) -> list[list[Panel]]:
    """Per task with runs the panels of all methods, on one scale of accuracy; a condition looks as on all the page.

    Which panels there are and what they are measured against is that of the leaderboard's figures.
    """
    known = styles(conditions)
    found = []
    for task in grid.suite.tasks:
        means = {
            (method, condition): _means(grid, task, method, condition)
            for method in grid.methods
            for condition in grid.conditions(method)
        }
        values = [v for cells in means.values() for cell in cells for v in cell[1:4] if v is not None]
        if not values:
            continue
        levels = [*plots.levels(grid, task), *_chance(grid, task)]
        values += [value for level in levels for _, value in level.points]
        step = _step(max(values) - min(values), 5)
        low, high = step * math.floor(min(values) / step), step * math.ceil(max(values) / step)
        y = _scale((low, max(high, low + step)), (HEIGHT - BOTTOM, TOP))
        ticks = tuple((y(v), number(float(v), 0)) for v in np.arange(low, max(high, low + step) + step / 2, step))
        row = []
        for one in plots.panels(grid):
            cells = {condition: means[one.method, condition] for condition in one.conditions}
            behind = [
                plots.Level(name, plots.BEHIND[name], plots.means(grid, task, one.method, name)) for name in one.behind
            ]
            row.append(_panel(grid, task, one.title, cells, y, ticks, known, (levels, behind)))
        found.append(row)
    return found


def _chance(grid: Grid, task: str) -> list[plots.Level]:
    """What naming the larger class alone reaches; nothing where a figure has it already."""
    if task not in grid.majority:
        return []
    return [plots.Level(CHANCE, FAR, tuple((k, 100 * grid.majority[task]) for k in grid.ks))]


Mean = tuple[int, float, float | None, float | None, int]
"""k, mean, low and high in %, number of runs."""


def _means(grid: Grid, task: str, method: str, condition: str) -> list[Mean]:
    """Wherever there is a run; the t interval over seeds, averaged over teachers, only in a complete grid."""
    found = []
    for k in grid.ks_of(method, condition):
        runs = grid.cell(task, method, condition, k)
        if runs:
            values = np.array([float(run.metrics["accuracy"]) for run in runs]) * 100
            own = aggregate.by_seed(runs) * 100
            low, high = (stats.mean_interval(own) if grid.tested else None) or (None, None)
            found.append((k, float(values.mean()), low, high, len(runs)))
    return found


def _panel(
    grid: Grid, task: str, title: str, cells: Mapping[str, list[Mean]],
    y: Callable[[float], float], y_ticks: tuple[tuple[float, str], ...], known: Mapping[str, Style],
    grey: tuple[Sequence[plots.Level], Sequence[plots.Level]],
) -> Panel:  # fmt: skip
    ks = grid.ks
    x = _scale((math.log2(min(ks) / 1.3), math.log2(max(ks) * 1.3)), (LEFT, WIDTH - RIGHT))
    drawn = [(condition, own) for condition, own in cells.items() if own]
    curves, told = [], []
    for place, (condition, own) in enumerate(drawn):
        # side by side on the logarithmic axis, so that whiskers do not cover each other
        shift = 5 * (place - (len(drawn) - 1) / 2)
        marks = []
        for k, mean, low, high, n in own:
            bounds = "" if low is None or high is None else f" [{number(low, 1)}, {number(high, 1)}]"
            text = f"{condition}, k = {k}: {number(mean, 1)} %{bounds}, n = {n}"
            ends = [None if end is None else y(end) for end in (low, high)]
            marks.append(Mark(x(math.log2(k)) + shift, y(mean), ends[0], ends[1], text))
        path = "M" + "L".join(f"{short(mark.x)} {short(mark.y)}" for mark in marks)
        curves.append(Curve(known[condition], path, tuple(marks)))
        told.append(f"{condition} {', '.join(f'{number(mean, 1)} at {k}' for k, mean, *_ in own)}")
    x_ticks = tuple((x(math.log2(k)), str(k)) for k in ks)
    levels = [_level(level, x, y, behind=level in grey[1]) for level in (*grey[0], *grey[1]) if level.points]
    told += [level.label for level in levels]
    label = f"Accuracy in % of {title} on {task} against k: {'; '.join(told)}."
    return Panel(task, title, tuple(levels), tuple(curves), x_ticks, y_ticks, label)


def _level(level: plots.Level, x: Callable[[float], float], y: Callable[[float], float], *, behind: bool) -> Level:
    spots = [(x(math.log2(k)), y(value)) for k, value in level.points]
    if len(spots) == 1:  # a lone budget is a point, and no line
        spots = [(LEFT, spots[0][1]), (WIDTH - RIGHT, spots[0][1])]
    values = list(dict.fromkeys(number(value, 1) for _, value in level.points))
    label = f"{level.label}{' behind' if behind else ''} {', '.join(values)} %"
    return Level(label, "M" + "L".join(f"{short(a)} {short(b)}" for a, b in spots), DASHES[level.dash], behind)


def _scale(domain: tuple[float, float], target: tuple[float, float]) -> Callable[[float], float]:
    (a, b), (c, d) = domain, target
    return lambda value: c + (value - a) / (b - a) * (d - c)


def _step(span: float, most: int) -> float:
    """The smallest of 1, 2, 5, 10, ... (also times ten) that cuts the span into at most so many parts; at least 1."""
    found = 1.0
    while span / found > most:
        found *= 2.5 if str(found)[0] == "2" else 2
    return found
