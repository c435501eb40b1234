"""A complete grid -> paired gains and the four claims per method, with Holm over the declared methods. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cod_bench.analysis import aggregate, stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.spec import stream

ALPHA = 0.05
PRIMARY = "primary"

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


@dataclass(frozen=True, slots=True)
class Gain:
    """`condition` minus `over`, for one method. `effect` is None before the grid is complete."""

    method: str
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
    """p adjusted over the declared methods (exploratory: over methods and budgets)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim about one method. p and verdict are None before the grid is complete."""

    name: str
    method: str
    gains: tuple[Gain, ...]
    p: float | None
    holm: float | None
    verdict: str | None


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


def gains(grid: Grid) -> list[Gain]:
    """Every declared comparison over the primary budgets, methods outermost, with Holm over methods."""
    wanted = [(m, pair, grid.primary(m, *pair)) for m in grid.methods for pair in pairs(grid, m)]
    return _gains(grid, [(method, pair, ks, PRIMARY) for method, pair, ks in wanted if ks])


def exploratory(grid: Grid) -> list[Gain]:
    """Per budget, primary or not, and each condition over `standard`; Holm a comparison over methods and budgets."""
    wanted = []
    for method in grid.methods:
        have = grid.conditions(method)
        extra = [(c, "standard") for c in ("random", "unvalidated", "label-preserving") if {c, "standard"} <= set(have)]
        wanted += [
            (method, pair, (k,), f"k={k}") for pair in [*pairs(grid, method), *extra] for k in grid.ks_of(method, *pair)
        ]
    return _gains(grid, wanted)


def claims(grid: Grid, primary: Sequence[Gain]) -> list[Claim]:
    """The claims that the suite's conditions allow, each over all declared methods; Holm per claim."""
    found = []
    for name, others in CLAIMS.items():
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


def _gains(grid: Grid, wanted: Sequence[tuple[str, tuple[str, str], tuple[int, ...], str]]) -> list[Gain]:
    parts = [
        [aggregate.differences(grid, task, method, pair, ks) for task in grid.suite.tasks]
        for method, pair, ks, _ in wanted
    ]
    effects: Sequence[stats.Effect | None] = [None] * len(wanted)
    if grid.complete and wanted:
        rng = stream("sign-flip", grid.suite.name, grid.protocol, grid.track, wanted[0][3])
        effects = stats.effects([([p.units for p in part], [p.rows for p in part]) for part in parts], rng)
    return _adjusted(
        [
            Gain(method, *pair, scope, ks, _mean(part), sum(len(p.units) for p in part), effect)
            for (method, pair, ks, scope), part, effect in zip(wanted, parts, effects, strict=True)
        ]
    )


def _mean(parts: Sequence[aggregate.Differences]) -> float | None:
    return float(sum(p.units.mean() for p in parts) / len(parts)) if all(len(p.units) for p in parts) else None


def _adjusted(found: Sequence[Gain]) -> list[Gain]:
    families: dict[tuple[str, str], list[int]] = {}
    for place, gain in enumerate(found):
        if gain.effect is not None:
            families.setdefault((gain.condition, gain.over), []).append(place)
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


def _judged(claim: Claim, holm: float) -> Claim:
    estimates = [gain.effect.estimate for gain in claim.gains if gain.effect is not None]
    if holm > ALPHA:
        verdict = "not shown"
    elif min(estimates) > 0:
        verdict = "shown"
    elif max(estimates) < 0:
        verdict = "reversed"
    else:
        verdict = "not shown"
    return replace(claim, holm=holm, verdict=verdict)
