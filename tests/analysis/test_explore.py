"""Exploratory figures by hand: chances, labels saved, ranks; and that order and partial grids change nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cod_bench.analysis import explore
from cod_bench.design.suite import Block, Suite
from cod_bench.reports import exploratory as explore_page
from tests import asked
from tests.analysis.test_aggregate import collect, hand_record, hand_records, made


def grid(hits, *, tasks=("t1", "t2"), ks=(8, 16)):
    """hits: (condition, k, seed) -> rows right out of ten; one method."""
    suite = Suite("hand", "By hand", ("minilm",), tasks, (0, 1), ks, (Block(("kd",), ("standard", "cod"), ks),), "g")
    records = [hand_record(spec, hits(spec)) for spec in suite.expand(track="minilm")]
    return collect(records, suite, made["references"](tasks, rows=10))


def test_probability_of_improvement_by_hand():
    # standard 5 6 against cod 7 7 wins always; 7 7 against 8 9 too (see test_aggregate)
    found = {(e.method, e.k): e.probability for e in explore.improvements(collect(hand_records()))}
    assert found["kd", 8] == 1
    # lwd: t1 standard 6 6, cod 6 5: (0.5 + 0.5 + 0 + 0) / 4; t2 standard 8 8, cod 9 8: (1 + 1 + 0.5 + 0.5) / 4
    assert found["lwd", 8] == pytest.approx((0.25 + 0.75) / 2)


def test_a_task_without_a_run_leaves_the_probability_out():
    whole = collect(hand_records())
    gone = {
        spec: run for spec, run in whole.runs.items() if (spec.task, spec.method, spec.condition) != ("t1", "kd", "cod")
    }
    found = {e.method: e.probability for e in explore.improvements(replace(whole, runs=gone))}
    assert found["kd"] is None
    assert found["lwd"] is not None


def test_labels_saved_are_the_smallest_budget_that_reaches_it():
    levels = {("standard", 8): 5, ("standard", 16): 7, ("cod", 8): 7, ("cod", 16): 8}
    found = {(e.task, e.k): e.needed for e in explore.savings(grid(lambda s: levels[s.condition, s.k]))}
    assert found == {("t1", 8): 16, ("t2", 8): 16, ("t1", 16): None, ("t2", 16): None}


def test_equal_means_are_equal_whatever_their_last_bits():
    # 0.1 + 0.7 is a little less than 0.4 + 0.4
    hits = {"cod": (4, 4), "standard": (1, 7)}
    even = grid(lambda s: hits[s.condition][s.seed])
    assert {e.needed for e in explore.savings(even)} == {8}
    assert [entry.rank for entry in explore.ranking(even)] == [1.5, 1.5]


def test_ranks_share_ties_and_have_intervals_from_five_tasks_on():
    even = explore.ranking(grid(lambda s: 6))
    assert [entry.rank for entry in even] == [1.5, 1.5]
    assert even[0].low is None
    six = tuple(f"t{i}" for i in range(1, 7))
    found = explore.ranking(grid(lambda s: 5 if (s.condition == "standard") ^ (s.task == "t1") else 7, tasks=six))
    assert [entry.condition for entry in found] == ["cod", "standard"]
    assert found[0].rank == pytest.approx(7 / 6)
    assert found[0].low is not None
    assert found[0].low < found[0].rank < found[0].high


def test_ranks_have_no_interval_before_the_grid_is_complete():
    whole = grid(lambda s: 6, tasks=tuple(f"t{i}" for i in range(1, 7)))
    gone = next(s for s in whole.runs if s.condition == "standard")
    part = replace(whole, runs={s: r for s, r in whole.runs.items() if s != gone}, missing=(gone,))
    assert explore.ranking(whole)[0].low is not None
    (entry,) = explore.ranking(part)
    assert (entry.condition, entry.low, entry.high) == ("cod", None, None)


def test_the_matrix_is_complementary():
    entries = explore.ranking(collect(hand_records()))
    chances = explore.matrix(collect(hand_records()), entries)
    for i in range(len(entries)):
        assert chances[i][i] is None
        for j in range(i):
            assert chances[i][j] + chances[j][i] == pytest.approx(1)


def test_the_page_does_not_depend_on_the_order_of_records():
    records = hand_records()
    assert explore_page.text(collect(records)) == explore_page.text(collect(records[::-1]))
    assert "No claim is made here" in explore_page.text(collect(records))


def test_a_partial_grid_renders():
    whole = collect(hand_records())
    part = replace(whole, runs=dict(list(whole.runs.items())[:3]), missing=tuple(list(whole.runs)[3:]))
    text = explore_page.text(part)
    assert "PARTIAL" in text
    assert "Nothing is complete over the primary budgets yet." in text


def test_runs_of_several_teachers_meet_those_of_their_own_teacher_alone():
    crossed = asked.grid(asked.by_hand(), asked.TWO)
    found = explore.improvements(crossed)
    # t1: with the first teacher 60, 52 above 50, 50, with the second 80, 60 above 60, 60 but for one tie;
    # t2: 46, 56 and 68, 66. The second teacher's 60s never meet the first one's.
    assert [entry.probability for entry in found] == [pytest.approx(((1 + 0.75) / 2 + (0.5 + 1) / 2) / 2)]
    ranked = explore.ranking(crossed)
    assert [(entry.condition, entry.rank) for entry in ranked] == [("cod", 1.0), ("standard", 2.0)]
    (first, second) = explore.matrix(crossed, ranked)
    assert first[1] == pytest.approx(found[0].probability)
    assert second[0] == pytest.approx(1 - found[0].probability)
    gone = [record for record in asked.by_hand() if record.spec.track != "minilm@1" or record.spec.seed]
    assert explore.ranking(asked.grid(gone, asked.TWO)) == []  # not complete
    text = explore_page.text(crossed)
    assert "Both with the same teacher; mean over teachers." in text
    assert "means over seeds and teachers, without their noise" in text
    assert "teacher" not in explore_page.text(collect(hand_records()))
