"""Pairs across a boundary, teacher and student -> the parts of the paper's Hausdorff bound, and the gap on a pair.

Theorem 2 of the paper: where teacher and student both change their mind between an original and its counterfactual,
their boundaries are within alpha + epsilon of each other, alpha being the length of the longest pair and epsilon how
far a point of a boundary can be from the nearest crossing of it. It follows from the triangle inequality.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cod_bench.lab.boundaries import Boundary

Floats = NDArray[np.float64]
Margins = Callable[[Floats], Floats]
"""Points [n, 2] -> margins [n]."""

HALVINGS = 30


@dataclass(frozen=True)
class Bound:
    """What the bound is made of, over the pairs that both models cross.

    Args:
        crossed: share of the pairs.
        alpha: length of the longest.
        epsilon: greatest distance from a point of either boundary to the nearest crossing of that boundary.
        greatest: Hausdorff distance of the boundaries within the box.
        gap: mean distance of the two crossings on a pair.
        length: mean length of a pair.

    All but `crossed` are NaN where no pair is crossed or a model has no boundary.
    """

    crossed: float
    alpha: float
    epsilon: float
    greatest: float
    gap: float
    length: float

    @property
    def ratio(self) -> float:
        """How much larger the bound is than what it bounds."""
        return (self.alpha + self.epsilon) / self.greatest


def crossing(starts: Floats, ends: Floats, margins: Margins) -> tuple[Floats, NDArray[np.bool_]]:
    """Where a model changes its mind between two points.

    Lemma 1 of the paper: a continuous model that tells the ends apart has a boundary between them, here found by
    bisection.

    Args:
        starts, ends: [n, 2].

    Returns:
        Points [n, 2], and which pairs are told apart at all; the points of the others mean nothing.
    """
    before = margins(starts) > 0
    told = (margins(ends) > 0) != before
    low, high = np.zeros((len(starts), 1)), np.ones((len(starts), 1))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        same = ((margins(starts + middle * (ends - starts)) > 0) == before)[:, None]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return starts + (low + high) / 2 * (ends - starts), told


def of(starts: Floats, ends: Floats, teacher: Margins, student: Margins, taught: Boundary, learnt: Boundary) -> Bound:
    """The bound's parts for the pairs of one student.

    Args:
        starts, ends: originals and counterfactuals, [n, 2].
        taught, learnt: the boundaries of teacher and student.
    """
    if not len(starts):
        return Bound(np.nan, *[np.nan] * 5)
    by_teacher, told = crossing(starts, ends, teacher)
    by_student, also = crossing(starts, ends, student)
    both = told & also
    crossed = float(both.mean())
    if not both.any() or not len(taught.points) or not len(learnt.points):
        return Bound(crossed, *[np.nan] * 5)
    lengths = np.linalg.norm(ends - starts, axis=1)[both]
    sides = ((taught, by_teacher[both]), (learnt, by_student[both]))
    epsilon = max(float(_far(line.points, crossings).max()) for line, crossings in sides)
    greatest = max(float(taught.distances(learnt.points).max()), float(learnt.distances(taught.points).max()))
    gap = float(np.linalg.norm(by_teacher[both] - by_student[both], axis=1).mean())
    return Bound(crossed, float(lengths.max()), epsilon, greatest, gap, float(lengths.mean()))


def _far(points: Floats, crossings: Floats) -> Floats:
    return np.asarray(np.linalg.norm(points[:, None] - crossings[None], axis=2).min(1))
