"""A complete grid -> paired gains, of every method and of their mean, and what they show, with Holm. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from cod_bench.analysis import paired, stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.paired import Scored
from cod_bench.design.suite import Asked, Measure
from cod_bench.spec import stream

ALPHA = 0.05
PRIMARY = "primary"
POOLED = "(mean of methods)"
"""Stands where a method's name does for the mean over methods; no method can be called so."""
MAIN_PAIR = ("cod", "standard")

CLAIMS: Mapping[str, tuple[str, ...]] = {
    "helps": ("standard",),
    "through the flip": ("random",),
    "validation pays": ("unvalidated",),
    "validated counterfactuals": ("standard", "random", "unvalidated"),
}
"""Claim -> what `cod` must beat. A claim over several needs every estimate positive and takes the largest p."""

MEANINGS: Mapping[str, str] = {
    "helps": "`cod` over `standard`",
    "through the flip": "`cod` over `random`",
    "validation pays": "`cod` over `unvalidated`",
    "validated counterfactuals": "all three at once, with the largest of their p",
}
METHODS, COD_OVER, OVER_STANDARD = "methods", "cod over each condition", "each condition over standard"
ASKED = "what the suite asks"
"""Families of comparisons: a comparison over methods, a method's comparisons over conditions, or those of a method that
its suite names one by one."""
MARGIN = 0.01
"""Of equivalence: a share of the evaluation rows (protocol.md, "What may be said")."""


@dataclass(frozen=True, slots=True)
class Gain:
    """`condition` minus `over`, for one method or the mean of all. `effect` is None before the grid is complete."""

    method: str
    """`POOLED` for the mean over methods."""
    condition: str
    over: str
    scope: str
    """`primary`, or `k=8`: one budget, exploratory."""
    ks: tuple[int, ...]
    mean: float | None
    """Mean over tasks of the mean over the seeds that have both sides; None while a task has none."""
    pairs: int
    """Number of (task, seed) units with both sides at every k."""
    effect: stats.Effect | None
    holm: float | None = None
    """p adjusted over the family (exploratory: over its budgets too); None for the mean over methods, a lone test."""
    family: str = METHODS
    matched: stats.Effect | None = None
    """The same comparison with the threshold at the evaluation prior; None for single budgets."""
    measure: Measure = "accuracy"
    """What `mean` and `effect` are of; p of an equivalence is that of its two one-sided tests."""

    @property
    def family_told(self) -> str:
        """The family as one column tells it: with the measure where that is not accuracy."""
        return self.family if self.measure == "accuracy" else f"{self.family} ({self.measure})"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim about one method or the mean of all. p and verdict are None before the grid is complete."""

    name: str
    method: str
    gains: tuple[Gain, ...]
    p: float | None
    holm: float | None
    verdict: str | None


@dataclass(frozen=True, slots=True)
class Findings:
    """What the main tables of a grid are made of."""

    pooled: tuple[Gain, ...]
    """`cod` over each control, of the mean over methods; empty where a lone method declares the comparison."""
    gains: tuple[Gain, ...]
    """Every comparison of every method."""
    claims: tuple[Claim, ...]
    correlations: Mapping[str, tuple[float, float]]
    """By what `cod` is set against in a pooled comparison: lowest and highest correlation of two methods' gains."""


@dataclass(frozen=True, slots=True)
class _Asked:
    family: str
    method: str
    methods: tuple[str, ...]
    pair: tuple[str, str]
    ks: tuple[int, ...]
    scope: str
    measure: Measure = "accuracy"


def findings(grid: Grid) -> Findings:
    """Everything that is asked over the primary budgets."""
    own = gains(grid)
    of_all = pooled(grid)
    return Findings(tuple(of_all), tuple(own), tuple(claims(grid, own, of_all)), correlations(grid))


def by_conditions(grid: Grid) -> bool:
    """Whether Holm is over conditions; never where a condition of one's own is tried, which is exploratory."""
    return grid.suite.families == "conditions" and not grid.suite.tried


def by_asking(grid: Grid) -> bool:
    """Whether Holm is over comparisons that the suite names one by one; never where a condition is tried."""
    return grid.suite.families == "asked" and not grid.suite.tried


def asked(grid: Grid, method: str) -> list[tuple[Asked, tuple[int, ...]]]:
    """The comparisons that a suite names, each with its budgets, as far as a method has both sides."""
    have = grid.conditions(method)
    found = []
    for one in grid.suite.asked if by_asking(grid) else ():
        there = grid.ks_of(method, one.condition, one.over) if {one.condition, one.over} <= {*have} else ()
        ks = tuple(k for k in there if k in (one.ks or grid.suite.primary_k))
        if ks and (not one.ks or ks == one.ks) and (one.measure != "trend" or len(ks) > 1):
            found.append((one, ks))
    return found


def pairs(grid: Grid, method: str) -> list[tuple[str, str]]:
    """Comparisons of a method that the suite declares: `cod` over each control, then each condition over `half`.

    In a variant that tries a condition of one's own, what is asked of it alone, so that no claim is made a second time.
    """
    have = grid.conditions(method)
    if grid.suite.tried:
        own = [pair for name in grid.suite.tried for pair in ((name, "standard"), ("cod", name))]
        return [(a, b) for a, b in own if a in have and b in have and grid.ks_of(method, a, b)]
    wanted = [("cod", other) for other in ("standard", "random", "unvalidated", "label-preserving")]
    wanted += [(other, "half") for other in ("standard", "cod", "random", "unvalidated", "label-preserving")]
    return [(a, b) for a, b in wanted if a in have and b in have and grid.ks_of(method, a, b)]


def families(grid: Grid, method: str) -> list[tuple[str, tuple[str, str]]]:
    """A method's comparisons, each with its family; over conditions `cod` - `standard` is in both."""
    if by_asking(grid):
        return [(ASKED, pair) for pair in dict.fromkeys((one.condition, one.over) for one, _ in asked(grid, method))]
    if not by_conditions(grid):
        return [(METHODS, pair) for pair in pairs(grid, method)]
    have = grid.conditions(method)
    wanted = [(COD_OVER, ("cod", other)) for other in have if other != "cod"]
    wanted += [(OVER_STANDARD, (other, "standard")) for other in have if other != "standard"]
    return [(family, pair) for family, pair in wanted if set(pair) <= set(have) and grid.ks_of(method, *pair)]


def gains(grid: Grid) -> list[Gain]:
    """Every declared comparison over the primary budgets, methods outermost, with Holm over its family."""
    if by_asking(grid):
        wanted = [
            _Asked(ASKED, method, (method,), (one.condition, one.over), ks, PRIMARY, one.measure)
            for method in grid.methods
            for one, ks in asked(grid, method)
        ]
    else:
        wanted = [
            _Asked(family, method, (method,), pair, ks, PRIMARY)
            for method in grid.methods
            for family, pair in families(grid, method)
            if (ks := grid.primary(method, *pair))
        ]
    return _adjusted(_gains(grid, wanted, PRIMARY))


def pooled(grid: Grid) -> list[Gain]:
    """`cod` over each control of the claims, of the mean over methods at the primary budgets that all of them have.

    Only where at least two methods are declared for it. One test each: nothing is adjusted.
    """
    wanted = []
    for over, methods in together(grid):
        ks = tuple(k for k in grid.ks if all(k in grid.primary(method, "cod", over) for method in methods))
        if ks:
            wanted.append(_Asked(METHODS, POOLED, methods, ("cod", over), ks, PRIMARY))
    return _gains(grid, wanted, POOLED)


def correlations(grid: Grid) -> dict[str, tuple[float, float]]:
    """By control: of any two methods' gains of `cod` over it, over units, the lowest and the highest correlation.

    Empty before the grid is complete; a method whose gain is the same in every unit correlates with nothing.
    """
    found = {}
    for over, methods in together(grid) if grid.tested else ():
        units = []
        for method in methods:
            ks = grid.primary(method, "cod", over)
            parts = [paired.differences(grid, task, method, ("cod", over), ks).units for task in grid.suite.tasks]
            units.append(np.concatenate(parts))
        varied = [own for own in units if np.ptp(own) > 0]
        values = [float(np.corrcoef(one, other)[0, 1]) for one, other in combinations(varied, 2)]
        if values:
            found[over] = min(values), max(values)
    return found


def together(grid: Grid) -> list[tuple[str, tuple[str, ...]]]:
    """What `cod` must beat in a claim of the mean over methods -> the methods declared for it; none for a lone one."""
    if by_conditions(grid) or by_asking(grid) or grid.suite.tried or not grid.suite.pooled:
        return []
    controls = dict.fromkeys(over for others in CLAIMS.values() for over in others)
    of = {over: tuple(method for method in grid.methods if grid.primary(method, "cod", over)) for over in controls}
    return [(over, methods) for over, methods in of.items() if len(methods) > 1]


def exploratory(grid: Grid) -> list[Gain]:
    """Per budget, primary or not; Holm over the family's comparisons and budgets.

    Where a family is over methods, each condition over `standard` too.
    """
    wanted = []
    for method in grid.methods:
        own = families(grid, method)
        if not by_conditions(grid) and not by_asking(grid):
            have = grid.conditions(method)
            extra = [c for c in ("random", "unvalidated", "label-preserving") if {c, "standard"} <= set(have)]
            own += [(METHODS, (c, "standard")) for c in extra]
        wanted += [
            _Asked(family, method, (method,), pair, (k,), f"k={k}")
            for family, pair in own
            for k in grid.ks_of(method, *pair)
        ]
    return _adjusted(_gains(grid, wanted, wanted[0].scope if wanted else "", matched=False))


def claims(grid: Grid, primary: Sequence[Gain], of_all: Sequence[Gain] = ()) -> list[Claim]:
    """What the suite's conditions allow to claim: of the mean over methods first, one test a claim, then method by
    method with Holm over methods. Where families are over conditions, a claim a comparison.
    """
    if by_conditions(grid) or by_asking(grid):
        return [_judged(_claim(_asked_name(g), g.method, (g,)), g.holm) for g in primary]
    found = []
    for name, others in CLAIMS.items():
        of_mean = tuple(gain for gain in of_all if gain.over in others)
        if len(of_mean) == len(others):
            found.append(_judged(_claim(name, POOLED, of_mean), None))
        family = []
        for method in grid.methods:
            needed = tuple(g for g in primary if g.method == method and g.condition == "cod" and g.over in others)
            if len(needed) == len(others):
                family.append(_claim(name, method, needed))
        adjusted = stats.holm([claim.p for claim in family if claim.p is not None])
        if len(adjusted) == len(family):
            family = [_judged(claim, p) for claim, p in zip(family, adjusted, strict=True)]
        found += family
    return found


def main_gains(found: Sequence[Gain]) -> list[Gain]:
    """The gains of `cod` over `standard`, one a method: over conditions two families have it."""
    one: dict[str, Gain] = {}
    for gain in found:
        if (gain.condition, gain.over) == MAIN_PAIR and gain.measure == "accuracy":
            one.setdefault(gain.method, gain)
    return [*one.values()]


def main_verdicts(found: Sequence[Claim]) -> dict[str, str | None]:
    """Method -> verdict of the claim that is about `cod` over `standard` alone."""
    verdicts: dict[str, str | None] = {}
    for claim in found:
        if [(gain.condition, gain.over, gain.measure) for gain in claim.gains] == [(*MAIN_PAIR, "accuracy")]:
            verdicts.setdefault(claim.method, claim.verdict)
    return verdicts


def above(effect: stats.Effect | None) -> bool:
    """Whether an estimate and the whole of its interval are above 0."""
    return effect is not None and effect.estimate > 0 and effect.low is not None and effect.low > 0


def below(effect: stats.Effect | None) -> bool:
    """Whether an estimate and the whole of its interval are below 0."""
    return effect is not None and effect.estimate < 0 and effect.high is not None and effect.high < 0


def _gains(grid: Grid, wanted: Sequence[_Asked], purpose: str, *, matched: bool = True) -> list[Gain]:
    """The comparisons, not adjusted. Each purpose draws from a stream of its own."""
    parts = [_measured(grid, asked) for asked in wanted]
    effects: Sequence[stats.Effect | None] = [None] * len(wanted)
    at_prior = effects
    if grid.tested and wanted:
        where = (grid.suite.name, grid.protocol, grid.track)
        found = _effects(parts, stream("sign-flip", *where, purpose))
        effects = [_of_measure(effect, asked.measure) for effect, asked in zip(found, wanted, strict=True)]
        if matched:
            scored = [_parts(grid, asked, "matched") for asked in wanted]
            at_prior = _effects(scored, stream("sign-flip", *where, purpose, "matched"))
    return [
        Gain(
            asked.method, *asked.pair, asked.scope, asked.ks, _mean(part), sum(len(p.units) for p in part), effect,
            family=asked.family, matched=other if asked.measure == "accuracy" else None, measure=asked.measure,
        )
        for asked, part, effect, other in zip(wanted, parts, effects, at_prior, strict=True)
    ]  # fmt: skip


def _measured(grid: Grid, asked: _Asked) -> list[paired.Differences]:
    """By task, the differences that a comparison is of."""
    if asked.measure == "trend":
        return [paired.trends(grid, task, asked.method, asked.pair, asked.ks) for task in grid.suite.tasks]
    return _parts(grid, asked, "matched" if asked.measure == "matched" else "correct")


def _of_measure(effect: stats.Effect, measure: Measure) -> stats.Effect:
    if measure != "equivalence":
        return effect
    p = stats.equivalence(effect.estimate, effect.se_units, effect.se_rows, effect.df, MARGIN)
    return replace(effect, p=p, smallest_p=0.0)


def _asked_name(gain: Gain) -> str:
    """What a comparison that is a claim by itself is called."""
    if gain.measure == "trend":
        return f"gain of {gain.condition} over {gain.over} falls with k"
    if gain.measure == "equivalence":
        return f"{gain.condition} within a point of {gain.over} at k = {', '.join(map(str, gain.ks))}"
    return f"{gain.condition} over {gain.over}{' in matched accuracy' if gain.measure == 'matched' else ''}"


def _parts(grid: Grid, asked: _Asked, scored: Scored) -> list[paired.Differences]:
    return [
        paired.mean_differences(grid, task, asked.methods, asked.pair, asked.ks, scored) for task in grid.suite.tasks
    ]


def _effects(parts: Sequence[Sequence[paired.Differences]], rng: np.random.Generator) -> list[stats.Effect]:
    return stats.effects([([p.units for p in part], [p.rows for p in part]) for part in parts], rng)


def _mean(parts: Sequence[paired.Differences]) -> float | None:
    return float(sum(p.units.mean() for p in parts) / len(parts)) if all(len(p.units) for p in parts) else None


def _adjusted(found: Sequence[Gain]) -> list[Gain]:
    families: dict[tuple[str, ...], list[int]] = {}
    for place, gain in enumerate(found):
        if gain.effect is not None:
            key = (gain.condition, gain.over) if gain.family == METHODS else (gain.method, gain.family, "")
            families.setdefault(key, []).append(place)
    result = list(found)
    for places in families.values():
        raw = [gain.effect.p for gain in (found[i] for i in places) if gain.effect is not None]
        for place, p in zip(places, stats.holm(raw), strict=True):
            result[place] = replace(found[place], holm=p)
    return result


def _claim(name: str, method: str, needed: tuple[Gain, ...]) -> Claim:
    effects = [gain.effect for gain in needed if gain.effect is not None]
    p = max(effect.p for effect in effects) if len(effects) == len(needed) else None
    return Claim(name, method, needed, p, None, None)


def _judged(claim: Claim, holm: float | None) -> Claim:
    """The claim with its verdict: by Holm's p, or by its own where it is a family by itself."""
    p = claim.p if holm is None else holm
    if p is None:
        return claim
    effects = [gain.effect for gain in claim.gains]
    if {gain.measure for gain in claim.gains} == {"equivalence"}:
        verdict = "shown" if p <= ALPHA else "not shown"
    elif p <= ALPHA and all(map(above, effects)):
        verdict = "shown"
    elif p <= ALPHA and all(map(below, effects)):
        verdict = "reversed"
    else:
        verdict = "not shown"
    return replace(claim, holm=holm, verdict=verdict)
