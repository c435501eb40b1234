"""A grid -> what curves of accuracy against k show: panels, means with intervals, grey levels, looks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cod_bench.analysis import aggregate, stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.design import suites
from cod_bench.reports import floors
from cod_bench.reports.figures.limits import Spot

# Okabe and Ito's colours, told apart by readers with any colour vision; markers and dashes say the same once more.
LOOKS = (
    ("#000000", "o", "-"), ("#D55E00", "D", "-"), ("#E69F00", "s", "--"), ("#0072B2", "^", "--"),
    ("#009E73", "v", "-."), ("#999999", "x", ":"), ("#CC79A7", "o", "--"), ("#56B4E9", "D", ":"),
    ("#F0E442", "s", "-."), ("#D55E00", "^", ":"), ("#009E73", "x", "--"), ("#0072B2", "v", "-"),
    ("#CC79A7", "s", "-"), ("#E69F00", "o", "-."), ("#56B4E9", "^", "-"), ("#000000", "D", "--"),
    ("#0072B2", "x", "-"), ("#D55E00", "v", "--"), ("#009E73", "o", ":"), ("#CC79A7", "D", "-."),
    ("#999999", "^", "-."), ("#E69F00", "v", ":"), ("#56B4E9", "s", ":"), ("#000000", "x", "-."),
    ("#D55E00", "p", "-."), ("#009E73", "p", "-"), ("#0072B2", "p", ":"), ("#CC79A7", "p", "--"),
)  # fmt: skip
"""(colour, marker, dashes) by place: the declared conditions first, then others by name."""
MANY = 8
"""Conditions of one method beyond which their curves cannot be told apart in one panel."""
BEHIND = {"standard": "-", "cod": "--"}
"""What stands behind every single condition -> its dashes."""
DRAWN = {"lexicon": "-", "probe": "--"}
"""Floors that figures show -> their dashes."""


def styles(conditions: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """How conditions are drawn; a declared one looks the same whatever stands beside it."""
    order = suites.in_order([*suites.CONDITIONS, *conditions])
    return {name: LOOKS[place % len(LOOKS)] for place, name in enumerate(order)}


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


def levels(grid: Grid, *tasks: str, called: Callable[[str], str] = str, whose: bool = True) -> list[Level]:
    """The teacher, the best ceiling and two floors: the one without labels, and the probe on the rows of `standard`.

    Args:
        tasks: one, or several for their means.
        called: what a method is called in the labels.
        whose: tell which method's the ceiling is.
    """
    found = []
    teachers = [grid.teachers[task] for task in tasks if task in grid.teachers]
    if teachers and len(teachers) == len(tasks):
        found.append(Level("teacher", ":", tuple((k, 100 * float(np.mean(teachers))) for k in grid.ks)))
    ceilings = [line for line in floors.lines(grid, tasks) if line.kind == "ceiling"] if grid.floors else []
    if (top := floors.best(ceilings)) is not None:
        reached = 100 * (top.means[0] or 0.0)
        label = f"best ceiling ({called(top.method)})" if whose else "best ceiling"
        found.append(Level(label, "-.", tuple((k, reached) for k in grid.ks)))
    for method, dash in DRAWN.items():
        if method in grid.floors and (own := curve(grid, tasks, method, "standard")):
            points = tuple((int(spot.at), spot.mean) for spot in own)
            found.append(Level(f"{called(method)} (floor)", dash, points))
    return found


def means(grid: Grid, task: str, method: str, condition: str) -> tuple[tuple[int, float], ...]:
    """(k, mean accuracy over seeds and teachers in %) wherever there is a run."""
    return tuple((int(spot.at), spot.mean) for spot in curve(grid, (task,), method, condition))


def curve(grid: Grid, tasks: Sequence[str], method: str, condition: str) -> tuple[Spot, ...]:
    """Accuracy in % at each k at which every task has a run: mean over tasks of the mean over seeds and teachers.

    With 95 % t intervals over seeds, averaged over teachers, stratified by task, evaluation rows fixed; none before the
    grid is complete, and none of fewer than `stats.FEWEST` units.
    """
    found = []
    for k in grid.ks_of(method, condition):
        cells = [grid.cell(task, method, condition, k) for task in tasks]
        if not cells or not all(cells):
            continue
        every = [100 * np.array([float(run.metrics["accuracy"]) for run in runs]) for runs in cells]
        mean, n = float(np.mean([own.mean() for own in every])), sum(map(len, every))
        values = [100 * aggregate.by_seed(runs) for runs in cells]
        units = sum(map(len, values))
        error = stats.unit_error(values) if grid.tested and units >= stats.FEWEST else None
        half = None if error is None else stats.quantile(units - len(values)) * error
        found.append(Spot(k, mean, None if half is None else mean - half, None if half is None else mean + half, n))
    return tuple(found)


def plain(text: str) -> str:
    """A name that matplotlib does not read as mathematics."""
    return text.replace("\\", "\\\\").replace("$", r"\$")
