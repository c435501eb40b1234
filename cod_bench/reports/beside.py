"""A submission's grid and the declared one -> the submission beside the declared methods. Pure; exploratory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cod_bench.analysis import aggregate, compare
from cod_bench.analysis.aggregate import Grid
from cod_bench.reports import captions, floors, page, standing
from cod_bench.reports.tables import NONE, code, escape, interval, markdown, p_value, percent, points
from cod_bench.spec import RunSpec

ALONE = "No declared method of its suite has a counted run here. "


def submitted(grid: Grid) -> bool:
    """Whether the grid is a submission's: a variant for methods that no suite declares."""
    return not set(grid.suite.submitted).isdisjoint(grid.methods)


def counterpart(own: Grid, grids: Iterable[Grid]) -> Grid | None:
    """The grid of the suite that a submission is a variant of; one with its tasks and generator before any other.

    None for what is no submission, and where that suite has no counted run on the same track under the same protocol.
    """
    base = own.suite.family
    there = [
        grid
        for grid in grids
        if (grid.suite.family, grid.protocol, grid.track) == (base, own.protocol, own.track)
        and not submitted(grid)
        and (grid.suite.name == base or _like(grid, own))
    ]
    return min(there, key=lambda grid: not _like(grid, own), default=None) if submitted(own) else None


def _like(one: Grid, other: Grid) -> bool:
    return (one.suite.tasks, one.suite.generator) == (other.suite.tasks, other.suite.generator)


def parts(own: Grid, declared: Grid) -> list[str]:
    """Heading, accuracies, differences and their captions for the page of a submission."""
    heading = f"## Beside the methods of suite {code(declared.suite.name)} (exploratory)"
    return [heading, *figures(own, declared), *differences(own, declared), *_floors(declared)]


def _floors(declared: Grid) -> list[str]:
    """The floors and ceilings of the declared suite, which has them for its variants too."""
    own = floors.main_parts(declared, level=3)
    return [f"{own[0]} of suite {code(declared.suite.name)}", *own[1:]] if own else []


def figures(own: Grid, declared: Grid | None) -> list[str]:
    """Accuracies of the submission and of the declared methods, if any, condition by condition, with their caption."""
    ks = sorted({*own.ks, *(declared.ks if declared else ())})
    sides = [(own, NONE)]
    if declared is not None:
        same = _teachers(own).items() <= _teachers(declared).items()
        sides.append((_on_cells_of(own, declared), "same" if same else "another"))
    rows = []
    for condition in dict.fromkeys(c for method in own.methods for c in own.conditions(method)):
        for grid, teacher in sides:
            if grid is not own and not _comparable(own, grid, condition):
                continue
            for method in grid.methods:
                if condition in grid.conditions(method):
                    name = f"**{escape(method)}**" if grid is own else escape(method)
                    state = standing.short(grid, method)
                    rows.append(
                        [code(condition), name, escape(state), teacher, *_accuracies(grid, method, condition, ks)]
                    )
    headers = ["condition", "method", "records", "its teacher", *(f"k={k}" for k in ks), "mean over k", "n runs"]
    primary = ", ".join(str(k) for k in own.ks if k in own.suite.primary_k) or NONE
    caption = (
        f"Accuracy in %, mean over tasks of the mean over {captions.seeds(own)}; `mean over k`: also over k = "
        f"{primary}. A mean that lacks a task is {NONE}. Declared methods stand with those (task, condition, k, "
        f"{'teacher, ' if own.crossed else ''}seed) alone that the submission has. `its teacher`: whether the "
        "declared methods learnt from the submission's teacher. "
        f"{page.states(own)}{'' if declared else ALONE}Track {code(own.track)}, protocol {code(own.protocol)}. "
        f"{escape(standing.words(own))}"
    )
    return [markdown(headers, rows, left=4), caption]


def _on_cells_of(own: Grid, declared: Grid) -> Grid:
    """The declared grid with those runs alone whose (task, condition, k, teacher, seed) every submitted method has:
    means over other seeds are means over other rows."""
    cells = [{_cell(spec) for spec in own.runs if spec.method == method} for method in own.methods]
    shared = set[tuple[object, ...]].intersection(*cells)
    return replace(declared, runs={spec: run for spec, run in declared.runs.items() if _cell(spec) in shared})


def _cell(spec: RunSpec) -> tuple[object, ...]:
    """A run without its method; its track names its teacher's seed."""
    return spec.task, spec.condition, spec.k, spec.track, spec.seed


def _accuracies(grid: Grid, method: str, condition: str, ks: Iterable[int]) -> list[str]:
    have, primary = grid.ks_of(method, condition), grid.primary(method, condition)
    shown = [percent(aggregate.mean_accuracy(grid, method, condition, [k])[0]) if k in have else NONE for k in ks]
    mean = aggregate.mean_accuracy(grid, method, condition, primary)[0] if primary else None
    return [*shown, percent(mean), str(aggregate.mean_accuracy(grid, method, condition, have)[1])]


def _teachers(grid: Grid) -> dict[tuple[str, str], str]:
    """(task, track with the seed of a teacher) -> that teacher."""
    return {(spec.task, spec.track): run.record.teacher_hash for spec, run in grid.runs.items()}


def _comparable(own: Grid, declared: Grid, condition: str) -> bool:
    """Whether a condition is the same on both sides: what another generator made is not."""
    return not own.generated(condition) or own.suite.generator == declared.suite.generator


def differences(own: Grid, declared: Grid) -> list[str]:
    """Table and caption of the submission minus each declared method; says so while a grid is not complete."""
    if not (own.complete and declared.complete):
        return ["Not compared before both grids are complete."]
    rows, unpaired = [], False
    for method in own.methods:
        for other in declared.methods:
            for condition in own.conditions(method):
                ks = [k for k in own.primary(method, condition) if k in declared.primary(other, condition)]
                both = condition in declared.conditions(other) and _comparable(own, declared, condition)
                if not both or not ks:
                    continue
                found = compare.compare(
                    (method, compare.side(own, method, condition, ks)),
                    (other, compare.side(declared, other, condition, ks)),
                )
                if not found.units or found.estimate is None:
                    continue
                unpaired |= not found.paired
                how = "paired" if found.paired else "**unpaired**"
                told = [points(found.estimate), interval(found.low, found.high)]
                told += ["–" if found.p is None else p_value(found.p), how, str(found.units)]
                named = [f"{escape(method)} - {escape(other)}", code(condition), ", ".join(map(str, found.ks))]
                rows.append([*named, *told])
    if not rows:
        return []
    caption = (
        "Accuracy of the submission minus that of a declared method under the same condition in points, mean over "
        "tasks of the mean over seeds and the k named; 95 % intervals, p not adjusted. Paired by (task, seed) where "
        f"both had one teacher and the same evaluation rows{', and averaged over teachers' if own.crossed else ''}. "
    )
    if unpaired:
        caption += (
            "Across teachers methods are compared **unpaired**: another teacher makes another problem, so the spreads "
            "of both sides add up, there is no p, and a difference may be the teacher's. "
        )
    if not own.tested:
        caption += f"{captions.untested(own)} "
    headers = ["difference", "condition", "k", "points", "95 % interval", "p", "how", "n units"]
    caption += f"Track {code(own.track)}, protocol {code(own.protocol)}."
    return [markdown(headers, rows, left=3), caption]
