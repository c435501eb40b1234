"""Cells of one task -> an SVG learning curve. The same input gives the same picture."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cod_bench.analysis import stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.design import suites
from cod_bench.reports import floors

# Okabe and Ito's colours, told apart by readers with any colour vision; markers and dashes say the same once more.
LOOKS = (
    ("#000000", "o", "-"), ("#D55E00", "D", "-"), ("#E69F00", "s", "--"), ("#0072B2", "^", "--"),
    ("#009E73", "v", "-."), ("#999999", "x", ":"), ("#CC79A7", "o", "--"), ("#56B4E9", "D", ":"),
    ("#F0E442", "s", "-."), ("#D55E00", "^", ":"), ("#009E73", "x", "--"), ("#0072B2", "v", "-"),
    ("#CC79A7", "s", "-"), ("#E69F00", "o", "-."), ("#56B4E9", "^", "-"), ("#000000", "D", "--"),
    ("#0072B2", "x", "-"), ("#D55E00", "v", "--"), ("#009E73", "o", ":"), ("#CC79A7", "D", "-."),
    ("#999999", "^", "-."), ("#E69F00", "v", ":"), ("#56B4E9", "s", ":"), ("#000000", "x", "-."),
)  # fmt: skip
"""(colour, marker, dashes) by place: the declared conditions first, then others by name."""
GREY, DARK = "#8a8a8a", "#505050"
"""Of what curves are measured against, and of the two conditions that stand behind the others."""
MANY = 8
"""Conditions of one method beyond which their curves cannot be told apart in one panel."""
ACROSS = 4
"""Panels side by side where each is of one condition."""
BEHIND = {"standard": "-", "cod": "--"}
"""What stands behind every single condition -> its dashes."""
DRAWN = {"lexicon": "-", "probe": "--"}
"""Floors that figures show -> their dashes."""


def styles(conditions: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """How conditions are drawn; a declared one looks the same whatever stands beside it."""
    order = suites.in_order([*suites.CONDITIONS, *conditions])
    return {name: LOOKS[place % len(LOOKS)] for place, name in enumerate(order)}


def learning_curve(grid: Grid, task: str) -> str:
    """Accuracy against k in one task: a panel a method, a line a condition; see `panels` and `levels`.

    Whiskers are 95 % t intervals over seeds with the evaluation rows fixed; none before the grid is complete.

    Returns:
        SVG text without a date, its ids drawn from a fixed salt.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    ks, drawn = grid.ks, panels(grid)
    across = min(len(drawn), ACROSS) if any(panel.behind for panel in drawn) else len(drawn)
    down = math.ceil(len(drawn) / across)
    with mpl.rc_context({"svg.hashsalt": "cod-bench", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(1.2 + 3.2 * across, 1.2 + 2.6 * down), layout="constrained")
        FigureCanvasSVG(figure)
        axes = list(figure.subplots(down, across, sharey=True, squeeze=False).flat)
        lines: dict[str, Any] = {}
        for panel in axes[len(drawn) :]:
            panel.set_axis_off()
        for panel, one in zip(axes, drawn, strict=False):
            for level in levels(grid, task):
                lines.setdefault(level.label, _level(panel, level))
            for condition in one.behind:
                level = Level(f"{condition} (behind)", BEHIND[condition], means(grid, task, one.method, condition))
                if level.points:
                    lines.setdefault(level.label, _level(panel, level, DARK))
            for place, condition in enumerate(one.conditions):
                # Side by side on the logarithmic axis, so that whiskers do not cover each other.
                shift = 2 ** (0.05 * (place - (len(one.conditions) - 1) / 2))
                line = _line(panel, grid, task, one.method, condition, shift)
                if line is not None and not one.behind:
                    lines.setdefault(condition, line)
            panel.set_xscale("log", base=2)
            panel.set_xticks(ks, [str(k) for k in ks])
            panel.minorticks_off()
            panel.set_xlim(min(ks) / 1.35, max(ks) * 1.35)
            panel.set_title(plain(one.title))
            panel.set_xlabel("labelled rows k")
            panel.grid(alpha=0.25)
        for panel in axes[::across]:
            panel.set_ylabel("accuracy (%)")
        partial = "" if grid.complete else ", PARTIAL: means only"
        figure.suptitle(plain(f"{task}\ntrack {grid.track}, protocol {grid.protocol}{partial}"), fontsize="medium")
        own = [condition for condition in grid.shown if condition in lines]
        shown = [*own, *(label for label in lines if label not in own)]
        if shown:
            columns = min(len(shown), 2 * across)
            handles = [lines[c] for c in shown]
            figure.legend(handles, list(map(plain, shown)), loc="outside lower center", ncols=columns, frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


@dataclass(frozen=True, slots=True)
class Panel:
    """What one panel of curves shows: a method's conditions, before those that stand behind them in grey."""

    title: str
    method: str
    conditions: tuple[str, ...]
    behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """A grey line that curves are measured against: accuracies in % by k, and how it is dashed."""

    label: str
    dash: str
    points: tuple[tuple[int, float], ...]


def panels(grid: Grid) -> list[Panel]:
    """A panel a method; a panel a condition, with `standard` and `cod` behind, where a method has too many to read."""
    found = []
    for method in grid.methods:
        have = grid.conditions(method)
        if len(have) <= MANY:
            found.append(Panel(method, method, have))
            continue
        behind = tuple(condition for condition in BEHIND if condition in have)
        name = f"{method}: " if len(grid.methods) > 1 else ""
        found += [Panel(f"{name}{own}", method, (own,), behind) for own in have if own not in behind]
    return found


def levels(grid: Grid, task: str) -> list[Level]:
    """The teacher, the best ceiling and two floors: the one without labels, and the probe on the rows of `standard`."""
    found = []
    if task in grid.teachers:
        found.append(Level("teacher", ":", tuple((k, 100 * grid.teachers[task]) for k in grid.ks)))
    ceilings = [line for line in floors.lines(grid, [task]) if line.kind == "ceiling"] if grid.floors else []
    if (top := floors.best(ceilings)) is not None:
        reached = 100 * (top.means[0] or 0.0)
        found.append(Level(f"best ceiling ({top.method})", "-.", tuple((k, reached) for k in grid.ks)))
    for method, dash in DRAWN.items():
        if method in grid.floors and (own := means(grid, task, method, "standard")):
            found.append(Level(f"{method} (floor)", dash, own))
    return found


def means(grid: Grid, task: str, method: str, condition: str) -> tuple[tuple[int, float], ...]:
    """(k, mean accuracy over seeds in %) wherever there is a run."""
    cells = {k: grid.cell(task, method, condition, k) for k in grid.ks_of(method, condition)}
    return tuple(
        (k, 100 * float(np.mean([run.metrics["accuracy"] for run in runs]))) for k, runs in cells.items() if runs
    )


def plain(text: str) -> str:
    """A name that matplotlib does not read as mathematics."""
    return text.replace("\\", "\\\\").replace("$", r"\$")


def _level(panel: Any, level: Level, colour: str = GREY) -> object:
    xs, ys = zip(*level.points, strict=True)
    if len(xs) == 1:  # a lone budget is a point, and no line
        xs, ys = (xs[0] / 1.35, xs[0] * 1.35), (ys[0], ys[0])
    (line,) = panel.plot(xs, ys, color=colour, linestyle=level.dash, linewidth=0.9, zorder=1)
    return line


def _line(panel: Any, grid: Grid, task: str, method: str, condition: str, shift: float) -> object | None:
    xs, means, below, above = [], [], [], []
    for k in grid.ks_of(method, condition):
        values = np.array([float(run.metrics["accuracy"]) for run in grid.cell(task, method, condition, k)]) * 100
        if not len(values):
            continue
        interval = stats.mean_interval(values) if grid.tested else None
        low, high = interval or (values.mean(), values.mean())
        xs.append(k * shift)
        means.append(values.mean())
        below.append(max(0.0, values.mean() - low))  # equal seeds: the sum of their shares differs in its last bit
        above.append(max(0.0, high - values.mean()))
    if not xs:
        return None
    colour, marker, dash = styles(grid.shown)[condition]
    drawn: object = panel.errorbar(
        xs, means, yerr=[below, above], color=colour, marker=marker, linestyle=dash, markersize=4, capsize=2, lw=1.3
    )
    return drawn
