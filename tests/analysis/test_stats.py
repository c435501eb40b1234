"""Units -> test and interval: hand cases, scipy, and properties."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cod_bench.analysis import stats

UNITS = st.lists(st.lists(st.integers(-20, 20), min_size=1, max_size=4), min_size=1, max_size=3)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def arrays(values: list[list[float]]) -> list[stats.Floats]:
    return [np.array(v, dtype=float) for v in values]


@settings(max_examples=60, deadline=None)
@given(UNITS)
def test_exact_p_is_the_share_of_sign_patterns_at_least_as_extreme(values):
    units, weights = stats.stacked(arrays(values))
    patterns = np.array(list(itertools.product([-1, 1], repeat=len(units))))
    sums = np.abs(patterns @ (units * weights))
    expected = np.mean(sums >= abs(units @ weights) - 1e-9)
    assert stats.sign_flip(units[None], weights, rng())[0] == pytest.approx(expected)


def test_scipy_permutation_test_agrees():
    from scipy.stats import permutation_test

    d = np.array([0.03, 0.01, -0.02, 0.05, 0.04])
    found = permutation_test((d, np.zeros(5)), lambda a, b: np.mean(a - b), permutation_type="samples")
    assert stats.sign_flip(d[None], np.full(5, 0.2), rng())[0] == pytest.approx(found.pvalue)


@pytest.mark.parametrize("n", [1, 4, 10, 16, 17, 20, 60])
def test_equal_signs_reach_the_smallest_p(n):
    p = stats.sign_flip(np.full((1, n), 0.1), np.full(n, 1 / n), rng())[0]
    if n <= stats.EXACT_UNITS:
        assert p == stats.smallest_p(n) == 2 / 2**n
    else:
        # Drawn: the pattern itself may turn up among the draws, but never less than (0 + 1) / (m + 1).
        assert 1 / (stats.DRAWS + 1) <= p < 5e-5
        assert stats.smallest_p(n) == max(2 / 2**n, 1 / (stats.DRAWS + 1))


def test_drawn_p_is_near_the_exact_one_and_seeded(monkeypatch):
    d = rng(3).normal(0.5, 1, size=(2, 12))
    weights = np.full(12, 1 / 12)
    exact = stats.sign_flip(d, weights, rng())
    monkeypatch.setattr(stats, "EXACT_UNITS", 5)
    drawn = stats.sign_flip(d, weights, rng(1))
    assert drawn == pytest.approx(exact, abs=0.005)
    assert np.array_equal(drawn, stats.sign_flip(d, weights, rng(1)))


def test_no_difference_at_all_has_p_1():
    found = stats.effect(arrays([[0, 0], [0, 0]]), arrays([[0, 0], [0, 0]]), rng())
    assert (found.p, found.estimate, found.low, found.high, found.won) == (1.0, 0.0, 0.0, 0.0, 0)


@settings(max_examples=30, deadline=None)
@given(UNITS, st.randoms(use_true_random=False))
def test_order_and_sign_of_units_do_not_matter_to_p(values, random):
    def p(v: list[list[float]]) -> float:
        return stats.effect(arrays(v), arrays(v), rng()).p

    shuffled = [random.sample(v, len(v)) for v in random.sample(values, len(values))]
    assert p(values) == pytest.approx(p(shuffled))
    assert p(values) == pytest.approx(p([[-x for x in v] for v in values]))


def test_effect_by_hand():
    # Task means 2 and 4 -> 3. s_t = sqrt(2) and sqrt(8), n_t = 2: se_units = sqrt(2/2 + 8/2) / 2 = sqrt(5) / 2, df = 2.
    # Row variances (population) 1 over 4 rows and 0: se_rows = sqrt(1/4) / 2 = 0.25.
    # t(0.975, 2) = 4.302653, z = 1.959964: half-width = sqrt((4.302653 * 1.118034)^2 + (1.959964 * 0.25)^2) = 4.835402.
    # Patterns of (1, 3, 2, 6) that reach 12: two of sixteen.
    found = stats.effect(arrays([[1, 3], [2, 6]]), arrays([[1, 3, 1, 3], [4, 4]]), rng())
    assert found.estimate == 3
    assert found.se_units == pytest.approx(5**0.5 / 2)
    assert found.se_rows == pytest.approx(0.25)
    assert found.df == 2
    assert found.high - found.estimate == pytest.approx(4.835402, abs=1e-5)
    assert found.estimate - found.low == pytest.approx(4.835402, abs=1e-5)
    assert (found.p, found.smallest_p, found.exact) == (2 / 16, 2 / 16, True)
    assert (found.units, found.tasks, found.won, found.new_tasks) == (4, 2, 4, None)


def test_tasks_weigh_equally_whatever_their_number_of_seeds():
    assert stats.effect(arrays([[1], [3, 3, 3]]), arrays([[0], [0]]), rng()).estimate == 2


def test_the_row_error_is_the_row_bootstrap():
    rows = [rng(1).choice([-0.4, 0, 0.2], size=200), rng(2).choice([-1, 0, 1.0], size=100)]
    drawn = [np.mean([r[rng(i).integers(0, len(r), len(r))].mean() for r in rows]) for i in range(4_000)]
    assert stats.row_error(rows) == pytest.approx(np.std(drawn), rel=0.05)


def test_a_single_seed_has_no_interval():
    found = stats.effect(arrays([[1], [2]]), arrays([[1], [2]]), rng())
    assert (found.se_units, found.low, found.high, found.df) == (None, None, None, 0)


def test_new_tasks_are_estimable_from_five_tasks_on():
    means = [[1, 1], [2, 2], [3, 3], [4, 4]]
    assert stats.new_tasks(arrays(means)) is None
    low, high = stats.new_tasks(arrays([*means, [5, 5]]))
    # Means 1..5: sd 1.581139, t(0.975, 4) = 2.776445, half-width 1.963243.
    assert (low, high) == pytest.approx((3 - 1.963243, 3 + 1.963243), abs=1e-5)


def test_empty_input_is_refused():
    with pytest.raises(ValueError, match="non-empty"):
        stats.effect([np.zeros(0)], [np.zeros(0)], rng())


def test_holm_by_hand():
    # Sorted .01, .03, .04 times 3, 2, 1, made monotone: .03, .06, .06.
    assert stats.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert stats.holm([]) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_statsmodels_holm_agrees(p):
    from statsmodels.stats.multitest import multipletests

    assert stats.holm(p) == pytest.approx(list(multipletests(p, method="holm")[1]))


def test_mean_interval_of_a_cell():
    for few in ([0.7], [0.6, 0.8], [0.6, 0.7, 0.8]):
        assert stats.mean_interval(np.array(few)) is None
    low, high = stats.mean_interval(np.array([0.6, 0.8, 0.6, 0.8]))
    # sd 0.115470, t(0.975, 3) = 3.182446, half-width 0.183739.
    assert (low, high) == pytest.approx((0.7 - 0.183739, 0.7 + 0.183739), abs=1e-5)


SHARES = st.floats(1e-4, 0.05)


@settings(max_examples=300, deadline=None)
@given(st.floats(-0.03, 0.03), SHARES, st.floats(0, 0.05), st.integers(1, 60), st.floats(0.002, 0.05))
def test_an_equivalence_is_at_the_level_where_the_interval_lies_within_the_margin(estimate, units, rows, df, margin):
    p = stats.equivalence(estimate, units, rows, df, margin)
    assert 0 <= p <= 1
    for level in (0.9, 0.95, 0.8):
        half = stats.half_width(units, rows, df, level)
        within = estimate - half >= -margin and estimate + half <= margin
        if abs(margin - abs(estimate) - half) > 1e-9:
            assert (p <= (1 - level) / 2) == within


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 0.02), SHARES, st.floats(0, 0.02), st.integers(1, 60))
def test_an_equivalence_has_no_side_and_falls_with_the_margin(estimate, units, rows, df):
    one, other = (stats.equivalence(sign * estimate, units, rows, df, 0.01) for sign in (1, -1))
    assert one == other
    assert stats.equivalence(estimate, units, rows, df, 0.02) <= one + 1e-12
    assert stats.equivalence(estimate, units * 2, rows, df, 0.01) >= one - 1e-12


def test_an_equivalence_by_hand():
    # t(0.975, 10) = 2.228139: with a standard error of 1/2.228139 points the estimate of 0 just lies within 1 point
    assert stats.equivalence(0.0, 0.01 / 2.228139, 0.0, 10, 0.01) == pytest.approx(0.025, abs=1e-6)
    # scipy's own one-sided t test of each side, the larger p
    from scipy import stats as scipy_stats

    values = rng(4).normal(0.002, 0.01, 12)
    sides = [
        scipy_stats.ttest_1samp(values, -0.01, alternative="greater").pvalue,
        scipy_stats.ttest_1samp(values, 0.01, alternative="less").pvalue,
    ]
    error = stats.unit_error([values])
    assert stats.equivalence(float(values.mean()), error, 0.0, 11, 0.01) == pytest.approx(max(sides), abs=1e-9)


def test_an_estimate_beyond_the_margin_or_without_an_error_is_never_equivalent():
    assert stats.equivalence(0.01, 1e-9, 0.0, 10, 0.01) == 1
    assert stats.equivalence(-0.02, 1e-9, 0.0, 10, 0.01) == 1
    assert stats.equivalence(0.0, None, 0.0, 10, 0.01) == 1


@pytest.mark.parametrize(("spread", "rows"), [(0.005, 0.0), (0.02, 0.0), (0.005, 0.002)])
def test_at_the_margin_equivalence_is_shown_in_one_of_twenty_at_most(spread: float, rows: float):
    # two tasks of ten seeds; where the spread is small beside the margin the level is reached, rows make it stricter
    random, draws = rng(17), 2_000
    means = random.normal(0, rows, draws) if rows else np.zeros(draws)
    units = 0.01 + means[:, None, None] + random.normal(0, spread, (draws, 2, 10))
    shown = 0
    for own in units:
        error = stats.unit_error([*own])
        shown += stats.equivalence(float(own.mean()), error, rows, 18, 0.01) <= 0.05
    assert shown / draws <= 0.06
    assert shown / draws >= (0.04 if not rows and spread < 0.01 else 0.0)
    within = random.normal(0, spread / 4, (200, 2, 10))
    told = [stats.equivalence(float(own.mean()), stats.unit_error([*own]), rows / 4, 18, 0.01) for own in within]
    assert np.mean(np.array(told) <= 0.05) > 0.9  # and where there is no difference it is seen
