"""A grid -> the leaderboard's figures as SVG text, with the names that tables have. The same input, the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.frontier import Axis, Point
from cod_bench.reports import plots
from cod_bench.reports.figures import sheets, titles
from cod_bench.reports.figures.sheets import Look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL = 3.2
"""Inches of a panel."""
ACROSS = 4
"""Panels side by side where each is of one condition."""


def learning_curve(grid: Grid, task: str) -> str:
    """Accuracy against k in one task: a panel a method, a line a condition, or a panel a condition."""
    shown = plots.panels(grid)
    across = min(len(shown), ACROSS) if any(panel.behind for panel in shown) else len(shown)
    called = titles.task(task)
    name = called if called.lower() == task.lower() else f"{called} ({task})"
    title = f"{name}\ntrack {grid.track}, protocol {grid.protocol}"
    return _svg(sheets.learning_curves(grid, [("", (task,))], _look(across, 2.35), title=title))


def frontier(grid: Grid, points: Sequence[Point], axis: Axis) -> str:
    """Accuracy against one cost: a panel a method, a line a condition, the frontier of all of them in each."""
    methods = {point.method for point in points if not point.floor}
    ringed = ", ringed: on the frontier" if grid.complete else ""
    title = f"track {grid.track}, protocol {grid.protocol}{ringed}"
    # a lone method's conditions stand apart on twice the width
    return _svg(sheets.frontier(grid, points, axis, _look(max(2, len(methods)), 2.9), title=title))


def _look(across: int, height: float) -> Look:
    return Look(
        1.2 + PANEL * max(1, across), narrowest=0.99 * PANEL, height=height, task=titles.as_it_is,
        method=titles.as_it_is, condition=titles.as_it_is, settings=sheets.SCREEN,
    )  # fmt: skip


def _svg(figure: Figure) -> str:
    return sheets.data(figure, "svg", letters=True).decode()
