"""What records say of their training rows: equal k and originals, each condition's partners, no copied outcome."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from cod_bench.checks import rows as check_rows
from cod_bench.condition import build, describe
from cod_bench.condition import condition as registered
from cod_bench.counterfactuals.pool import summary
from cod_bench.design.suites import CONDITIONS
from cod_bench.generator import Entry
from cod_bench.records.record import Record
from cod_bench.spec import RunSpec, digest, needs_generator
from cod_bench.split import Draw
from cod_bench.task import Example
from tests import submissions
from tests.samples import sample_record
from tests.test_condition import entries


def record(method: str = "kd", condition: str = "cod", k: int = 8, **rows: Any) -> Record:
    generator = "substitution" if needs_generator(condition) else ""
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
        ("half", "rows.roles: must be the 4 originals of k=8 alone"),
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
    taken = record(**spare, substituted=1)
    assert "1 substitutes, and cfe tells of 0 slots" in check_rows.alone(taken)
    assert taken.cfe is not None
    assert check_rows.alone(replace(taken, cfe={**taken.cfe, "valid": 3})) == ""
    assert check_rows.alone(replace(taken, cfe={**taken.cfe, "exhausted": 1})) == ""
    assert "rows.substituted: 0, and rows.roles has 1" in check_rows.alone(record(**spare))


def test_an_original_is_drawn_once() -> None:
    rows = record().rows
    assert "is drawn twice" in check_rows.alone(record(sources=rows["sources"][:2] * 4))


def grid(*changed: Record) -> dict[str, Record]:
    every = [record(method, condition) for method in ("kd", "lwd") for condition in ("cod", "standard", "half")]
    return {str(i): one for i, one in enumerate([*every, record(k=16), *changed])}


def test_conditions_share_originals_and_methods_all_rows() -> None:
    assert check_rows.together(grid()) == {}
    other = record("ted", hash="0" * 12)
    assert set(check_rows.together(grid(other))) == {"7"}
    assert "rows are not those of run" in check_rows.together(grid(other))["7"]


def test_whoever_most_others_contradict_is_told_wherever_it_is_read() -> None:
    forged = record("ted", hash="0" * 12)
    assert set(check_rows.together({"first": forged, **grid()})) == {"first"}
    assert set(check_rows.together({"one": record(), "two": record("lwd", hash="0" * 12)})) == {"one", "two"}


def test_originals_of_fewer_rows_are_the_first_of_more() -> None:
    rows = record(condition="half").rows
    moved = record("ted", "half", sources=rows["sources"][2:] + rows["sources"][:2])
    assert check_rows.alone(moved) == ""
    assert set(check_rows.together(grid(moved))) == {"7"}
    assert set(check_rows.together(grid(record("ted", passed_over=777)))) == {"7"}


def test_records_that_share_no_table_may_differ() -> None:
    """Other versions of a generator, or its texts made on other CPUs."""
    one, other = record(), record("lwd", hash="0" * 12)
    generator = {**other.identity["generator"], "version": 99}
    assert (
        check_rows.together({"a": one, "b": replace(other, identity={**other.identity, "generator": generator})}) == {}
    )
    elsewhere = {**other.provenance, "environment": {"machine": "another"}}
    assert check_rows.together({"a": one, "b": replace(other, provenance=elsewhere)}) == {}


def test_rows_are_looked_up_where_the_pool_is_at_hand() -> None:
    known = record()
    first, *others = known.rows["sources"]
    strange = record(sources=["0" * 12, "0" * 12, *others[1:]])
    reasons, absent = check_rows.strangers({"known": known, "strange": strange, "far": replace(known, train_hash="x")})
    assert set(reasons) == {"strange"}
    assert f"{'0' * 12} is no row of the training pool" in reasons["strange"]
    assert absent == {"toy"}
    turned = record(labels="".join("10"[int(label)] for label in known.rows["labels"]))
    assert f"for row {first}, which the training pool labels" in check_rows.strangers({"x": turned})[0]["x"]


def there(one: Entry) -> Entry:
    """Edits are counted in texts that there are."""
    return replace(one, edited={name: count for name, count in one.edited.items() if getattr(one, name) is not None})


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("k", [4, 8, 16])
@pytest.mark.parametrize("classes", [2, 3])
def test_whatever_the_package_builds_passes(
    condition: str, k: int, classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows as `condition.build` makes and describes them, with slots that have no text and controls that ran out."""
    k *= 1 if classes == 2 else 3
    train = [Example(digest([i]), f"text {i}", i % classes) for i in range(40 * classes)]
    draw = Draw(train, task="toy", classes=classes, seed=0, eligible=lambda _: True)
    made = record(condition=condition)
    found = None if made.cfe is None else [there(one) for one in entries(draw, k, invalid=(1,), exhausted=(0,))]
    told = None if found is None else summary(found, registered(condition).text)
    rows = describe(build(draw, condition, k, found))
    task = SimpleNamespace(classes=tuple(map(str, range(classes))))
    monkeypatch.setattr(check_rows.origin, "find", lambda _: task)
    assert check_rows.alone(replace(made, spec=replace(made.spec, k=k), rows=rows, cfe=told)) == ""
    assert rows["roles"].count("s") == (0 if told is None else 1 + (condition == "random"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"git": {"commit": "a" * 40, "dirty": False}}, ""),
        ({"git": None}, ""),
        ({"git": {"commit": "a" * 40, "dirty": 0}}, "made by changed code"),
        ({"git": []}, "must be a commit"),
        ({"date": None}, "is no date"),
        ({"date": "20260101"}, "is no date"),
        ({"date": "2026-13-01"}, "is no date"),
        ({"cod_bench": 1}, "version and environment"),
    ],
)
def test_the_making_must_be_told(changes: dict[str, Any], reason: str) -> None:
    made = record()
    told = check_rows.provenance(replace(made, provenance={**made.provenance, **changes}))
    assert (reason in told) if reason else told == ""


def ended(rows: str, **changes: object) -> Record:
    return replace(sample_record(), rows={"hash": rows}, **changes)  # type: ignore[arg-type]


def test_predictions_of_a_run_on_other_rows_are_told() -> None:
    one, other = ended("a", history={"loss": [1.0]}), ended("b", history={"loss": [2.0]})
    assert set(check_rows.copies({"one": one, "other": other})) == {"other"}
    apart = replace(other, probabilities=[2, *other.probabilities[1:]])
    assert check_rows.copies({"one": one, "other": apart}) == {}


def test_losses_of_a_run_on_other_rows_are_told() -> None:
    other = ended("b", probabilities=[2, 9999, 5001, 20])
    assert check_rows.copies({"one": ended("a"), "other": other})["other"].startswith("losses: those of run")


def test_equal_rows_and_other_teachers_may_end_alike() -> None:
    """A submission may do what another method does; `unvalidated` is `cod` where every first answer is valid."""
    assert check_rows.copies({"one": ended("a"), "other": ended("a")}) == {}
    assert check_rows.copies({"one": ended("a"), "other": ended("b", teacher_hash="other")}) == {}


@pytest.mark.parametrize(("ties", "told"), [(0, False), (2, False), (3, True)])
def test_few_rows_may_lie_at_one_half(ties: int, told: bool) -> None:
    p = [5000] * ties + [9000] * (20 - ties)
    assert bool(check_rows.undecided(ended("a", predictions="1" * 20, probabilities=p))) == told
