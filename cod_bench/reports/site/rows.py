"""A grid -> the lines of the page's main table: means, then single cells; floors, teacher and chance too. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cod_bench.analysis import aggregate, paired, stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.reports import floors, standing
from cod_bench.reports.site.charts import CHANCE
from cod_bench.reports.tables import NONE

ALL_TASKS = "all tasks"
MEAN_K = "mean"
STUDENT, FLOOR, CEILING, TEACHER = "student", "floor", "ceiling", "teacher"
SHOWN = ("matched", "agreement", "macro_f1", "mcc", "kl", "ece")
"""Metrics beside accuracy in the main table."""
Bounds = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the main table. Accuracies and gains are shares; None where nothing was run or declared."""

    suite: str
    track: str
    protocol: str
    task: str
    kind: str
    method: str
    condition: str
    k: str
    order: int | None
    """Of k: 0 for the mean, None of what has none."""
    n: int
    declared: int
    accuracy: float | None
    bounds: Bounds = None
    """95 % t interval over seeds, averaged over teachers, of the line's own mean, evaluation rows fixed; None under
    four units."""
    sd: float | None = None
    """Standard deviation over seeds, averaged over teachers, of the line's own mean."""
    gain: float | None = None
    """Over `standard`, paired."""
    gain_bounds: Bounds = None
    """95 % interval of the gain, as under gains; None under four units."""
    collapsed: float | None = None
    state: str = NONE
    """Of the method's records, in short."""
    metrics: Mapping[str, float | None] | None = None


def rows(grid: Grid) -> Iterator[Row]:
    """The lines of one section: means over tasks and budgets first, then single cells, students before floors."""
    known = {(c["task"], c["method"], c["condition"], c["k"]): c for c in aggregate.cells(grid)}
    primary = tuple(k for k in grid.ks if k in grid.suite.primary_k)
    many = len(grid.suite.tasks) > 1
    for task in (ALL_TASKS, *grid.suite.tasks) if many else grid.suite.tasks:
        tasks = grid.suite.tasks if task == ALL_TASKS else (task,)
        for method in (*grid.methods, *grid.floors):
            for condition in grid.conditions(method):
                own = grid.ks_of(method, condition)
                scopes: list[tuple[str, int | None, tuple[int, ...]]] = [(str(k), k, (k,)) for k in own]
                if len(primary) > 1 and set(primary) <= set(own):
                    scopes.insert(0, (MEAN_K, 0, primary))
                for text, order, ks in scopes or [(NONE, None, (0,))]:  # a ceiling, at no budget
                    cells = [[known[t, method, condition, k] for k in ks] for t in tasks]
                    if method in grid.methods or any(cell["n"] for line in cells for cell in line):
                        yield _row(grid, task, method, condition, (text, order), cells, ks, tasks)
        yield from _levels(grid, task, tasks)


def _levels(grid: Grid, task: str, tasks: Sequence[str]) -> Iterator[Row]:
    """The teacher and the larger class alone, where they are known of each task."""
    where = (grid.suite.name, grid.track, grid.protocol, task)
    for kind, known in ((TEACHER, grid.teachers), (CHANCE, grid.majority)):
        values = [known[t] for t in tasks if t in known]
        if values and len(values) == len(tasks):
            yield Row(*where, kind, NONE, NONE, NONE, None, 0, 0, float(np.mean(values)))


def _row(
    grid: Grid, task: str, method: str, condition: str, k: tuple[str, int | None],
    cells: Sequence[Sequence[Mapping[str, Any]]], ks: Sequence[int], tasks: Sequence[str],
) -> Row:  # fmt: skip
    flat = [cell for line in cells for cell in line]

    def mean(name: str) -> float | None:
        if any(cell[name] is None for cell in flat):
            return None  # a mean that lacks a cell is not shown; nothing is imputed
        return float(np.mean([np.mean([cell[name] for cell in line]) for line in cells]))

    gain, gain_bounds = None, None
    if condition not in ("standard", floors.POOL) and "standard" in grid.conditions(method):
        parts = [paired.differences(grid, t, method, (condition, "standard"), ks) for t in tasks]
        if all(len(part.units) for part in parts):
            gain = float(np.mean([part.units.mean() for part in parts]))
            gain_bounds = _bounds(grid, gain, [part.units for part in parts], [part.rows for part in parts])
    seeds = _seeds(grid, method, condition, ks, tasks)
    accuracy = mean("accuracy")
    kind = STUDENT if method in grid.methods else CEILING if condition == floors.POOL else FLOOR
    return Row(
        grid.suite.name, grid.track, grid.protocol, task, kind, method, condition, *k,
        n=sum(cell["n"] for cell in flat),
        declared=sum(cell["declared"] for cell in flat),
        accuracy=accuracy,
        bounds=None if accuracy is None else _bounds(grid, accuracy, seeds),
        sd=_spread(grid, method, condition, ks, tasks),
        gain=gain,
        gain_bounds=gain_bounds,
        collapsed=mean("collapsed_share"),
        state=standing.short(grid, method),
        metrics={name: mean(name) for name in SHOWN},
    )  # fmt: skip


def _bounds(
    grid: Grid, mean: float, units: Sequence[stats.Floats], rows_of: Sequence[stats.Floats] = ()
) -> Bounds:  # fmt: skip
    """A mean's interval over units, and over evaluation rows where their differences are named.

    None before the grid is complete, under four units, or where every unit is the same.
    """
    n = sum(map(len, units))
    error = stats.unit_error(units) if grid.tested and n >= stats.FEWEST else None
    if not error:
        return None
    half = stats.half_width(error, stats.row_error(rows_of) if rows_of else 0.0, n - len(units))
    return mean - half, mean + half


def _seeds(
    grid: Grid, method: str, condition: str, ks: Sequence[int], tasks: Sequence[str]
) -> list[stats.Floats]:  # fmt: skip
    """Per task the accuracies of the seeds that have every budget and teacher of a line, averaged over these."""
    found, whole = [], len(ks) * len(grid.on_teachers)
    for task in tasks:
        of: dict[int, list[float]] = {}
        for k in ks:
            for run in grid.cell(task, method, condition, k):
                of.setdefault(run.record.spec.seed, []).append(float(run.metrics["accuracy"]))
        found.append(np.array([np.mean(values) for values in of.values() if len(values) == whole]))
    return found


def _spread(grid: Grid, method: str, condition: str, ks: Sequence[int], tasks: Sequence[str]) -> float | None:
    """Standard deviation over the seeds that have every cell of a line; None under two."""
    of_seed: dict[int, list[float]] = {}
    for task in tasks:
        for k in ks:
            for run in grid.cell(task, method, condition, k):
                of_seed.setdefault(run.record.spec.seed, []).append(float(run.metrics["accuracy"]))
    whole = len(tasks) * len(ks) * len(grid.on_teachers)
    means = [np.mean(values) for values in of_seed.values() if len(values) == whole]
    return float(np.std(means, ddof=1)) if len(means) > 1 else None
