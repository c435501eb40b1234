"""Logistic regressions of the lab: against a library, against what is known in closed form, and what is no choice."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from cod_bench.lab import fisher


def test_rows_share_their_originals_and_counterfactuals_stand_where_they_are_said_to() -> None:
    plain, w, half = fisher.rows(2.0, None, 3), fisher.weights(2.0), fisher.ROWS // 2
    assert np.linalg.norm(w) == pytest.approx(2)
    for overshoot in (0.0, 1.5):
        found = fisher.rows(2.0, overshoot, 3)
        assert np.array_equal(found[:, :half], plain[:, :half])
        before, after = found[:, :half] @ w, found[:, half:] @ w
        assert np.allclose(np.abs(after), overshoot)
        assert overshoot == 0 or (np.sign(before) == -np.sign(after)).all()
        moved = found[:, half:] - found[:, :half]
        across = moved - (moved @ w)[..., None] * w / (w @ w)
        assert np.allclose(across, 0)
        chance = fisher.rows(2.0, overshoot, 3, "random")
        lengths = [np.linalg.norm(rows[:, half:] - rows[:, :half], axis=2) for rows in (found, chance)]
        assert np.allclose(*lengths)


def test_information_is_the_curvature_of_the_loss() -> None:
    inputs, w, step = fisher.rows(2.0, None, 1), fisher.weights(2.0), 1e-4
    p = 1 / (1 + np.exp(-inputs[0] @ w))

    def loss(at: np.ndarray) -> float:
        margins = inputs[0] @ at
        return float(np.mean(np.logaddexp(0, margins) - p * margins))

    eye = step * np.eye(fisher.DIMENSIONS)
    numeric = [[loss(w + a + b) - loss(w + a - b) - loss(w - a + b) + loss(w - a - b) for b in eye] for a in eye]
    assert np.allclose(fisher.information(inputs, w)[0], np.array(numeric) / (4 * step**2), atol=1e-5)


def test_ridge_is_what_a_library_finds() -> None:
    from sklearn.linear_model import LogisticRegression

    inputs, w = fisher.rows(2.0, 1.0, 2), fisher.weights(2.0)
    found, rested = fisher.estimates(inputs, w, "argmax", "ridge")
    assert rested.all()
    for draw in range(2):
        model = LogisticRegression(C=1 / fisher.RIDGE, fit_intercept=False, tol=1e-10, max_iter=1000)
        model.fit(inputs[draw], (inputs[draw] @ w > 0).astype(int))
        assert np.allclose(found[draw], model.coef_[0], rtol=1e-4)


def test_firth_solves_its_equations_and_is_finite_where_classes_are_separable() -> None:
    inputs, w = fisher.rows(4.0, None, 20), fisher.weights(4.0)
    found, rested = fisher.estimates(inputs, w, "argmax", "firth")
    assert np.isfinite(found).all()
    assert rested.mean() > 0.8
    labels = (inputs @ w > 0).astype(float)
    for draw in np.flatnonzero(rested):
        rows, said = inputs[draw], 1 / (1 + np.exp(-inputs[draw] @ found[draw]))
        spread = said * (1 - said)
        root = np.sqrt(spread)[:, None] * rows
        leverage = np.diag(root @ np.linalg.inv(root.T @ root) @ root.T)
        assert np.allclose(rows.T @ (labels[draw] - said + leverage * (0.5 - said)), 0, atol=1e-4)


def test_soft_labels_give_the_teacher_away_and_a_ridge_shrinks_it() -> None:
    w = fisher.weights(2.0)
    found, _ = fisher.estimates(fisher.rows(2.0, None, 20), w, "soft", "ridge")
    assert (np.linalg.norm(found, axis=1) < 2).all()
    cosines = found @ w / (np.linalg.norm(found, axis=1) * 2)
    assert (cosines > 0.99).all()


def test_on_the_boundary_the_direction_that_is_missing_is_w() -> None:
    orders = {(one.condition, one.overshoot): one for one in fisher.orders(100, (4.0,))}
    zero = orders["cod", 0.0]
    assert zero.least < -5 * zero.least_se
    assert zero.held == 0
    assert zero.along > 0.999
    assert zero.along_w == pytest.approx(zero.least, abs=1e-4)
    assert zero.across_w > 0
    assert orders["cod", 1.5].least > 0 > orders["cod", 4.0].least


def test_errors_are_paired_with_standard() -> None:
    found = list(fisher.errors(10, (1.0,)))
    assert len(found) == 6 * (1 + 2 * len(fisher.OVERSHOOTS))
    for one in found:
        standard = next(
            s for s in found if (s.condition, s.regime, s.estimator) == ("standard", one.regime, one.estimator)
        )
        assert one.less_squared == pytest.approx(standard.squared - one.squared, abs=1e-9)
        assert one.less_angle == pytest.approx(standard.angle - one.angle, abs=1e-9)
        assert 0 <= one.wins <= 1
        assert one.length_error >= abs(one.length) - 1e-12


def test_more_draws_are_more_of_the_same() -> None:
    few, more = fisher.rows(1.0, None, 5), fisher.rows(1.0, None, 9)
    assert np.array_equal(few, more[:5])
    errors = [next(fisher.orders(draws, (1.0,))).least_se for draws in (50, 200, 800)]
    assert all(later < earlier for earlier, later in pairwise(errors))


@pytest.mark.parametrize(("regime", "estimator"), [("hard", "ridge"), ("soft", "lasso")])
def test_what_is_no_choice_is_refused(regime: str, estimator: str) -> None:
    with pytest.raises(ValueError, match=r"hard|lasso"):
        fisher.estimates(fisher.rows(1.0, None, 1), fisher.weights(1.0), regime, estimator)
