"""Records: canonical text, round trips, and what is wrong with a file."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cod_bench.analysis import mixtures
from cod_bench.checks.texts import text_in
from cod_bench.errors import UsageError
from cod_bench.records import evaluate, index
from cod_bench.records.record import (
    agree,
    problems,
    quantise,
    record_from_json,
    reference_from_json,
    rounded,
    sealed,
    summary,
    to_json,
)
from cod_bench.spec import RunSpec
from tests import ROOT
from tests.samples import sample_cfe
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


RESTS_ON = {"teacher": "a" * 64, "generator": "b" * 64, "pool": {"seed0-000-004.json": "c" * 64}}


def test_old_records_are_read_and_written_back_byte_for_byte() -> None:
    text = to_json(record())
    assert '"digest"' not in text
    assert '"rests_on"' not in text
    assert to_json(record_from_json(text)) == text
    assert record_from_json(text).rests_on is None
    published = sorted((ROOT / "results" / "last").rglob("*.json"))
    assert published
    for path in published[::100]:
        assert to_json(record_from_json(path.read_text())) == path.read_text()


def test_new_records_say_what_they_rest_on_under_a_digest() -> None:
    new = sealed(record(rests_on=RESTS_ON))
    text = to_json(new)
    assert len(new.digest) == 64
    assert record_from_json(text) == new
    assert to_json(record_from_json(text)) == text
    assert record_from_json(text).digest == new.digest == sealed(new).digest
    assert text_in(text) == ""
    assert sealed(replace(new, cost={"seconds": 2.0})).digest != new.digest


@pytest.mark.parametrize("field", ["history", "cost", "cfe", "provenance", "rests_on", "metrics"])
def test_what_is_changed_after_it_was_written_is_refused(field: str) -> None:
    value = json.loads(to_json(sealed(record(rests_on=RESTS_ON))))
    value[field] = {**value[field], "x": "1"}
    with pytest.raises(ValueError, match="digest: the record is not what was written; restore it or delete it and"):
        record_from_json(json.dumps(value))


@pytest.mark.parametrize("digest", ["", "0" * 64, None, 5, []])
def test_a_digest_of_another_form_is_refused(digest: Any) -> None:
    with pytest.raises(ValueError, match=r"^digest: "):
        record_from_json(json.dumps({**json.loads(to_json(record())), "digest": digest}))


@pytest.mark.parametrize("odd", [None, [], "x", {"teacher": 1}, {"pool": {"a": {}}}, {"pool": [1]}, {"pool": None}])
def test_what_a_record_rests_on_is_told_in_words(odd: Any) -> None:
    value = {**json.loads(to_json(record())), "rests_on": odd}
    with pytest.raises(ValueError, match=r"^rests_on"):
        record_from_json(json.dumps(value))


NEW = to_json(sealed(record(rests_on=RESTS_ON, history={"loss": [0.25, 1.0]}))).encode()


@settings(max_examples=1000, deadline=None)
@given(st.integers(0, len(NEW) - 1), st.integers(1, 255))
def test_no_byte_of_a_new_record_can_change_what_it_says(place: int, by: int) -> None:
    changed = NEW[:place] + bytes([NEW[place] ^ by]) + NEW[place + 1 :]
    try:
        found = record_from_json(changed.decode())
    except ValueError:
        return
    assert found == record_from_json(NEW.decode())


def test_records_agree_whatever_an_old_one_rests_on() -> None:
    old, new, other = record(), record(rests_on=RESTS_ON), record(rests_on={"teacher": "d" * 64})
    assert agree(old, sealed(new))
    assert agree(new, replace(new, cost={"seconds": 9.0}, provenance={"git": None}))
    assert not agree(new, other)
    assert not agree(old, replace(new, predictions="0111"))


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
        ({"predictions": "1110"}, "predictions: class 1 in row 0, and the probability of class 1 there is 1 in 10000"),
        ({"predictions": "0010"}, "predictions: class 0 in row 1, and the probability of class 1 there is 9999"),
        ({"predictions": "", "probabilities": []}, "predictions"),
        ({"probabilities": [1, 2, 3]}, "probabilities"),
        ({"probabilities": [0, 1, 2, 3]}, "probabilities"),
        ({"metrics": {"accuracy": float("inf")}}, "metrics.accuracy"),
        ({"metrics": {"accuracy": 10**400}}, "metrics.accuracy"),
        ({"cost": {}}, "cost.seconds"),
        ({"cost": {"seconds": -1.0}}, "cost.seconds"),
        ({"cost": {"seconds": float("nan")}}, "cost.seconds"),
        ({"cost": {"seconds": "x"}}, "cost.seconds"),
        ({"cost": {"seconds": 1.0, "cpu_seconds": 10**400}}, "cost.cpu_seconds"),
        ({"cost": {"seconds": True}}, "cost.seconds"),
        ({"cfe": None}, "cfe"),
        ({"cfe": {}}, "cfe.slots"),
        ({"cfe": sample_cfe(slots="4")}, "cfe.slots"),
        ({"cfe": sample_cfe(slots=True)}, "cfe.slots"),
        ({"cfe": sample_cfe(valid=5)}, "cfe.valid"),
        ({"cfe": sample_cfe(redraws=-1)}, "cfe.redraws"),
        ({"cfe": sample_cfe(edit_fraction=[])}, "cfe.edit_fraction"),
        ({"cfe": sample_cfe(margin_after=float("nan"))}, "cfe.margin_after"),
        ({"cfe": sample_cfe(margin_after=1.5)}, "cfe: margins"),
        (
            {"cfe": sample_cfe(margin_after=-0.5)},
            "cfe: a share edited below 0, or counterfactuals that on the mean do not",
        ),
        ({"cfe": sample_cfe(edit_fraction=-0.5)}, "cfe: a share edited below 0"),
        ({"provenance": {"environment": ["x"]}}, "provenance.environment"),
        ({"provenance": {"libraries": {"scikit-learn": 1}}}, "provenance.libraries"),
    ],
)
def test_problems_name_the_field(changes: dict[str, Any], field: str) -> None:
    assert any(problem.startswith(field) for problem in problems(record(**changes)))


def test_counterfactuals_are_told_of_no_run_without_any() -> None:
    bare = RunSpec("last", "toy", "toy", "kd", "half", "", 8, 0)
    bare_means = dict.fromkeys(("edit_fraction", "margin_before", "margin_after"))
    assert problems(record(spec=bare)) == []
    assert problems(record(spec=bare, cfe=sample_cfe())) == ["cfe: is told, and the condition is 'half'"]
    assert problems(record(cfe=sample_cfe(**bare_means, valid=0))) == []
    assert problems(record(cfe=sample_cfe(**bare_means))) == ["cfe: means are missing although there are texts"]


ODD = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        1.5,
        10**18,
        10**400,
        float("nan"),
        float("inf"),
        "",
        "x",
        "0" * 12,
        [],
        [[]],
        ["x"],
        {},
        {"x": 1},
    ]
)


def places(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value, with the keys that lead to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    return [where, *(place for key, item in inner for place in places(item, (*where, key)))]


@pytest.mark.parametrize("kind", ["record", "reference"])
@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_no_value_in_any_place_is_more_than_a_sentence_to_a_reader(kind: str, data: st.DataObject) -> None:
    """What is refused is refused in one way; what is read can be summed up, compared and shown."""
    target = reference(
        row_ids=list("abcd"), gold="0110", teacher_predictions="0110", teacher_probabilities=[1, 9999] * 2
    )
    target = replace(target, teacher_predictions="0101")
    text = to_json(record() if kind == "record" else target)
    value = json.loads(text)
    where = data.draw(st.sampled_from([place for place in places(value) if place]))
    inner = value
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = data.draw(ODD)
    changed = json.dumps(value)
    try:
        own = record_from_json(changed) if kind == "record" else record()
        target = reference_from_json(changed) if kind == "reference" else target
    except ValueError:
        return
    assert json.dumps(summary(own).environment)
    assert index.encode({"x": index.Entry((1, 1, 1), summary(own))}, 10**18)
    assert own.cfe is None or sum(int(own.cfe[name]) for name in ("slots", "valid", "refused")) >= 0
    with suppress(UsageError):
        evaluate.metrics(own.predictions, own.probabilities, target)
    with suppress(UsageError):
        mixtures.refuse_mixtures([record(), own])
    assert all(float(number) < 1e13 for number in (*own.cost.values(), *own.metrics.values()))


@given(st.lists(st.one_of(st.integers(1, 9999), st.integers(4998, 5002)), min_size=1, max_size=30), st.data())
def test_a_class_follows_from_its_probability_but_at_one_half(p: list[int], data: st.DataObject) -> None:
    sound = "".join("1" if v > 5000 else "0" if v < 5000 else data.draw(st.sampled_from("01")) for v in p)
    assert problems(record(predictions=sound, probabilities=p)) == []
    row = data.draw(st.integers(0, len(p) - 1))
    turned = sound[:row] + "10"[int(sound[row])] + sound[row + 1 :]
    assert bool(problems(record(predictions=turned, probabilities=p))) == (p[row] != 5000)


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
        ('{"schema": true}', "schema: True is not 1"),
        ('{"schema": NaN}', "not JSON: NaN is no number"),
        ('{"schema": -Infinity}', "not JSON: -Infinity is no number"),
        ('{"schema": "\\ud800"}', "not JSON: an escape is half of a character"),
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
    with pytest.raises(ValueError, match=r"metrics\.accuracy: 'x' is no number"):
        record_from_json(json.dumps(value))
    with pytest.raises(ValueError, match="nested too deeply"):
        record_from_json("[" * 200_000)


@pytest.mark.parametrize(("name", "odd"), [("protocol", []), ("k", "8"), ("k", True), ("seed", 10**20), ("task", None)])
def test_odd_parts_of_a_spec_are_told_by_name(name: str, odd: Any) -> None:
    value = json.loads(to_json(record()))
    value["spec"][name] = odd
    with pytest.raises(ValueError, match=f"spec.{name}: "):
        record_from_json(json.dumps(value))


def test_unknown_fields_are_refused() -> None:
    value = json.loads(to_json(record()))
    value["extra"] = 1
    with pytest.raises(ValueError, match="extra: field is unknown"):
        record_from_json(json.dumps(value))


def test_a_reference_with_too_few_entries_is_refused() -> None:
    with pytest.raises(ValueError, match="gold: has 1 entries for 2 rows"):
        reference_from_json(to_json(reference(gold="0")))


def test_strata_stand_in_a_reference_that_has_some_and_only_there() -> None:
    assert "strata" not in to_json(reference())
    told = to_json(reference(strata="10"))
    assert reference_from_json(told).strata == "10"
    for odd, sentence in (("1", "strata: has 1 entries for 2 rows"), ("1x", "strata: must be one digit a row")):
        with pytest.raises(ValueError, match=sentence):
            reference_from_json(to_json(reference(strata=odd)))
    with pytest.raises(ValueError, match="strata: is a list"):
        reference_from_json(told.replace('"strata":"10"', '"strata":[1,0]'))
