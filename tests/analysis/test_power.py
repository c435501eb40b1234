"""Power by normal theory beside the simulated sign-flip test, and what a design cannot reach."""

from __future__ import annotations

import numpy as np
import pytest

from cod_bench.analysis import paired, power, stats
from cod_bench.errors import UsageError
from cod_bench.spec import stream
from tests import asked
from tests.analysis.test_aggregate import collect, hand_records


@pytest.mark.parametrize(("seeds", "effect"), [(5, 0.03), (7, 0.02)])
def test_the_formula_is_what_the_sign_flip_test_does(seeds: int, effect: float):
    spread, level, draws = (0.03, 0.04), 0.05, 4_000
    rng = stream("power", "test", seeds)
    units = np.concatenate([rng.normal(effect, sd, size=(draws, seeds)) for sd in spread], axis=1)
    p = stats.sign_flip(units, np.full(2 * seeds, 0.5 / seeds), rng)
    assert power.power(effect, spread, seeds, level) == pytest.approx(np.mean(p <= level), abs=0.05)


def test_power_rises_with_seeds_and_effect_and_is_the_level_without_an_effect():
    spread = (0.03, 0.03)
    values = [power.power(0.02, spread, n, 0.05) for n in range(3, 40)]
    assert values == sorted(values)
    assert power.power(0.03, spread, 8, 0.05) > power.power(0.02, spread, 8, 0.05)
    assert power.power(1e-9, spread, 8, 0.05) == pytest.approx(0.05, abs=1e-6)


def test_a_design_whose_smallest_p_is_too_large_has_no_power():
    assert stats.smallest_p(4) > 0.05
    assert power.power(0.5, (0.01, 0.01), 2, 0.05) == 0


def test_needs_are_told_per_method_from_the_spread_in_records():
    found = power.needs(collect(hand_records()), 0.05)
    assert [need.method for need in found] == ["kd", "lwd"]
    assert found[0].spread == pytest.approx((np.std([0.2, 0.1], ddof=1), np.std([0.1, 0.2], ddof=1)))
    assert found[0].seeds is not None
    level = 0.05 / 2
    assert power.power(0.05, found[0].spread, found[0].seeds, level) >= 0.8
    assert power.power(0.05, found[0].spread, found[0].seeds - 1, level) < 0.8


def test_an_effect_that_is_no_share_is_a_users_mistake():
    with pytest.raises(UsageError, match="share"):
        power.needs(collect(hand_records()), 2.0)


def test_a_suite_that_names_its_comparisons_needs_power_over_these_at_their_budgets():
    grid = asked.grid()
    kd, lwd = power.needs(grid, 0.05)
    assert (kd.family, lwd.family) == ("5 comparisons", "1 comparison")
    units = [paired.differences(grid, task, "kd", ("cod", "standard"), (8, 16)).units for task in grid.suite.tasks]
    assert kd.spread == pytest.approx([own.std(ddof=1) for own in units])  # of seeds averaged over teachers
    assert kd.power_now == power.power(0.05, kd.spread, 5, 0.05 / 5)
    assert lwd.power_now == power.power(0.05, lwd.spread, 5, 0.05)
    (half, *_) = power.needs(grid, 0.05, ("cod", "half"))
    units = [paired.differences(grid, task, "kd", ("cod", "half"), (32,)).units for task in grid.suite.tasks]
    assert half.spread == pytest.approx([own.std(ddof=1) for own in units])
    assert [need.family for need in power.needs(collect(hand_records()), 0.05)] == ["2 methods", "2 methods"]
