"""Students of real texts by the toy's rows: the suites' own students, pairs of the right classes, margins of pools."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cod_bench.counterfactuals import warm
from cod_bench.counterfactuals.pairs import Pair
from cod_bench.lab import text
from cod_bench.runner import work
from cod_bench.spec import RunSpec

SPEC = RunSpec("last", "toy", "toy", "kd", "cod", "substitution", 8, 310)


@pytest.fixture(scope="module")
def found() -> text.Geometry:
    foreign = Pair("the film was good", "the film was bad", 0, 1)
    return text.geometry(SPEC, {text.FOREIGN: [foreign]})


def test_the_student_is_the_one_that_a_suite_would_train(found: text.Geometry) -> None:
    record = work.run_one(SPEC, {})
    assert found.accuracy == pytest.approx(record.metrics["accuracy"])
    assert found.agreement == pytest.approx(record.metrics["agreement"])
    assert record.cfe is not None
    assert found.valid == pytest.approx(record.cfe["valid"] / record.cfe["slots"])


def test_held_out_pairs_are_dev_texts_of_both_classes_of_the_teacher() -> None:
    pairs = text.held_out("toy", "toy")
    dev = {row.text for row in warm.corpus("toy").dev}
    judge = warm.teacher("toy", "toy")
    assert pairs
    assert {pair.original for pair in pairs} <= dev
    for side, wanted in (("original", "label"), ("counterfactual", "target")):
        said = judge.logits([getattr(pair, side) for pair in pairs]).argmax(1)
        assert said.tolist() == [getattr(pair, wanted) for pair in pairs]


def test_the_teacher_gets_its_own_pairs_right_and_no_student_is_asked_about_others(found: text.Geometry) -> None:
    taught = text.taught("toy", "toy", {})
    own = taught.consistency[text.OWN]
    assert (own.both, own.first, own.second) == (1.0, 1.0, 1.0)
    assert taught.accuracy == pytest.approx(warm.reference("toy", "toy").teacher_metrics["accuracy"])
    assert found.consistency[text.FOREIGN].pairs == 1
    assert found.consistency[text.OWN].pairs == found.gap.pairs == own.pairs


def test_crossings_lie_on_the_way_and_the_gap_is_no_longer_than_it(found: text.Geometry) -> None:
    assert 0 <= found.gap.level <= 1
    if found.gap.crossed > 0:
        assert all(0 <= value <= 1 for value in (found.gap.gap, found.gap.student, found.gap.teacher))


def test_pairs_too_long_for_a_reader_are_left_out() -> None:
    short, long = Pair("good", "bad", 0, 1), Pair("good " * 400, "bad", 0, 1)
    assert text.fitting("toy", "toy", [short, long, Pair("good", "bad", 0, None)]) == [short]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30))
def test_consistency_counts_pairs_both_sides_of_which_are_right(rows: list[tuple[int, int, int]]) -> None:
    says = {f"{side}{i}": row[place] for i, row in enumerate(rows) for place, side in ((0, "a"), (1, "b"))}
    pairs = [Pair(f"a{i}", f"b{i}", 1 - label, label) for i, (_, _, label) in enumerate(rows)]
    found = text.consistency(lambda texts: np.array([says[one] for one in texts]), pairs)
    both = [a == label and b == 1 - label for a, b, label in rows]
    assert found.both == pytest.approx(sum(both) / len(rows))
    assert found.first == pytest.approx(sum(a == label for a, _, label in rows) / len(rows))
    assert found.second == pytest.approx(sum(b != label for _, b, label in rows) / len(rows))


def test_no_pairs_are_no_share() -> None:
    assert np.isnan(text.consistency(lambda _: np.zeros(0, np.int64), []).both)


def test_margins_are_log_odds_of_the_other_class_in_the_pool() -> None:
    found = {row.kind: row for row in text.margins([SPEC])}
    entries = work.resolve(SPEC).entries()
    assert found["original"].texts == len(entries)
    assert found["original"].high < 0  # originals are of the class that the teacher gives them
    assert found["original"].flipped == 0
    flipped = [entry for entry in entries if entry.cfe is not None]
    assert found["cfe"].texts == len(flipped)
    assert found["cfe"].flipped == 1
    odds = sorted(np.log((1 + entry.margin) / (1 - entry.margin)) for entry in entries)
    assert found["original"].mean == pytest.approx(np.mean(odds), rel=1e-3)


def test_runs_are_those_of_the_experiment() -> None:
    runs = text.specs()
    assert len(runs) == len(text.CONDITIONS) * 2 * 10
    assert {run.track for run in text.specs(track="minilm-fp32")} == {"minilm-fp32"}
