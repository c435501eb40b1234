"""Stored values -> metrics: against scikit-learn and scipy, and the edges."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cod_bench.errors import UsageError
from cod_bench.records import evaluate
from cod_bench.records.record import SCALE, SCHEMA, Reference


def _row(gold: int, p: int, q: int, ties: int) -> tuple[int, int, int, int, int]:
    """(gold, predicted, teacher's prediction, p of the student, p of the teacher); at one half either class may be."""
    predicted, taught = (ties if value == SCALE // 2 else int(value > SCALE // 2) for value in (p, q))
    return gold, predicted, taught, p, q


P = st.one_of(st.integers(1, SCALE - 1), st.just(SCALE // 2))
ROW = st.builds(_row, st.integers(0, 1), P, P, st.integers(0, 1))


def made(rows: list[tuple[int, int, int, int, int]]) -> tuple[str, list[int], Reference]:
    gold, predicted, teacher, p, q = zip(*rows, strict=True)
    reference = Reference(
        schema=SCHEMA,
        track="toy",
        task="toy",
        teacher_hash="t",
        eval_hash="e",
        classes=("no", "yes"),
        row_ids=tuple(map(str, range(len(rows)))),
        gold="".join(map(str, gold)),
        teacher_predictions="".join(map(str, teacher)),
        teacher_probabilities=q,
        teacher_metrics={},
        teacher_cost={},
    )
    return "".join(map(str, predicted)), list(p), reference


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, max_size=40), st.tuples(ROW, ROW))
def test_scikit_learn_agrees(rows, both):
    from scipy.stats import entropy
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, roc_auc_score

    rows = [*rows, (0, *both[0][1:]), (1, *both[1][1:])]
    found = evaluate.metrics(*made(rows))
    gold, predicted, teacher, p, q = (np.array(column) for column in zip(*rows, strict=True))
    assert found["accuracy"] == pytest.approx(accuracy_score(gold, predicted), abs=1e-12)
    assert found["mcc"] == pytest.approx(matthews_corrcoef(gold, predicted), abs=1e-12)
    assert found["macro_f1"] == pytest.approx(f1_score(gold, predicted, average="macro", zero_division=0), abs=1e-12)
    assert found["auroc"] == pytest.approx(roc_auc_score(gold, p), abs=1e-12)
    assert found["agreement"] == pytest.approx(accuracy_score(teacher, predicted), abs=1e-12)
    expected = entropy(np.stack([q, SCALE - q]) / SCALE, np.stack([p, SCALE - p]) / SCALE).mean()
    assert found["kl"] == pytest.approx(expected, abs=1e-9)
    assert 0 <= found["ece"] <= 1
    share = max(np.mean(predicted), 1 - np.mean(predicted))
    assert found["top_share"] == pytest.approx(share)
    assert found["collapsed"] == (share > 0.8)


def test_ece_by_hand():
    # Confidences 0.90 and 0.92 share the bin (13/15, 14/15], one of two right: |0.5 - 0.91| * 2/4 = 0.205.
    # Confidence 0.60 (class 0) lies on the edge 9/15 and belongs to the bin below, right: |1 - 0.60| / 4 = 0.1.
    # Confidence 0.61 is in the bin above, wrong: |0 - 0.61| / 4 = 0.1525.
    rows = [(1, 1, 1, 9000, 5000), (0, 1, 1, 9200, 5000), (0, 0, 1, 4000, 5000), (0, 1, 1, 6100, 5000)]
    assert evaluate.metrics(*made(rows))["ece"] == pytest.approx(0.205 + 0.1 + 0.1525)


def test_a_collapsed_student_is_flagged_above_80_percent_only():
    rows = [(i % 2, int(i < 8), 0, 5000, 5000) for i in range(10)]
    assert evaluate.metrics(*made(rows))["collapsed"] is False
    rows = [(i % 2, int(i < 9), 0, 5000, 5000) for i in range(10)]
    assert evaluate.metrics(*made(rows))["collapsed"] is True


def test_lengths_and_single_classes_are_refused():
    predictions, p, reference = made([(0, 0, 0, 5, 5), (1, 1, 1, 5, 5)])
    with pytest.raises(UsageError, match="1 and 2 probabilities for 2 rows"):
        evaluate.metrics(predictions[:1], p, reference)
    with pytest.raises(UsageError, match="two classes"):
        evaluate.metrics(*made([(0, 0, 0, 5, 5), (0, 1, 1, 5, 5)]))


def test_many_runs_at_once_are_the_runs_one_by_one():
    rng = np.random.default_rng(0)
    count, rows = evaluate.BLOCK + 3, 101
    gold = np.arange(rows) % 2
    drawn = [[int(p) for p in rng.integers(1, SCALE, rows)] for _ in range(count)]
    runs = [("".join(str(int(p > SCALE // 2)) for p in own), own) for own in drawn]
    _, _, reference = made(
        [(int(g), 0, 1, 5000, int(q)) for g, q in zip(gold, rng.integers(1, SCALE, rows), strict=True)]
    )
    found = evaluate.metrics_of(runs, reference)
    assert [one.stored for one in found] == [evaluate.metrics(*run, reference) for run in runs]
    assert [one.correct.tolist() for one in found] == [
        [int(int(digit) == g) for digit, g in zip(predictions, gold, strict=True)] for predictions, _ in runs
    ]
    assert [one.read["matched"] for one in found] == pytest.approx([float(one.matched.mean()) for one in found])
    assert {frozenset(one.read) for one in found} == {frozenset({"matched", "collapsed"})}
    with pytest.raises(UsageError, match="class 2 in a run on reference"):
        evaluate.metrics_of([*runs, ("2" * rows, runs[0][1])], reference)


def matched(gold: list[int], p: list[int]) -> list[float]:
    return evaluate.matched(np.array(gold), np.array([p]))[0].tolist()


def test_matched_accuracy_by_hand():
    # Two of five rows have gold class 1, so the two highest p are called class 1: the first is right, the second wrong.
    assert matched([1, 0, 1, 0, 0], [900, 800, 700, 600, 500]) == [1, 0, 0, 1, 1]
    # All lean to class 1 (p above one half): the order alone counts, and it is perfect.
    assert matched([0, 1, 0, 1], [6000, 8000, 5500, 9000]) == [1, 1, 1, 1]
    # One place for three tied rows: each is called class 1 with a chance of 1/3; the highest has its place.
    assert matched([1, 1, 0, 0, 0], [9, 5, 5, 5, 1]) == pytest.approx([1, 1 / 3, 2 / 3, 2 / 3, 1])


def test_ties_are_the_mean_over_every_order_of_the_tied_rows():
    gold, p = [1, 0, 1, 0, 1, 0], [7, 5, 5, 5, 5, 2]
    found = []
    for order in itertools.permutations(range(len(gold))):
        ranked = sorted(order, key=lambda row: -p[row])  # stable: ties as the order has them
        called = set(ranked[: sum(gold)])
        found.append([float((row in called) == bool(gold[row])) for row in range(len(gold))])
    assert matched(gold, p) == pytest.approx(np.mean(found, axis=0).tolist())


RANKED = st.lists(st.tuples(st.integers(0, 1), st.integers(1, SCALE - 1)), max_size=30)


@settings(max_examples=80, deadline=None)
@given(RANKED, st.integers(1, SCALE - 1), st.integers(1, SCALE - 1))
def test_matched_knows_p_by_its_order_and_ties_alone(rows, negative, positive):
    gold, p = (list(column) for column in zip(*rows, (0, negative), (1, positive), strict=True))
    found = matched(gold, p)
    places = {value: place for place, value in enumerate(sorted(set(p)))}
    assert matched(gold, [places[value] ** 2 + 1 for value in p]) == found
    called = [right if g else 1 - right for g, right in zip(gold, found, strict=True)]
    assert sum(called) == pytest.approx(sum(gold))  # as many as gold has, ties as shares


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, SCALE - 1), min_size=2, max_size=30, unique=True), st.data())
def test_matched_is_accuracy_where_a_run_names_class_1_as_often_as_gold(p, data):
    gold = data.draw(st.permutations([1] + [0] + [data.draw(st.integers(0, 1)) for _ in p[2:]]))
    highest = set(sorted(p)[-sum(gold) :])
    rows = [(g, int(value in highest), 0, value, 5000) for g, value in zip(gold, p, strict=True)]
    predictions, probabilities, reference = made(rows)
    (found,) = evaluate.metrics_of([(predictions, probabilities)], reference)
    assert found.read["matched"] == pytest.approx(found.stored["accuracy"])
    assert found.matched.tolist() == found.correct.tolist()


@pytest.mark.parametrize(
    ("gold", "ones", "stored", "shown"),
    [(5, 8, False, False), (5, 9, True, True), (5, 1, True, True), (7, 10, True, False), (7, 4, False, False),
     (7, 3, False, True), (1, 5, False, True), (9, 5, False, True)],
)  # fmt: skip
def test_collapsed_in_tables_is_relative_to_the_gold_share(gold: int, ones: int, stored: bool, shown: bool):
    # of ten rows, `gold` of class 1; a run that names class 1 `ones` times. Stored: over 80 %, whatever gold says.
    rows = [(int(i < gold), int(i < ones), 0, 5000, 5000) for i in range(10)]
    predictions, probabilities, reference = made(rows)
    (found,) = evaluate.metrics_of([(predictions, probabilities)], reference)
    assert (found.stored["collapsed"], found.read["collapsed"]) == (stored, shown)


def test_the_worst_group_is_of_one_class_and_stratum():
    predicted, _, reference = made(
        [(int(g), int(p), 0, 9000 if p == "1" else 1000, 1000) for g, p in zip("00001111", "00100011", strict=True)]
    )
    reference = replace(reference, strata="00110011")
    # (0, 0): 2 of 2; (0, 1): 1 of 2; (1, 0): 0 of 2; (1, 1): 2 of 2
    assert evaluate.worst_group(predicted, reference) == 0
    assert evaluate.worst_group("00101111", reference) == 0.5
    assert evaluate.worst_group(reference.gold, reference) == 1
    with pytest.raises(UsageError, match="tells no strata"):
        evaluate.worst_group(predicted, replace(reference, strata=""))
    with pytest.raises(UsageError, match="7 for 8 rows"):
        evaluate.worst_group(predicted[1:], reference)
