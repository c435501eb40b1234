"""Cells of one task -> an SVG learning curve. The same input gives the same picture."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np

from cod_bench.analysis import stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.design import suites

# Okabe and Ito's colours, told apart by readers with any colour vision; markers and dashes say the same once more.
LOOKS = (
    ("#000000", "o", "-"), ("#D55E00", "D", "-"), ("#E69F00", "s", "--"), ("#0072B2", "^", "--"),
    ("#009E73", "v", "-."), ("#999999", "x", ":"), ("#CC79A7", "o", "--"), ("#56B4E9", "D", ":"),
    ("#F0E442", "s", "-."), ("#D55E00", "^", ":"), ("#009E73", "x", "--"), ("#0072B2", "v", "-"),
)  # fmt: skip
"""(colour, marker, dashes) by place: the declared conditions first, then others by name."""


def styles(conditions: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """How conditions are drawn; a declared one looks the same whatever stands beside it."""
    order = suites.in_order([*suites.CONDITIONS, *conditions])
    return {name: LOOKS[place % len(LOOKS)] for place, name in enumerate(order)}


def learning_curve(grid: Grid, task: str) -> str:
    """Accuracy against k in one task: a panel a method, a line a condition.

    Whiskers are 95 % t intervals over seeds with the evaluation rows fixed; none before the grid is complete.

    Returns:
        SVG text without a date, its ids drawn from a fixed salt.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    methods, ks = grid.methods, grid.ks
    with mpl.rc_context({"svg.hashsalt": "cod-bench", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(1.2 + 3.2 * len(methods), 3.8), layout="constrained")
        FigureCanvasSVG(figure)
        panels = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
        lines: dict[str, Any] = {}
        for panel, method in zip(panels, methods, strict=True):
            conditions = grid.conditions(method)
            for place, condition in enumerate(conditions):
                # Side by side on the logarithmic axis, so that whiskers do not cover each other.
                shift = 2 ** (0.05 * (place - (len(conditions) - 1) / 2))
                line = _line(panel, grid, task, method, condition, shift)
                if line is not None:
                    lines.setdefault(condition, line)
            panel.set_xscale("log", base=2)
            panel.set_xticks(ks, [str(k) for k in ks])
            panel.minorticks_off()
            panel.set_xlim(min(ks) / 1.35, max(ks) * 1.35)
            panel.set_title(plain(method))
            panel.set_xlabel("labelled rows k")
            panel.grid(alpha=0.25)
        panels[0].set_ylabel("accuracy (%)")
        partial = "" if grid.complete else ", PARTIAL: means only"
        figure.suptitle(plain(f"{task}\ntrack {grid.track}, protocol {grid.protocol}{partial}"), fontsize="medium")
        shown = [condition for condition in grid.shown if condition in lines]
        if shown:
            columns = min(len(shown), 2 * len(methods))
            handles = [lines[c] for c in shown]
            figure.legend(handles, shown, loc="outside lower center", ncols=columns, frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def plain(text: str) -> str:
    """A name that matplotlib does not read as mathematics."""
    return text.replace("\\", "\\\\").replace("$", r"\$")


def _line(panel: Any, grid: Grid, task: str, method: str, condition: str, shift: float) -> object | None:
    xs, means, below, above = [], [], [], []
    for k in grid.ks_of(method, condition):
        values = np.array([float(run.metrics["accuracy"]) for run in grid.cell(task, method, condition, k)]) * 100
        if not len(values):
            continue
        interval = stats.mean_interval(values) if grid.complete else None
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
