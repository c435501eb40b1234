"""Theorem 2 and Lemma 1 on boundaries that are known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cod_bench.lab import bound
from cod_bench.lab.boundaries import Boundary, grid_points

Margins = Callable[[np.ndarray], np.ndarray]


def wave(height: float, size: float, pace: float) -> Margins:
    """A smooth boundary y = height + size sin(pace x)."""
    return lambda points: points[:, 1] - height - size * np.sin(pace * points[:, 0])


def pairs(n: int, seed: int, reach: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.6, 2.6, n)
    lean = rng.uniform(-0.2, 0.2, n)
    return np.stack([x, np.full(n, 0.25 - reach)], 1), np.stack([x + lean, np.full(n, 0.25 + reach)], 1)


@settings(deadline=None)
@given(
    seed=st.integers(0, 99),
    size=st.floats(0, 0.4),
    pace=st.floats(0.5, 4),
    height=st.floats(0, 0.5),
    n=st.integers(1, 30),
)
def test_lemma_1_a_model_that_tells_the_ends_apart_has_a_boundary_between_them(
    seed: int, size: float, pace: float, height: float, n: int
) -> None:
    starts, ends = pairs(n, seed)
    margins = wave(height, size, pace)
    found, told = bound.crossing(starts, ends, margins)
    assert told.all()
    assert np.allclose(margins(found), 0, atol=1e-6)
    shares = np.linalg.norm(found - starts, axis=1) / np.linalg.norm(ends - starts, axis=1)
    assert ((shares >= 0) & (shares <= 1)).all()


@settings(deadline=None)
@given(
    seed=st.integers(0, 99), size=st.floats(0, 0.4), other=st.floats(0, 0.4), pace=st.floats(0.5, 4),
    height=st.floats(0, 0.5), n=st.integers(2, 30), reach=st.floats(0.1, 1),
)  # fmt: skip
def test_theorem_2_the_bound_holds_over_the_pairs_that_both_cross(
    seed: int, size: float, other: float, pace: float, height: float, n: int, reach: float
) -> None:
    teacher, student = wave(0.25, size, pace), wave(height, other, 2.0)
    lines = [Boundary.of(margins(grid_points())) for margins in (teacher, student)]
    found = bound.of(*pairs(n, seed, reach), teacher, student, *lines)
    assume(found.crossed > 0)
    assert found.alpha + found.epsilon >= found.greatest - 1e-2
    assert 0 <= found.gap <= found.alpha + 1e-9
    assert found.length <= found.alpha + 1e-9


def test_parts_of_two_level_lines() -> None:
    starts, ends = np.array([[0.0, -0.5], [1.0, -0.5], [2.0, 0.1]]), np.array([[0.0, 0.5], [1.0, 0.7], [2.0, 0.15]])
    teacher, student = wave(0.0, 0, 1), wave(0.2, 0, 1)
    lines = [Boundary.of(margins(grid_points())) for margins in (teacher, student)]
    found = bound.of(starts, ends, teacher, student, *lines)
    assert found.crossed == pytest.approx(2 / 3)
    assert found.gap == pytest.approx(0.2, abs=1e-6)
    assert found.alpha == pytest.approx(1.2)
    assert found.length == pytest.approx(1.1)
    assert found.greatest == pytest.approx(0.2, abs=1e-3)
    assert found.epsilon == pytest.approx(1.75, abs=1e-2)  # from x = 2.75 to the pair at 1
    assert found.ratio == pytest.approx((1.2 + 1.75) / 0.2, rel=0.02)


def test_without_a_crossed_pair_nothing_is_bounded() -> None:
    teacher, student = wave(0.0, 0, 1), wave(1.0, 0, 1)
    lines = [Boundary.of(margins(grid_points())) for margins in (teacher, student)]
    found = bound.of(np.array([[0.0, -0.1]]), np.array([[0.0, 0.1]]), teacher, student, *lines)
    assert found.crossed == 0
    assert np.isnan([found.alpha, found.epsilon, found.greatest, found.gap, found.length, found.ratio]).all()
    empty = np.empty((0, 2))
    assert np.isnan(bound.of(empty, empty, teacher, student, *lines).crossed)
