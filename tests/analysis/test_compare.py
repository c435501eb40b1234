"""Differences of two sides: by hand where paired, spreads added where another teacher stands behind one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cod_bench.analysis import claims, compare
from cod_bench.design.suite import Block
from tests import asked
from tests.analysis.test_aggregate import HAND, collect, hand_record, hand_records


def side(grid, method: str, condition: str):
    return f"{method} {condition}", compare.side(grid, method, condition, [8])


def test_paired_by_hand():
    grid = collect(hand_records())
    found = compare.compare(side(grid, "kd", "cod"), side(grid, "kd", "standard"))
    assert (found.units, found.tasks, found.ks, found.paired) == (4, 2, (8,), True)
    assert found.estimate == pytest.approx(0.15)
    assert found.p == pytest.approx(2 / 16)
    assert found.low is not None
    assert found.low < 0.15 < found.high


def test_a_side_against_itself_shows_nothing():
    grid = collect(hand_records())
    found = compare.compare(side(grid, "lwd", "cod"), side(grid, "lwd", "cod"))
    assert (found.estimate, found.p) == (0, 1)


def test_other_teachers_are_compared_unpaired_with_a_wider_interval_and_no_p():
    grid = collect(hand_records())
    name, runs = side(grid, "kd", "standard")
    other = {key: replace(run, record=replace(run.record, teacher_hash="another")) for key, run in runs.items()}
    paired = compare.compare(side(grid, "kd", "cod"), (name, runs))
    found = compare.compare(side(grid, "kd", "cod"), (name, other))
    assert not found.paired
    assert found.p is None
    assert found.estimate == pytest.approx(paired.estimate)
    assert found.high - found.low > paired.high - paired.low


def test_a_seed_that_one_side_lacks_is_left_out_and_nothing_in_common_is_told():
    grid = collect(hand_records())
    name, runs = side(grid, "kd", "standard")
    short = {key: run for key, run in runs.items() if key[:2] != ("t1", 0)}
    assert compare.compare(side(grid, "kd", "cod"), (name, short)).units == 3
    none = compare.compare(side(grid, "kd", "cod"), (name, {}))
    assert (none.units, none.estimate, none.p) == (0, None, None)
    assert len(HAND.tasks) == 2


def test_budgets_may_differ_between_tasks():
    right = {("t1", 8): 6, ("t1", 16): 9, ("t2", 8): 8, ("t2", 16): 0}
    suite = replace(HAND, primary_k=(8, 16), blocks=(Block(("kd",), ("standard", "cod"), (8, 16)),))
    grid = collect(
        [hand_record(s, 5 if s.condition == "standard" else right[s.task, s.k]) for s in suite.expand(track="minilm")],
        suite,
    )
    sides = [(c, compare.side(grid, "kd", c, (8, 16))) for c in ("cod", "standard")]
    found = compare.compare(*sides, budgets={"t1": (8, 16), "t2": (8,)})
    assert found.estimate == pytest.approx(((0.1 + 0.4) / 2 + 0.3) / 2)
    assert (found.units, found.ks) == (4, (8, 16))
    assert compare.compare(*sides).estimate == pytest.approx((0.25 + (0.3 - 0.5) / 2) / 2)


def test_runs_of_two_teachers_are_paired_with_their_own_and_averaged():
    grid = asked.grid(asked.by_hand(), asked.TWO)
    found = compare.compare(side(grid, "kd", "cod"), side(grid, "kd", "standard"))
    units = [[asked.mean_of(task, seed) for seed in (0, 1)] for task in asked.TWO.tasks]
    assert (found.paired, found.units, found.tasks) == (True, 4, 2)
    assert found.estimate == pytest.approx(np.mean(units))
    (gain,) = claims.gains(grid)
    assert (found.low, found.high, found.p) == pytest.approx((gain.effect.low, gain.effect.high, gain.effect.p))


def test_a_seed_without_one_of_the_teachers_is_no_common_unit():
    grid = asked.grid(asked.by_hand(), asked.TWO)
    name, runs = side(grid, "kd", "standard")
    assert len(runs) == 8  # two tasks, seeds and teachers: no run takes another's place
    short = {key: run for key, run in runs.items() if key != ("t1", 0, 8, 1)}
    found = compare.compare(side(grid, "kd", "cod"), (name, short))
    assert found.units == 3
    one = [{key: run for key, run in own.items() if key[3] == 1} for _, own in (side(grid, "kd", "cod"), (name, runs))]
    alone = compare.compare(("cod", one[0]), (name, one[1]))
    assert alone.estimate == pytest.approx(np.mean([asked.MORE[t, s, 1] for t in ("t1", "t2") for s in (0, 1)]) / 100)


def test_row_by_row_differences_keep_their_teachers():
    grid = asked.grid(asked.by_hand(), asked.TWO)
    (_, ours), (_, theirs) = side(grid, "kd", "cod"), side(grid, "kd", "standard")
    found = compare.minus(ours, theirs)
    assert {key: int(run.correct.sum()) for key, run in found.items()} == {
        (task, seed, 8, teacher): more for (task, seed, teacher), more in asked.MORE.items()
    }
