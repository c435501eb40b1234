"""A grid's states -> whom its headline may speak for, and in words what nobody has re-run. Pure.

What nobody told anything of counts as submitted, whoever's method it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import Gain
from cod_bench.records.verdicts import CONTRADICTED, ELSEWHERE, REPRODUCED, SUBMITTED

PARTLY = "partly"
WORDS = {
    SUBMITTED: "submitted: nobody has re-run these records",
    PARTLY: "submitted: nobody has re-run some of these records",
    REPRODUCED: "reproduced: random cells of these records were found again",
    ELSEWHERE: "another teacher or environment: what was re-run there came out otherwise",
    CONTRADICTED: "another result: what was re-run with the same teacher and environment came out otherwise",
}


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
