"""Differences of two sides: by hand where paired, spreads added where another teacher stands behind one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cod_bench import compare
from tests.test_aggregate import HAND, collect, hand_records


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
