"""A grid's declaration and its claims -> what was expected of comparisons, and whether it came so. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import Claim, Gain
from cod_bench.reports.tables import code

SIGNS = {"shown": "above", "reversed": "below"}
"""Verdict on a difference -> how the condition stands to the other."""
OF_DIFFERENCES = ("accuracy", "matched")
"""Measures that an expectation may be of: a trend or an equivalence is neither above nor below."""


def of(grid: Grid) -> Sequence[Mapping[str, str]]:
    """What was declared to be expected of its comparisons; nothing where the declaration was not kept."""
    told = grid.declared_as
    return told.expected if told is not None and not told.departs else ()


def cells(grid: Grid, claim: Claim) -> list[str]:
    """A comparison's verdict, where there is one, and what was expected of it, where the suite expects anything."""
    found = [f"**{claim.verdict}**"] if claim.verdict else []
    signs = {(one["condition"], one["over"]): one["sign"] for one in of(grid)}
    return [*found, signs.get(_pair(claim.gains[0]), "nothing")] if signs else found


def words(grid: Grid, claims: Sequence[Claim]) -> list[str]:
    """What was expected of comparisons, what that rested on, and which of it was not shown, in sentences."""
    by_lead: dict[str, list[str]] = {}
    for one in of(grid):
        by_lead.setdefault(one["lead"], []).append(f"{code(one['condition'])} {one['sign']} {code(one['over'])}")
    if not by_lead:
        return []
    told = "; ".join(f"{', '.join(pairs)} ({lead})" for lead, pairs in by_lead.items())
    said = f"`expected`: what was declared to be expected, and why: {told}. The tests are two-sided all the same."
    return [said + _disappointed(grid, claims)]


def _pair(gain: Gain) -> tuple[str, str]:
    """What a comparison is of, as expectations name it; nothing for one that is no difference."""
    return (gain.condition, gain.over) if gain.measure in OF_DIFFERENCES else ("", "")


def _disappointed(grid: Grid, claims: Sequence[Claim]) -> str:
    """Which expectations were not shown, or came out the other way round, method by method; empty before the grid is
    complete."""
    if not grid.tested:
        return ""
    came: dict[tuple[str, str], dict[str, str]] = {}
    for claim in claims:
        gain = claim.gains[0]
        came.setdefault(_pair(gain), {})[gain.method] = SIGNS.get(claim.verdict or "", "")
    every = [
        (method, one["condition"], one["over"], one["sign"])
        for one in of(grid)
        for method in came.get((one["condition"], one["over"]), {"": ""})
    ]
    failed = [(m, a, b, sign) for m, a, b, sign in every if came.get((a, b), {}).get(m) != sign]
    several = len({method for own in came.values() for method in own}) > 1
    named = [f"{f'{m}: ' if several and m else ''}{code(a)} {sign} {code(b)}" for m, a, b, sign in failed]
    told = f"; not shown so: {', '.join(named)}" if failed else ""
    return f" {len(every) - len(failed)} of {len(every)} were shown{told}."
