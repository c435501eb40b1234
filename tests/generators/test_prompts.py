"""What a language model is told of a task: its kind of text, its classes by name, and nothing of another task."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from cod_bench.generator import Query
from cod_bench.generators._llm import prompts as _prompts
from cod_bench.task import Example
from tests.endpoint import TEXT, TOY

COLA = replace(TOY, name="cola", title="CoLA", classes=("unacceptable", "acceptable"))
ROW = Example("a", TEXT, 1)


def test_cola_is_asked_about_acceptability() -> None:
    prompt = _prompts.edit("plain", Query(ROW, 0, COLA))
    assert "'acceptable'" in prompt
    assert "reads as 'unacceptable'" in prompt
    assert "grammatical" in prompt
    assert not any(word in prompt for word in ("positive", "negative", "sentiment", "film review"))


@pytest.mark.parametrize("name", ["sst2", "sst2+local-1a2b3c4d", "yelp_paper", "imdb+local-0"])
def test_slices_and_variants_of_a_task_are_asked_about_alike(name: str) -> None:
    base = name.partition("+")[0].removesuffix("_paper")
    assert _prompts.subject(replace(TOY, name=name)) == _prompts.SUBJECTS[base]


def test_an_unknown_task_is_asked_about_by_its_classes_and_title() -> None:
    prompt = _prompts.edit("plain", Query(ROW, 0, TOY))
    assert all(part in prompt for part in (TOY.title, "one of bad, good", "'good'", "'bad'"))


@pytest.mark.parametrize("name", sorted(_prompts.EDITS))
@pytest.mark.parametrize("label", [0, 1])
def test_every_prompt_names_both_classes_and_ends_with_the_text(name: str, label: int) -> None:
    task = replace(TOY, name="sst2", classes=("negative", "positive"))
    prompt = _prompts.edit(name, Query(replace(ROW, label=label), 1 - label, task))
    assert "negative" in prompt
    assert "positive" in prompt
    assert TEXT in prompt[-len(TEXT) - 30 :]


def test_prompts_differ_in_their_hash_and_keep_it() -> None:
    hashes = {_prompts.hashed(name) for name in _prompts.EDITS}
    assert len(hashes) == len(_prompts.EDITS)
    assert hashes == {_prompts.hashed(name) for name in _prompts.EDITS}


def test_an_answer_of_quotation_marks_takes_no_time() -> None:
    begun = time.process_time()
    assert set(_prompts.clean('"' * 40_000, TEXT)) == {'"'}
    assert _prompts.clean(f"“'\"{TEXT}\"'”", TEXT) == TEXT
    assert time.process_time() - begun < 5
