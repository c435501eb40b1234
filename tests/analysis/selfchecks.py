"""Simulated designs -> rejection rates and coverage of the statistics themselves. Vectorised; the RNG is passed in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cod_bench.analysis import stats

ALPHA = 0.05
GATES: Mapping[str, tuple[str, float]] = {
    "null_rejection": ("<=", 0.07),
    "aa_family_rejection": ("<=", 0.07),
    "coverage_2x5": (">=", 0.93),
    "coverage_1x5": (">=", 0.93),
    "coverage_6x5": (">=", 0.93),
    "coverage_2x5_rows": (">=", 0.93),
    "coverage_1x5_rows": (">=", 0.93),
    "coverage_6x5_rows": (">=", 0.93),
}
"""What must hold (protocol.md, "What may be said"); the tests demand it of seeded draws, nothing else is gated."""


def figures(rng: np.random.Generator, draws: int = 2_000) -> dict[str, float]:
    """Every self-check, as rates in 0..1.

    Returns:
        null_rejection: no effect in any task, task accuracies differ, k nested (2 tasks x 5 seeds x 3 k).
        task_varying_rejection: effects differ between tasks with mean 0 (6 tasks; sd of 1 and 2 points): why no
            claim is made about new tasks.
        aa_family_rejection: any of three methods shown to help, after Holm, where nothing differs.
        coverage_TxS: share of 95 % intervals that hold the true gain, for T tasks x S seeds with new rows and seeds,
            where seeds matter most (2 to 4 points between seeds); `_rows`: where evaluation rows matter most.
            Tasks differ threefold in their spread over seeds; `coverage_6x5_uneven`: tenfold.
        power_TxS: share of grids with a gain of so many points in every task that the test calls different, where a
            condition varies by about 3 points between seeds; `power` asks the same of the spread in records.
        collapse_rejection_NxS: mean difference 0, but one side alone collapses: units fall by 15 points with chance
            1/5 and are lifted by 3, beside S points of spread between units, N units in all. The two sides are not
            exchangeable within a unit, which is what the sign-flip test takes for granted, so it rejects more often
            than its level says. Told in the captions of the gains (`reports.gains.COLLAPSE_REJECTION`).
    """
    return {
        "null_rejection": rejection(rng, draws, tasks=2),
        "null_rejection_6x5": rejection(rng, draws // 10, tasks=6),
        "task_varying_rejection_1pt": rejection(rng, draws // 10, tasks=6, effect_sd=0.01),
        "task_varying_rejection_2pt": rejection(rng, draws // 10, tasks=6, effect_sd=0.02),
        "aa_family_rejection": family_rejection(rng, draws, methods=3),
        "coverage_2x5": coverage(rng, draws, tasks=2),
        "coverage_1x5": coverage(rng, draws, tasks=1),
        "coverage_6x5": coverage(rng, draws, tasks=6),
        "coverage_2x5_rows": coverage(rng, draws, tasks=2, spread=0.02),
        "coverage_1x5_rows": coverage(rng, draws, tasks=1, spread=0.02),
        "coverage_6x5_rows": coverage(rng, draws, tasks=6, spread=0.02),
        "coverage_6x5_uneven": coverage(rng, draws, tasks=6, unevenness=10.0),
        "power_2x5_2pt": rejection(rng, draws, tasks=2, effect=0.02),
        "power_2x5_4pt": rejection(rng, draws, tasks=2, effect=0.04),
        "power_6x5_2pt": rejection(rng, draws // 10, tasks=6, effect=0.02),
        "collapse_rejection_10x2pt": collapse_rejection(rng, draws, units=10),
        "collapse_rejection_18x2pt": collapse_rejection(rng, draws // 10, units=18),
        "collapse_rejection_10x4pt": collapse_rejection(rng, draws, units=10, spread=0.04),
    }


def failing(found: Mapping[str, float]) -> list[str]:
    """Sentences for the gates that do not hold; empty when all do."""
    return [
        f"{name}: {found[name]:.4f} is not {sign} {bound}"
        for name, (sign, bound) in GATES.items()
        if not (found[name] <= bound if sign == "<=" else found[name] >= bound)
    ]


def rejection(
    rng: np.random.Generator, draws: int, *, tasks: int, seeds: int = 5, ks: int = 3, effect_sd: float = 0.0,
    effect: float = 0.0,
) -> float:  # fmt: skip
    """Share of simulated grids in which the sign-flip test rejects at 5 %."""
    p = _grid_p(rng, draws, tasks=tasks, seeds=seeds, ks=ks, effect_sd=effect_sd, gain=effect)
    return float(np.mean(p <= ALPHA))


def collapse_rejection(
    rng: np.random.Generator, draws: int, *, units: int, spread: float = 0.02, depth: float = 0.15, share: float = 0.2
) -> float:
    """Share of grids in which the test rejects at 5 % although the mean difference is 0: one side alone collapses.

    Each unit of that side falls by `depth` with chance `share`; all of its units are lifted so that the mean is 0.
    """
    shape = (draws, units)
    differences = share * depth - depth * (rng.random(shape) < share) + rng.normal(0, spread, shape)
    return float(np.mean(stats.sign_flip(differences, np.full(units, 1 / units), rng) <= ALPHA))


def family_rejection(rng: np.random.Generator, draws: int, *, methods: int) -> float:
    """Share of A/A grids in which Holm rejects for any method at 5 %."""
    p = np.stack([_grid_p(rng, draws, tasks=2, seeds=5, ks=3, effect_sd=0.0) for _ in range(methods)])
    # Holm rejects something exactly when the smallest p passes alpha / methods.
    return float(np.mean(p.min(axis=0) <= ALPHA / methods))


def coverage(
    rng: np.random.Generator,
    draws: int,
    *,
    tasks: int,
    seeds: int = 5,
    rows: int = 250,
    gain: float = 0.02,
    spread: float = 0.12,
    unevenness: float = 3.0,
) -> float:
    """Share of intervals that hold the true gain over new seeds and new evaluation rows.

    Every row of every run is a difference of correctness in {-1, 0, 1} whose expectation is gain + seed part + row part
    (+ an interaction from the draw itself). `spread` scales the seed part (0.12: a standard deviation of 3.8 points,
    0.02: 0.6) of the task that varies most, `unevenness` is its ratio to that of the task that varies least.
    """
    scale = np.geomspace(spread, spread / unevenness, tasks)[:, None]
    hit, block = 0, 50
    for start in range(0, draws, block):
        size = min(block, draws - start)
        # Skewed, bounded and of mean zero, as few-shot noise is: beta(2, 5) has mean 2/7.
        seed_part = scale * (2 / 7 - rng.beta(2, 5, size=(size, tasks, seeds))) * 2
        row_part = rng.uniform(-0.15, 0.15, size=(size, tasks, 1, rows))
        shift = gain + seed_part[..., None] + row_part
        draw = rng.random((size, tasks, seeds, rows), dtype=np.float32)
        disagree = 0.35
        d = (draw < (disagree + shift) / 2).astype(np.float32) - (draw > 1 - (disagree - shift) / 2)
        per_unit, per_row = d.mean(axis=3, dtype=np.float64), d.mean(axis=2, dtype=np.float64)
        for i in range(size):
            found = (stats.unit_error(list(per_unit[i])), stats.row_error(list(per_row[i])))
            half = stats.half_width(found[0] or 0.0, found[1], tasks * (seeds - 1))
            hit += abs(float(per_unit[i].mean()) - gain) <= half
    return hit / draws


def _grid_p(
    rng: np.random.Generator, draws: int, *, tasks: int, seeds: int, ks: int, effect_sd: float, gain: float = 0.0
) -> stats.Floats:
    """p of `draws` simulated grids: two conditions whose accuracies rise with k and share each seed's luck over k."""
    shape = (draws, tasks, seeds, ks)
    level = rng.uniform(0.6, 0.85, size=(draws, tasks, 1, 1)) + 0.02 * np.arange(ks)

    def condition() -> stats.Floats:
        nested = rng.exponential(0.03, size=(draws, tasks, seeds, 1))
        chance = np.clip(level - nested - rng.exponential(0.01, size=shape), 0.01, 0.99)
        return rng.binomial(1_000, chance) / 1_000

    effect = rng.normal(0, effect_sd, size=(draws, tasks, 1, 1)) if effect_sd else 0.0
    units = (condition() - condition() + effect + gain).mean(axis=3).reshape(draws, tasks * seeds)
    return stats.sign_flip(units, np.full(tasks * seeds, 1 / (tasks * seeds)), rng)
