"""A grid's findings -> tables of gains, of what remains in matched accuracy and of claims, with captions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cod_bench.analysis import stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import (
    ALPHA,
    ASKED,
    CLAIMS,
    COD_OVER,
    MEANINGS,
    OVER_STANDARD,
    POOLED,
    Claim,
    Findings,
    Gain,
    above,
    by_asking,
    by_conditions,
)
from cod_bench.reports import captions
from cod_bench.reports.asked import comparisons, expected, teachers
from cod_bench.reports.captions import ALL_METHODS, conditional, named, pair, selection, units, untested
from cod_bench.reports.tables import code, counted, interval, markdown, number, p_value, percent, points

COLLAPSE_REJECTION = 0.11
"""How often the sign-flip test rejects at 5 % where the mean difference is 0 and one side alone collapses, with 10
units and 2 points of spread between them; the self-checks draw it (`tests/analysis/selfchecks.py`)."""
COORDINATES = ("method", "gain", "k", "points")
STATISTICS = ("95 % interval", "p", "Holm p", "se units", "se rows", "n units", "won")


def main_parts(grid: Grid, found: Findings, *, level: int) -> list[str]:
    """What stands under the accuracies: gains, what remains of them in matched accuracy, claims."""
    hashes, told = "#" * level, list(found.gains)
    by_teacher, matched = teachers.parts(grid, told, level=level), matched_parts(grid, found, level=level)
    if by_conditions(grid) or by_asking(grid):
        title = "What each condition is worth (accuracy points)" if by_conditions(grid) else "What the suite asks"
        own = worth(grid, found) if by_conditions(grid) else comparisons.parts(grid, found.claims)
        parts = [f"{hashes} {title}", *own, gain_caption(grid, found)] if told else []
        return [*parts, *by_teacher, *matched]
    parts = []
    if told:
        parts += [f"{hashes} Gains (accuracy points)", gain_table(grid, found), gain_caption(grid, found)]
        parts += [*by_teacher, *matched]
    return [*parts, f"{hashes} Claims", *claim_parts(grid, found.claims)]


def gain_table(grid: Grid, found: Findings) -> str:
    """One line a comparison over the primary budgets: those of the mean over methods first."""
    rows = [_row(grid, gain) for gain in (*found.pooled, *found.gains)]
    return markdown([*COORDINATES, *(STATISTICS if grid.tested else ["n units"])], rows, left=3)


def _row(grid: Grid, gain: Gain) -> list[str]:
    row = [named(grid, gain.method), pair(grid, gain.condition, gain.over), ", ".join(map(str, gain.ks))]
    e = gain.effect
    if e is None:
        return [*row, points(gain.mean), str(gain.pairs)]
    errors = [points(e.se_units).lstrip("+"), points(e.se_rows).lstrip("+")]
    bounds = [interval(e.low, e.high), p_value(e.p), p_value(gain.holm)]
    return [*row, points(e.estimate), *bounds, *errors, str(e.units), f"{e.won}/{e.units}"]


def gain_caption(grid: Grid, found: Findings) -> str:
    """The estimator, once for all gains."""
    n, tasks, seeds = units(grid)
    tried = ", ".join(code(name) for name in grid.suite.tried)
    head = (
        (f"Exploratory: no suite declares {tried}, and no claim is made of it. " if tried else "")
        + f"{_differences(grid)}averaged over {captions.averaged(grid)}the {_budgets(grid)} named; n = {n} units "
        f"({counted(tasks, 'task')} x {counted(seeds, 'seed')}). Estimate: mean over tasks of the mean over seeds. "
        + (f"*{ALL_METHODS}*: the mean over methods of each unit's differences. " if found.pooled else "")
    )
    compared = any("unvalidated" in (gain.condition, gain.over) for gain in found.gains)
    end = " ".join(filter(None, [selection(grid) if compared else "", conditional(grid)]))
    if not grid.complete:
        return f"{head}PARTIAL: means over the units that have both sides at every k. {end}"
    if not grid.tested:
        return f"{head}{untested(grid)} {end}"
    df = n - tasks
    exact = "exact" if n <= stats.EXACT_UNITS else f"{stats.DRAWS:,} seeded draws, (b+1)/(m+1)"
    effects = [gain.effect for gain in found.gains if gain.effect is not None]
    new = [e.new_tasks for e in effects if e.new_tasks is not None]
    return (
        head
        + f"Interval: stratified t over units ({df} df) and the evaluation-row bootstrap (normal), half-widths added "
        "in squares; both standard errors stand beside it. p: sign-flip of whole units, two-sided "
        f"({exact}){_one_sided(found)}; the smallest p that this design can reach is {p_value(stats.smallest_p(n))}. "
        "The test holds the "
        "evaluation rows fixed and the interval does not, so that either may speak against 0 where the other does "
        "not. Its null is that the two sides are exchangeable within a unit, not that the mean gain is 0: where one "
        "side alone collapses by 15 points in a fifth of the units and the mean gain is 0, it rejects in "
        f"{percent(COLLAPSE_REJECTION, 0)} % of simulated grids of 10 units at a nominal {percent(ALPHA, 0)} %. "
        + _adjustment(grid, found)
        + "Ties are not won. For new tasks: "
        + ("`new_tasks_*` in `significance.csv`. " if new else "not estimable (needs at least 5 tasks). ")
        + end
    )


def _differences(grid: Grid) -> str:
    """What the numbers are of, and what a unit is."""
    of = "of what `measure` says" if by_asking(grid) else "of accuracy"
    return f"Paired differences {of}. Unit: (task, seed), "


def _one_sided(found: Findings) -> str:
    """That p of an equivalence is of other tests; empty where none is asked for."""
    there = any(gain.measure == "equivalence" for gain in found.gains)
    return ", of an equivalence that of its two one-sided tests" if there else ""


def _budgets(grid: Grid) -> str:
    return "k" if by_asking(grid) else "primary k"


def _adjustment(grid: Grid, found: Findings) -> str:
    """What Holm's p is over, and how far the methods repeat each other."""
    if by_conditions(grid):
        return (
            "Holm p: over the conditions of a table, method by method. All comparisons of a table share one side; Holm "
            "holds however they depend on each other. `cod` - `standard` is one test that stands in both. "
        )
    if by_asking(grid):
        return "Holm p: over the comparisons that the suite names, method by method; whatever is not named is in none. "
    text = "Holm p: over the declared methods that have the comparison, not over comparisons or claims. "
    if found.pooled:
        text += (
            f"*{ALL_METHODS}* is one test a comparison and has no Holm p; the methods below it are told as robustness. "
        )
    text += "Methods share rows, counterfactuals, order and initialisation: their gains are close to one experiment"
    told = [
        f"{' to '.join(dict.fromkeys(map(number, ends)))} ({code('cod')} - {code(over)})"
        for over, ends in found.correlations.items()
    ]
    text += f"; over units they correlate {', '.join(told)}" if told else ""
    return f"{text}. "


def matched_parts(grid: Grid, found: Findings, *, level: int) -> list[str]:
    """Heading, table and words on what remains of the gains with the threshold at the evaluation prior."""
    told = _claimed(grid, found)
    if not told:
        return []
    rows = []
    for gain in told:
        e, m = gain.effect, gain.matched
        if e is not None and m is not None:
            name = [named(grid, gain.method), pair(grid, gain.condition, gain.over), ", ".join(map(str, gain.ks))]
            shown = [points(e.estimate), interval(e.low, e.high), points(m.estimate), interval(m.low, m.high)]
            rows.append([*name, *shown, "yes" if shifted(gain) else "no"])
    headers = ["method", "gain", "k", "points", "95 % interval", "matched", "95 % interval", "a shift of threshold?"]
    caption = (
        "`matched`: the same gains by the same estimator in accuracy with the threshold at the evaluation prior: as "
        "many rows as have gold class 1 are called class 1, those with the highest p(class 1), so that a student "
        "cannot lose or gain by leaning to one class. `a shift of threshold?`: yes where the interval of the gain is "
        "above 0 and that of the matched gain is not."
    )
    return [
        f"{'#' * level} Gains in matched accuracy",
        markdown(headers, rows, left=3),
        " ".join([caption, *_remaining(grid, told), conditional(grid)]),
    ]


def _claimed(grid: Grid, found: Findings) -> list[Gain]:
    """The gains whose matched accuracy is told: those of claims, or all where each condition is asked; each once."""
    if not grid.tested:
        return []
    every = dict.fromkeys(over for others in CLAIMS.values() for over in others)
    asked = [
        gain
        for gain in (*found.pooled, *found.gains)
        if by_conditions(grid)
        or (by_asking(grid) and gain.measure == "accuracy")
        or (not by_asking(grid) and gain.condition == "cod" and gain.over in every)
    ]
    one = {(gain.method, gain.condition, gain.over, gain.ks): gain for gain in reversed(asked)}
    return [gain for gain in asked if one[gain.method, gain.condition, gain.over, gain.ks] is gain]


def shifted(gain: Gain) -> bool:
    """Whether a gain may be a shift of threshold: above 0 with its interval, and not so in matched accuracy."""
    return above(gain.effect) and not above(gain.matched)


def _remaining(grid: Grid, told: Sequence[Gain]) -> list[str]:
    """A sentence a comparison: what remains of it in matched accuracy, and for whom it may be a shift of threshold."""
    found = []
    for one, other in dict.fromkeys((gain.condition, gain.over) for gain in told):
        own = [gain for gain in told if (gain.condition, gain.over) == (one, other)]
        over = f"{code(one)} - {code(other)}"
        moved = [gain for gain in own if shifted(gain)]
        if moved:
            names = "; ".join(f"{named(grid, gain.method)}: {_both(gain)}" for gain in moved)
            found.append(f"The gain of {over} may be a shift of threshold ({names}).")
        elif not (by_conditions(grid) or by_asking(grid)):
            whose = f"{named(grid, own[0].method)} " if own[0].method == POOLED else ""
            found.append(f"What remains of {over}: {whose}{_both(own[0])}.")
    return found


def _both(gain: Gain) -> str:
    e, m = gain.effect, gain.matched
    if e is None or m is None:
        return points(gain.mean)
    told = f"{points(e.estimate)} {interval(e.low, e.high)} in accuracy"
    return f"{told}, {points(m.estimate)} {interval(m.low, m.high)} in matched accuracy"


def claim_parts(grid: Grid, claims: Sequence[Claim]) -> list[str]:
    """The four claims, of the mean over methods and method by method, or why they are not stated."""
    absent = [name for name in CLAIMS if not any(claim.name == name for claim in claims)]
    unstated = f"Not in this suite: {', '.join(absent)}." if absent else ""
    if not claims:
        return [unstated]
    if not grid.tested:
        why = untested(grid) if grid.complete else "Not stated before the declared grid is complete."
        return [" ".join(filter(None, [why, unstated]))]
    stated = [name for name in CLAIMS if name not in absent]
    by_key = {(claim.method, claim.name): claim for claim in claims}
    rows = [
        [named(grid, m), *(_claim_cell(by_key.get((m, name))) for name in stated)]
        for m in (POOLED, *grid.methods)
        if any((m, name) in by_key for name in stated)
    ]
    family = max(sum(c.name == name and c.method != POOLED for c in claims) for name in stated)
    floor = min(1.0, family * stats.smallest_p(units(grid)[0]))
    caption = "; ".join(f"*{name}*: {MEANINGS[name]}" for name in stated)
    mean = (
        f"*{ALL_METHODS}*: the mean over methods, one test a claim, so without Holm; the methods below it are told as "
        "robustness. "
        if any(claim.method == POOLED for claim in claims)
        else ""
    )
    over = f"over {counted(family, 'declared method')}"
    text = (
        f"{caption}. {mean}{_verdicts(over)} In brackets the smallest "
        f"estimate in points, p and Holm p; the smallest Holm p that a lone method can reach here is {p_value(floor)}"
        + (f", so {_none(grid, pooled=bool(mean))} can be shown here. " if floor > ALPHA else ". ")
        + conditional(grid)
    )
    return [markdown(["method", *stated], rows, left=1 + len(stated)), " ".join(filter(None, [text, unstated]))]


def _none(grid: Grid, *, pooled: bool) -> str:
    """What a design cannot show in which no lone method can reach the level."""
    return "no lone method" if pooled and stats.smallest_p(units(grid)[0]) <= ALPHA else "nothing"


def _verdicts(family: str) -> str:
    """What the verdicts mean."""
    return (
        f"*shown*: every estimate and its whole 95 % interval are above 0 and Holm's p {family} is at most {ALPHA}; "
        "*reversed*: every estimate and its whole interval are below 0 at that p; else *not shown*."
    )


def _claim_cell(claim: Claim | None) -> str:
    if claim is None or claim.verdict is None:
        return "not in this suite"
    smallest = min(gain.effect.estimate for gain in claim.gains if gain.effect is not None)
    adjusted = "" if claim.holm is None else f"; Holm {p_value(claim.holm)}"
    return f"**{claim.verdict}** ({points(smallest)}; p {p_value(claim.p)}{adjusted})"


def worth(grid: Grid, found: Findings) -> list[str]:
    """What each condition is worth: `cod` over each, and each over `standard`, with a verdict a line."""
    parts = []
    for family in (COD_OVER, OVER_STANDARD):
        lines = [claim for claim in found.claims if claim.gains[0].family == family]
        if not lines:
            continue
        rows = [[*_row(grid, claim.gains[0]), *expected.cells(grid, claim)] for claim in lines]
        size = max(sum(claim.method == method for claim in lines) for method in grid.methods)
        title = f"*{family}*".replace("cod", "`cod`").replace("standard", "`standard`")
        parts.append(f"{title}, {counted(size, 'comparison')}:")
        headers = [*COORDINATES, *([*STATISTICS, "verdict"] if grid.tested else ["n units"])]
        headers += ["expected"] if expected.of(grid) else []
        parts.append(markdown(headers, rows, left=3))
    if grid.tested and parts:
        parts.append(f"{_verdicts('over the conditions of its table')}")
    return [*parts, *expected.words(grid, found.claims)] if parts else []


def ahead_of_cod(claim: Claim) -> bool:
    """Whether a verdict says that another condition is more accurate than `cod`."""
    gain = claim.gains[0]
    asked = gain.family == ASKED and gain.condition == "cod" and gain.measure == "accuracy"
    return claim.verdict == "reversed" and (gain.family == COD_OVER or asked)


def rivals(shown: Iterable[tuple[Grid, Sequence[Claim]]], mark: Callable[[str], str] = code) -> str:
    """What is ahead of `cod` by the verdict of a suite that asks over conditions or by name, in sentences; empty if
    nothing is.

    Args:
        mark: how a name is set off from words.
    """
    told = []
    for grid, own in shown:
        lost = [claim.gains[0] for claim in own if ahead_of_cod(claim)]
        for method in dict.fromkeys(gain.method for gain in lost):
            ahead = ", ".join(_behind(grid, gain, mark) for gain in lost if gain.method == method)
            told.append(f"Ahead of {mark('cod')} in suite {mark(grid.suite.name)} ({method}): {ahead}.")
    return " ".join(told)


def _behind(grid: Grid, gain: Gain, mark: Callable[[str], str]) -> str:
    """By how much another condition is ahead of `cod`."""
    e = gain.effect
    if e is None or e.low is None or e.high is None:  # no verdict without an interval
        return mark(gain.over)
    about = grid.conditions_about.get(gain.over)
    unequal = "" if about is None or about.equal_k else ", not at equal k"
    at = "" if gain.ks == grid.primary(gain.method, gain.condition, gain.over) else f" at k = {_ks(gain)}"
    return f"{mark(gain.over)} by {points(-e.estimate)} {interval(-e.high, -e.low)} points{at}{unequal}"


def _ks(gain: Gain) -> str:
    return ", ".join(map(str, gain.ks))
