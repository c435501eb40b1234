"""Stored values -> metrics: against scikit-learn and scipy, and the edges."""

from __future__ import annotations

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
    assert [metrics for metrics, _ in found] == [evaluate.metrics(*run, reference) for run in runs]
    assert [right.tolist() for _, right in found] == [
        [int(int(digit) == g) for digit, g in zip(predictions, gold, strict=True)] for predictions, _ in runs
    ]
    with pytest.raises(UsageError, match="class 2 in a run on reference"):
        evaluate.metrics_of([*runs, ("2" * rows, runs[0][1])], reference)
