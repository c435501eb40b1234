"""A margin on a grid -> the line where it is 0, points along it, and how far two such lines are apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BOX = ((-1.75, 2.75), (-1.25, 1.75))
"""Where boundaries are looked for, (least, greatest) of both coordinates: all of two moons with noise 0.2 is in it."""
STEP = 0.025
"""Distance of neighbouring grid points."""
SPACING = 0.01
"""Distance of neighbouring points along a boundary."""
NEAR = 0.25
"""What counts as near the data."""


def grid() -> tuple[Floats, Floats]:
    """The coordinates of the grid's columns and rows."""
    (left, right), (low, high) = BOX
    return np.arange(left, right + STEP / 2, STEP), np.arange(low, high + STEP / 2, STEP)


def grid_points() -> Floats:
    """All points of the grid, [rows x columns, 2]."""
    x, y = np.meshgrid(*grid())
    return np.stack([x.ravel(), y.ravel()], 1)


@dataclass(frozen=True)
class Boundary:
    """The line on which a classifier of the plane changes its mind, within the box.

    Args:
        lines: its pieces, [points, 2] each.
    """

    lines: tuple[Floats, ...]

    @classmethod
    def of(cls, margins: Floats) -> Boundary:
        """Of margins at `grid_points()`, by linear interpolation between neighbours."""
        import contourpy

        x, y = grid()
        found = contourpy.contour_generator(x, y, margins.reshape(len(y), len(x))).lines(0.0)
        return cls(tuple(np.asarray(line, np.float64) for line in found if len(line) > 1))

    @cached_property
    def points(self) -> Floats:
        """Points along it, at most `SPACING` apart, [n, 2]."""
        return np.concatenate([_along(line) for line in self.lines]) if self.lines else np.empty((0, 2))

    def distances(self, points: Floats) -> Floats:
        """From each point to the nearest one of it; infinite if there is none."""
        if not len(self.points):
            return np.full(len(points), np.inf)
        return np.asarray(self._tree.query(points)[0])

    def nearest(self, points: Floats) -> Floats:
        """Its point nearest to each of the points, [n, 2].

        Raises:
            ValueError: it has none.
        """
        if not len(self.points):
            raise ValueError("a classifier without a boundary has no nearest point")
        return np.asarray(self.points[self._tree.query(points)[1]])

    @cached_property
    def _tree(self):  # type: ignore[no-untyped-def]  # scipy's tree has no usable type
        from scipy.spatial import cKDTree

        return cKDTree(self.points)


def apart(one: Boundary, other: Boundary, data: Floats) -> tuple[float, float]:
    """How far two boundaries are from each other.

    Args:
        data: points [n, 2]; only what lies within `NEAR` of one counts for the mean.

    Returns:
        The mean over both sides of the mean distance from what is near the data on one boundary to all of the other,
        and the greatest distance from anything in the box on one to the other (Hausdorff). NaN where a boundary that
        is to be near the data, or in the box, does not exist.
    """
    from scipy.spatial import cKDTree

    if not len(one.points) or not len(other.points):
        return np.nan, np.nan
    tree = cKDTree(data)
    means, greatest = [], 0.0
    for side, far in ((one, other), (other, one)):
        found = far.distances(side.points)
        close = np.asarray(tree.query(side.points)[0]) <= NEAR
        means.append(float(found[close].mean()) if close.any() else np.nan)
        greatest = max(greatest, float(found.max()))
    return float(np.mean(means)), greatest


def _along(line: Floats) -> Floats:
    """Points on a piece, both ends of each of its segments among them."""
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    parts = np.maximum(1, np.ceil(steps / SPACING).astype(int))
    starts = np.repeat(np.arange(len(steps)), parts)
    share = np.concatenate([np.arange(n) / n for n in parts])[:, None]
    return np.concatenate([line[starts] * (1 - share) + line[starts + 1] * share, line[-1:]])
