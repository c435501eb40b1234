"""Logistic regression with known weights -> what counterfactuals do to the Fisher information and to the estimate.

Theorem 1 of the paper: with counterfactuals for half of the rows the Fisher information is at least (in the Loewner
order) that of as many originals, if both have equal second moments, and so the estimate is better. Here both sides are
computed: rows are standard normal in d dimensions, the teacher is sigmoid(w'x) without an intercept, a counterfactual
is the row moved along w to where w'x is a stated overshoot, in logits, on the other side of 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cod_bench.spec import stream

Floats = NDArray[np.float64]

DIMENSIONS = 5
ROWS = 40
DRAWS = 1_000
NORMS = (1.0, 2.0, 4.0)
"""Lengths of w: how confident the teacher is. The share of rows with p beyond 0.1 and 0.9 is 3, 27 and 58 %."""
OVERSHOOTS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""In logits."""
REGIMES = ("bernoulli", "argmax", "soft")
"""A label is drawn from the teacher's p, its more probable class, or p itself."""
ESTIMATORS = ("ridge", "firth")
RIDGE = 0.1
"""Half of it times the squared length of the weights is added to the sum of losses."""
STEPS = 100
LONGEST_STEP = 2.0
"""Newton's steps are cut to that length."""
STILL = 1e-6
"""A step shorter than that ends the search of a draw."""


@dataclass(frozen=True)
class Order:
    """How two information matrices compare, over draws.

    Args:
        norm, overshoot: of the teacher's weights, and of counterfactuals in logits; NaN for `random`, whose second
            half is moved as far in a random direction.
        condition: what is compared with `standard`.
        held: share of draws in which the difference of the two matrices has no negative eigenvalue.
        least, least_se: smallest eigenvalue of the mean difference, per row, and its standard error over draws (of the
            quadratic form along that eigenvector).
        along: absolute cosine between that eigenvector and w.
        along_w, across_w: mean difference of the information about w's own direction, and about one across, per row.
        draws: how many.
    """

    norm: float
    overshoot: float
    condition: str
    held: float
    least: float
    least_se: float
    along: float
    along_w: float
    across_w: float
    draws: int


@dataclass(frozen=True)
class Error:
    """How wrong the estimates of a setting are, over draws.

    Args:
        norm, overshoot, condition: as in `Order`; `standard` has no overshoot.
        regime, estimator: labels and how weights are fitted.
        squared: mean squared distance of estimate and w.
        angle: mean angle between both, degrees.
        length: mean of log(estimate's length / w's length).
        length_error: mean of its absolute value.
        less_squared, less_angle: mean paired difference, `standard` minus this one, positive where this one is better.
        less_squared_se, less_angle_se: their standard errors over draws.
        wins: share of draws in which the squared distance is smaller than that of `standard`.
        rested: share of draws in which the search for the estimate came to rest.
        draws: how many.
    """

    norm: float
    overshoot: float
    condition: str
    regime: str
    estimator: str
    squared: float
    angle: float
    length: float
    length_error: float
    less_squared: float
    less_squared_se: float
    less_angle: float
    less_angle_se: float
    wins: float
    rested: float
    draws: int


def weights(norm: float) -> Floats:
    """The teacher's weights: of that length, along no axis."""
    direction = stream("lab logistic teacher").standard_normal(DIMENSIONS)
    return np.asarray(norm * direction / np.linalg.norm(direction))


def rows(norm: float, overshoot: float | None, draws: int, condition: str = "cod") -> Floats:
    """What a student sees, [draws, ROWS, DIMENSIONS]; the same originals whatever the overshoot.

    Args:
        overshoot: None for originals alone.
        condition: `random` moves originals as far as `cod` does, in random directions.
    """
    rng = stream("lab logistic rows")
    found = rng.standard_normal((draws, ROWS, DIMENSIONS))
    if overshoot is None:
        return found
    w, half = weights(norm), ROWS // 2
    margins = found[:, :half] @ w
    change = (-np.sign(margins) * overshoot - margins)[..., None] * w / (w @ w)
    if condition == "random":
        directions = stream("lab logistic directions").standard_normal(change.shape)
        directions /= np.linalg.norm(directions, axis=2, keepdims=True)
        change = directions * np.linalg.norm(change, axis=2, keepdims=True)
    return np.concatenate([found[:, :half], found[:, :half] + change], axis=1)


def information(inputs: Floats, w: Floats) -> Floats:
    """Fisher information of w per row, the mean of p (1 - p) x x', [draws, d, d]."""
    p = _sigmoid(inputs @ w)
    return np.asarray(np.einsum("snd,sne,sn->sde", inputs, inputs, p * (1 - p)) / inputs.shape[1])


def orders(draws: int = DRAWS, norms: Sequence[float] = NORMS) -> Iterator[Order]:
    """The Loewner order of counterfactuals, and of random moves as long, against originals."""
    for norm in norms:
        w = weights(norm)
        plain = information(rows(norm, None, draws), w)
        for condition, overshoot in product(("cod", "random"), OVERSHOOTS):
            differences = information(rows(norm, overshoot, draws, condition), w) - plain
            held = np.linalg.eigvalsh(differences)[:, 0] >= 0
            values, vectors = np.linalg.eigh(differences.mean(0))
            least = vectors[:, 0]
            forms = np.einsum("sde,d,e->s", differences, least, least)
            unit = w / norm
            along = float(unit @ differences.mean(0) @ unit)
            across = float((np.trace(differences.mean(0)) - along) / (DIMENSIONS - 1))
            yield Order(
                norm, overshoot, condition, float(held.mean()), float(values[0]), _error(forms),
                float(abs(least @ unit)), along, across, draws,
            )  # fmt: skip


def errors(draws: int = DRAWS, norms: Sequence[float] = NORMS) -> Iterator[Error]:
    """How wrong estimates are, setting by setting; `standard` is paired with each by its draws."""
    for norm, regime, estimator in product(norms, REGIMES, ESTIMATORS):
        w = weights(norm)
        plain = estimates(rows(norm, None, draws), w, regime, estimator)
        yield _told(plain, plain, w, norm, np.nan, "standard", regime, estimator)
        for condition, overshoot in product(("cod", "random"), OVERSHOOTS):
            found = estimates(rows(norm, overshoot, draws, condition), w, regime, estimator)
            yield _told(found, plain, w, norm, overshoot, condition, regime, estimator)


def estimates(inputs: Floats, w: Floats, regime: str, estimator: str) -> tuple[Floats, NDArray[np.bool_]]:
    """Weights that a student finds by Newton's method, [draws, d], and in which draws the search came to rest.

    Args:
        inputs: [draws, n, d].
        regime: one of `REGIMES`.
        estimator: `ridge`, or `firth`, which takes the likelihood times the square root of the information's
            determinant (Firth 1993) and so is finite where classes are separable.

    Raises:
        ValueError: an unknown regime or estimator.
    """
    p = _sigmoid(inputs @ w)
    match regime:
        case "bernoulli":
            labels = (stream("lab logistic labels").random(p.shape) < p).astype(np.float64)
        case "argmax":
            labels = (p > 0.5).astype(np.float64)
        case "soft":
            labels = p
        case _:
            raise ValueError(f"no labels {regime!r}")
    if estimator not in ESTIMATORS:
        raise ValueError(f"no estimator {estimator!r}")
    ridge = RIDGE if estimator == "ridge" else 0.0
    found = np.zeros((len(inputs), inputs.shape[2]))
    eye = np.eye(inputs.shape[2])
    for _ in range(STEPS):
        said = _sigmoid(np.einsum("snd,sd->sn", inputs, found))
        spread = said * (1 - said)
        hessian = np.einsum("snd,sne,sn->sde", inputs, inputs, spread) + (ridge + 1e-9) * eye
        residuals = labels - said
        if estimator == "firth":
            leverage = np.einsum("snd,sde,sne,sn->sn", inputs, np.linalg.inv(hessian), inputs, spread)
            residuals = residuals + leverage * (0.5 - said)
        gradient = np.einsum("snd,sn->sd", inputs, residuals) - ridge * found
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        length = np.linalg.norm(step, axis=1, keepdims=True)
        found = found + step * np.minimum(1, LONGEST_STEP / np.maximum(length, 1e-12))
        if (length < STILL).all():
            break
    return found, length[:, 0] < STILL


Estimates = tuple[Floats, NDArray[np.bool_]]


def _told(
    made: Estimates, standard: Estimates, w: Floats, norm: float, overshoot: float, condition: str, regime: str,
    estimator: str,
) -> Error:  # fmt: skip
    squared, angle, length = _parts(made[0], w)
    plain_squared, plain_angle, _ = _parts(standard[0], w)
    return Error(
        norm, overshoot, condition, regime, estimator, float(squared.mean()), float(angle.mean()),
        float(length.mean()), float(np.abs(length).mean()),
        float((plain_squared - squared).mean()), _error(plain_squared - squared),
        float((plain_angle - angle).mean()), _error(plain_angle - angle),
        float((squared < plain_squared).mean()), float(made[1].mean()), len(squared),
    )  # fmt: skip


def _parts(found: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
    """Squared distance, angle in degrees and log ratio of lengths of each estimate."""
    lengths, norm = np.linalg.norm(found, axis=1), np.linalg.norm(w)
    cosines = np.clip(found @ w / (np.maximum(lengths, 1e-12) * norm), -1, 1)
    return ((found - w) ** 2).sum(1), np.degrees(np.arccos(cosines)), np.log(np.maximum(lengths, 1e-12) / norm)


def _error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _sigmoid(margins: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-margins)))
