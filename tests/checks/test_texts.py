"""What a published file may say in words: nothing that could be a corpus's text, however it is written down."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cod_bench.checks.texts import text_in
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
