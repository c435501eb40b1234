"""Records -> the paper's figures, one axis each, and whole sheets of them: what `cod_bench.figures` is.

Each function takes the axes to draw on, or makes some, and returns them. What is drawn is read from a results folder,
or is what `cod_bench.grid` has read of one. Matplotlib is imported when something is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cod_bench.analysis import claims, grids
from cod_bench.analysis import frontier as frontiers
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.frontier import AXES, Axis, Point
from cod_bench.design import tracks
from cod_bench.design.suite import Suite
from cod_bench.design.suites import DEFAULT_SUITE
from cod_bench.errors import UsageError, unknown
from cod_bench.records.results import results_folder
from cod_bench.reports import frontier as spent
from cod_bench.reports import plots
from cod_bench.reports.asked.expected import OF_DIFFERENCES
from cod_bench.reports.figures import costs, curves, forest, sheets, titles
from cod_bench.spec import PROTOCOLS, base_name
from cod_bench.store import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class NothingError(UsageError):
    """There is nothing of what is to be drawn."""


Names = str | Iterable[str]
Data = str | Path | Grid
"""A results folder, or what `cod_bench.grid` read of one."""
NAMES = ("curves", "gains", "frontier")
"""The sheets."""
FORMATS = sheets.FORMATS
WIDTHS = {"column": 3.25, "page": 6.75}
"""Inches of a figure over one column and over both, as two-column papers are set."""
NARROWEST, WIDEST = 2.0, 40.0
"""Inches that a sheet may have."""


def learning_curve(
    data: Data = "runs", ax: Axes | None = None, *, task: str = "", method: str = "", condition: Names = (),
    legend: bool = True, suite: str | Suite = DEFAULT_SUITE, track: str = "", protocol: str = "",
) -> Axes:  # fmt: skip
    """Accuracy against k of one method: a line a condition, and grey lines of what it is measured against.

    Whiskers are 95 % t intervals over seeds, evaluation rows fixed and unpaired; a grid that lacks runs has none. The
    axis holds all means and most whiskers: one that goes beyond it ends in a small arrow. Grey: the teacher, the best
    ceiling and two floors.

    Args:
        data: a results folder, or what `cod_bench.grid` read of one; then suite, track and protocol are those of the
            grid.
        ax: what to draw on; made if it is None.
        task: one of the suite's; the mean over all of them if empty.
        method: one of the suite's; it may be left out where there is one.
        condition: only these; all of the method if empty.
        legend: draw one.
        suite, track, protocol: as `cod_bench.grid` takes them.

    Raises:
        UsageError: an unknown name, nothing to draw, or more conditions than can be told apart and none named.
    """
    grid = read(data, suite, track, protocol)
    tasks = _tasks(grid, task)
    name = _one_method(grid, method)
    wanted = _chosen("condition", condition, grid.conditions(name))
    if len(wanted or grid.conditions(name)) > plots.MANY and not wanted:
        raise UsageError(
            f"condition: {name} has {len(grid.conditions(name))}, too many for one axis; name some of "
            f"{', '.join(grid.conditions(name))}"
        )
    panel = plots.Panel(name, name, wanted or grid.conditions(name))
    shown = curves.of(grid, tasks, panel, method=titles.method, condition=titles.condition)
    made = ax is None
    ax = _axes(ax)
    curves.draw(ax, shown, curves.ends([shown]))
    ax.set_title(plots.plain(f"{titles.method(name)}, {_called(grid, task)}{_partial(grid)}"))
    ax.set_ylabel("accuracy (%)")
    return _with_legend(ax, outside=made) if legend else ax


def gains(
    data: Data = "runs", ax: Axes | None = None, *, method: Names = (), condition: Names = (), legend: bool = True,
    suite: str | Suite = DEFAULT_SUITE, track: str = "", protocol: str = "",
) -> Axes:  # fmt: skip
    """Accuracy points that a condition gains over another, a row a comparison, a colour a method, with 95 % intervals.

    Means over tasks and primary budgets, paired by (task, seed). Filled where Holm's p over the family (of the mean
    over methods, a lone test: its p) is at most .05. A grid that lacks runs has means alone, hollow.

    Args:
        data, ax, legend, suite, track, protocol: as `learning_curve` takes them.
        method: only these, and no mean over methods.
        condition: only comparisons among these, or all of one where one is named.

    Raises:
        UsageError: an unknown name, or no such comparison.
    """
    grid = read(data, suite, track, protocol)
    methods = _chosen("method", method, grid.methods)
    lines = _rows(grid, methods, _chosen("condition", condition, grid.shown))
    made = ax is None
    ax = _axes(ax)
    forest.draw(ax, lines, grid.methods, method=titles.method)
    if _partial(grid):
        ax.set_title(_partial(grid).removeprefix(", "))
    return _with_legend(ax, outside=made) if legend else ax


def frontier(
    data: Data = "runs", ax: Axes | None = None, *, cost: str = "queries", method: str = "", condition: Names = (),
    legend: bool = True, suite: str | Suite = DEFAULT_SUITE, track: str = "", protocol: str = "",
) -> Axes:  # fmt: skip
    """Accuracy against what it costs: a point a (condition, k) of one method and of each floor, those of the frontier
    ringed, which is that of all methods.

    Points that did not count the cost are left out; `uncounted` names them. Intervals as in `learning_curve`, over
    tasks and seeds.

    Args:
        data, ax, method, condition, legend, suite, track, protocol: as `learning_curve` takes them.
        cost: `labels`, `queries`, `dollars` or `seconds`; mean of a run.

    Raises:
        UsageError: an unknown name, or nothing costs anything of that.
    """
    grid = read(data, suite, track, protocol)
    name = _one_method(grid, method)
    wanted = _chosen("condition", condition, grid.conditions(name))
    axis, points = _costs(grid, cost)
    own = [p for p in points if p.floor or (p.method == name and (not wanted or p.condition in wanted))]
    made = ax is None
    ax = _axes(ax)
    shown = costs.shown(points, axis, (name,), wanted)
    costs.draw(
        ax, shown, axis, own, plots.styles(grid.shown), ringed=grid.complete, method=titles.method,
        condition=titles.condition,
    )  # fmt: skip
    ax.set_title(plots.plain(f"{titles.method(name)}{_partial(grid)}"))
    ax.set_ylabel("accuracy (%)")
    return _with_legend(ax, outside=made) if legend else ax


def sheet(
    name: str, data: Data = "runs", *, width: str | float = "page", task: Names = (), method: Names = (),
    condition: Names = (), mean: bool = False, cost: str = "queries", suite: str | Suite = DEFAULT_SUITE,
    track: str = "", protocol: str = "",
) -> Figure:  # fmt: skip
    """A whole figure for print: `curves` (a panel a task and method), `gains` or `frontier` (a panel a method).

    Args:
        name: one of `NAMES`.
        data, suite, track, protocol: as `learning_curve` takes them.
        width: `column` (3.25 inches), `page` (6.75) or inches; panels go on in another row where they do not fit.
        task: only these panels of curves, without what marks a slice; all of the suite if empty.
        method, condition: only these.
        mean: of curves, the mean over the tasks instead of a row each.
        cost: of the frontier.

    Raises:
        UsageError: an unknown name, an unfit width, or nothing to draw.
    """
    if name not in NAMES:
        raise unknown("figure", name, NAMES)
    look = sheets.Look(inches(width))
    grid = read(data, suite, track, protocol)
    methods = _chosen("method", method, grid.methods)
    conditions = _chosen("condition", condition, grid.shown)
    tasks = tuple(dict.fromkeys(found for word in _words(task) for found in _tasks(grid, word)))
    tasks = tasks or grid.suite.tasks
    if name == "gains":
        _rows(grid, methods, conditions)
        return sheets.gains(grid, look, methods=methods, conditions=conditions)
    if name == "frontier":
        axis, points = _costs(grid, cost)
        return sheets.frontier(grid, points, axis, look, methods=methods, conditions=conditions)
    if not sheets.panels(grid, methods, conditions):
        raise _nothing(grid, "curve of these methods and conditions")
    groups = [(mean_of(tasks), tasks)] if mean else [(titles.task(one), (one,)) for one in tasks]
    return sheets.learning_curves(grid, groups, look, methods=methods, conditions=conditions)


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as its name says, `.pdf`, `.svg` or `.png`: the same bytes each time, without a date.

    Letters of a PDF stay letters, in fonts that it brings along (type 42, which publishers take); those of an SVG are
    drawn; a PNG has 300 dots an inch.

    Returns:
        The path.

    Raises:
        UsageError: another ending, or it cannot be written.
    """
    path = Path(path)
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise UsageError(f"{path}: the name must end in {', '.join(f'.{known}' for known in FORMATS)}")
    write_atomic(path, sheets.data(figure, form))
    return path


def uncounted(grid: Grid, cost: str = "queries") -> str:
    """For which points a cost is not known, as a sentence; empty if it is for all."""
    return " ".join(spent.unknown_costs(frontiers.of(grid), AXES[cost]))


def undrawn(grid: Grid) -> str:
    """What a suite asks that the figure of gains leaves out, since it is no gain in accuracy; empty if nothing."""
    if not claims.by_asking(grid):
        return ""
    left = [one for one in claims.claims(grid, claims.gains(grid)) if one.gains[0].measure not in OF_DIFFERENCES]
    return "; ".join(f"{one.name} ({one.method})" for one in left)


def inches(width: str | float) -> float:
    """A width by its name or as a number.

    Raises:
        UsageError: it is neither, or no figure has it.
    """
    try:
        found = WIDTHS[width] if isinstance(width, str) and width in WIDTHS else float(width)
    except ValueError:
        found = 0.0
    if not NARROWEST <= found <= WIDEST:
        named = ", ".join(f"{name} ({size} in)" for name, size in WIDTHS.items())
        raise UsageError(f"width {width!r}: name {named} or inches from {NARROWEST:g} to {WIDEST:g}")
    return found


def mean_of(tasks: Sequence[str]) -> str:
    """What the mean over tasks is called."""
    return titles.task(tasks[0]) if len(tasks) == 1 else f"mean of {len(tasks)} tasks"


def read(data: Data, suite: str | Suite = DEFAULT_SUITE, track: str = "", protocol: str = "") -> Grid:
    """What `cod_bench.grid` reads of a folder; a grid is one already.

    Raises:
        UsageError: as `cod_bench.grid`.
    """
    if isinstance(data, Grid):
        return data
    known(track, protocol)
    return grids.one(suite, results_folder(Path(data), there=True), track=track, protocol=protocol)


def known(track: str, protocol: str) -> None:
    """Refuse names that nobody knows, with the nearest one.

    Raises:
        UsageError: there is no such track or protocol.
    """
    if protocol and protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    if track:
        tracks.track(track)


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    made: Axes = plt.subplots(layout="constrained")[1]
    return made


def _with_legend(ax: Axes, *, outside: bool) -> Axes:
    """Whatever has whiskers first; beside axes that were made here, within those of somebody else."""
    found = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    order = [*(label for label in found if found[label] in ax.containers), *found]
    place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "frameon": False} if outside else {"framealpha": 0.9}
    ax.legend([found[label] for label in dict.fromkeys(order)], list(dict.fromkeys(order)), fontsize="small", **place)
    return ax


def _called(grid: Grid, task: str) -> str:
    return mean_of(_tasks(grid, task))


def _tasks(grid: Grid, task: str) -> tuple[str, ...]:
    """The tasks of that name, with or without what marks a slice; all if it is empty."""
    found = tuple(own for own in grid.suite.tasks if task in ("", own, base_name(own)))
    if not found:
        raise unknown("task", task, grid.suite.tasks)
    return found


def _one_method(grid: Grid, method: str) -> str:
    if method:
        return _chosen("method", method, grid.methods)[0]
    if len(grid.methods) != 1:
        raise UsageError(f"method: suite {grid.suite.name!r} has several; name one of {', '.join(grid.methods)}")
    return grid.methods[0]


def _words(given: Names) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) and given else tuple(dict.fromkeys(given))


def _chosen(field: str, asked: Names, there: Sequence[str]) -> tuple[str, ...]:
    """The names asked for, each one that the suite has."""
    found = _words(asked)
    for name in found:
        if name not in there:
            raise unknown(field, name, there)
    return found


def _rows(grid: Grid, methods: Sequence[str], conditions: Sequence[str]) -> list[forest.Row]:
    lines = forest.rows(forest.of(grid, methods=methods, conditions=conditions), condition=titles.condition)
    if not lines:
        raise _nothing(grid, "comparison of these methods and conditions")
    return lines


def _costs(grid: Grid, cost: str) -> tuple[Axis, list[Point]]:
    if cost not in AXES:
        raise unknown("cost", cost, AXES)
    points = costs.known(frontiers.of(grid), AXES[cost])
    if not spent.costs_anything(points, AXES[cost]):
        raise NothingError(f"cost {cost!r}: nothing to draw; {spent.sentence(grid, frontiers.of(grid), AXES[cost])}")
    return AXES[cost], points


def _nothing(grid: Grid, what: str) -> NothingError:
    return NothingError(f"suite {grid.suite.name!r}: has no {what}; name others, or leave them out")


def _partial(grid: Grid) -> str:
    return "" if grid.complete else f", PARTIAL: means only, {len(grid.runs)} of {len(grid.declared)} runs"
