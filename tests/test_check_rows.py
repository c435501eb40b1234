"""What records say of their training rows: equal k, equal originals, partners as their condition has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cod_bench import check_rows
from cod_bench.record import Record
from cod_bench.spec import CONDITIONS, WITHOUT_GENERATOR, RunSpec
from tests import submissions


def record(method: str = "kd", condition: str = "cod", k: int = 8, **rows: Any) -> Record:
    generator = "" if condition in WITHOUT_GENERATOR else "substitution"
    made = submissions.record(
        RunSpec("last", "toy", "toy", method, condition, generator, k, 0), submissions.reference()
    )
    return replace(made, rows={**made.rows, **rows})


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("k", [8, 16])
def test_every_condition_passes(condition: str, k: int) -> None:
    assert check_rows.alone(record(condition=condition, k=k)) == ""


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("standard", "the partner in slot 0 is made from its original"),
        ("random", "the partner in slot 0 has another label"),
        ("label-preserving", "the partner in slot 0 has another label"),
        ("half", "rows.roles: must be an original"),
    ],
)
def test_rows_of_cod_are_those_of_no_other_condition(condition: str, reason: str) -> None:
    assert reason in check_rows.alone(record(condition=condition, **record().rows))


def test_rows_of_a_control_are_not_those_of_cod() -> None:
    assert "the partner in slot 0 has the same label" in check_rows.alone(record(**record(condition="random").rows))
    assert "is not made from its original" in check_rows.alone(record(**record(condition="standard").rows))


def test_substitutes_are_counted_and_need_no_original() -> None:
    rows = record().rows
    spare = {"roles": "os" + rows["roles"][2:], "sources": [rows["sources"][0], "f" * 12, *rows["sources"][2:]]}
    assert check_rows.alone(record(**spare, substituted=1)) == ""
    assert "rows.substituted: 0, and rows.roles has 1" in check_rows.alone(record(**spare))


def grid(*changed: Record) -> dict[str, Record]:
    every = [record(method, condition) for method in ("kd", "lwd") for condition in ("cod", "standard", "half")]
    return {str(i): one for i, one in enumerate([*every, *changed])}


def test_conditions_share_originals_and_methods_all_rows() -> None:
    assert check_rows.rows(grid()) == {}
    other = record("ted", hash="0" * 12)
    assert "rows: rows are not those of run" in check_rows.rows(grid(other))["6"]


def test_other_originals_are_told_though_they_are_of_the_pool() -> None:
    rows = record(condition="half").rows
    moved = record("ted", "half", sources=rows["sources"][2:] + rows["sources"][:2])
    reasons = check_rows.rows(grid(moved))
    assert set(reasons) == {"6"}
    assert "are not those of run" in reasons["6"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"git": {"commit": "a" * 40, "dirty": False}}, ""),
        ({"git": None}, ""),
        ({"git": {"commit": "a" * 40, "dirty": 0}}, "made by changed code"),
        ({"git": []}, "must be a commit"),
        ({"date": None}, "is no date"),
        ({"cod_bench": 1}, "version and environment"),
    ],
)
def test_the_making_must_be_told(changes: dict[str, Any], reason: str) -> None:
    made = record()
    told = check_rows.provenance(replace(made, provenance={**made.provenance, **changes}))
    assert (reason in told) if reason else told == ""
