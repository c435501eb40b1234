"""Metrics of more than two classes: against scikit-learn and scipy, and what schema 2 holds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cod_bench.errors import UsageError
from cod_bench.records import evaluate, many
from cod_bench.records.record import (
    MANY,
    SCALE,
    Reference,
    record_from_json,
    reference_from_json,
    schema_of,
    sealed,
    to_json,
)
from tests.samples import sample_record, sample_reference


def drawn(seed: int, classes: int, rows: int) -> tuple[str, list[int], Reference]:
    """A run and its reference, gold holding every class."""
    rng = np.random.default_rng(seed)
    gold = np.concatenate([np.arange(classes), rng.integers(0, classes, rows)])
    sides = []
    for lean in (2.0, 1.0):
        logits = rng.standard_normal((len(gold), classes)) + lean * np.eye(classes)[gold]
        sides.append(evaluate.stored(logits))
    names = tuple("abcdefghij"[:classes])
    reference = sample_reference(
        schema=schema_of(classes), classes=names, row_ids=[str(i) for i in range(len(gold))],
        gold="".join(map(str, gold)), teacher_predictions=sides[1][0], teacher_probabilities=sides[1][1],
    )  # fmt: skip
    return *sides[0], reference


RUN = st.builds(drawn, st.integers(0, 10_000), st.integers(3, 6), st.integers(2, 40))


@settings(max_examples=60, deadline=None)
@given(RUN)
def test_scikit_learn_agrees(run: tuple[str, list[int], Reference]) -> None:
    from scipy.stats import entropy
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, roc_auc_score

    predictions, probabilities, reference = run
    classes = len(reference.classes)
    found = evaluate.metrics(predictions, probabilities, reference)
    gold, said = (np.array([int(digit) for digit in text]) for text in (reference.gold, predictions))
    p, q = (np.array(v).reshape(-1, classes) / SCALE for v in (probabilities, reference.teacher_probabilities))
    assert found["accuracy"] == pytest.approx(accuracy_score(gold, said))
    assert found["mcc"] == pytest.approx(matthews_corrcoef(gold, said))
    assert found["macro_f1"] == pytest.approx(
        f1_score(gold, said, average="macro", labels=range(classes), zero_division=0)
    )
    areas = [roc_auc_score(gold == label, p[:, label]) for label in range(classes)]
    assert found["auroc"] == pytest.approx(np.mean(areas))
    assert found["kl"] == pytest.approx(np.mean(entropy(q, p, axis=1)))
    taught = np.array([int(digit) for digit in reference.teacher_predictions])
    assert found["agreement"] == pytest.approx((said == taught).mean())
    assert found["top_share"] == pytest.approx(max((said == label).mean() for label in range(classes)))


def test_calibration_by_hand() -> None:
    gold, said = np.array([0, 1, 2]), np.array([[0, 1, 0]])
    p = np.array([[[9000, 500, 500], [1000, 8000, 1000], [5000, 3000, 2000]]])
    # three bins of their own: |1 - .9|, |1 - .8|, |0 - .5|, a third each
    assert many.ece(gold, said, p, 15)[0] == pytest.approx((0.1 + 0.2 + 0.5) / 3)


@settings(max_examples=30, deadline=None)
@given(RUN)
def test_matched_weighs_classes_to_the_prior(run: tuple[str, list[int], Reference]) -> None:
    _, probabilities, reference = run
    gold = evaluate.digits(reference.gold)
    p = many.shaped(probabilities, len(reference.classes))
    right = many.matched(gold, p[None])
    assert set(np.unique(right)) <= {0.0, 1.0}
    # a student that leans to one class is told apart from its lean
    leaning = p * np.array([7, *[1] * (p.shape[1] - 1)])
    leaning = np.maximum(leaning * 9_000 // leaning.sum(1, keepdims=True), 1)
    assert many.matched(gold, leaning[None]).mean() == pytest.approx(right.mean(), abs=3 / len(gold))


@given(st.data())
def test_of_two_classes_matched_cuts_where_as_many_rows_are_above(data: st.DataObject) -> None:
    ones = data.draw(st.lists(st.integers(1, 9_999), min_size=4, max_size=40, unique=True))
    gold = np.array([0, 1, *data.draw(st.lists(st.integers(0, 1), min_size=len(ones) - 2, max_size=len(ones) - 2))])
    p = np.array(ones)
    found = many.matched(gold, np.stack([SCALE - p, p], 1)[None])
    assert found.tolist() == evaluate.matched(gold, p[None]).tolist()


def test_collapsed_is_an_excess_over_the_gold_share() -> None:
    gold = np.array([0] * 8 + [1] + [2])
    said = np.array([[0] * 10, [1] * 5 + [0] * 5, [1] * 4 + [0] * 6])
    counts = many.confusion(gold, said, 3)
    assert many.collapsed(counts, (3, 10)).tolist() == [False, True, False]


@given(RUN)
@settings(max_examples=20, deadline=None)
def test_many_runs_at_once_are_the_runs_one_by_one(run: tuple[str, list[int], Reference]) -> None:
    predictions, probabilities, reference = run
    other = (reference.teacher_predictions, list(reference.teacher_probabilities))
    found = evaluate.metrics_of([(predictions, probabilities), other], reference)
    assert found[0].stored == pytest.approx(evaluate.metrics(predictions, probabilities, reference))
    assert found[1].stored == pytest.approx(evaluate.metrics(*other, reference))
    assert found[1].stored["kl"] == pytest.approx(0)
    assert found[0].read["matched"] == pytest.approx(found[0].matched.mean())


def test_what_is_stored_is_every_class_of_more_than_two() -> None:
    said, p = evaluate.stored(np.log([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]))
    assert (said, p) == ("02", [7000, 2000, 1000, 1000, 1000, 8000])
    assert evaluate.stored(np.log([[0.3, 0.7]])) == ("1", [7000])


def test_unfit_runs_are_refused() -> None:
    predictions, probabilities, reference = drawn(0, 3, 9)
    for run in ((predictions, probabilities[:-1]), (predictions[1:], probabilities)):
        with pytest.raises(UsageError, match="run it again"):
            evaluate.metrics(*run, reference)
    with pytest.raises(UsageError, match=r"class 3 in a run .* which has 3 classes"):
        evaluate.metrics("3" + predictions[1:], probabilities, reference)
    lacking = drawn(0, 3, 9)[2]
    with pytest.raises(UsageError, match="need each of the 3 classes in gold"):
        evaluate.metrics(predictions, probabilities, Reference(**{**_fields(lacking), "gold": "01" * 6}))


def _fields(reference: Reference) -> dict[str, object]:
    return {name: getattr(reference, name) for name in reference.__dataclass_fields__}


def test_records_and_references_of_schema_2_survive_a_round_trip() -> None:
    predictions, probabilities, reference = drawn(1, 4, 5)
    record = sealed(sample_record(schema=MANY, predictions=predictions, probabilities=probabilities))
    assert record_from_json(to_json(record)) == record
    assert reference_from_json(to_json(reference)).teacher_probabilities == list(reference.teacher_probabilities)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"probabilities": [9000, 500, 500, 9000, 500]}, "probabilities: 5 entries for 2 predictions"),
        ({"probabilities": [9000, 1000]}, "probabilities: 2 entries for 2 predictions"),
        ({"predictions": "01"}, "predictions: class 1 in row 1, whose probabilities are 9000, 500, 500 in 10000"),
        ({"predictions": "05"}, "predictions: class 5 where there are probabilities of 3"),
    ],
)
def test_odd_records_of_schema_2_are_told(changes: dict[str, object], told: str) -> None:
    plain = {"schema": MANY, "predictions": "00", "probabilities": [9000, 500, 500, 9000, 500, 500]}
    text = to_json(sample_record(**{**plain, **changes}))
    with pytest.raises(ValueError, match=told):
        record_from_json(text)


def test_schemas_do_not_mix() -> None:
    predictions, probabilities, reference = drawn(1, 3, 5)
    with pytest.raises(ValueError, match="probabilities: 24 entries for 8 predictions"):
        record_from_json(to_json(sample_record(schema=1, predictions=predictions, probabilities=probabilities)))
    value = json.loads(to_json(reference))
    with pytest.raises(ValueError, match="schema: 2 is for more than two classes"):
        reference_from_json(json.dumps({**value, "classes": ["a", "b"]}))
