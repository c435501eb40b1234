"""A grid's states and declaration -> whom its headline may speak for, and in words what it may confirm. Pure.

What nobody told anything of counts as submitted, whoever's method it is; what nobody declared is exploratory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import Gain
from cod_bench.design.suites import DEVELOPED, DEVELOPED_SEEDS
from cod_bench.records.verdicts import CONTRADICTED, ELSEWHERE, REPRODUCED, SUBMITTED
from cod_bench.spec import base_name

PARTLY = "partly"
WORDS = {
    SUBMITTED: "submitted: nobody has re-run these records",
    PARTLY: "submitted: nobody has re-run some of these records",
    REPRODUCED: "reproduced: random cells of these records were found again",
    ELSEWHERE: "another teacher or environment: what was re-run there came out otherwise",
    CONTRADICTED: "another result: what was re-run with the same teacher and environment came out otherwise",
}


TEACHERS_NEEDED = 3
"""Seeds of teachers that a table rests on which says how results vary from teacher to teacher (protocol.md)."""
UNDECLARED = "Exploratory: not declared before it was run."


def declared(grid: Grid) -> str:
    """Whether a grid was declared before it was run, and whether it confirms anything, in a sentence."""
    told = grid.declared_as
    if told is None:
        return UNDECLARED
    when = f"declared on {told.date}"
    if told.departs:
        return f"Exploratory: {when}, but {told.departs}."
    when += " before its first record"
    if used := _developed(grid):
        return f"{when[:1].upper()}{when[1:]}, not confirmatory: {used}."
    if told.teachers < TEACHERS_NEEDED:
        few = "one teacher" if told.teachers == 1 else f"{told.teachers} teachers"
        return f"Confirmatory, for {few} a task: {when}; how results vary from teacher to teacher it does not tell."
    return f"Confirmatory: {when}."


def _developed(grid: Grid) -> str:
    """What of a grid served to settle generator, recipe or track; empty if nothing did."""
    tasks = [task for task in grid.suite.tasks if base_name(task) in DEVELOPED]
    seeds = [str(seed) for seed in grid.suite.seeds if seed in DEVELOPED_SEEDS]
    whole, all_seeds = len(tasks) == len(grid.suite.tasks), len(seeds) == len(grid.suite.seeds)
    if tasks:
        which = "its corpora" if whole and len(tasks) > 1 else "its corpus" if whole else ", ".join(tasks)
        return f"{which} served to settle generator, recipe and track, so it confirms nothing about others"
    if seeds:
        which = "its seeds" if all_seeds else f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(seeds)}"
        return f"{which} served to settle generator and recipe, and confirmation takes seeds that did not"
    return ""


def full(grid: Grid, method: str) -> str:
    """What is known of a method's records, with the figures of their re-runs."""
    return grid.states.get(method) or SUBMITTED


def short(grid: Grid, method: str) -> str:
    """The same in a word or two."""
    return full(grid, method).partition(" (")[0]


def headed(grid: Grid, gains: Iterable[Gain]) -> list[Gain]:
    """The gains that a headline may be made of: those of reproduced methods, or all where none is reproduced."""
    given = list(gains)
    return [gain for gain in given if short(grid, gain.method) == REPRODUCED] or given


def mixed(grid: Grid) -> bool:
    """Whether some of the methods' records are reproduced and others are not."""
    return len({short(grid, method) == REPRODUCED for method in grid.methods}) > 1


def brief(grid: Grid) -> str:
    """`submitted`, or `kd reproduced; lwd, ted submitted`."""
    found = _grouped(grid.methods, lambda method: short(grid, method))
    if len(found) < 2:
        return next(iter(found), SUBMITTED)
    return "; ".join(f"{', '.join(own)} {state}" for state, own in found.items())


def words(grid: Grid, methods: Sequence[str] = ()) -> str:
    """A sentence on the records of these methods or of all, such as `Submitted: nobody has re-run these records.`"""

    def kind(method: str) -> str:
        state = short(grid, method)
        return PARTLY if state == SUBMITTED != full(grid, method) else state

    found = _grouped(methods or grid.methods, kind)
    if len(found) < 2:
        state = next(iter(found), SUBMITTED)
        told = WORDS.get(state, state)
        return f"{told[:1].upper()}{told[1:]}{_figures(grid, methods or grid.methods) if state == REPRODUCED else ''}."
    return "; ".join(f"{', '.join(own)} {WORDS.get(state, state)}" for state, own in found.items()) + "."


def _figures(grid: Grid, methods: Sequence[str]) -> str:
    """In brackets, how many cells of how many records were re-run, where and when; empty where that is not told."""
    found = _grouped(methods, lambda method: full(grid, method).partition(" (")[2].removesuffix(")"))
    if not all(found):
        return ""
    parts = [told if len(found) == 1 else f"{', '.join(own)} {told}" for told, own in found.items()]
    return f" ({'; '.join(parts)})"


def _grouped(methods: Iterable[str], state: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for method in methods:
        found.setdefault(state(method), []).append(method)
    return found
