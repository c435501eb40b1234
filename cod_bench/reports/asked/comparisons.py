"""The comparisons that a suite names one by one -> their table, a measure and a verdict a line, and words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cod_bench.analysis import stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import ALPHA, MARGIN, Claim, Gain
from cod_bench.design.suite import Measure
from cod_bench.reports import captions
from cod_bench.reports.asked import expected
from cod_bench.reports.tables import escape, interval, markdown, p_value, percent, points

MEASURES: Mapping[Measure, str] = {
    "accuracy": "points of accuracy",
    "matched": "points of matched accuracy",
    "trend": "points by which the gain falls each time k doubles",
    "equivalence": "points of accuracy",
}
"""Of what the numbers of a line are."""
COORDINATES = ("method", "comparison", "measure", "k", "estimate")
STATISTICS = ("95 % interval", "p", "Holm p", "se units", "se rows", "n units", "won", "verdict")
TOLD: Mapping[Measure, str] = {
    "matched": "*Matched* accuracy is that with the threshold at the evaluation prior.",
    "trend": "A trend is the slope of a unit's gains over log2 k by least squares, times -1: *shown* says that the "
    "gain falls as k doubles, *reversed* that it grows.",
    "equivalence": f"An equivalence is *shown* where Holm's p of its two one-sided tests is at most {ALPHA}; its p is "
    f"at most 0.05 where the 90 % interval lies within {percent(MARGIN, 0)} point of 0. *Not shown* does not say that "
    "there is a difference.",
}
"""What verdicts mean of measures that not every suite has."""


def parts(grid: Grid, found: Sequence[Claim]) -> list[str]:
    """Table, verdicts in words and what was expected; nothing where no method has any of the comparisons."""
    if not found:
        return []
    told = [verdicts(grid, found), meanings(found)] if grid.tested else []
    return [table(grid, found), *told, *expected.words(grid, found)]


def table(grid: Grid, found: Sequence[Claim]) -> str:
    """One line a comparison, method by method; means and n alone before the grid is complete."""
    headers = [*COORDINATES, *(STATISTICS if grid.tested else ["n units"])]
    headers += ["expected"] if expected.of(grid) else []
    return markdown(headers, [_row(grid, claim) for claim in found], left=4)


def _row(grid: Grid, claim: Claim) -> list[str]:
    gain = claim.gains[0]
    name = [captions.named(grid, gain.method), words(grid, gain), measure(gain), ", ".join(map(str, gain.ks))]
    e = gain.effect
    if e is None:
        return [*name, points(gain.mean), str(gain.pairs), *expected.cells(grid, claim)]
    errors = [points(e.se_units).lstrip("+"), points(e.se_rows).lstrip("+")]
    bounds = [points(e.estimate), interval(e.low, e.high), p_value(e.p), p_value(gain.holm)]
    return [*name, *bounds, *errors, str(e.units), f"{e.won}/{e.units}", *expected.cells(grid, claim)]


def words(grid: Grid, gain: Gain) -> str:
    """A comparison as a statement, which its verdict is on."""
    one, other = captions.condition(grid, gain.condition), captions.condition(grid, gain.over)
    if gain.measure == "trend":
        return f"gain of {one} over {other} falls with k"
    if gain.measure == "equivalence":
        return f"{one} within {percent(MARGIN, 0)} point of {other}"
    return f"{one} over {other}"


def measure(gain: Gain) -> str:
    """Of what a line's numbers are; of an equivalence with the interval that its test looks at."""
    bounds = ninety(gain.effect) if gain.measure == "equivalence" else None
    return MEASURES[gain.measure] + (f", 90 % interval {interval(*bounds)}" if bounds else "")


def ninety(effect: stats.Effect | None) -> tuple[float, float] | None:
    """The 90 % interval, made as the 95 % one; None where there is none."""
    if effect is None or effect.se_units is None:
        return None
    half = stats.half_width(effect.se_units, effect.se_rows, effect.df, 0.9)
    return effect.estimate - half, effect.estimate + half


def verdicts(grid: Grid, found: Sequence[Claim]) -> str:
    """What was shown, what came out reversed and what was not shown, a sentence a method."""
    told = []
    for method in dict.fromkeys(claim.method for claim in found):
        by_verdict: dict[str, list[str]] = {}
        for claim in (claim for claim in found if claim.method == method and claim.verdict):
            by_verdict.setdefault(claim.verdict or "", []).append(said(grid, claim.gains[0]))
        own = "; ".join(f"*{verdict}*: {', '.join(said)}" for verdict, said in sorted(by_verdict.items(), key=_order))
        told.append(f"{captions.named(grid, method)}: {own}.")
    return " ".join(told)


def said(grid: Grid, gain: Gain) -> str:
    """A comparison with its estimate, in a few words."""
    what = words(grid, gain) + (" in matched accuracy" if gain.measure == "matched" else "")
    ks = "" if gain.measure == "trend" or gain.ks == _usual(grid, gain) else f" at k = {', '.join(map(str, gain.ks))}"
    unit = " a doubling" if gain.measure == "trend" else ""
    return f"{what}{ks} ({points(gain.mean)}{unit})"


def _usual(grid: Grid, gain: Gain) -> tuple[int, ...]:
    """The budgets at which a comparison is asked for where the suite names no others."""
    return grid.primary(gain.method, gain.condition, gain.over)


def _order(item: tuple[str, object]) -> int:
    return ("shown", "reversed", "not shown").index(item[0])


def meanings(found: Sequence[Claim]) -> str:
    """What the verdicts mean."""
    there = {claim.gains[0].measure for claim in found}
    first = (
        f"*shown*: the estimate and its whole 95 % interval are above 0 and Holm's p over {_family(found)} is at most "
        f"{ALPHA}; *reversed*: both are below 0 at that p; else *not shown*, which does not say that there is no "
        "difference."
    )
    return " ".join([first, *(text for name, text in TOLD.items() if name in there)])


def _family(found: Sequence[Claim]) -> str:
    """What Holm's correction is over."""
    sizes = {method: sum(claim.method == method for claim in found) for method in (claim.method for claim in found)}
    told = ", ".join(f"{n} of {escape(method)}" for method, n in sizes.items())
    return f"the comparisons of its method ({told})"


def undrawn(grid: Grid, gains: Sequence[Gain]) -> str:
    """What no figure of gains shows, since it is no gain in accuracy, in a sentence; empty where there is nothing."""
    left = [gain for gain in gains if gain.measure not in expected.OF_DIFFERENCES]
    if not left:
        return ""
    named = "; ".join(f"{captions.named(grid, gain.method)}: {said(grid, gain)}" for gain in left)
    return f"Not drawn, since they are no gains in accuracy: {named}."
