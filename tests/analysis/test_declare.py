"""What is declared is what tables compare; what departs from it or is older is told, and in what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cod_bench import registry
from cod_bench.analysis import claims, declare, grids
from cod_bench.design import suites
from cod_bench.design.identity import run_ids
from cod_bench.design.suite import Asked, Block, Expected, Suite
from cod_bench.errors import UsageError
from cod_bench.records.declarations import Committed, Declaration
from cod_bench.spec import digest
from tests.declared import DAY, TOY, records, toy
from tests.submissions import reference

COMMIT, LATER, EARLY = "c" * 40, "d" * 40, "e" * 40
WHERE = Committed(COMMIT, frozenset({COMMIT, LATER}))


CONDITIONS = replace(TOY, families="conditions")


def kept(found: Declaration, given: list[Any] | None = None, suite: Suite = TOY) -> str:
    return declare.kept(found, suite, records(commit=LATER, suite=suite) if given is None else given).departs


def contradicted(given: list[Any], where: Committed = WHERE) -> str:
    return declare.contradicted(toy(), TOY, given, where, {COMMIT, LATER, EARLY})


def test_the_grid_is_the_suites_with_the_digest_of_all_run_ids() -> None:
    specs = list(TOY.expand(track="toy"))
    found = toy()
    assert found.grid["run_ids"] == digest([run_ids(specs)[spec] for spec in specs], 64)
    assert found.grid["runs"] == len(specs) == 48
    assert (found.grid["seeds"], found.grid["primary_k"]) == ([0, 1], [8])
    assert found.data["toy"]["pool_sha256"]
    assert found.versions["conditions"]["half"] == {"version": 1, "equal_k": False}
    assert set(found.versions["methods"]) == set(TOY.methods)
    assert found.versions["generators"]["substitution"]["version"] == 3
    assert found.teacher["seeds"] == 1


def test_families_are_the_claims_and_gains_of_the_tables() -> None:
    found = {family["name"]: family["comparisons"] for family in toy().families}
    assert found["helps"] == [[method, "cod", "standard", [8]] for method in TOY.methods]
    assert len(found["validated counterfactuals"]) == 3 * len(TOY.methods)
    (grid,) = grids.of(TOY, records=records(), references={("toy", "toy", reference().teacher_hash): reference()})
    compared = {(gain.method, gain.condition, gain.over, gain.ks) for gain in claims.gains(grid)}
    compared |= {(gain.method, gain.condition, gain.over, gain.ks) for gain in claims.pooled(grid)}
    assert {(m, a, b, tuple(ks)) for family in found.values() for m, a, b, ks in family} == compared
    assert found["helps, mean of methods"] == [["(mean of methods)", "cod", "standard", [8]]]
    assert toy().rules["multiplicity"].startswith("a claim of the mean over methods is one test; Holm in each other")


def test_over_conditions_there_are_two_families() -> None:
    found = toy(CONDITIONS)
    one, other = found.families
    others = {"half", "label-preserving", "random", "standard", "unvalidated"}
    assert {(a, b) for m, a, b, _ in one["comparisons"] if m == "kd"} == {("cod", name) for name in others}
    assert {(a, b) for m, a, b, _ in other["comparisons"] if m == "kd"} == {
        (name, "standard") for name in (others | {"cod"}) - {"standard"}
    }
    assert found.rules["multiplicity"] == "Holm in each family over all comparisons of a method"
    assert "families was declared" in kept(toy(), suite=CONDITIONS)
    assert kept(found, suite=CONDITIONS) == ""


def test_expectations_floors_and_teacher_stand_in_clear() -> None:
    expecting = replace(TOY, expected=(Expected("cod", "standard", "below", "a trial"),), seen="nothing")
    found = toy(expecting)
    assert found.expected == [{"condition": "cod", "over": "standard", "sign": "below", "lead": "a trial"}]
    assert (found.seen, found.teacher["identity"]["precision"]) == ("nothing", "float32")
    told = declare.kept(found, TOY, records(commit=LATER))  # what it expected on its day needs no later code to say it
    assert (told.departs, told.expected) == ("", found.expected)
    why = declare.declaration(
        suites.suite("why"), track="minilm-fp32", protocol="last", date=DAY, version="1", commit=COMMIT
    )
    asked = {(a, b) for family in why.families for _, a, b, _ in family["comparisons"]}
    assert {(one["condition"], one["over"]) for one in why.expected} <= asked
    assert (len(why.families), len(asked), why.grid["runs"]) == (2, 31, 1568)
    assert why.grid["floors"][2]["conditions"] == ("whole-pool",)
    assert why.grid["developed"] == ["brand_tweets", "rt_quotes"]
    assert len(why.teacher["identity"]["weights_sha256"]) == 64


def test_nothing_to_compare_and_nothing_to_run_are_sentences() -> None:
    alone = replace(TOY, blocks=(replace(TOY.blocks[0], conditions=("cod",)),))
    with pytest.raises(UsageError, match="suite 'toy': compares nothing"):
        toy(alone)
    with pytest.raises(UsageError, match="suite 'toy': has no run on track 'toy'"):
        toy(replace(TOY, blocks=()))
    with pytest.raises(UsageError, match="cod-bench recipe --track deberta-small\\+paper-c4"):
        declare.declaration(
            suites.suite("paper"), track="deberta-small+paper-c4", protocol="last", date=DAY, version="1", commit=COMMIT
        )


def test_records_of_the_declaring_commit_and_after_keep_it() -> None:
    own = records(commit=COMMIT)
    found = declare.kept(toy(), TOY, own)
    assert (found.departs, found.date, found.records) == ("", DAY, len(own))
    assert kept(toy()) == ""
    assert declare.kept(toy(), TOY, []).records == 0
    assert contradicted(own) == contradicted(records(commit=LATER)) == contradicted([]) == ""


@pytest.mark.parametrize("told", [{"date": None}, {"date": "2999-13-01"}, {"date": 20990101}])
def test_a_record_that_tells_no_day_is_not_later(told: dict[str, Any]) -> None:
    own = records(commit=LATER)
    odd = replace(own[0], provenance={**own[0].provenance, **told})
    assert "1 of 48 records was made before it" in kept(toy(), [odd, *own[1:]])
    assert "of no date" in kept(toy(), [odd, *own[1:]])


def test_a_record_of_changed_code_rests_on_no_commit() -> None:
    own = records(commit=LATER)
    changed = replace(own[0], provenance={**own[0].provenance, "git": {"commit": LATER, "dirty": True}})
    assert "made by code in no commit that is told" in kept(toy(), [changed, *own[1:]])


def test_git_contradicts_records_of_a_commit_before_it_or_beside_it() -> None:
    own = records(commit=COMMIT)
    early = [replace(one, provenance={**one.provenance, "git": {"commit": EARLY}}) for one in own[:3]]
    assert kept(toy(), [*early, *own[3:]]) == ""  # nothing in the files tells
    told = contradicted([*early, *own[3:]])
    assert told.startswith("3 of 48 records were made by code that does not follow commit cccccccccc, which brought it")
    assert f"such as {own[0].run_id} of commit eeeeeeeeee;" in told
    told = contradicted(records(commit="f" * 40))
    assert told.startswith("48 of 48 records were made by code of a commit that is not in this repository")


def test_records_of_the_code_that_wrote_it_or_of_none_do_not_keep_it() -> None:
    own = records(commit="a" * 40)
    told = "48 of 48 records were made by the very code that it was written by, such as "
    assert kept(toy(), own) == f"{told}{own[0].run_id}"
    told = "48 of 48 records were made by code in no commit that is told, such as "
    assert kept(toy(), records()) == f"{told}{own[0].run_id}"
    assert contradicted(own) == contradicted(records()) == ""  # exploratory already, so nothing is to be refused


def test_records_of_a_day_before_it_do_not() -> None:
    own = records(day="2026-02-01", commit=COMMIT)
    assert kept(toy(), own[:1]) == f"1 of 1 records was made before it, such as {own[0].run_id} of 2026-02-01"
    assert kept(toy(), own).startswith("48 of 48 records were made before it")


def test_git_contradicts_records_of_a_declaration_that_is_in_no_commit() -> None:
    assert contradicted(records(commit=COMMIT), Committed("")) == (
        "is in no commit as it lies there, and 48 records rest on it; commit it before they are made"
    )
    assert contradicted([], Committed("")) == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"grid": {"seeds": [0, 1, 2]}}, "grid.seeds was declared as a list and is a list"),
        ({"grid": {"runs": 47}}, "grid.runs was declared as 47 and is 48"),
        ({"grid": {"run_ids": "0" * 64}}, "grid.run_ids was declared as '000"),
        ({"data": {"toy": None}}, "data.toy was declared as None and is a dict"),
        ({"versions": {"conditions": {}}}, "versions.conditions."),
        ({"rules": {"shown": "p at most 0.1"}}, "rules.shown was declared as 'p at most 0.1' and is 'Holm p"),
        ({"teacher": {"seeds": 3}}, "teacher.seeds was declared as 3 and is 1"),
    ],
    ids=str,
)
def test_what_departs_is_named(change: dict[str, dict[str, Any]], told: str) -> None:
    found = toy()
    ((name, parts),) = change.items()
    assert kept(replace(found, **{name: {**getattr(found, name), **parts}})).startswith(told)


def test_another_suite_of_that_name_departs() -> None:
    assert "grid.primary_k was declared" in kept(toy(), suite=replace(TOY, primary_k=(16,)))
    fewer = replace(TOY, seeds=(0,))
    assert kept(toy(), suite=fewer).startswith("grid.runs was declared as 48 and is 24")
    assert kept(toy(), suite=replace(TOY, blocks=())) == "the suite has no run there"


def test_records_that_do_not_count_are_not_looked_at() -> None:
    own = records(commit=LATER)
    stale = replace(own[0], run_id="0" * 12, provenance={"date": "2020-01-01", "git": None})
    assert kept(toy(), [stale, *own]) == ""
    elsewhere = replace(own[0], spec=replace(own[0].spec, protocol="dev"), provenance={})
    assert kept(toy(), [elsewhere, *own]) == ""


def test_what_a_generator_got_from_its_user_is_that_of_the_records(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    human = TOY.variant(generator="replay")
    (tmp_path / "pairs.jsonl").write_text(
        '{"original": "a dull film", "original_label": 0, "counterfactual": "a fine film", "counterfactual_label": 1}\n'
    )
    monkeypatch.setenv("COD_BENCH_PAIRS", str(tmp_path / "pairs.jsonl"))
    found, pairs = toy(human), registry.load("generator", "replay").params()
    own = records(commit=LATER, suite=human, pairs=pairs)
    others = records(commit=LATER, suite=human)
    monkeypatch.delenv("COD_BENCH_PAIRS")  # who reads the records has no pairs
    assert kept(found, own, suite=human) == ""
    assert kept(found, own[:10], suite=human) == ""
    assert kept(found, others, suite=human).startswith("versions.generators.replay.params was declared as")
    assert kept(found, [], suite=human).startswith("it cannot be made again here: generator 'replay': no pairs")


ASKING = replace(
    TOY, families="asked", teachers=(0, 1, 2), blocks=(Block(("kd", "lwd"), ("standard", "cod", "random"), (8, 16)),),
    primary_k=(8, 16), floors=(),
    asked=(
        Asked("cod", "standard"), Asked("cod", "standard", "trend"), Asked("cod", "random", "matched"),
        Asked("cod", "standard", "equivalence", (16,)),
    ),
)  # fmt: skip


def test_teachers_and_named_comparisons_are_declared_and_kept() -> None:
    found = toy(ASKING)
    specs = list(ASKING.expand(track="toy"))
    assert {spec.track for spec in specs} == {"toy", "toy@1", "toy@2"}
    assert (found.track, found.grid["runs"]) == ("toy", len(specs))
    assert (found.teacher["seeds"], found.teacher["crossed"]) == (3, [0, 1, 2])
    assert found.rules["teachers"] == declare.CROSSED
    assert {name: found.rules[name] for name in declare.MEASURES} == declare.MEASURES
    assert found.rules["multiplicity"] == declare.HOLM["asked"]
    (kd, lwd) = found.families
    assert kd["name"] == "what the suite asks, kd"
    assert kd["comparisons"] == [
        ["kd", "cod", "standard", [8, 16], "accuracy"],
        ["kd", "cod", "standard", [8, 16], "trend"],
        ["kd", "cod", "random", [8, 16], "matched"],
        ["kd", "cod", "standard", [16], "equivalence"],
    ]
    assert lwd["comparisons"] == [["lwd", *one[1:]] for one in kd["comparisons"]]
    own = records(commit=LATER, suite=ASKING)
    assert len({record.spec.track for record in own}) == 3
    told = declare.kept(found, ASKING, own)
    assert (told.departs, told.teachers, told.records) == ("", 3, len(own))


@pytest.mark.parametrize(
    ("changes", "departs"),
    [
        ({"teachers": (0, 1)}, "grid.runs was declared as"),
        ({"teachers": (0, 1, 3)}, "teacher.crossed[2] was declared as 2 and is 3"),
        ({"teachers": (0,)}, "grid.runs was declared as"),
        ({"asked": ASKING.asked[:3]}, "families was declared as"),
        ({"asked": (*ASKING.asked[:2], Asked("cod", "random"), ASKING.asked[3])}, "families was declared as"),
        ({"asked": (*ASKING.asked[:3], Asked("cod", "standard", "equivalence", (8,)))}, "families was declared as"),
        ({"families": "methods"}, "families was declared as"),
    ],
)
def test_other_teachers_or_measures_depart(changes: dict[str, Any], departs: str) -> None:
    told = kept(toy(ASKING), suite=replace(ASKING, **changes))
    assert told.startswith(departs.partition("[")[0].partition(" was")[0])
    assert " was declared as " in told


def test_records_of_some_teachers_keep_it_and_the_track_of_another_teacher_declares_that_one_alone() -> None:
    own = [record for record in records(commit=LATER, suite=ASKING) if record.spec.track != "toy@2"]
    told = declare.kept(toy(ASKING), ASKING, own)
    assert (told.departs, told.records) == ("", len(own))  # what is missing is told by the grid, not here
    alone = declare.declaration(ASKING, track="toy@5", protocol="last", date=DAY, version="1", commit=COMMIT)
    assert (alone.track, alone.teacher["seeds"], alone.grid["runs"]) == ("toy@5", 1, toy(ASKING).grid["runs"] / 3)
    assert "crossed" not in alone.teacher
    assert alone.rules["teachers"] == declare.RULES["teachers"]


@pytest.mark.parametrize("name", ["confirm", "strong", "curve"])
def test_the_declared_suites_declare_what_they_ask(name: str) -> None:
    suite = suites.suite(name)
    found = declare.declaration(suite, track="minilm-fp32", protocol="last", date=DAY, version="1", commit=COMMIT)
    own = {family["name"]: family["comparisons"] for family in found.families}
    asked = own["what the suite asks, kd"]
    assert [(a, b, measure) for _, a, b, _, measure in asked] == [(o.condition, o.over, o.measure) for o in suite.asked]
    assert found.teacher.get("crossed") == (list(suite.teachers) if len(suite.teachers) > 1 else None)
    assert {(one["condition"], one["over"]) for one in found.expected} <= {(a, b) for _, a, b, _, _ in asked}
