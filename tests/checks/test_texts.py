"""What a published file may say in words: nothing that could be a corpus's text, however it is written down."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cod_bench.analysis import declare
from cod_bench.checks.texts import colliding, text_in, unfit_path
from cod_bench.design import suites
from cod_bench.records import declarations
from cod_bench.records.record import to_json
from cod_bench.spec import RunSpec
from tests.samples import sample_record, sample_reference


def test_records_reference_files_and_verdicts_are_silent() -> None:
    llm = sample_record(spec=RunSpec("last", "toy", "toy", "kd_random_soft", "cod", "llm_v2", 8, 0))
    llm.identity["generator"]["params"] = {"model": "HuggingFaceTB/SmolLM2-135M-Instruct", "temperatures": [0.0]}
    energy = sample_record(provenance={"energy": "codecarbon 3.0.1: estimate", "git": {"commit": "a" * 40}})
    ids = sample_reference(row_ids=["0123456789ab"] * 2, classes=["not spam", "spam"])
    assert [text_in(to_json(value)) for value in (llm, energy, ids)] == ["", "", ""]
    assert text_in('{"verdicts": [{"cells": [{"verdict": "another teacher or environment"}]}]}') == ""


@pytest.mark.parametrize("written", ['"such a lovely film"', '"such\\u0020a\\u0020lovely\\u0020film"'])
def test_an_escaped_blank_is_a_blank(written: str) -> None:
    assert text_in(f'{{"identity": {{"note": {written}}}}}') == "identity.note: 'such a lovely film'"


def test_a_field_that_is_written_twice_hides_nothing() -> None:
    with pytest.raises(ValueError, match="'note' stands twice in one object"):
        text_in('{"note": "such a lovely film", "note": "x"}')


@given(st.lists(st.text("abcDEF", min_size=1), min_size=2).map(" ".join), st.sampled_from(["predictions", "x", "gold"]))
def test_no_words_pass_in_any_field(text: str, field: str) -> None:
    assert text_in(json.dumps({field: text})).startswith(f"{field}: ")
    assert text_in(json.dumps({field: [{"deeper": text}]})).startswith(f"{field}.deeper: ")


def test_four_megabytes_take_no_time() -> None:
    start = time.process_time()
    assert text_in(json.dumps({"x": "a b " * 1_000_000})).startswith("x: ")
    assert text_in(json.dumps({"x": ["ab"] * 700_000})) == ""
    assert time.process_time() - start < 5


def test_a_field_that_is_written_twice_is_found_among_many_at_once() -> None:
    fields = ", ".join(f'"f{number}": 1' for number in range(200_000))
    start = time.process_time()
    with pytest.raises(ValueError, match="'f199999' stands twice in one object"):
        text_in(f'{{{fields}, "f199999": 1}}')
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("last/toy/toy/kd/half/k008-seed0-0123456789ab.json", ""),
        ("last/console/auxiliary/com/lpt10/nul-1.json", ""),
        ("last/toy/con/x.json", "'con' is what Windows calls a device"),
        ("last/toy/Aux.json", "'Aux.json' is what Windows calls a device"),
        ("last/nul.tar.gz/x.json", "'nul.tar.gz' is what Windows"),
        ("COM0", "'COM0' is what Windows"),
        ("last/lpt\u00b2 .json", "is what Windows"),
        ("last/toy./x.json", "'toy.' ends in a dot or blank"),
        ("last/toy /x.json", "'toy ' ends in a dot or blank"),
        ("last/caf\udce9.json", "its name is not UTF-8"),
    ],
)
def test_a_name_is_one_on_every_system(name: str, reason: str) -> None:
    told = unfit_path(name)
    assert told.startswith(reason) or reason in told
    assert bool(told) == bool(reason)


def test_names_that_only_some_systems_tell_apart_are_told() -> None:
    assert colliding(["a/kd/x.json", "a/kd/y.json", "b/KD/x.json"], ["a/kd/z.json"]) == {}
    told = "differs from {} in capitals or form alone; rename it"
    assert colliding(["a/kd/x.json", "a/KD/y.json"]) == {"a/KD/y.json": told.format("a/kd")}
    assert colliding(["a/KD/y.json"], ["a/kd/x.json"]) == {"a/KD/y.json": told.format("a/kd")}
    assert colliding(["x\u00e9.json", "xe\u0301.json"]) == {"xe\u0301.json": told.format("x\u00e9.json")}


@pytest.mark.parametrize("name", ["why", "confirm", "strong", "curve", "embedded-llm"])
def test_what_declarations_of_every_kind_of_family_say_is_no_text(name: str) -> None:
    made = declare.declaration(
        suites.suite(name), track="minilm-fp32", protocol="last", date="2026-01-01", version="0.1.0", commit="a" * 40
    )
    assert text_in(declarations.to_json(made)) == ""
    odd = replace(made, families=[{**made.families[0], "name": "what the suite asks, some text of a corpus"}])
    assert "families.name" in text_in(declarations.to_json(odd))
    odd = replace(made, rules={**made.rules, "teachers": "some text of a corpus that nobody may publish"})
    assert "rules.teachers" in text_in(declarations.to_json(odd))
