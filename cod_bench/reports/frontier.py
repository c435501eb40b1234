"""A grid -> accuracy against what it costs: a sentence an axis, tables, CSV. The same input, the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from cod_bench.analysis import frontier as frontiers
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.frontier import AXES, OTHERS, Axis, Point, Step
from cod_bench.reports import captions
from cod_bench.reports.figures import board
from cod_bench.reports.figures.scale import amount
from cod_bench.reports.tables import NONE, code, counted, csv_text, escape, markdown, percent

TEXT, TABLE = "frontier.md", "frontier.csv"
MOST_NAMED = 3
"""Points or groups of them that a sentence names before it counts the rest."""
CSV_NAMES = {"labels": "human_labels", "queries": "teacher_queries", "dollars": "dollars", "seconds": "seconds"}


def files(grid: Grid, *, figures: bool = True) -> dict[str, str]:
    """The section's files by name; a figure only of an axis on which anything costs anything.

    Args:
        figures: draw them; without, their names stand with empty text.
    """
    points = frontiers.of(grid)
    drawn = {figure(axis): axis for axis in AXES.values() if costs_anything(points, axis)}
    texts = {TEXT: text(grid, points), TABLE: csv_of(grid, points)}
    return texts | {name: board.frontier(grid, points, axis) if figures else "" for name, axis in drawn.items()}


def figure(axis: Axis) -> str:
    """The file name of an axis's figure."""
    return f"frontier-{axis.name}.svg"


def costs_anything(points: Iterable[Point], axis: Axis) -> bool:
    """Whether a figure would show more than one upright line."""
    return any(point.costs[axis.name] for point in points)


def nothing_counted(points: Sequence[Point]) -> bool:
    """Whether no point has a cost on any axis, as where all records are older than these counts."""
    return all(spent is None for point in points for spent in point.costs.values())


def text(grid: Grid, points: Sequence[Point]) -> str:
    """frontier.md: a sentence and the frontier of each axis, then every point."""
    parts = [f"# Accuracy against cost: {captions.heading(grid)}"]
    if nothing_counted(points):
        return "\n\n".join([*parts, uncounted(points)]) + "\n"
    if not grid.complete:
        parts.append(partial(grid))
    for axis in AXES.values():
        parts += [f"## {axis.many.capitalize()}", sentence(grid, points, axis)]
        if costs_anything(points, axis):
            parts.append(f"![Accuracy against {axis.many}, a panel a method]({figure(axis)})")
            parts += [levels(points, axis)] if grid.complete else []
    parts += ["## Every point", table(points, list(AXES.values()), marks=grid.complete), caption(grid)]
    return "\n\n".join(parts) + "\n"


def uncounted(points: Sequence[Point]) -> str:
    """Why there is nothing to weigh."""
    if not points:
        return "No point yet: no method has a run of every task at any k."
    *names, last = (axis.many for axis in AXES.values())
    return (
        f"Not counted: none of these records tells its {', '.join(names)} or {last}, the making of its counterfactuals "
        "included."
    )


def partial(grid: Grid) -> str:
    """That a grid is not complete, and what follows."""
    return (
        f"**PARTIAL: {len(grid.runs)} of {len(grid.declared)} runs. Means and n only; there is no interval and no "
        "frontier before the declared grid is complete.**"
    )


def sentence(grid: Grid, points: Sequence[Point], axis: Axis) -> str:
    """What is most accurate at which cost, from the numbers alone; and for which points the cost is not known."""
    known = [point for point in points if point.costs[axis.name] is not None]
    if not known:
        reasons = dict.fromkeys(point.unknown[axis.name] for point in points)
        return f"{axis.many.capitalize()}: {' or '.join(reasons) or frontiers.NOT_COUNTED} in these records."
    told = [_levels(points, axis)] if grid.complete else ["No frontier before all runs are there."]
    if grid.complete and len(known) < len(points):
        told[0] = f"Of the {len(known)} of {len(points)} points that count it: {told[0][:1].lower()}{told[0][1:]}"
    if not costs_anything(known, axis):
        told.insert(0, f"Every point that is counted costs 0 {axis.many}.")
    return " ".join([*told, *unknown_costs(points, axis)])


def _levels(points: Sequence[Point], axis: Axis) -> str:
    """The frontier step by step, the smallest left out where there are many."""
    kept, left = frontiers.steps(points, axis.name)
    first, last = kept[0], kept[-1]
    if first is last:
        if not first.cost:
            return f"The most accurate is {_reached(first)}."
        return f"The most accurate is {_reached(first)}, and nothing costs less than its {with_unit(first.cost, axis)}."
    start = f"At {'up to ' if first.cost else ''}{with_unit(first.cost, axis)} a task"
    parts = [f"{start} the most accurate is {_reached(first)}"]
    for before, step in pairwise(kept):
        bound = f"from {amount(step.cost)} on" if step is last else f"at up to {amount(step.cost)}"
        parts.append(f"{bound} it is {_reached(step, before)}")
    smaller = f" {counted(left, 'smaller step')} between these {'is' if left == 1 else 'are'} in the table."
    return f"{'; '.join(parts)}.{smaller if left else ''}"


def _reached(step: Step, before: Step | None = None) -> str:
    """Who reaches a level, how much that is, and whether its interval overlaps that of the level before."""
    best = step.points[0]
    bounds = "" if best.low is None else f" [{percent(best.low)}, {percent(best.high)}]"
    same = before is not None and frontiers.apart(before.points[0], best) is False
    doubt = ", its interval overlaps that of the one before" if same else ""
    return f"{_named(step.points)} ({percent(best.accuracy)} %{bounds}{doubt})"


def _named(points: Iterable[Point]) -> str:
    """Points in words, those of one method and condition together."""
    groups: dict[tuple[str, str], list[int]] = {}
    for point in points:
        groups.setdefault((point.method, point.condition), []).append(point.k)
    told = [
        f"{code(method)} with {code(condition)} at k = {', '.join(map(str, ks))}"
        for (method, condition), ks in groups.items()
    ]
    return " and ".join([*told[:MOST_NAMED], *([f"{len(told) - MOST_NAMED} more"] if len(told) > MOST_NAMED else [])])


def unknown_costs(points: Sequence[Point], axis: Axis) -> list[str]:
    """For which points the cost is not known; these stand on no frontier."""
    found = []
    for reason in dict.fromkeys(point.unknown[axis.name] for point in points if axis.name in point.unknown):
        own = [point for point in points if point.unknown.get(axis.name) == reason]
        groups = [f"{code(m)} with {code(c)}" for m, c in dict.fromkeys((p.method, p.condition) for p in own)]
        more = [f"{len(groups) - MOST_NAMED} more"] if len(groups) > MOST_NAMED else []
        told = ", ".join([*groups[:MOST_NAMED], *more])
        found.append(f"{reason.capitalize()}, and so on no frontier: {len(own)} of {len(points)} points ({told}).")
    return found


def with_unit(spent: float, axis: Axis) -> str:
    """A cost with its unit."""
    said = amount(spent)
    return f"{said} {axis.one if said == '1' else axis.many}"


def levels(points: Sequence[Point], axis: Axis) -> str:
    """The frontier of one axis as a table, cheapest first."""
    return table(frontiers.frontier(points, axis.name), [axis])


def table(points: Sequence[Point], axes: Sequence[Axis], *, marks: bool = False) -> str:
    """One line a point with its costs; `marks` says on which frontiers it stands."""
    on = {axis.name: {_key(point) for point in frontiers.frontier(points, axis.name)} for axis in axes if marks}
    rows = []
    for point in points:
        row = [escape(point.method) + (" (floor)" if point.floor else ""), code(point.condition), str(point.k)]
        row += [_spent(point, axis) + (" *" if _key(point) in on.get(axis.name, ()) else "") for axis in axes]
        bounds = NONE if point.low is None else f"[{percent(point.low)}, {percent(point.high)}]"
        rows.append([*row, percent(point.accuracy), bounds, str(point.runs)])
    headers = ["method", "condition", "k", *(axis.many for axis in axes), "accuracy %", "95 % interval", "n runs"]
    return markdown(headers, rows, left=2)


def _spent(point: Point, axis: Axis) -> str:
    spent = point.costs[axis.name]
    return point.unknown[axis.name] if spent is None else amount(spent)


def _key(point: Point) -> tuple[str, str, int]:
    return point.method, point.condition, point.k


def caption(grid: Grid) -> str:
    """The estimators, once for all tables and figures."""
    return (
        f"A point is one method, condition and k. Accuracy: mean over {counted(len(grid.suite.tasks), 'task')} of the "
        f"mean over {captions.seeds(grid)}, with a 95 % t interval over seeds"
        f"{captions.each(grid)}, evaluation rows fixed, unpaired. Where two intervals "
        "overlap, a paired comparison may still tell them apart: see the table of gains. Cost: mean over the same "
        "runs of what one run, which is of one task, counted: rows whose gold label had to be known; texts that the "
        "teacher was asked about, the generator's word survey shared out over the pool's texts; dollars paid for a "
        "language model; seconds of making the rows, of training (of a floor: of its fit) and of the run's share of "
        "making its counterfactuals, on the machines that made the records; labelling by people and evaluation are not "
        "among them, and answers of the teacher that a run before in the same process had got took no time again. The "
        "teacher's own fine-tuning, on the gold labels of the whole pool, is in no cost of a run. "
        "\\*: on the frontier of that cost; no other point is at least as accurate for no more of it and better in one "
        "of the two. What was not counted is told as such and is never 0. " + captions.conditional(grid)
    )


def csv_of(grid: Grid, points: Sequence[Point]) -> str:
    """One line a point; accuracies are shares. What was not counted is empty, as are all flags of a partial grid."""
    on = {axis: {_key(point) for point in frontiers.frontier(points, axis)} for axis in AXES}
    rows: list[dict[str, Any]] = []
    for point in points:
        row: dict[str, Any] = {"suite": grid.suite.name, "protocol": grid.protocol, "track": grid.track}
        row |= {name: getattr(point, name) for name in ("method", "condition", "k", "floor", "runs")}
        row |= {name: getattr(point, name) for name in ("accuracy", "low", "high")}
        row |= {CSV_NAMES[axis]: spent for axis, spent in point.costs.items()} | dict(point.others)
        for axis, own in on.items():
            told = grid.complete and point.costs[axis] is not None
            row[f"on_frontier_{axis}"] = _key(point) in own if told else None
        rows.append(row)
    columns = ["suite", "protocol", "track", "method", "condition", "k", "floor", "runs", "accuracy", "low", "high"]
    columns += [*(CSV_NAMES[axis] for axis in AXES), *OTHERS, *(f"on_frontier_{axis}" for axis in AXES)]
    return csv_text(columns, rows)
