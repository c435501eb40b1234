"""Records: canonical text, round trips, and what is wrong with a file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cod_bench.record import problems, quantise, record_from_json, reference_from_json, rounded, to_json
from cod_bench.spec import RunSpec
from tests.samples import sample_record as record
from tests.samples import sample_reference as reference


def test_records_and_references_survive_a_round_trip() -> None:
    assert record_from_json(to_json(record())) == record()
    assert reference_from_json(to_json(reference())) == reference()


def test_text_is_canonical() -> None:
    text = to_json(record())
    assert text == to_json(record_from_json(text))
    assert text.endswith("}\n")
    keys = [line.split('"')[1] for line in text.splitlines() if line.startswith('"')]
    assert keys == sorted(keys)


def test_cost_and_provenance_do_not_count_when_runs_are_compared() -> None:
    one, other = record(), record(cost={"seconds": 9.0}, provenance={"git": None})
    assert one.comparable() == other.comparable()
    assert one.comparable() != record(predictions="0111").comparable()


@given(st.floats(0, 1))
def test_probabilities_are_clipped_away_from_certainty(p: float) -> None:
    assert 1 <= quantise(p) <= 9999
    assert abs(quantise(p) / 10_000 - p) <= 1e-4


def test_floats_are_rounded_at_any_depth() -> None:
    assert rounded({"a": [0.12345678, (1, 2.0000001)]}) == {"a": [0.123457, [1, 2.0]]}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"run_id": "0" * 12}, "run_id"),
        ({"predictions": "01x0"}, "predictions"),
        ({"predictions": "", "probabilities": []}, "predictions"),
        ({"probabilities": [1, 2, 3]}, "probabilities"),
        ({"probabilities": [0, 1, 2, 3]}, "probabilities"),
        ({"metrics": {"accuracy": float("inf")}}, "metrics"),
    ],
)
def test_problems_name_the_field(changes: dict[str, Any], field: str) -> None:
    assert any(problem.startswith(field) for problem in problems(record(**changes)))


def test_an_identity_of_another_run_is_a_problem() -> None:
    moved = replace(record(), spec=RunSpec("last", "toy", "toy", "lwd", "cod", "substitution", 16, 0))
    found = problems(moved)
    assert any(problem.startswith("identity.k") for problem in found)
    assert any(problem.startswith("identity.method") for problem in found)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not JSON"),
        ('{"schema": 1', "not JSON"),
        ("[]", "not a JSON object"),
        ('{"schema": 99}', "schema: 99 is not 1"),
        ('{"schema": 1}', "field is missing"),
    ],
)
def test_broken_text_is_told(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        record_from_json(text)


@pytest.mark.parametrize("field", ["identity", "metrics", "provenance", "rows", "cost", "history"])
def test_fields_of_another_type_are_told(field: str) -> None:
    value = json.loads(to_json(record()))
    value[field] = []
    with pytest.raises(ValueError, match=f"{field}: is a list"):
        record_from_json(json.dumps(value))


def test_metrics_that_are_no_numbers_and_bottomless_files_are_told() -> None:
    value = json.loads(to_json(record()))
    value["metrics"] = {"accuracy": "x"}
    with pytest.raises(ValueError, match="metrics: must be numbers"):
        record_from_json(json.dumps(value))
    with pytest.raises(ValueError, match="nested too deeply"):
        record_from_json("[" * 200_000)


def test_unknown_fields_are_refused() -> None:
    value = json.loads(to_json(record()))
    value["extra"] = 1
    with pytest.raises(ValueError, match="extra: field is unknown"):
        record_from_json(json.dumps(value))


def test_a_reference_with_too_few_entries_is_refused() -> None:
    with pytest.raises(ValueError, match="gold: has 1 entries for 2 rows"):
        reference_from_json(to_json(reference(gold="0")))
