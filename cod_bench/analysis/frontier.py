"""Runs of each (method, condition, k) -> accuracy against cost, and which points no other one beats. Pure.

A point is one (method, condition, k): the mean over tasks of the mean over seeds and teachers of its accuracy, and the
mean over the same runs of what one run, which is of one task, cost. A point is on the frontier of a cost when no other
point is at least as accurate for no more of it and better in one of the two. A cost that one of the runs did not count
is none of the point's, never 0: the point is on no frontier of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cod_bench.analysis import stats
from cod_bench.analysis.aggregate import Grid, Run, by_seed

NOT_COUNTED = "not counted"
NO_PRICE = "price unknown"
OTHERS = ("unlabelled_texts", "llm_requests", "llm_prompt_tokens", "llm_completion_tokens")
"""Costs that a record may count and that are no axis."""
DIGITS = 6
"""Sums differ in their last bits between machines; two costs or accuracies that agree in so many digits are equal."""
MOST_STEPS = 4


@dataclass(frozen=True, slots=True)
class Axis:
    """One way of spending: its name on the command line and how an amount of it is told."""

    name: str
    one: str
    many: str


AXES = {
    axis.name: axis
    for axis in (
        Axis("labels", "human label", "human labels"),
        Axis("queries", "teacher query", "teacher queries"),
        Axis("dollars", "dollar", "dollars"),
        Axis("seconds", "second", "seconds"),
    )
}
"""Axes in the order of every table."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The runs of one (method, condition, k), of whatever tasks and seeds."""

    method: str
    condition: str
    k: int
    runs: tuple[Run, ...]
    floor: bool = False
    """Whether the method is there to be measured against: it distils nothing."""


@dataclass(frozen=True, slots=True)
class Point:
    """What one (method, condition, k) reaches and costs. Accuracies are shares; None where nothing can be said."""

    method: str
    condition: str
    k: int
    floor: bool
    runs: int
    accuracy: float
    low: float | None
    high: float | None
    costs: Mapping[str, float | None]
    """By axis; None where a run of them did not count it."""
    unknown: Mapping[str, str]
    """Axis without a cost -> why it has none."""
    others: Mapping[str, float | None]
    """The same of `OTHERS`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One level of a frontier: what is spent, and the points that reach most for it, more than one where they tie."""

    cost: float
    points: tuple[Point, ...]


def of(grid: Grid) -> list[Point]:
    """The points of a grid, in the order of its tables; intervals only when it is complete."""
    return points(cells(grid, grid.floors), grid.suite.tasks, intervals=grid.complete)


def cells(grid: Grid, floors: Collection[str] = ()) -> list[Cell]:
    """The declared (method, condition, k) of a grid with their counted runs, without ceilings; `floors` are methods."""
    return [
        Cell(method, condition, k, tuple(runs), method in floors)
        for method in dict.fromkeys((*grid.methods, *floors))
        for condition in grid.conditions(method)
        for k in grid.ks_of(method, condition)
        if k and (runs := [run for task in grid.suite.tasks for run in grid.cell(task, method, condition, k)])
    ]


def points(cells: Iterable[Cell], tasks: Sequence[str], *, intervals: bool = True) -> list[Point]:
    """One point a cell that has a run of every task; nothing is imputed for another.

    The 95 % interval is a t interval over units (task, seed), averaged over teachers and stratified by task, with the
    evaluation rows fixed: for one task the one of the leaderboard's cells. None where a task has a single seed, and
    below `stats.FEWEST` units.

    Args:
        intervals: whether to give any; a partial grid has none.
    """
    found = []
    for cell in cells:
        by_task = [[run for run in cell.runs if run.record.spec.task == task] for task in tasks]
        if not by_task or not all(by_task):
            continue
        runs = [run for own in by_task for run in own]
        mean = float(np.mean([np.mean([float(run.metrics["accuracy"]) for run in own]) for own in by_task]))
        values = [by_seed(own) for own in by_task]
        units = sum(map(len, values))
        error = stats.unit_error(values) if intervals and units >= stats.FEWEST else None
        half = None if error is None else stats.quantile(units - len(values)) * error
        spent = {axis: [cost(axis, run.record.cost) for run in runs] for axis in AXES}
        found.append(
            Point(
                cell.method, cell.condition, cell.k, cell.floor, len(runs), round(mean, DIGITS + 2),
                None if half is None else mean - half, None if half is None else mean + half,
                costs={axis: _mean(amounts) for axis, amounts in spent.items()},
                unknown={axis: _why(axis, runs) for axis, amounts in spent.items() if None in amounts},
                others={name: _mean([run.record.cost.get(name) for run in runs]) for name in OTHERS},
            )
        )  # fmt: skip
    return found


def cost(axis: str, counted: Mapping[str, float]) -> float | None:
    """What one record's `cost` says of an axis; None where it did not count it.

    Seconds are those of making its rows, of its training, first stages included, and its share of the making of its
    counterfactuals. What the teacher said of a text is remembered by a process: rows that another run in it had asked
    about took less. A run that asked no model paid none.
    """
    if axis == "labels":
        return counted.get("human_labels")
    if axis == "queries":
        return counted.get("teacher_queries")
    if axis == "dollars":
        return counted.get("dollars", 0.0 if counted.get("llm_requests") == 0 else None)
    parts = [counted.get(name) for name in ("rows_seconds", "prepare_seconds", "train_seconds", "pool_seconds")]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def frontier(points: Iterable[Point], axis: str) -> list[Point]:
    """The points that no other one beats, cheapest first; points that tie in both all stand. Unknown costs are out."""
    order = sorted(_known(points, axis), key=lambda pair: (pair[0], -pair[1].accuracy))
    found: list[Point] = []
    dearest = 0.0
    for spent, point in order:
        tied = bool(found) and (spent, point.accuracy) == (dearest, found[-1].accuracy)
        if not found or tied or point.accuracy > found[-1].accuracy:
            found.append(point)
            dearest = spent
    return found


def steps(points: Iterable[Point], axis: str, most: int = MOST_STEPS) -> tuple[list[Step], int]:
    """The frontier as levels, and how many of them were left out to keep to `most`.

    The first and the last always stand; what goes is each time the level that gains least over the one before it.
    """
    levels: dict[float, list[Point]] = {}
    for spent, point in _known(frontier(points, axis), axis):
        levels.setdefault(spent, []).append(point)
    kept = [Step(spent, tuple(own)) for spent, own in levels.items()]
    whole = len(kept)
    while len(kept) > max(most, 2):
        gained = [kept[place].points[0].accuracy - kept[place - 1].points[0].accuracy for place in range(1, len(kept))]
        del kept[1 + int(np.argmin(gained[:-1]))]
    return kept, whole - len(kept)


def apart(one: Point, other: Point) -> bool | None:
    """Whether the intervals of two points keep clear of each other; None where one has none."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return None
    return one.high < other.low or other.high < one.low


def _known(points: Iterable[Point], axis: str) -> list[tuple[float, Point]]:
    """Points with a cost, and this."""
    return [(spent, point) for point in points if (spent := point.costs[axis]) is not None]


def _mean(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return round(float(np.mean(known)), DIGITS) if known and len(known) == len(amounts) else None


def _why(axis: str, runs: Iterable[Run]) -> str:
    """Why a point has no cost on an axis: a model was asked and nobody knew its price, or nothing was counted."""
    costs = [run.record.cost for run in runs if cost(axis, run.record.cost) is None]
    return NO_PRICE if axis == "dollars" and all("llm_requests" in one for one in costs) else NOT_COUNTED
