"""A grid -> words that tables and captions share: names with states, units, what all is conditional on. Pure."""

from __future__ import annotations

from cod_bench.analysis import quality, stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import POOLED
from cod_bench.records.verdicts import REPRODUCED
from cod_bench.reports import standing
from cod_bench.reports.tables import code, counted, escape, percent
from cod_bench.spec import LOCAL
from cod_bench.track import of_teacher

ALL_METHODS = "all methods"
"""How the mean over methods is called in tables."""
UNEQUAL = "(not at equal k)"


def heading(grid: Grid) -> str:
    """Suite, track and protocol: what never shares a table."""
    title = f"{escape(grid.suite.title)} (suite {code(grid.suite.name)})"
    return f"{title}: track {code(grid.track)}, protocol {code(grid.protocol)}"


def named(grid: Grid, method: str) -> str:
    """A method's name in a table, or that of the mean over methods.

    With its state where others of the table are reproduced and it is not.
    """
    if method == POOLED:
        return f"*{ALL_METHODS}*"
    state = standing.short(grid, method)
    return escape(method) if state == REPRODUCED or not standing.mixed(grid) else f"{escape(method)} *{escape(state)}*"


def condition(grid: Grid, name: str) -> str:
    """A condition in a table, marked where it is not at equal k."""
    told = grid.conditions_about.get(name)
    return code(name) if told is None or told.equal_k else f"{code(name)} {UNEQUAL}"


def pair(grid: Grid, one: str, other: str) -> str:
    """A comparison in a table."""
    return f"{condition(grid, one)} - {condition(grid, other)}"


def units(grid: Grid) -> tuple[int, int, int]:
    """Declared units, tasks and seeds."""
    tasks, seeds = len(grid.suite.tasks), len(grid.suite.seeds)
    return tasks * seeds, tasks, seeds


def untested(grid: Grid) -> str:
    """Why a grid has no interval, p or claim, in a sentence; empty where it has."""
    if not grid.complete:
        return "PARTIAL: no interval, p or claim before the declared grid is complete."
    few = f"{counted(grid.units, 'unit')} ({counted(len(grid.suite.tasks), 'task')} x "
    few += f"{counted(len(grid.suite.seeds), 'seed')})"
    return "" if grid.tested else f"No interval, p or claim from {few}: they take {stats.FEWEST}."


def teachers(grid: Grid) -> tuple[int, ...]:
    """Seeds of the teachers that every run is made with."""
    return tuple(of_teacher(name)[1] for name in grid.on_teachers)


def seeds(grid: Grid) -> str:
    """What the runs of a cell differ in, as captions say what a mean or a spread is over."""
    return "seeds and teachers" if grid.crossed else "seeds"


def averaged(grid: Grid) -> str:
    """How many teachers a unit is averaged over, to stand before the budgets; empty where there is one."""
    return f"{len(grid.on_teachers)} teachers and " if grid.crossed else ""


def each(grid: Grid) -> str:
    """That a seed's value is a mean over teachers, behind what is told of seeds; empty where there is one teacher."""
    return f", each averaged over {len(grid.on_teachers)} teachers" if grid.crossed else ""


def resting(grid: Grid) -> str:
    """Which teachers and generator the numbers are conditional on, in a sentence."""
    if not grid.crossed:
        return "Conditional on one teacher and one generator per task."
    own = ", ".join(map(str, teachers(grid)))
    return (
        f"Averaged over {len(grid.on_teachers)} teachers a task (seeds {own}), conditional on them and on one "
        "generator per task."
    )


def selection(grid: Grid) -> str:
    """That `unvalidated` is a selected sample, and where it is nothing but `cod`, in a sentence each; else empty."""
    found = quality.selected(grid)
    if found is None:
        return ""
    told, slots = [], found.answers + found.originals
    if found.originals:
        told.append(
            f"`unvalidated` is a selected sample: of its {counted(slots, 'slot')} {percent(found.answers / slots)} % "
            f"have their first answer and {percent(found.originals / slots)} % an original, as in `cod`, because no "
            "counterfactual of theirs is valid."
        )
    if found.equal:
        of = "(task, teacher, seed, k)" if grid.crossed else "(task, seed, k)"
        where = "" if found.equal == found.pairs else f" in {found.equal} of {found.pairs} {of}"
        told.append(f"Its rows are those of `cod`{where}: the difference of the two says nothing about validation")
        told[-1] += " there." if where else "."
    return " ".join(told)


def conditional(grid: Grid) -> str:
    """The end of every caption."""
    generator = f"; generator {code(grid.suite.generator)}" if grid.suite.generator else ""
    slices = sum(LOCAL in task for task in grid.suite.tasks)
    marks = (
        f" {counted(slices, 'local slice')} ({code('+local-')} in the name): not the canonical data." if slices else ""
    )
    return (
        f"{resting(grid)} Protocol {code(grid.protocol)}, track {code(grid.track)}{generator}.{marks} "
        f"Records: {escape(standing.brief(grid))}."
    )
