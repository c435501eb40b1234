"""A grid -> whole figures of several axes: curves, gains, frontier; and a figure -> bytes that are always the same."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.frontier import Axis, Point
from cod_bench.reports import plots
from cod_bench.reports.figures import costs, curves, forest, titles
from cod_bench.reports.figures.curves import Curves
from cod_bench.reports.figures.limits import Limits
from cod_bench.reports.plots import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("pdf", "svg", "png")
DPI = 300
PRINT: Mapping[str, Any] = {
    "font.family": "sans-serif", "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7,
    "ytick.labelsize": 7, "legend.fontsize": 7, "figure.titlesize": 8, "axes.linewidth": 0.6, "xtick.major.width": 0.6,
    "ytick.major.width": 0.6, "lines.markersize": 4.5, "grid.linewidth": 0.5, "legend.columnspacing": 1.0,
    "legend.handlelength": 1.8, "legend.handletextpad": 0.5,
}  # fmt: skip
"""How figures for print are set."""
SCREEN: Mapping[str, Any] = {"font.family": "sans-serif", "figure.titlesize": "medium"}
"""How those of the leaderboard are set."""
FIXED: Mapping[str, Any] = {"svg.hashsalt": "cod-bench", "pdf.fonttype": 42, "ps.fonttype": 42}
"""The same bytes each time; letters of a PDF stay letters, in a font that it brings along."""
RIM = 0.55
"""Inches beside a row of panels, for the numbers of its axis."""
GAP = 0.2
"""Inches between the titles of two panels."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a figure is set: sizes in inches, what things are called, matplotlib's settings."""

    width: float
    narrowest: float = 1.3
    """Where panels would be narrower, they go on in another row."""
    height: float = 1.3
    """Of a panel."""
    task: Callable[[str], str] = titles.task
    method: Callable[[str], str] = titles.method
    condition: Callable[[str], str] = titles.condition
    settings: Mapping[str, Any] = field(default_factory=lambda: PRINT)

    @property
    def across(self) -> int:
        """How many panels fit side by side."""
        return max(1, int((self.width - RIM) / self.narrowest))


@dataclass(frozen=True, slots=True)
class _Cell:
    """One axis of a sheet of curves."""

    title: str
    side: str
    """Beside the first of a row."""
    shown: Curves
    on: Limits


def panels(grid: Grid, methods: Sequence[str] = (), conditions: Sequence[str] = ()) -> list[Panel]:
    """The panels of a task, a method each; those of single conditions where a method has too many to be read together.

    Args:
        methods, conditions: only these; conditions that are named stand together, however many.
    """
    found = [panel for panel in plots.panels(grid) if not methods or panel.method in methods]
    if not conditions:
        return found
    own = {m: tuple(c for c in grid.conditions(m) if c in conditions) for m in dict.fromkeys(p.method for p in found)}
    return [Panel(method, method, names) for method, names in own.items() if names]


def learning_curves(
    grid: Grid, groups: Sequence[tuple[str, Sequence[str]]], look: Look, *, methods: Sequence[str] = (),
    conditions: Sequence[str] = (), title: str = "",
) -> Figure:  # fmt: skip
    """Accuracy against k: panels of methods, the tasks below each other; those of a task share an axis.

    Args:
        groups: (what it is called, its tasks): of several tasks their means are drawn.
        look: how it is set.
        methods, conditions: only these.
        title: above all panels.
    """
    shown = panels(grid, methods, conditions)
    rows: list[list[_Cell]] = []
    several = len({panel.method for panel in shown}) > 1
    for called, tasks in groups:
        found = [
            curves.of(grid, tasks, panel, method=look.method, condition=look.condition, whose=len(groups) == 1)
            for panel in shown
        ]
        on = curves.ends(found)
        heads = [_head(panel, look, several=several) for panel in shown]
        if len(shown) == 1:
            rows.append([_Cell(", ".join(filter(None, (called, heads[0]))), "", found[0], on)])
        else:
            cells = [_Cell(head, called, one, on) for head, one in zip(heads, found, strict=True)]
            rows += _cut(cells, look.across)
    if len(shown) == 1:
        rows = _cut([cell for row in rows for cell in row], look.across)
    repeated = len(rows) == len(groups)  # every row has the same panels
    with _set(look):
        figure, axes = _sheet(look, len(rows), max(map(len, rows)))
        for r, row in enumerate(rows):
            for c, cell in enumerate(row):
                ax = axes[r][c]
                curves.draw(ax, cell.shown, cell.on)
                if not (repeated and r and len(shown) > 1):
                    ax.set_title(_wrapped(cell.title, (look.width - RIM) / len(axes[0]) - GAP))
                side = "\n".join(filter(None, (_wrapped(cell.side, look.height), "accuracy (%)")))
                ax.set_ylabel(side if c == 0 else "")
                ax.tick_params(labelleft=c == 0 or len(shown) == 1)
                if r + 1 < len(rows) and c < len(rows[r + 1]):
                    ax.set_xlabel("")
        _title(figure, grid, title)
        _legend(figure, axes, [look.condition(name) for name in grid.shown])
    return figure


def gains(
    grid: Grid, look: Look, *, methods: Sequence[str] = (), conditions: Sequence[str] = (), title: str = ""
) -> Figure:
    """Accuracy points gained, a row a comparison; see `forest`."""
    lines = forest.rows(forest.of(grid, methods=methods, conditions=conditions), condition=look.condition)
    own = {gain.method for line in lines for gain in line.gains}
    with _set(look):
        figure, axes = _sheet(replace(look, height=0.17 * (forest.places(lines)[-1] + 1)), 1, 1)
        forest.draw(axes[0][0], lines, grid.methods, method=look.method)
        _title(figure, grid, title)
        if len(own) > 1:
            _legend(figure, axes, [])
        else:
            axes[0][0].set_xlabel(f"accuracy points gained ({', '.join(map(look.method, own))})")
    return figure


def frontier(
    grid: Grid, points: Sequence[Point], axis: Axis, look: Look, *, methods: Sequence[str] = (),
    conditions: Sequence[str] = (), title: str = "",
) -> Figure:  # fmt: skip
    """Accuracy against one cost: a panel a method, a line a condition, the frontier of all of them in each."""
    known = costs.known(points, axis)
    wanted = list(dict.fromkeys(p.method for p in known if not p.floor and (not methods or p.method in methods)))
    there = costs.shown(known, axis, wanted, conditions)
    rows = _cut([*wanted] or [costs.FLOORS], look.across)
    looks = plots.styles(grid.shown)
    with _set(look):
        figure, axes = _sheet(look, len(rows), max(map(len, rows)))
        for r, row in enumerate(rows):
            for c, name in enumerate(row):
                ax = axes[r][c]
                own = [p for p in there if p.floor or (p.method == name and _named(p.condition, conditions))]
                costs.draw(ax, there, axis, own, looks, ringed=grid.complete, method=look.method,
                           condition=look.condition)  # fmt: skip
                ax.set_title(plots.plain(name if name == costs.FLOORS else look.method(name)))
                ax.set_ylabel("accuracy (%)" if c == 0 else "")
                ax.tick_params(labelleft=c == 0)
                if r + 1 < len(rows) and c < len(rows[r + 1]):
                    ax.set_xlabel("")
        _title(figure, grid, title)
        _legend(figure, axes, [costs.FRONTIER, *map(look.condition, grid.shown)])
    return figure


def data(figure: Figure, form: str, *, letters: bool = False) -> bytes:
    """A figure as a file of that format: the same bytes each time, without a date.

    Args:
        figure: any of matplotlib.
        form: one of `FORMATS`.
        letters: in an SVG keep letters as text, in whatever font its reader has; else they are drawn.
    """
    import matplotlib as mpl

    without: dict[str, dict[str, None]] = {
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "svg": {"Date": None, "Creator": None},
        "png": {"Software": None},
    }
    written = io.BytesIO()
    with mpl.rc_context({**FIXED, "svg.fonttype": "none" if letters else "path"}):
        figure.savefig(written, format=form, metadata=without[form], dpi=DPI)
    found = written.getvalue()
    if form == "svg":
        found = b"".join(line.rstrip() + b"\n" for line in found.splitlines())
    return found


def _named(name: str, wanted: Sequence[str]) -> bool:
    return not wanted or name in wanted


def _head(panel: Panel, look: Look, *, several: bool) -> str:
    """What a panel is called: its method, or its condition where it is of one alone."""
    if not panel.behind:
        return look.method(panel.method)
    name = f"{look.method(panel.method)}: " if several else ""
    return f"{name}{look.condition(panel.conditions[0])}"


def _cut(cells: Sequence[Any], most: int) -> list[list[Any]]:
    """Rows of equal length, as far as they go, of at most so many."""
    rows = -(-len(cells) // most)
    across = -(-len(cells) // rows)
    return [list(cells[place : place + across]) for place in range(0, len(cells), across)]


@contextmanager
def _set(look: Look) -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context({**FIXED, **look.settings}):
        yield


def _sheet(look: Look, rows: int, across: int) -> tuple[Figure, list[list[Axes]]]:
    """An empty figure and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(look.width, 0.45 + rows * (look.height + 0.3)), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, [list(row) for row in figure.subplots(rows, across, squeeze=False)]


def _wrapped(text: str, inches: float) -> str:
    """A text in lines of at most that length, about."""
    import matplotlib as mpl

    letters = max(8, int(inches * 72 / (0.5 * mpl.rcParams["font.size"])))
    return plots.plain("\n".join(textwrap.wrap(text, letters, break_long_words=False)))


def _title(figure: Figure, grid: Grid, title: str) -> None:
    """The title, and that a grid is partial, which no figure leaves untold."""
    partial = "" if grid.complete else f"PARTIAL: means only, {len(grid.runs)} of {len(grid.declared)} runs"
    if told := [line for line in (*title.split("\n"), partial) if line]:
        figure.suptitle(plots.plain("\n".join(told)))
        figure.set_figheight(figure.get_figheight() + 0.18 * len(told))


def _legend(figure: Figure, axes: Sequence[Sequence[Axes]], order: Sequence[str]) -> None:
    """One legend below for all axes, in as few rows as the width takes; axes without anything drawn go."""
    shown: dict[str, Any] = {}
    for ax in (ax for row in axes for ax in row):
        if not ax.has_data():
            ax.remove()
            continue
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            shown.setdefault(label, handle)
    first = [label for name in order if (label := plots.plain(name)) in shown]
    labels = [*first, *(label for label in shown if label not in first)]
    for columns in dict.fromkeys(-(-len(labels) // rows) for rows in range(1, len(labels) + 1)):
        legend = figure.legend(
            [shown[label] for label in labels], labels, loc="outside lower center", ncols=columns, frameon=False
        )
        size = legend.get_window_extent()
        if size.width <= 0.98 * figure.bbox.width or columns == 1:
            figure.set_figheight(figure.get_figheight() + size.height / figure.dpi)
            return
        legend.remove()
