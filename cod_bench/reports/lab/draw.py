"""Files of the lab -> its figures: boundaries over two moons, effects, sweeps, information; drawn to be printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cod_bench.reports import plots
from cod_bench.reports.figures import sheets
from cod_bench.reports.lab import moons, read
from cod_bench.reports.lab.read import Compared, Row, Setting, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 6.75
"""Inches: a page."""
PALE, DARK = ("#cfe3f2", "#f7dcc4"), ("#0072B2", "#D55E00")
"""Colours of the two classes: of the data behind, and of what a student sees."""
MARKERS = ("o", "s")
THINNED = 3
"""Of the data behind, every third point is drawn."""
PANELS = ("standard", "cod", "half", "random", "unvalidated", "shuffled", "cfe-only")
BOX = ((-1.75, 2.75), (-1.25, 1.75))


def of_moons(folder: Path) -> dict[str, Figure]:
    """The figures of two moons by name.

    Raises:
        UsageError: a file is missing.
    """
    found = read.rows(folder, "moons.csv")
    points, lines = read.rows(folder, "moons-points.csv"), read.rows(folder, "moons-lines.csv")
    return {
        "moons-pair": _boundaries(points, lines, PANELS[:2]),
        "moons-conditions": _boundaries(points, lines, PANELS),
        "moons-effects": _effects(found),
        "moons-sweeps": _sweeps(found),
    }


def of_fisher(folder: Path) -> dict[str, Figure]:
    """The figure of the logistic regressions by name.

    Raises:
        UsageError: a file is missing.
    """
    return {"fisher": _fisher(read.rows(folder, "fisher-order.csv"), read.rows(folder, "fisher-errors.csv"))}


def _boundaries(points: Sequence[Row], lines: Sequence[Row], panels: Sequence[str]) -> Figure:
    """A panel a condition: data, the rows that the student saw, its boundary and the teacher's."""
    across = min(len(panels), 4 if len(panels) > 2 else 2)

    def draw(axes: Sequence[Axes]) -> None:
        for ax, condition in zip(axes, panels, strict=False):
            for label in (0, 1):
                _scatter(ax, points[::THINNED], "data", label, s=2, color=PALE[label], linewidths=0)
                _scatter(ax, points, condition, label, s=16, color=DARK[label], edgecolors="white", linewidths=0.4,
                         zorder=4)  # fmt: skip
            for row in (row for row in points if row["of"] == condition and row["end_x"]):
                ends = [number(row, "x"), number(row, "end_x")], [number(row, "y"), number(row, "end_y")]
                ax.plot(*ends, color="#999999", linewidth=0.6, zorder=3)
            _curve(ax, lines, "teacher", color="#555555", linewidth=1.0, linestyle=(0, (4, 2)))
            _curve(ax, lines, condition, color="black", linewidth=1.3)
            ax.set(title=condition, xlim=BOX[0], ylim=BOX[1], aspect="equal", xticks=[], yticks=[])
        for ax in axes[len(panels) :]:
            ax.remove()

    return _sheet(-(-len(panels) // across), across, draw, height=0.75 if across > 2 else 2.0)


def _scatter(ax: Axes, points: Sequence[Row], of: str, label: int, **how: Any) -> None:
    own = [(number(row, "x"), number(row, "y")) for row in points if row["of"] == of and row["label"] == str(label)]
    ax.scatter([x for x, _ in own], [y for _, y in own], marker=MARKERS[label], **how)


def _curve(ax: Axes, lines: Sequence[Row], of: str, **how: Any) -> None:
    own = [row for row in lines if row["of"] == of]
    for piece in dict.fromkeys(row["piece"] for row in own):
        line = [(number(row, "x"), number(row, "y")) for row in own if row["piece"] == piece]
        ax.plot([x for x, _ in line], [y for _, y in line], zorder=5, **how)


def _effects(found: Sequence[Row]) -> Figure:
    """`cod` minus each other condition, a panel a measure, a point a budget."""
    others = ("standard", *moons.CONTROLS)

    def draw(axes: Sequence[Axes]) -> None:
        for ax, compare, called in zip(
            axes, (moons.distance, moons.agreement),
            ("distance to the teacher's boundary (less is better)", "agreement with the teacher (more is better)"),
            strict=True,
        ):  # fmt: skip
            for place, k in enumerate(moons.KS):
                colour, marker, _ = plots.LOOKS[place]
                values = [compare(found, Setting("cod", k), Setting(other, k)) for other in others]
                at = [row + (place - 1) * 0.22 for row in range(len(others))]
                _points(ax, values, at, color=colour, marker=marker, label=f"k = {k}")
            ax.axvline(0, color="#999999", linewidth=0.6)
            ax.set_yticks(range(len(others)), [f"cod - {other}" for other in others])
            ax.invert_yaxis()
            ax.set_xlabel(called)
        axes[1].set_yticklabels([])
        axes[0].legend(frameon=False)

    return _sheet(1, 2, draw, height=2.4)


def _points(ax: Axes, values: Sequence[Compared], at: Sequence[float], **how: Any) -> None:
    ax.errorbar(
        [one.mean for one in values], at, xerr=_errors(values), linestyle="none", markersize=3.5, elinewidth=0.8, **how
    )


def _errors(values: Sequence[Compared]) -> list[list[float]]:
    return [[one.mean - one.low for one in values], [one.high - one.mean for one in values]]


def _sweeps(found: Sequence[Row]) -> Figure:
    """What varies what: overshoot, and noise in the teacher's labels."""
    standard = Setting("standard", moons.K)

    def draw(axes: Sequence[Axes]) -> None:
        x = [float(value) for value in moons.OVERSHOOTS]
        near, agrees = (
            [compare(found, Setting("cod", moons.K, overshoot=value), standard) for value in moons.OVERSHOOTS]
            for compare in (moons.distance, moons.agreement)
        )
        for ax, values, called in zip(axes, (near, agrees), ("distance", "agreement"), strict=False):
            ax.errorbar(
                x, [one.mean for one in values], yerr=_errors(values), color=DARK[0], marker="o", markersize=3.5
            )
            ax.axhline(0, color="#999999", linewidth=0.6)
            ax.set(xlabel="overshoot", title=f"{called}, cod - standard")
        noises = [float(value) for value in moons.NOISES]
        for place, name in enumerate(("standard", "cod")):
            settings = [Setting(name, moons.K, noise=value, kept="yes") for value in moons.NOISES]
            means = [read.average(found, one, "accuracy") for one in settings]
            axes[2].plot(noises, means, color=DARK[place], marker=MARKERS[place], markersize=3.5, label=name)
        taught = [read.average(found, Setting("cod", moons.K, noise=n, kept="yes"), "taught") for n in moons.NOISES]
        axes[2].plot(noises, taught, color="#555555", linestyle=(0, (4, 2)), label="teacher")
        axes[2].set(xlabel="share of its labels flipped", title="true accuracy")
        axes[2].legend(frameon=False)

    return _sheet(1, 3, draw, height=1.6)


def _fisher(orders: Sequence[Row], errors: Sequence[Row]) -> Figure:
    """The smallest eigenvalue, and the gain in angle with labels that are drawn, against the overshoot."""

    def draw(axes: Sequence[Axes]) -> None:
        drawn = [row for row in errors if row["regime"] == "bernoulli" and row["estimator"] == "ridge"]
        for ax, rows, value, called in (
            (axes[0], orders, "least", "smallest eigenvalue, cod - standard"),
            (axes[1], drawn, "less_angle", "gain in angle, degrees (drawn labels, ridge)"),
        ):
            own = [row for row in rows if row["condition"] == "cod"]
            for place, norm in enumerate(dict.fromkeys(row["norm"] for row in own)):
                line = [row for row in own if row["norm"] == norm]
                colour, marker, _ = plots.LOOKS[place]
                ax.errorbar(
                    [number(row, "overshoot") for row in line], [number(row, value) for row in line],
                    yerr=[1.96 * number(row, f"{value}_se") for row in line], color=colour, marker=marker,
                    markersize=3.5, label=f"|w| = {norm}",
                )  # fmt: skip
            ax.axhline(0, color="#999999", linewidth=0.6)
            ax.set(xlabel="overshoot, logits past the boundary", title=called)
        axes[0].legend(frameon=False)

    return _sheet(1, 2, draw, height=1.9)


def _sheet(rows: int, across: int, draw: Callable[[Sequence[Axes]], None], *, height: float) -> Figure:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({**sheets.FIXED, **sheets.PRINT}):
        figure = Figure(figsize=(WIDTH, 0.4 + rows * (height + 0.3)), layout="constrained")
        FigureCanvasAgg(figure)
        draw(list(figure.subplots(rows, across, squeeze=False).ravel()))
    return figure
