"""A small suite that names its comparisons and crosses several teachers -> synthetic references, records and grids."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from cod_bench.analysis import aggregate
from cod_bench.analysis.aggregate import Grid
from cod_bench.design.suite import Asked, Block, Suite
from cod_bench.records.record import Record, Reference
from cod_bench.spec import RunSpec, digest
from tests import ROOT

made = runpy.run_path(str(ROOT / "tests" / "golden" / "regenerate.py"))

TWO = Suite(
    "two", "Two teachers", ("minilm",), ("t1", "t2"), (0, 1), (8,),
    (Block(("kd",), ("standard", "cod"), (8,)),), "g", teachers=(0, 1),
)  # fmt: skip
ASKING = Suite(
    "asking", "What it asks", ("minilm",), ("t1", "t2"), (0, 1, 2, 3, 4), (8, 16),
    (
        Block(("kd",), ("standard", "cod", "unvalidated", "half"), (8, 16, 32)),
        Block(("lwd",), ("standard", "cod"), (16,)),
    ),
    "g", families="asked", teachers=(0, 1, 2),
    asked=(
        Asked("cod", "standard"),
        Asked("cod", "unvalidated", "matched"),
        Asked("cod", "standard", "trend", (8, 16, 32)),
        Asked("cod", "standard", "equivalence", (32,)),
        Asked("cod", "half", ks=(32,)),
    ),
)  # fmt: skip
LIFT = {"standard": 0.6, "cod": 0.75, "unvalidated": 0.68, "half": 0.5}
OF_TEACHER = {"minilm": 0.0, "minilm@1": 0.05, "minilm@2": -0.05}


def chance(spec: RunSpec) -> float:
    """Of being right: `cod` gains, less at k = 32, and more with one teacher than with another."""
    cod = spec.condition == "cod"
    return LIFT[spec.condition] + cod * (OF_TEACHER[spec.track] - 0.15 * (spec.k == 32))


def references(suite: Suite, rows: int = 100) -> dict[tuple[str, str, str], Reference]:
    """A reference a task and teacher, by its key; each teacher is wrong on another number of rows."""
    found = {}
    for turn, name in enumerate(suite.on_teachers(suite.tracks[0])):
        for task in suite.tasks:
            one = made["reference"](task, track=name, rows=rows)
            said = [g if place >= turn else 1 - g for place, g in enumerate(map(int, one.gold))]
            one = replace(
                one, teacher_hash=digest(["teacher", task, turn]), teacher_predictions="".join(map(str, said)),
                teacher_probabilities=tuple(9000 if label else 1000 for label in said),
            )  # fmt: skip
            found[name, task, one.teacher_hash] = one
    return found


def records(suite: Suite = ASKING, make: Callable[[RunSpec, Reference], Record] | None = None) -> list[Record]:
    """Every run of a suite: right by `chance`, or as `make` makes it of its reference."""
    by_place = {(track, task): one for (track, task, _), one in references(suite).items()}
    specs = suite.expand(track=suite.tracks[0])
    build = make or (lambda spec, target: made["record"](spec, target, chance=chance))
    return [build(spec, by_place[spec.track, spec.task]) for spec in specs]


def right(spec: RunSpec, target: Reference, rows: int) -> Record:
    """A run that is right on the first so many rows."""
    digits = [int(g) if place < rows else 1 - int(g) for place, g in enumerate(target.gold)]
    made_of = [9000 if digit else 1000 for digit in digits]
    found: Record = made["from_predictions"](spec, target, "".join(map(str, digits)), made_of)
    return found


def grid(found: Iterable[Record] | None = None, suite: Suite = ASKING, **kwargs: Any) -> Grid:
    """The grid of these records, or of all of a suite's."""
    own = records(suite) if found is None else list(found)
    where = {"protocol": "last", "track": suite.tracks[0], "expected": made["expected"](own)} | kwargs
    return aggregate.collect(suite, records=own, references=references(suite), **where)


# Rows right of a hundred, by (task, seed, teacher): what `cod` has more than `standard`, which has 50 everywhere.
MORE = {
    ("t1", 0, 0): 10, ("t1", 0, 1): 20, ("t1", 1, 0): 2, ("t1", 1, 1): 0,
    ("t2", 0, 0): -4, ("t2", 0, 1): 8, ("t2", 1, 0): 6, ("t2", 1, 1): 6,
}  # fmt: skip


def by_hand(suite: Suite = TWO) -> list[Record]:
    """Runs of two teachers whose differences are `MORE`; `standard` is 10 rows better with the second teacher."""
    place = {"minilm": 0, "minilm@1": 1}

    def make(spec: RunSpec, target: Reference) -> Record:
        teacher = place[spec.track]
        gained = MORE[spec.task, spec.seed, teacher] if spec.condition == "cod" else 0
        return right(spec, target, 50 + 10 * teacher + gained)

    return records(suite, make)


def mean_of(task: str, seed: int) -> float:
    """By hand: a unit's difference, averaged over both teachers, as a share."""
    return float(np.mean([MORE[task, seed, teacher] for teacher in (0, 1)])) / 100
