"""Two moons: teachers, budgets and conditions -> students, how near their boundaries come to the teacher's, a row each.

The paper's Figure 3 in numbers. Its own protocol is not known in full, so this one is stated: 1,000 points with noise
0.2 a seed, a teacher a seed (2-64-64-2) and students (2-16-2) that learn with CE + 20 T^2 KL, all rows a step. The
closest counterfactual is the nearest point of the teacher's boundary, and a stated overshoot beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cod_bench.lab import bound, rows
from cod_bench.lab.boundaries import Boundary, apart, grid_points
from cod_bench.lab.networks import STUDENT, TEACHER, Stack
from cod_bench.lab.rows import Cell, Drawn, World
from cod_bench.spec import stream, stream_seed

Floats = NDArray[np.float64]
Listener = Callable[[str], None]


def quiet(said: str) -> None:
    """Listens to what is done, and tells nobody."""


POINTS = 1_000
FRESH = 2_000
"""Points of the same kind that nothing was trained on, for agreement and accuracy."""
SPREAD = 0.2
"""Standard deviation of what is added to each coordinate of a moon."""
SEEDS = tuple(range(60))
KS = (8, 20, 40)
SWEPT_K = 20
"""The budget at which single things are varied."""
OVERSHOOT = 0.05
OVERSHOOTS = (0.0, 0.025, 0.05, 0.1, 0.2, 0.4)
NOISES = (0.0, 0.2, 0.4)

CONDITIONS = ("standard", "cod", "half", "random", "unvalidated", "shuffled", "cfe-only")
PAIRED = frozenset({"cod", "unvalidated"})
"""Conditions whose slots are an original and a point across the boundary from it."""


@dataclass(frozen=True)
class Outcome:
    """What became of a student.

    Args:
        cell: which one.
        valid: share of its slots that are what the condition wants; the others hold one more original.
        distance, greatest: as `boundaries.apart`; NaN where the student has no boundary.
        agreement: share of fresh points on which it says what the teacher says.
        accuracy, taught: share of fresh points that it, and the teacher, gets right.
        pairs: of its pairs, what the bound is made of; None for conditions without pairs.
    """

    cell: Cell
    valid: float
    distance: float
    greatest: float
    agreement: float
    accuracy: float
    taught: float
    pairs: bound.Bound | None


def cells(seeds: Iterable[int] = SEEDS) -> list[Cell]:
    """Every student of the whole experiment, once."""
    found: list[Cell] = []
    for seed in seeds:
        of_seed = [Cell(seed, k, condition, overshoot=OVERSHOOT) for k in KS for condition in CONDITIONS]
        of_seed += [
            Cell(seed, k, condition, overshoot=OVERSHOOT, soft=False) for k in KS for condition in CONDITIONS[:2]
        ]
        at = Cell(seed, SWEPT_K, "standard", overshoot=OVERSHOOT)
        of_seed += [replace(at, condition="cod", overshoot=overshoot) for overshoot in OVERSHOOTS]
        of_seed += [replace(at, condition=condition, sided=True) for condition in CONDITIONS[:2]]
        of_seed += [
            replace(at, condition=condition, noise=noise, kept=True) for noise in NOISES for condition in CONDITIONS[:2]
        ]
        found += dict.fromkeys(of_seed)
    return found


def run(wanted: Sequence[Cell], listen: Listener = quiet) -> list[Outcome]:
    """Train and measure the students of these cells, in their order."""
    worlds = teachers([(cell.seed, cell.noise) for cell in wanted], listen)
    made = {cell: rows.draw(worlds[cell.seed, cell.noise], cell) for cell in wanted}
    found: dict[Cell, Outcome] = {}
    for k in dict.fromkeys(cell.k for cell in wanted):
        own = [cell for cell in wanted if cell.k == k]
        students = fit(own, made, worlds)
        listen(f"{len(own)} students with k = {k} trained")
        found |= measure(own, students, made, worlds)
        listen(f"{len(own)} students with k = {k} measured")
    return [found[cell] for cell in wanted]


def teachers(keys: Iterable[tuple[int, float]], listen: Listener = quiet) -> dict[tuple[int, float], World]:
    """Data and fitted teacher of each (seed, share of its labels that are flipped); those of a seed start alike."""
    keys = list(dict.fromkeys(keys))
    points, gold, learnt, fresh = [], [], [], []
    for seed, noise in keys:
        own, labels = _moons(POINTS, "data", seed)
        points.append(own)
        gold.append(labels)
        # nested: what is flipped at 20 % is flipped at 40 % too
        flipped = stream("lab label noise", seed).random(POINTS) < noise
        learnt.append(np.where(flipped, 1 - labels, labels))
        fresh.append(_moons(FRESH, "fresh", seed))
    stack = Stack([("teacher", seed) for seed, _ in keys], TEACHER)
    stack.fit(np.stack(points), np.stack(learnt), np.ones((len(keys), POINTS)))
    listen(f"{len(keys)} teachers trained")
    lines = stack.margins(grid_points())
    return {
        key: World(key[0], stack, at, points[at], gold[at], *fresh[at], Boundary.of(lines[at]))
        for at, key in enumerate(keys)
    }


def fit(own: Sequence[Cell], made: dict[Cell, Drawn], worlds: dict[tuple[int, float], World]) -> Stack:
    """The students of cells with one budget, trained as one stack; those of a seed start alike."""
    most = max(len(made[cell].points) for cell in own)
    inputs, labels = np.zeros((len(own), most, 2)), np.zeros((len(own), most), np.int64)
    weights, soft = np.zeros((len(own), most)), np.zeros((len(own), most, 2))
    for at, cell in enumerate(own):
        drawn = made[cell]
        n = len(drawn.points)
        inputs[at, :n], labels[at, :n], weights[at, :n] = drawn.points, drawn.labels, 1
        soft[at, :n] = worlds[cell.seed, cell.noise].logits(drawn.points) if cell.soft else np.nan
        if not cell.soft:
            soft[at] = np.nan
    return Stack([("student", cell.seed) for cell in own], STUDENT).fit(inputs, labels, weights, soft)


def measure(
    own: Sequence[Cell], students: Stack, made: dict[Cell, Drawn], worlds: dict[tuple[int, float], World]
) -> dict[Cell, Outcome]:
    """What became of trained students."""
    lines = students.margins(grid_points())
    fresh = students.margins(np.stack([worlds[cell.seed, cell.noise].fresh for cell in own])) > 0
    found = {}
    for at, cell in enumerate(own):
        world, drawn = worlds[cell.seed, cell.noise], made[cell]
        line = Boundary.of(lines[at])
        distance, greatest = apart(world.boundary, line, world.points)
        said = world.margins(world.fresh) > 0
        pairs = None
        if cell.condition in PAIRED:
            starts, ends = drawn.pairs
            pairs = bound.of(starts, ends, world.margins, _alone(students, at), world.boundary, line)
        found[cell] = Outcome(
            cell, drawn.valid, distance, greatest, float((fresh[at] == said).mean()),
            float((fresh[at] == world.fresh_gold).mean()), float((said == world.fresh_gold).mean()), pairs,
        )  # fmt: skip
    return found


def _alone(students: Stack, at: int) -> Callable[[Floats], Floats]:
    """The margin of one of the students, [n, 2] -> [n]."""
    one = students.only(at)
    return lambda points: one.margins(points)[0]


def _moons(n: int, purpose: str, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Two half circles that reach into one another, [n, 2], and which of them each point is of."""
    from sklearn.datasets import make_moons

    points, labels = make_moons(n, noise=SPREAD, random_state=stream_seed("lab moons", purpose, seed) % 2**32)
    return np.asarray(points, np.float64), np.asarray(labels, np.int64)
