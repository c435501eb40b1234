"""Curves of accuracy against k -> one axis with whiskers, floors, the best ceiling and the teacher."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cod_bench.analysis.aggregate import Grid
from cod_bench.reports import plots
from cod_bench.reports.figures.limits import Limits, Spot, beyond, limits
from cod_bench.reports.plots import Level, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY, DARK = "#8a8a8a", "#505050"
"""Of what curves are measured against, and of the two conditions that stand behind the others."""
ROOM = 1.35
"""The axis goes on to so many times the smallest and the largest k."""


@dataclass(frozen=True, slots=True)
class Curves:
    """What one axis shows."""

    ks: tuple[int, ...]
    curves: Mapping[str, tuple[Spot, ...]]
    """By condition, in the order of tables; none without a run."""
    grey: tuple[Level, ...]
    behind: tuple[Level, ...]
    looks: Mapping[str, tuple[str, str, str]]
    labels: Mapping[str, str]
    """By condition; none is named where the panel is of that condition alone."""


def of(
    grid: Grid, tasks: Sequence[str], panel: Panel, *,
    method: Callable[[str], str] = str, condition: Callable[[str], str] = str, whose: bool = True,
) -> Curves:  # fmt: skip
    """What a panel shows of some tasks: of one, or of several their means.

    Args:
        method, condition: what these are called.
        whose: tell which method's the best ceiling is: not where other tasks stand beside it.
    """
    drawn = {name: plots.curve(grid, tasks, panel.method, name) for name in panel.conditions}
    behind = [
        Level(f"{condition(name)} (behind)", dash, tuple((int(s.at), s.mean) for s in found))
        for name, dash in plots.BEHIND.items()
        if name in panel.behind and (found := plots.curve(grid, tasks, panel.method, name))
    ]
    return Curves(
        grid.ks, {name: spots for name, spots in drawn.items() if spots},
        tuple(plots.levels(grid, *tasks, called=method, whose=whose)), tuple(behind), plots.styles(grid.shown),
        {} if panel.behind else {name: condition(name) for name in drawn},
    )  # fmt: skip


def ends(found: Iterable[Curves]) -> Limits:
    """The axis of accuracy that all of these share, in %."""
    found = list(found)
    spots = [spot for one in found for own in one.curves.values() for spot in own]
    others = [value for one in found for level in (*one.grey, *one.behind) for _, value in level.points]
    return limits(spots, others, least=0.0, most=100.0)


def draw(ax: Axes, shown: Curves, on: Limits) -> None:
    """Draw on an axis: a line a condition with whiskers, grey lines without markers for all that it is measured by.

    A whisker that goes beyond the axis ends there in a small arrow.
    """
    from matplotlib.ticker import MaxNLocator

    for level in shown.grey:
        _level(ax, level, GREY)
    for level in shown.behind:
        _level(ax, level, DARK)
    for place, (name, spots) in enumerate(shown.curves.items()):
        colour, marker, dash = shown.looks[name]
        # side by side on the logarithmic axis, so that whiskers do not cover each other
        shift = 2 ** (0.05 * (place - (len(shown.curves) - 1) / 2))
        xs = [spot.at * shift for spot in spots]
        whiskers(ax, xs, spots, on, color=colour, marker=marker, linestyle=dash, label=shown.labels.get(name))
    ax.set_xscale("log", base=2)
    ax.set_xticks(shown.ks, [str(k) for k in shown.ks])
    ax.minorticks_off()
    ax.set_xlim(min(shown.ks) / ROOM, max(shown.ks) * ROOM)
    ax.set_ylim(*on)
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.set_xlabel("labelled rows $k$")
    ax.grid(alpha=0.25)


def whiskers(
    ax: Axes, xs: Sequence[float], spots: Sequence[Spot], on: Limits, *, color: str, marker: str, linestyle: str = "",
    label: str | None = None, markersize: float = 4.0,
) -> None:  # fmt: skip
    """Means with their intervals, upright; what goes beyond the axis is cut with an arrow at its end."""
    import matplotlib as mpl
    from matplotlib.markers import CARETDOWN, CARETUP

    means = [spot.mean for spot in spots]
    below = [0.0 if spot.low is None else max(0.0, spot.mean - spot.low) for spot in spots]
    above = [0.0 if spot.high is None else max(0.0, spot.high - spot.mean) for spot in spots]
    scale = mpl.rcParams["lines.markersize"] / 6.0
    ax.errorbar(
        xs, means, yerr=[below, above], color=color, marker=marker, linestyle=linestyle, capsize=2 * scale,
        markersize=markersize * scale, linewidth=1.3 * scale, elinewidth=1.1 * scale,
        label=None if label is None else plots.plain(label),
    )  # fmt: skip
    for x, spot in zip(xs, spots, strict=True):
        for out, end, arrow in zip(beyond(spot, on), on, (CARETDOWN, CARETUP), strict=True):
            if out:
                ax.plot([x], [end], marker=arrow, color=color, markersize=4 * scale, linestyle="", clip_on=False)


def _level(ax: Axes, level: Level, colour: str) -> None:
    xs: tuple[float, ...]
    xs, ys = zip(*level.points, strict=True)
    if len(xs) == 1:  # a lone budget is a point, and no line
        xs, ys = (xs[0] / ROOM, xs[0] * ROOM), (ys[0], ys[0])
    ax.plot(xs, ys, color=colour, linestyle=level.dash, linewidth=0.9, zorder=1, label=plots.plain(level.label))
