"""A grid -> what its numbers are measured against: tables of floors and ceilings, sentences, CSV. Pure.

Nothing here is a claim: the differences are exploratory, in no family, without p and without a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cod_bench.analysis import compare
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.compare import Comparison
from cod_bench.design import suites
from cod_bench.reports import captions
from cod_bench.reports.captions import conditional, named
from cod_bench.reports.tables import NONE, code, counted, csv_text, escape, interval, markdown, percent, points

POOL = "whole-pool"
"""The condition of ceilings; their k is 0."""
SHOWN = ("standard", "cod")
"""Conditions of the first method that stand between floors and ceilings, so that a reader sees where they are."""
OURS = "cod"
SAME, ANY = "=", "any"
"""Of a floor that has seen no labelled row: at each k, and in place of the rows."""
METRICS = ("accuracy", "matched", "agreement")


@dataclass(frozen=True, slots=True)
class Line:
    """One floor, ceiling or method on its rows. Shares; None where a task lacks a run, and nothing is imputed."""

    kind: str
    method: str
    condition: str
    by_k: tuple[float | None, ...]
    """Accuracy at each of the grid's budgets."""
    means: tuple[float | None, ...]
    """`METRICS` over the primary budgets, of a ceiling over its runs."""
    runs: int
    blind: bool = False
    """Whether it is the same at every k: it has seen no labelled row."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`cod` of a method minus a floor, over the primary budgets that both have."""

    method: str
    floor: Line
    found: Comparison


def lines(grid: Grid, tasks: Sequence[str] = ()) -> list[Line]:
    """Floors, the first method for comparison, ceilings, the teacher; over all tasks unless some are named."""
    over = tuple(tasks) or grid.suite.tasks
    found = [
        _line(grid, "floor", method, name, over)
        for method in grid.floors
        for name in grid.conditions(method)
        if name != POOL
    ]
    for method in grid.methods[:1]:
        found += [_line(grid, "student", method, name, over) for name in SHOWN if name in grid.conditions(method)]
    found += [_ceiling(grid, method, over) for method in grid.floors if POOL in grid.conditions(method)]
    teachers = [grid.teachers.get(task) for task in over]
    known = [value for value in teachers if value is not None]
    mean = float(np.mean(known)) if known and len(known) == len(teachers) else None
    return [*found, Line("teacher", "", "", (None,) * len(grid.ks), (mean, None, None), 0)]


def _line(grid: Grid, kind: str, method: str, name: str, tasks: Sequence[str]) -> Line:
    ks, primary = grid.ks_of(method, name), grid.primary(method, name)
    whole = bool(primary) and primary == tuple(k for k in grid.ks if k in grid.suite.primary_k)
    by_k = [_mean(grid, "accuracy", method, name, [k], tasks) if k in ks else None for k in grid.ks]
    means = [_mean(grid, metric, method, name, primary, tasks) if whole else None for metric in METRICS]
    runs = sum(len(grid.cell(task, method, name, k)) for task in tasks for k in ks)
    blind = kind == "floor" and len(by_k) > 1 and None not in (*by_k, means[0]) and _blind(grid, method, name, tasks)
    return Line(kind, method, name, tuple(by_k), tuple(means), runs, blind)


def _blind(grid: Grid, method: str, name: str, tasks: Sequence[str]) -> bool:
    """Whether a floor needs no label, and so says the same of every evaluation row whatever rows it was given."""
    runs = [
        [run.record for k in grid.ks_of(method, name) for run in grid.cell(task, method, name, k)] for task in tasks
    ]
    alike = all(len({record.predictions for record in own}) == 1 for own in runs)
    return alike and all(record.cost.get("human_labels") == 0 for own in runs for record in own)


def _ceiling(grid: Grid, method: str, tasks: Sequence[str]) -> Line:
    means = tuple(_mean(grid, metric, method, POOL, [0], tasks) for metric in METRICS)
    runs = sum(len(grid.cell(task, method, POOL, 0)) for task in tasks)
    return Line("ceiling", method, POOL, (None,) * len(grid.ks), means, runs)


def _mean(grid: Grid, metric: str, method: str, name: str, ks: Sequence[int], tasks: Sequence[str]) -> float | None:
    """Mean over tasks of the mean over seeds, teachers and ks; None while a cell is empty."""
    cells = [[grid.cell(task, method, name, k) for k in ks] for task in tasks]
    if not all(cell for own in cells for cell in own):
        return None
    return float(np.mean([np.mean([np.mean([run.metrics[metric] for run in cell]) for cell in own]) for own in cells]))


def main_parts(grid: Grid, *, level: int) -> list[str]:
    """What a section's main part opens with: the table, where `cod` stands against it, what is missing."""
    title = f"{'#' * level} Floors and ceilings (%)"
    if not grid.floors:
        base = suites.every().get(grid.suite.variant_of)
        return [title, elsewhere(grid)] if base is not None and base.floors else []
    parts = [title, *([told] if (told := missing(grid)) else [])]
    if not any(line.runs for line in lines(grid) if line.kind in ("floor", "ceiling")):
        return parts
    if said := sentence(grid):
        parts.append(said)
    parts += [table(grid), caption(grid)]
    return [*parts, *against(grid)]


def elsewhere(grid: Grid) -> str:
    """Where the floors of a variant that has none of its own are to be found."""
    return (
        f"This variant has none of its own: they stand in the section of suite {code(grid.suite.variant_of)}, track "
        f"{code(grid.track)}, protocol {code(grid.protocol)}."
    )


def missing(grid: Grid) -> str:
    """Which runs of floors and ceilings are not there; empty where all are."""
    lacking = [spec for spec in grid.missing if spec.method in grid.floors]
    if not lacking:
        return ""
    declared = sum(spec.method in grid.floors for spec in grid.declared)
    which = ", ".join(code(method) for method in grid.floors if any(spec.method == method for spec in lacking))
    none = len(lacking) == declared
    told = f"none of their {declared} runs is there yet" if none else f"{len(lacking)} of {declared} runs are missing"
    return f"The suite declares floors and ceilings, and {told}{'' if none else f' ({which})'}; nothing is imputed."


def table(grid: Grid) -> str:
    """One line a floor on its rows, the first method's, a line a ceiling, the teacher."""
    return markdown(_headers(grid, ()), [_row(grid, line) for line in lines(grid)], left=3)


def _headers(grid: Grid, first: Sequence[str]) -> list[str]:
    ks = [f"k={k}" for k in grid.ks]
    return [*first, "what", "method", "rows", *ks, "mean over k", "matched", "agreement", "n runs"]


def _row(grid: Grid, line: Line) -> list[str]:
    by_k = [SAME if line.blind else percent(value) for value in line.by_k]
    who = named(grid, line.method) if line.method else NONE
    rows = ANY if line.blind else code(line.condition) if line.condition else NONE
    runs = str(line.runs) if line.method else NONE
    return [line.kind, who, rows, *by_k, *map(percent, line.means), runs]


def caption(grid: Grid) -> str:
    """What the numbers are."""
    tasks, first = counted(len(grid.suite.tasks), "task"), escape(grid.methods[0]) if grid.methods else NONE
    return (
        f"Mean over {tasks} of the mean over {captions.seeds(grid)}, as in the table of accuracies. *floor*: a method "
        f"without a gradient loop, on the rows of the condition named; {code(SAME)}: the same at every k, shown once, "
        f"since it sees no labelled row. *student*: {first}, for comparison. *ceiling*: on the whole training pool "
        f"with its labels, one seed{' with each teacher' if grid.crossed else ''}, not at any k; *teacher*: on the "
        f"evaluation rows. A mean that lacks a task is {NONE}; nothing is imputed. {conditional(grid)}"
    )


def per_task(grid: Grid) -> list[str]:
    """The same task by task; of one task the main table is that already."""
    whole = lines(grid)
    if len(grid.suite.tasks) < 2 or not any(line.runs for line in whole if line.kind in ("floor", "ceiling")):
        return []
    rows = [
        [escape(task), *_row(grid, line)]
        for task in grid.suite.tasks
        for line in lines(grid, [task])
        if line.runs or line.kind == "teacher"
    ]
    return [
        "## Per task: floors and ceilings (%)",
        markdown(_headers(grid, ["task"]), rows, left=4),
        f"As the table that the page opens with, of single tasks. {conditional(grid)}",
    ]


def differences(grid: Grid) -> list[Difference]:
    """`cod` of every method minus every floor; without intervals before the grid is complete."""
    found = []
    floors = [line for line in lines(grid) if line.kind == "floor"]
    for method in grid.methods:
        for line in floors:
            ks = [k for k in grid.primary(method, OURS) if k in grid.primary(line.method, line.condition)]
            if OURS not in grid.conditions(method) or not ks:
                continue
            one = compare.compare(
                (method, compare.side(grid, method, OURS, ks)),
                (line.method, compare.side(grid, line.method, line.condition, ks)),
                test=False,
            )
            if one.estimate is not None and one.tasks == len(grid.suite.tasks):
                found.append(Difference(method, line, one if grid.tested else compare.means_only(one)))
    return found


def against(grid: Grid) -> list[str]:
    """Table and caption of `cod` minus each floor."""
    found = differences(grid)
    if not found:
        return []
    methods = list(dict.fromkeys(one.method for one in found))
    rows = []
    for line in dict.fromkeys(one.floor for one in found):
        own = {one.method: one.found for one in found if one.floor == line}
        ks, units = ({text(one) for one in own.values()} for text in (_ks, lambda one: str(one.units)))
        cells = [_cell(own[method]) if method in own else NONE for method in methods]
        rows.append([_floor(grid, line), " or ".join(sorted(ks)), *cells, " or ".join(sorted(units))])
    headers = [f"{code(OURS)} minus", "k", *(named(grid, method) for method in methods), "n units"]
    apart = " Sides of other machines are **unpaired**." if any(not one.found.paired for one in found) else ""
    told = " with 95 % intervals" if grid.tested else ""
    how = "stratified t over units and evaluation rows, half-widths added in squares" if grid.tested else "none"
    return [
        f"{code(OURS)} of each method minus each floor, in accuracy points{told}:",
        markdown(headers, rows, left=2),
        (
            "Exploratory: in no family of claims, no p, no correction and no verdict. Paired by (task, seed), averaged "
            f"over {captions.averaged(grid)}the k named, mean over tasks of the mean over seeds; interval: "
            f"{how}.{apart} {conditional(grid)}"
        ),
    ]


def _ks(found: Comparison) -> str:
    return ", ".join(map(str, found.ks))


def _cell(found: Comparison) -> str:
    bounds = "" if found.low is None else f" {interval(found.low, found.high)}"
    return f"{points(found.estimate)}{bounds}"


def _floor(grid: Grid, line: Line) -> str:
    return named(grid, line.method) if line.blind else f"{named(grid, line.method)} on {code(line.condition)}"


def best(found: Iterable[Line]) -> Line | None:
    """The most accurate over the primary budgets."""
    known = [line for line in found if line.means[0] is not None]
    return max(known, key=lambda line: round(line.means[0] or 0.0, 9), default=None)


def sentence(grid: Grid, *, plain: bool = False, methods: Sequence[str] = ()) -> str:
    """The best floor, the best that sees no labelled row, and where `cod` stands against them; empty without any.

    Args:
        plain: for a terminal, without markdown.
        methods: whose `cod` is told of; all if empty.
    """
    floors = [line for line in lines(grid) if line.kind == "floor"]
    first, blind = best(floors), best(line for line in floors if line.blind)
    if first is None:
        return ""
    told = [f"Best floor: {_told(grid, first, methods, plain=plain)}"]
    if blind is not None and blind is not first:
        told.append(f"best without a labelled row: {_told(grid, blind, methods, plain=plain)}")
    return "; ".join(told) + "."


def _told(grid: Grid, line: Line, methods: Sequence[str], *, plain: bool) -> str:
    def word(name: str) -> str:
        return " ".join(name.split()) if plain else code(name)

    own = [one for one in differences(grid) if one.floor == line and (not methods or one.method in methods)]
    rows = "" if line.blind else f" on the rows of {word(line.condition)}"
    text = f"{word(line.method)}{rows}, {percent(line.means[0])} %"
    stands = ", ".join(f"{word(one.method)} {_cell(one.found)}" for one in own)
    return f"{text} ({word(OURS)} minus it: {stands})" if stands else text


def csv(grid: Grid) -> str:
    """One line a difference of `cod` to a floor."""
    rows: list[dict[str, Any]] = [
        {
            "suite": grid.suite.name, "protocol": grid.protocol, "track": grid.track, "method": one.method,
            "condition": OURS, "floor": one.floor.method, "floor_condition": one.floor.condition,
            "ks": " ".join(map(str, one.found.ks)), "mean": one.found.estimate, "low": one.found.low,
            "high": one.found.high, "units": one.found.units, "tasks": one.found.tasks, "paired": one.found.paired,
        }
        for one in differences(grid)
    ]  # fmt: skip
    columns = ["suite", "protocol", "track", "method", "condition", "floor", "floor_condition", "ks", "mean", "low"]
    return csv_text([*columns, "high", "units", "tasks", "paired"], rows)
