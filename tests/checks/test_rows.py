"""What records say of rows, steps, costs and making: equal k, the draw's originals, each condition's partners."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from cod_bench.checks import merge_base, prepared
from cod_bench.checks import rows as check_rows
from cod_bench.condition import condition as registered
from cod_bench.counterfactuals.pool import summary
from cod_bench.counterfactuals.rows import build, describe
from cod_bench.data import origin
from cod_bench.design.suites import CLAIMED
from cod_bench.generator import Entry
from cod_bench.records.record import Record
from cod_bench.spec import RunSpec, digest, needs_generator, stream
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


@pytest.mark.parametrize("condition", CLAIMED)
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
    reasons, absent = prepared.strangers({"known": known, "strange": strange, "far": replace(known, train_hash="x")})
    assert set(reasons) == {"strange"}
    assert f"{'0' * 12} is no row of the training pool" in reasons["strange"]
    assert absent == {"toy"}
    turned = record(labels="".join("10"[int(label)] for label in known.rows["labels"]))
    assert f"for row {first}, which the training pool labels" in prepared.strangers({"x": turned})[0]["x"]


def drawn_by(teacher: Callable[[Example], bool], condition: str = "cod", k: int = 16, protocol: str = "last") -> Record:
    """A run on what the toy task's draw gives where a teacher is right on some rows alone."""
    draw = Draw(origin.corpus("toy").train, task="toy", classes=2, seed=0, eligible=teacher)
    made = record(condition=condition, k=k)
    found = None if made.cfe is None else entries(draw, k, invalid=(1, 4), exhausted=(0,))
    return replace(made, spec=replace(made.spec, protocol=protocol), rows=describe(build(draw, condition, k, found)))


def half_right(row: Example) -> bool:
    return int(row.id, 16) % 2 == 0


def looked_up(made: Record) -> str:
    return prepared.strangers({"x": made})[0].get("x", "")


@pytest.mark.parametrize("condition", CLAIMED)
@pytest.mark.parametrize("k", [8, 16])
def test_whoever_teaches_passes_rows_over_and_keeps_the_order(condition: str, k: int) -> None:
    made = drawn_by(half_right, condition, k)
    assert made.rows["passed_over"] > 0
    assert looked_up(made) == ""
    for passed in (made.rows["passed_over"] - 1, made.rows["passed_over"] + 1):
        assert "rows.passed_over: " in looked_up(replace(made, rows={**made.rows, "passed_over": passed}))
    assert looked_up(replace(made, spec=replace(made.spec, seed=1)))


def _exchanged(made: Record, one: int, other: int) -> Record:
    sources = list(made.rows["sources"])
    sources[one], sources[other] = sources[other], sources[one]
    return replace(made, rows={**made.rows, "sources": sources})


@pytest.mark.parametrize(("condition", "one", "other"), [("half", 0, 2), ("standard", 0, 4), ("standard", 1, 5)])
def test_another_order_is_none_that_the_seed_gives(condition: str, one: int, other: int) -> None:
    """Of originals, and of the partners of `standard`, which go on where these end."""
    assert "which the draw of toy, seed 0, does not give there" in looked_up(
        _exchanged(drawn_by(half_right, condition), one, other)
    )


def test_a_partner_of_standard_comes_after_every_original() -> None:
    made = drawn_by(half_right, "standard")
    assert made.rows["roles"][0:2] == "op"
    assert "does not give there" in looked_up(_exchanged(made, 0, 3))  # an original and a partner of one class


def test_a_substitute_comes_after_every_original() -> None:
    made, train = drawn_by(half_right), origin.corpus("toy").train
    place = made.rows["roles"].index("s")
    order = [train[row] for row in stream("draw", "toy", 0).permutation(len(train))]
    passed = next(row for row in order if not half_right(row) and str(row.label) == made.rows["labels"][place])
    sources = [passed.id if i == place else source for i, source in enumerate(made.rows["sources"])]
    assert "does not give there" in looked_up(replace(made, rows={**made.rows, "sources": sources}))


@pytest.mark.parametrize("condition", ["half", "standard", "cod"])
def test_where_wrong_rows_are_kept_nothing_is_passed_over(condition: str) -> None:
    assert looked_up(drawn_by(lambda _: True, condition, protocol="paper")) == ""
    made = drawn_by(half_right, condition, protocol="paper")
    assert "does not give there" in looked_up(made)


def there(one: Entry) -> Entry:
    """Edits are counted in texts that there are."""
    return replace(one, edited={name: count for name, count in one.edited.items() if getattr(one, name) is not None})


@pytest.mark.parametrize("condition", CLAIMED)
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
    told = merge_base.provenance(replace(made, provenance={**made.provenance, **changes}))
    assert (reason in told) if reason else told == ""


@pytest.mark.parametrize(("days", "told"), [(0, False), (1, False), (2, True), (4000, True)])
def test_a_day_to_come_is_none(days: int, told: bool) -> None:
    """Where it is tomorrow already it may be today."""
    made, day = record(), dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days)
    reason = merge_base.provenance(replace(made, provenance={**made.provenance, "date": day.isoformat()}))
    assert ("is yet to come; run it again" in reason) == told


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"kwh": 0.1, "cpu_kwh": 0.1, "gpu_kwh": 0.0, "ram_kwh": 0.0, "unlabelled_texts": 4.0}, ""),
        ({"prepare_steps": 4.0, "prepare_seconds": 0.05, "train_seconds": 0.6}, ""),
        ({"euros": 1.0}, "cost.euros: nobody knows this cost"),
        ({"evaluate_seconds": None}, "cost.evaluate_seconds: is missing"),
        ({"cpu_seconds": None}, "cost.cpu_seconds: is missing"),
        ({"seconds": 0.5}, "cost.seconds: 0.5, and its parts are 0.900"),
        ({"seconds": 1000.0}, "cost.seconds: 1000.0, of which its parts tell only 0.900"),
        ({"train_seconds": 0.0}, "its parts tell only 0.200"),
        ({"cpu_seconds": 0.0}, "cost.cpu_seconds: 0.0, and no training takes none"),
        ({"prepare_steps": 4.0}, "cost.prepare_steps: 4.0 steps in no time"),
    ],
)
def test_costs_are_those_of_a_run(changes: dict[str, float | None], reason: str) -> None:
    made = record()
    cost = {name: value for name, value in {**made.cost, **changes}.items() if value is not None}
    told = check_rows.history(replace(made, cost=cost))
    assert told.startswith(reason) if reason.startswith("cost.") else reason in told
    assert bool(told) == bool(reason)


@pytest.mark.parametrize("steps", [11, 13, "12", True, float("inf")])
def test_steps_are_those_of_the_recipe(steps: Any) -> None:
    made = record()
    assert made.identity["method"]["hparams"]["steps"] == len(made.history["loss"])
    forged = replace(made, identity={**made.identity, "method": {"hparams": {"steps": steps}}})
    assert f"identity.method.hparams.steps is {steps}; run it again" in check_rows.history(forged)


@pytest.mark.parametrize(
    ("history", "cost", "told"),
    [
        ({}, {"steps": 0.0, "train_seconds": 0.0}, ""),
        ({}, {"steps": 0.0}, ""),
        ({}, {"steps": 2.0}, "history: 0 lists, cost.steps 2.0, and hparams name no steps"),
        ({"loss": [1.0, 0.5]}, {"steps": 2.0}, "history: 1 lists, cost.steps 2.0, and hparams name no steps"),
        ({"loss": []}, {"steps": 0.0}, "history: 1 lists, cost.steps 0.0, and hparams name no steps"),
        ({}, {"steps": 0.0, "cpu_seconds": 0.0}, "cost.cpu_seconds: 0.0, and no training takes none; run it again"),
        ({}, {"steps": 0.0, "prepare_steps": 4.0}, "cost.prepare_steps: 4.0 steps in no time; run it again"),
    ],
)
def test_a_method_whose_recipe_names_no_steps_took_none(
    history: dict[str, Any], cost: dict[str, float], told: str
) -> None:  # fmt: skip
    made = record("probe")
    assert "steps" not in made.identity["method"]["hparams"]
    assert check_rows.history(replace(made, history=history, cost={**made.cost, **cost})) == told


@pytest.mark.parametrize(("ties", "told"), [(0, False), (2, False), (3, True)])
def test_few_rows_may_lie_at_one_half(ties: int, told: bool) -> None:
    p = [5000] * ties + [9000] * (20 - ties)
    assert bool(check_rows.undecided(sample_record(predictions="1" * 20, probabilities=p))) == told
