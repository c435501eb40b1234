"""first-answer: `unvalidated` without the selection of slots; which slots it cannot fill, and what its record says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from cod_bench.condition import TrainingSet, condition
from cod_bench.counterfactuals.pool import summary
from cod_bench.counterfactuals.rows import build, describe, searches
from cod_bench.design import suites
from tests.test_condition import draw, entries

INVALID = (1, 4)


def made(name: str, changes: Mapping[int, Mapping[str, Any]] | None = None) -> TrainingSet:
    """Rows at k = 16 with two slots that have no counterfactual, after changes to some entries."""
    d = draw(0)
    given = entries(d, 16, INVALID)
    for place, change in (changes or {}).items():
        given[place] = replace(given[place], **change)
    return build(d, name, 16, given)


def test_the_first_answer_stays_whatever_becomes_of_the_slot() -> None:
    own, other = made("first-answer"), made("unvalidated")
    for place, (mine, theirs) in enumerate(zip(own.pairs, other.pairs, strict=True)):
        partner = mine.rows[1]
        assert mine.original == theirs.original
        assert (partner.role, partner.text) == ("partner", f"first of {mine.original.text}")
        assert partner.label == 1 - mine.original.label
        assert (partner == theirs.rows[1]) == (place not in INVALID)
    assert (own.substituted, other.substituted) == (0, 2)
    assert own.balance == (8, 8)


@pytest.mark.parametrize(
    ("place", "change", "role"),
    [
        (1, {"first": " "}, "substitute"),
        (1, {"refused": 1}, "substitute"),  # whether it was the first answer the entry does not tell
        (2, {"refused": 1}, "partner"),  # an attempt: with a counterfactual the first answer was not turned down
        (1, {"first_flips": True}, "partner"),
    ],
)
def test_where_there_is_no_first_answer_stands_a_substitute(place: int, change: dict[str, Any], role: str) -> None:
    training = made("first-answer", {place: change})
    partner = training.pairs[place].rows[1]
    assert (partner.role, partner.label) == (role, 1 - training.pairs[place].original.label)
    assert [pair.rows[1].role for at, pair in enumerate(training.pairs) if at != place] == ["partner"] * 7


@pytest.mark.parametrize("place", [1, 2])
def test_its_original_again_is_no_first_answer(place: int) -> None:
    text = draw(0).slots(16)[place].original.text
    training = made("first-answer", {place: {"first": f" {text.upper()} "}})
    assert training.pairs[place].rows[1].role == "substitute"
    assert training.substituted == 1


def test_its_substitutes_are_the_next_rows_of_the_draw() -> None:
    """So that `check` finds them where the draw goes on."""
    own = made("first-answer", {place: {"first": ""} for place in INVALID})
    other = made("cod")
    assert [pair.rows[1] for pair in own.pairs if pair.rows[1].role == "substitute"] == [
        pair.rows[1] for pair in other.pairs if pair.rows[1].role == "substitute"
    ]


def test_its_record_is_sound_and_pays_for_no_search() -> None:
    own, training = condition("first-answer"), made("first-answer", {2: {"first": ""}})
    given = entries(draw(0), 16, INVALID)
    rows, found = describe(training), summary(given, own.text)
    told = list(zip(rows["sources"], rows["labels"], rows["roles"], strict=True))
    assert own.faults(told, 16, own.version) == ""
    fewest, most = own.substitutes(16, found["slots"] - found["valid"] + found["exhausted"])
    assert fewest <= rows["substituted"] == 1 <= most
    assert list(searches(own, training, given)) == []
    assert own.equal_k


def test_the_declared_grid_of_why_is_as_it_was() -> None:
    (block,) = suites.suite("why").blocks
    assert len(block.conditions) == 17
    assert "first-answer" not in block.conditions
