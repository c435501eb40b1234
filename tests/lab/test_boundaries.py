"""Boundaries of known shape: where they are, how far apart, and what is told where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cod_bench.lab import boundaries
from cod_bench.lab.boundaries import Boundary, apart, grid_points

DATA = np.array([[x, y] for x in np.linspace(-1, 2, 30) for y in np.linspace(-0.8, 1.2, 20)])


def circle(radius: float, x: float = 0.5) -> Boundary:
    return Boundary.of(np.hypot(grid_points()[:, 0] - x, grid_points()[:, 1] - 0.25) - radius)


def level(height: float) -> Boundary:
    return Boundary.of(grid_points()[:, 1] - height)


def test_points_lie_on_the_line_closely_spaced() -> None:
    points = circle(0.6).points
    assert np.allclose(np.hypot(points[:, 0] - 0.5, points[:, 1] - 0.25), 0.6, atol=2e-3)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert steps.max() <= boundaries.SPACING + 1e-9


@settings(deadline=None)
@given(first=st.floats(-0.9, 1.4), second=st.floats(-0.9, 1.4))
def test_level_lines_are_as_far_apart_as_their_heights(first: float, second: float) -> None:
    mean, greatest = apart(level(first), level(second), DATA)
    assert mean == pytest.approx(abs(first - second), abs=1e-3)
    assert greatest == pytest.approx(abs(first - second), abs=1e-3)


@settings(deadline=None)
@given(one=st.floats(0.2, 0.9), other=st.floats(0.2, 0.9), x=st.floats(0, 1))
def test_distances_are_symmetric_and_the_mean_is_never_beyond_the_greatest(one: float, other: float, x: float) -> None:
    there, back = apart(circle(one), circle(other, x), DATA), apart(circle(other, x), circle(one), DATA)
    assert there == pytest.approx(back)
    assert there[0] <= there[1] + 1e-12


def test_only_what_is_near_the_data_counts_for_the_mean() -> None:
    corner = np.array([[-1.7, -1.2]])
    mean, greatest = apart(level(-1.15), circle(0.5), corner)
    assert np.isnan(mean)
    assert greatest > 1
    assert apart(level(0.0), level(0.3), np.array([[0.0, 0.1]]))[0] == pytest.approx(0.3, abs=1e-3)


def test_a_classifier_that_never_changes_its_mind_has_none() -> None:
    none = Boundary.of(np.ones(len(grid_points())))
    assert none.points.shape == (0, 2)
    assert np.isinf(none.distances(DATA)).all()
    assert all(np.isnan(part) for part in apart(level(0), none, DATA))
    with pytest.raises(ValueError, match="without a boundary"):
        none.nearest(DATA)


def test_the_nearest_point_is_on_the_line_and_none_is_nearer() -> None:
    found = circle(0.6).nearest(DATA)
    assert np.allclose(np.linalg.norm(found - DATA, axis=1), circle(0.6).distances(DATA))
    wanted = np.abs(np.hypot(DATA[:, 0] - 0.5, DATA[:, 1] - 0.25) - 0.6)
    assert np.allclose(np.linalg.norm(found - DATA, axis=1), wanted, atol=6e-3)
