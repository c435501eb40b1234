"""A teacher of the plane and a condition -> the rows that a student of it learns from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cod_bench.lab.boundaries import BOX, Boundary
from cod_bench.lab.networks import Stack
from cod_bench.spec import stream

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

REDRAWS = 20
"""Tries of a random point that keeps its class, as protocol.md has it for random edits."""
HALVINGS = 5
"""How often an overshoot that left the other class again is halved."""
LEAST = 1e-3
"""Beyond the boundary that far at least: its line is known to some ten-thousandths."""
MIDDLE = 0.5
"""Originals of one side have a first coordinate below it, the middle of both moons."""


@dataclass(frozen=True)
class Cell:
    """A student.

    Args:
        seed: of the data, the teacher and the student's first weights.
        k: rows.
        condition: how they are spent.
        overshoot: how far beyond the boundary a counterfactual lies.
        soft: whether the teacher's logits are learnt; hard labels alone if not.
        sided: whether originals come from one half of the plane alone.
        noise: share of the teacher's labels that were flipped.
        kept: whether originals that the teacher gets wrong are kept, with their gold label.
    """

    seed: int
    k: int
    condition: str
    overshoot: float
    soft: bool = True
    sided: bool = False
    noise: float = 0.0
    kept: bool = False


@dataclass(frozen=True)
class World:
    """Data of a seed and its teacher.

    Args:
        seed: of both.
        stack, at: the teacher is network `at` of this stack.
        points, gold: what originals are drawn from, [n, 2], and the true class of each.
        fresh, fresh_gold: points for evaluation, and the true class of each.
        boundary: the teacher's.
    """

    seed: int
    stack: Stack
    at: int
    points: Floats
    gold: Labels
    fresh: Floats
    fresh_gold: Labels
    boundary: Boundary

    @cached_property
    def _teacher(self) -> Stack:
        return self.stack.only(self.at)

    def margins(self, points: Floats) -> Floats:
        """The teacher's margin at points [n, 2], [n]."""
        return np.asarray(self._teacher.margins(points)[0])

    def logits(self, points: Floats) -> Floats:
        """The teacher's logits at points [n, 2], [n, 2]."""
        return np.asarray(self._teacher.logits(points[None])[0])

    def classes(self, points: Floats) -> Labels:
        """The teacher's class of points [n, 2], [n]."""
        return (self.margins(points) > 0).astype(np.int64)

    def gradients(self, points: Floats) -> Floats:
        """Gradient of the teacher's margin at points [n, 2], [n, 2]."""
        return np.asarray(self._teacher.gradients(points[None])[0])


@dataclass(frozen=True)
class Drawn:
    """The rows of a student.

    Args:
        points, labels: what it sees, [n, 2], and its hard labels.
        pairs: original and point across the boundary of every valid slot, [slots, 2] each.
        valid: share of slots that are what the condition wants.
    """

    points: Floats
    labels: Labels
    pairs: tuple[Floats, Floats]
    valid: float


def draw(world: World, cell: Cell) -> Drawn:
    """The rows of a cell: k/2 originals and a partner each; a slot without one takes the next unused original.

    Raises:
        ValueError: an unknown condition.
    """
    order = _originals(world, cell)
    half, k = cell.k // 2, cell.k
    first, second, spare = order[:half], order[half:k], list(order[k:])
    starts = {"shuffled": second, "cfe-only": order[:k]}.get(cell.condition, first)
    own, none = world.points[first], np.empty((0, 2))
    match cell.condition:
        case "standard":
            return Drawn(world.points[order[:k]], world.gold[order[:k]], (none, none), 1.0)
        case "half":
            return Drawn(own, world.gold[first], (none, none), 1.0)
        case "cod" | "shuffled" | "cfe-only":
            partners, there = _counterfactuals(world, world.points[starts], cell.overshoot)
            wanted = 1 - world.classes(world.points[starts])
        case "unvalidated":
            partners = _one_step(world, own, cell.overshoot)
            there, wanted = np.ones(half, bool), 1 - world.classes(own)
        case "random":
            partners, there = _moved(world, cell, own, world.gold[first])
            wanted = world.gold[first]
        case _:
            raise ValueError(f"no condition {cell.condition!r} of two moons")
    points, labels = partners.copy(), wanted.copy()
    for slot in np.flatnonzero(~there):
        taken = next(row for row in spare if world.gold[row] == wanted[slot])
        spare.remove(taken)
        points[slot], labels[slot] = world.points[taken], world.gold[taken]
    pairs = (world.points[starts][there], partners[there])
    if cell.condition == "cfe-only":
        return Drawn(points, labels, pairs, float(there.mean()))
    return Drawn(np.concatenate([own, points]), np.concatenate([world.gold[first], labels]), pairs, float(there.mean()))


def _originals(world: World, cell: Cell) -> list[int]:
    """All usable rows in the order in which they are drawn, classes alternating; the same for every condition."""
    usable = np.ones(len(world.points), bool)
    if not cell.kept:
        usable &= world.classes(world.points) == world.gold
    if cell.sided:
        usable &= world.points[:, 0] < MIDDLE
    rng = stream("lab originals", world.seed)
    shuffled = rng.permutation(len(world.points))
    by_class = [[int(row) for row in shuffled if usable[row] and world.gold[row] == label] for label in (0, 1)]
    return [row for pair in zip(*by_class, strict=False) for row in pair]


def _counterfactuals(world: World, starts: Floats, overshoot: float) -> tuple[Floats, NDArray[np.bool_]]:
    """The nearest points on the other side of the teacher's boundary, and for which the teacher agrees."""
    before = world.classes(starts)
    at = world.boundary.nearest(starts)
    direction = (at - starts) / np.maximum(np.linalg.norm(at - starts, axis=1, keepdims=True), 1e-9)
    beyond = np.full((len(starts), 1), max(overshoot, LEAST))
    for _ in range(HALVINGS + 1):
        found = at + direction * beyond
        there = world.classes(found) != before
        if there.all():
            break
        beyond[~there] /= 2
    return found, there


def _one_step(world: World, starts: Floats, overshoot: float) -> Floats:
    """Where the boundary would be if the margin were linear, and the overshoot; nobody asks the teacher again."""
    margins, gradients = world.margins(starts)[:, None], world.gradients(starts)
    steep = np.maximum(np.linalg.norm(gradients, axis=1, keepdims=True), 1e-9)
    direction = -np.sign(margins) * gradients / steep
    (left, right), (low, high) = BOX
    return np.asarray(np.clip(starts + direction * (np.abs(margins) / steep + overshoot), (left, low), (right, high)))


def _moved(world: World, cell: Cell, starts: Floats, gold: Labels) -> tuple[Floats, NDArray[np.bool_]]:
    """Points as far from the originals as their counterfactuals, anywhere around them, of the original's class."""
    partners, _ = _counterfactuals(world, starts, cell.overshoot)
    far = np.linalg.norm(partners - starts, axis=1)
    rng = stream("lab random directions", world.seed)
    angles = rng.uniform(0, 2 * np.pi, (REDRAWS, len(starts)))
    tries = starts + far[:, None] * np.stack([np.cos(angles), np.sin(angles)], -1)
    kept = world.classes(tries.reshape(-1, 2)).reshape(REDRAWS, -1) == gold
    return tries[kept.argmax(0), np.arange(len(starts))], kept.any(0)
