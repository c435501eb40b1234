"""What captions say of the sample that `unvalidated` is, on records with rows of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cod_bench.analysis import claims, quality
from cod_bench.analysis.aggregate import AboutCondition, Grid
from cod_bench.records.record import Record
from cod_bench.reports import captions, gains, page
from tests.analysis.test_aggregate import collect, made

Rows = Callable[[Record], tuple[str, str]]


def grid(rows: Rows, suite=None) -> Grid:
    """The tiny grid whose runs with counterfactuals have rows of that hash and these roles."""
    suite = suite or made["SUITE"]
    records = [
        replace(one, rows={**one.rows, "hash": told[0], "roles": told[1], "substituted": told[1].count("s")})
        if (told := rows(one))[0]
        else one
        for one in made["records"](suite)
    ]
    about = {"unvalidated": AboutCondition("first answers", text="first")}
    return replace(collect(records, suite, made["references"](suite.tasks)), conditions_about=about)


def of(one: Record, originals: int, equal: bool) -> tuple[str, str]:
    """So many slots of k = 8 with originals, and rows that are those of `cod` or not."""
    spec, half = one.spec, one.spec.k // 2
    if spec.condition not in ("cod", "unvalidated"):
        return "", ""
    taken = originals if spec.k == 8 else 0
    return f"{spec.k}" if equal else f"{spec.k} {spec.condition}", "os" * taken + "op" * (half - taken)


def caption(shown: Grid) -> str:
    return gains.gain_caption(shown, claims.findings(shown))


def test_the_share_of_slots_with_originals_is_told_where_there_are_any() -> None:
    shown = grid(lambda one: of(one, 1, False))  # 10 units at k = 8 and 16, whatever the methods: 40 and 80 slots
    told = captions.selection(shown)
    assert told == (
        "`unvalidated` is a selected sample: of its 120 slots 91.7 % have their first answer and 8.3 % an original, as "
        "in `cod`, because no counterfactual of theirs is valid."
    )
    assert told in caption(shown)
    assert told in page.main(shown, claims.findings(shown), level=2)
    assert captions.selection(grid(lambda one: of(one, 0, False))) == ""


@pytest.mark.parametrize("originals", [0, 2])
def test_a_difference_of_the_same_rows_says_nothing_about_validation(originals: int) -> None:
    told = captions.selection(grid(lambda one: of(one, originals, True)))
    assert told.endswith("Its rows are those of `cod`: the difference of the two says nothing about validation.")
    assert ("is a selected sample" in told) == bool(originals)
    some = captions.selection(grid(lambda one: of(one, originals, one.spec.seed == 0 and one.spec.k == 8)))
    assert "are those of `cod` in 2 of 20 (task, seed, k): the difference" in some
    assert some.endswith("says nothing about validation there.")


def test_nothing_is_said_where_no_record_tells_its_rows_or_nothing_is_compared() -> None:
    assert captions.selection(grid(lambda _: ("", ""))) == ""
    suite = made["SUITE"]
    alone = replace(suite, blocks=(replace(suite.blocks[0], conditions=("standard", "cod")), *suite.blocks[1:]))
    assert quality.selected(grid(lambda one: of(one, 1, True), alone)) is None
    assert "validation" not in caption(grid(lambda one: of(one, 1, True), alone))


@pytest.mark.parametrize(("taken", "marked"), [(0, False), (4, True)])
def test_a_condition_that_keeps_first_answers_is_marked_by_the_originals_that_it_has(taken: int, marked: bool) -> None:
    def rows(one: Record) -> tuple[str, str]:
        return of(one, taken if one.spec.condition == "unvalidated" else 0, False)

    found = quality.of_condition(grid(rows), "unvalidated", "rt_quotes", 8)
    assert found is not None
    assert (found.marked, found.replaced) == (marked, taken / 4)
