"""Points of (method, condition, k) -> costs, the frontier and its levels, on hand-made and random points."""

from __future__ import annotations

import runpy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cod_bench.analysis import aggregate, frontier, stats
from cod_bench.analysis.aggregate import Run
from cod_bench.analysis.frontier import AXES, NO_PRICE, NOT_COUNTED, Cell, Point
from cod_bench.design.suite import Suite
from cod_bench.spec import RunSpec
from tests import ROOT, asked
from tests.samples import sample_cost, sample_record

made = runpy.run_path(str(ROOT / "tests" / "golden" / "regenerate.py"))
SUITE: Suite = made["SUITE"]
COUNTED = {"human_labels": 8.0, "teacher_queries": 300.5, "llm_requests": 0.0, "pool_seconds": 2.0}


def run(accuracy: float, *, task: str = "toy", seed: int = 0, **cost: float) -> Run:
    record = sample_record(
        spec=RunSpec("last", "toy", task, "kd", "cod", "substitution", 8, seed), cost=sample_cost(**cost)
    )
    return Run(record, {"accuracy": accuracy}, np.zeros(0, dtype=np.int8), np.zeros(0, dtype=np.float32))


def point(accuracy: float, cost: float | None, method: str = "kd", half: float | None = None) -> Point:
    low, high = (None, None) if half is None else (accuracy - half, accuracy + half)
    costs: dict[str, float | None] = dict.fromkeys(AXES)
    unknown = {axis: NOT_COUNTED for axis in AXES if axis != "labels" or cost is None}
    return Point(method, "cod", 8, False, 5, accuracy, low, high, costs | {"labels": cost}, unknown, {})


def test_a_point_is_the_mean_over_tasks_and_what_one_run_costs() -> None:
    runs = (
        run(0.5, seed=0, **COUNTED), run(0.7, seed=1, **COUNTED | {"human_labels": 10.0}),
        run(0.8, task="other", seed=0, **COUNTED), run(0.9, task="other", seed=1, **COUNTED),
    )  # fmt: skip
    (found,) = frontier.points([Cell("kd", "cod", 8, runs, floor=True)], ["toy", "other"])
    assert (found.method, found.condition, found.k, found.floor, found.runs) == ("kd", "cod", 8, True, 4)
    assert found.accuracy == pytest.approx(0.725)
    assert found.costs == {"labels": 8.5, "queries": 300.5, "dollars": 0.0, "seconds": 2.8}
    assert found.unknown == {}
    assert found.others["llm_requests"] == 0
    assert found.others["unlabelled_texts"] is None
    half = stats.quantile(2) * stats.unit_error([np.array([0.5, 0.7]), np.array([0.8, 0.9])])
    assert (found.low, found.high) == pytest.approx((0.725 - half, 0.725 + half))


def test_the_interval_of_one_task_is_that_of_the_leaderboards_cells() -> None:
    runs = tuple(run(accuracy, seed=seed) for seed, accuracy in enumerate((0.5, 0.7, 0.65, 0.6)))
    (found,) = frontier.points([Cell("kd", "cod", 8, runs)], ["toy"])
    assert (found.low, found.high) == pytest.approx(stats.mean_interval(np.array([0.5, 0.7, 0.65, 0.6])))
    (found,) = frontier.points([Cell("kd", "cod", 8, runs)], ["toy"], intervals=False)
    assert (found.low, found.high) == (None, None)
    (found,) = frontier.points([Cell("kd", "cod", 8, runs[:3])], ["toy"])
    assert (found.low, found.high) == (None, None)


def test_a_cell_without_a_run_of_some_task_is_no_point() -> None:
    cell = Cell("kd", "cod", 8, (run(0.5),))
    assert frontier.points([cell], ["toy", "other"]) == []
    assert frontier.points([cell], []) == []
    assert len(frontier.points([cell], ["toy"])) == 1


@pytest.mark.parametrize(
    ("cost", "axis", "spent", "why"),
    [
        ({}, "labels", None, NOT_COUNTED),
        ({"teacher_passes": 9.0}, "queries", None, NOT_COUNTED),
        ({"train_seconds": 4.0}, "seconds", None, NOT_COUNTED),
        ({"rows_seconds": 1.0, "train_seconds": 4.0, "pool_seconds": 0.0}, "seconds", 5.0, None),
        ({}, "dollars", None, NOT_COUNTED),
        ({"llm_requests": 0.0}, "dollars", 0.0, None),
        ({"llm_requests": 3.0}, "dollars", None, NO_PRICE),
        ({"llm_requests": 3.0, "dollars": 0.25}, "dollars", 0.25, None),
    ],
)
def test_what_was_not_counted_is_never_0(
    cost: dict[str, float], axis: str, spent: float | None, why: str | None
) -> None:
    (found,) = frontier.points([Cell("kd", "cod", 8, (run(0.5, **cost),))], ["toy"])
    assert (found.costs[axis], found.unknown.get(axis)) == (spent, why)


def test_one_run_that_did_not_count_leaves_the_point_without_the_cost() -> None:
    runs = (run(0.5, **COUNTED), run(0.6, seed=1))
    (found,) = frontier.points([Cell("kd", "cod", 8, runs)], ["toy"])
    assert set(found.unknown) == set(AXES)
    assert set(found.costs.values()) == {None}


def test_what_is_beaten_is_off_the_frontier_and_ties_stand_together() -> None:
    cheap, same, beaten, level, best = (
        point(0.6, 8.0), point(0.6, 8.0, "lwd"), point(0.59, 9.0), point(0.6, 10.0), point(0.7, 16.0),
    )  # fmt: skip
    assert frontier.frontier([best, level, cheap, beaten, same], "labels") == [cheap, same, best]
    assert frontier.frontier([cheap, point(0.9, None)], "labels") == [cheap]
    assert frontier.frontier([cheap], "dollars") == []


POINTS = st.lists(
    st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.none() | st.integers(0, 8).map(float)), max_size=30
).map(lambda pairs: [point(accuracy, cost) for accuracy, cost in pairs])


@given(POINTS)
def test_a_frontier_rises_and_no_point_dominates_one_of_it(found: list[Point]) -> None:
    own = frontier.frontier(found, "labels")
    for one, other in pairwise(own):
        assert (one.costs["labels"], one.accuracy) == (other.costs["labels"], other.accuracy) or (
            one.costs["labels"] < other.costs["labels"] and one.accuracy < other.accuracy
        )

    def beats(a: Point, b: Point) -> bool:
        spent, other = a.costs["labels"], b.costs["labels"]
        assert other is not None
        if spent is None or a.accuracy < b.accuracy or spent > other:
            return False
        return a.accuracy > b.accuracy or spent < other

    known = [p for p in found if p.costs["labels"] is not None]
    on = {id(p) for p in own}
    assert all((id(p) in on) == (not any(beats(q, p) for q in found)) for p in known)
    assert len(on) == len(own)


@given(POINTS, st.integers(2, 5))
def test_levels_keep_the_ends_and_leave_out_the_smallest_gains(found: list[Point], most: int) -> None:
    every, none = frontier.steps(found, "labels", 100)
    kept, left = frontier.steps(found, "labels", most)
    assert none == 0
    assert len(kept) == min(len(every), most)
    assert len(every) - len(kept) == left
    assert [step for step in every if step in kept] == kept
    if every:
        assert (kept[0], kept[-1]) == (every[0], every[-1])
    assert [p for step in every for p in step.points] == frontier.frontier(found, "labels")


def test_the_level_that_gains_least_goes_first() -> None:
    found = [point(0.5, 1.0), point(0.6, 2.0), point(0.61, 3.0), point(0.7, 4.0), point(0.71, 5.0)]
    kept, left = frontier.steps(found, "labels")
    assert ([step.cost for step in kept], left) == ([1.0, 2.0, 4.0, 5.0], 1)


def test_points_are_told_apart_by_intervals_that_do_not_meet() -> None:
    assert frontier.apart(point(0.5, 1.0, half=0.04), point(0.6, 1.0, half=0.05)) is True
    assert frontier.apart(point(0.6, 1.0, half=0.05), point(0.5, 1.0, half=0.05)) is False
    assert frontier.apart(point(0.6, 1.0, half=0.05), point(0.5, 1.0)) is None


def collected(records: list[Any]) -> aggregate.Grid:
    return aggregate.collect(
        SUITE, protocol="last", track="minilm", records=records, expected=made["expected"](records),
        references=made["references"](SUITE.tasks),
    )  # fmt: skip


def test_the_points_of_a_grid_are_its_declared_cells_with_the_means_of_its_tables() -> None:
    records = [replace(r, cost=sample_cost(**COUNTED)) for r in made["records"](SUITE)]
    grid = collected(records)
    found = frontier.of(grid)
    assert len(found) == 19
    for one in found:
        mean, runs = aggregate.mean_accuracy(grid, one.method, one.condition, [one.k])
        assert (one.accuracy, one.runs) == (pytest.approx(mean), runs)
        assert one.low is not None
    assert {cell.method for cell in frontier.cells(grid, floors=("lwd",)) if cell.floor} == {"lwd"}
    partial = frontier.of(collected(records[:-1]))
    assert len(partial) == 19
    assert all(one.low is None for one in partial)


def test_the_interval_of_several_teachers_is_over_seeds_averaged_over_them() -> None:
    grid = asked.grid(asked.by_hand(), asked.TWO)
    (found,) = [one for one in frontier.of(grid) if one.condition == "cod"]
    units = [np.array([0.7, 0.56]), np.array([0.57, 0.61])]
    # t1: 60, 52 | 80, 60; t2: 46, 56 | 68, 66
    half = stats.quantile(2) * stats.unit_error(units)
    assert (found.runs, found.accuracy) == (8, pytest.approx(0.61))
    assert (found.low, found.high) == pytest.approx((0.61 - half, 0.61 + half))
