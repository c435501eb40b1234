"""One folder with two generators, two teachers and a user's data: every reader shows each in tables of its own."""

from __future__ import annotations

import html
from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench import registry
from cod_bench.analysis import grids
from cod_bench.analysis.files import whole_name
from cod_bench.checks import records as check_records
from cod_bench.design import suites
from cod_bench.design.identity import not_applicable
from cod_bench.errors import UsageError
from cod_bench.records import evaluate
from cod_bench.records.results import Results
from cod_bench.reports import render
from cod_bench.spec import RunSpec, digest
from tests import submissions
from tests.checks.test_records import PLUGIN, failed
from tests.cli.test_app import call
from tests.samples import sample_reference
from tests.submissions import PAIRS, record, reference

TOY = suites.suite("toy")
HUMAN = TOY.variant(generator="replay")
REPLAY = RunSpec("last", "toy", "toy", "kd", "cod", "replay", 8, 0)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """The readers' machine has no pairs and another language model."""
    monkeypatch.delenv("COD_BENCH_PAIRS", raising=False)
    monkeypatch.setenv("COD_BENCH_LLM_MODEL", "somebody/else")
    return Results(tmp_path / "results")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A submitted method, installed."""
    (tmp_path / "mine.py").write_text(PLUGIN)
    monkeypatch.setattr(registry, "_plugin_files", {})
    registry.add_plugin(tmp_path / "mine.py")


def test_every_source_has_tables_of_its_own_and_passes(results: Results, tmp_path: Path, mine: None) -> None:
    submissions.many_sources(results)
    shown = grids.suites_with_records(results)
    assert [suite.name for suite in shown] == ["toy", "toy+mine", "toy+replay"]
    files = render.files(results, shown, figures=False)
    for name in ("toy", "toy+mine", "toy+replay"):
        assert files[f"{name}/incomplete.md"].splitlines()[2].startswith("Nothing: all"), name
    assert "replay 1" not in files["toy/README.md"]
    assert "Across teachers methods are compared **unpaired**" in files["toy+mine/README.md"]
    page = render.build(results, tmp_path / "site").read_text()
    for teacher in ("0123456789ab", "fedcba987654"):
        own = evaluate.digits(reference(teacher).gold) == evaluate.digits(reference(teacher).teacher_predictions)
        (line,) = [line for line in page.split("<tr") if f">{teacher}<" in line]
        assert f">{100 * own.mean():.1f}<" in line, line
    results_of_check = check_records.check(results.root)
    assert failed(results_of_check) == [], [result.line for result in results_of_check]


def test_the_verbs_need_neither_pairs_nor_the_method(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    submissions.many_sources(results)
    for verb in (("leaderboard",), ("site", "--out", "site"), ("check", "results")):
        extra = () if verb[0] == "check" else ("--results", "results")
        done = call(*verb, *extra, cwd=results.root.parent)
        assert done.returncode == 0, done.stdout + done.stderr


def test_records_of_any_language_model_count_and_no_reader_asks_which(results: Results) -> None:
    suite = TOY.variant(generator="llm")
    made = {"model": "maker/of-records", "prompt": "llm"}
    submissions.write(results, TOY, reference())
    submissions.write(results, suite, reference(), params=made)
    records, _ = results.scan()
    (grid,) = grids.of(suite, records=records, references=results.references())
    assert grid.complete
    assert not grid.stale
    assert failed(check_records.check(results.root)) == []


def test_two_values_of_one_generator_never_share_a_table(results: Results) -> None:
    submissions.write(results, TOY, reference())
    submissions.write(results, HUMAN, reference(), params=PAIRS)
    other = record(REPLAY, reference(), params={"pairs_sha256": "b" * 64})
    results.write(other)
    records, _ = results.scan()
    (grid,) = grids.of(HUMAN, records=records, references=results.references())
    assert grid.complete
    assert [stale.run_id for stale in grid.stale] == [other.run_id]
    (reason,) = [r.reason for r in check_records.check(results.root) if r.check == "one teacher" and r.state != "ok"]
    assert "differs" in reason
    with pytest.raises(UsageError, match=r"pairs_sha256 is 'aaaa.* and 'bbbb.*tables are conditional on one"):
        grids.one_value([r for r in records if r.spec.task == "toy" and r.spec.generator == "replay"])


@pytest.mark.parametrize("part", ["version", "pool", "name"])
def test_name_version_and_pool_version_are_compared_with_the_code(part: str, results: Results) -> None:
    own = record(REPLAY, reference(), params=PAIRS)
    changed = {**own.identity, "generator": {**own.identity["generator"], part: 99}}
    other = replace(own, identity=changed, run_id=digest(changed))
    assert grids.ids_that_count([REPLAY], [own]) == {REPLAY: own.run_id}
    assert grids.ids_that_count([REPLAY], [other]) == {REPLAY: own.run_id}
    results.write(other)
    results.write_reference(reference())
    assert "identity" in failed(check_records.check(results.root))


def test_parameters_that_are_code_are_still_compared_with_it() -> None:
    spec = replace(REPLAY, generator="substitution")
    own = record(spec, reference())
    changed = {**own.identity, "generator": {**own.identity["generator"], "params": {"beam": 1}}}
    other = replace(own, identity=changed, run_id=digest(changed))
    assert grids.ids_that_count([spec], [other]) == {spec: own.run_id}


def test_a_generator_whose_user_names_data_says_so() -> None:
    known = {name: registry.load("generator", name).carries_data for name in registry.names("generator")}
    assert known == {name: not name.startswith("substitution") for name in known}


def test_runs_of_one_suite_by_two_teachers_are_refused(results: Results) -> None:
    made = submissions.write(results, TOY, reference())
    results.path(made[0].spec, made[0].run_id).unlink()
    results.write(record(made[0].spec, reference("fedcba987654")))
    results.write_reference(reference("fedcba987654"))
    (found,) = [r for r in check_records.check(results.root) if r.state == "FAILED"]
    assert (found.check, "teacher_hash differs" in found.reason) == ("one teacher", True)


def test_page_and_leaderboard_agree_on_what_a_track_can_run(results: Results, tmp_path: Path) -> None:
    """Methods that compare states token by token cannot run across families: nothing waits for their runs."""
    track, suite = "smollm-minilm", suites.suite("embedded")
    targets = {
        task: sample_reference(
            track=track, task=task, row_ids=list("abcdefgh"), gold="01010101", teacher_predictions="01010101",
            teacher_probabilities=[9, 9000] * 4,
        )
        for task in suite.tasks
    }  # fmt: skip
    for spec in suite.expand(track=track):
        if not not_applicable(track, spec.method):
            results.write(record(spec, targets[spec.task]))
            results.write_reference(targets[spec.task])
    assert 0 < len(results.record_paths()) < len(list(suite.expand(track=track)))
    files = render.files(results, grids.suites_with_records(results), figures=False)
    assert f"all {len(results.record_paths())} runs are there" in files["embedded/incomplete.md"]
    page = render.build(results, tmp_path / "site").read_text()
    assert "Not decided yet" not in page
    assert not_applicable(track, "lwd").split(";")[0] in html.unescape(page)


def test_the_page_marks_tasks_that_are_not_ranked(results: Results) -> None:
    about = {name: grids.about(name) for name in ("yelp_paper", "toy", "cola+local-00000000")}
    assert {name: (own.metric, own.ranked) for name, own in about.items()} == {
        "yelp_paper": ("accuracy", False), "toy": ("accuracy", True), "cola+local-00000000": ("mcc", True),
    }  # fmt: skip
    submissions.write(results, TOY, reference())
    (grid,) = grids.of(TOY, records=results.scan()[0], references=results.references())
    assert grid.about == {"toy": grids.about("toy")}


def test_what_marks_the_content_of_rows_may_be_left_out_of_a_tables_name() -> None:
    names = ["toy", "toy+mine+local-0123abcd", "toy+two+local-0123abcd", "toy+two+local-4567cdef"]
    assert whole_name("toy+mine", names) == "toy+mine+local-0123abcd"
    assert whole_name("toy+two", names) == "toy+two"  # two have it, and neither is meant
    assert whole_name("toy", names) == "toy"
    assert whole_name("toy+nope", names) == "toy+nope"
