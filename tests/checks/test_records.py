"""A pull request with records: sound ones pass, and every kind of tampering is caught by its own check."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cod_bench.checks.merge_base import Changes
from cod_bench.checks.records import CHECKS, Folder, check
from cod_bench.checks.report import Result
from cod_bench.design import suites
from cod_bench.errors import UsageError
from cod_bench.records import evaluate
from cod_bench.records.record import record_from_json, reference_from_json, to_json
from cod_bench.records.results import INDEX, Results
from cod_bench.spec import digest
from tests import ROOT
from tests.cli.test_app import call
from tests.samples import sample_record, sample_reference

PLUGIN = "from cod_bench.baselines.kd import KD\n\n\nclass Mine(KD):\n    name = 'mine'\n\n\nDISTILLER = Mine\n"


@pytest.fixture(scope="module")
def submitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every run of a submitted method on the toy suite."""
    folder = tmp_path_factory.mktemp("submitted")
    (folder / "mine.py").write_text(PLUGIN)
    done = call("run", "--suite", "toy", "--method", "mine", "--plugin", "mine.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    for path in Results(folder / "runs").record_paths():  # as from a clean commit, whatever this checkout is
        value = json.loads(path.read_text())
        record = record_from_json(path.read_text())
        value["provenance"]["git"] = None
        value.pop("digest", None)
        path.write_text(to_json(type(record)(**{**value, "spec": record.spec})))
    return folder / "runs"


@pytest.fixture
def folder(submitted: Path, tmp_path: Path) -> Path:
    target = tmp_path / "repository" / "results"
    shutil.copytree(submitted, target, ignore=shutil.ignore_patterns("leaderboard", ".lock"))
    return target


def failed(results: list[Result]) -> list[str]:
    return [result.check for result in results if result.state == "FAILED"]


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    value.pop("digest", None)  # which is against accidents
    path.write_text(json.dumps(value))


def first(folder: Path) -> Path:
    return Results(folder).record_paths()[0]


def test_a_sound_submission_passes_though_its_method_is_not_installed(folder: Path) -> None:
    results = check(folder)
    assert [r.check for r in results] == [one.name for one in CHECKS]
    assert {r.check for r in results if r.state != "ok"} == {"nothing removed"}


def test_what_run_and_status_leave_beside_the_records_is_no_part_of_them(folder: Path) -> None:
    for name in (".lock", INDEX):
        (folder / name).write_text("{}")
    assert failed(check(folder)) == []


def test_the_published_records_pass() -> None:
    results = check(ROOT / "results")
    assert failed(results) == [], [r.line for r in results]


def _flip(value: dict[str, Any]) -> None:
    value["predictions"] = ("1" if value["predictions"][0] == "0" else "0") + value["predictions"][1:]


def _right_everywhere(value: dict[str, Any]) -> None:
    """Classes and the metrics that follow from them forged, and the probabilities forgotten."""
    reference = sample_reference(gold="01" * 50, teacher_predictions="01" * 50, teacher_probabilities=[1, 9999] * 50)
    value["predictions"] = reference.gold
    p = [9999 if c == "1" else 1 for c in reference.gold]
    value["metrics"] = evaluate.metrics(reference.gold, p, reference)


def _flip_teacher(value: dict[str, Any]) -> None:
    value["teacher_predictions"] = "10"[int(value["teacher_predictions"][0])] + value["teacher_predictions"][1:]


def _other_teacher(value: dict[str, Any]) -> None:
    value["identity"]["track"]["max_length"] += 1
    value["run_id"] = digest(value["identity"])


def _stranger(value: dict[str, Any]) -> None:
    """Another row, in every place where the first one stands."""
    first = value["rows"]["sources"][0]
    value["rows"]["sources"] = ["0" * 12 if source == first else source for source in value["rows"]["sources"]]


def _turned(value: dict[str, Any]) -> None:
    """All labels turned over; pairs and balance still fit."""
    value["rows"]["labels"] = "".join("10"[int(label)] for label in value["rows"]["labels"])
    value["rows"]["balance"].reverse()


@pytest.mark.parametrize(
    ("change", "caught_by", "reason"),
    [
        (_flip, "schema", "predictions: class"),
        (lambda v: v.update(probabilities=[5000] * 100), "metrics recompute", "100 of 100 rows at one half"),
        (lambda v: v["cost"].update(seconds=0), "history", "cost.seconds: 0, and its parts are"),
        (_right_everywhere, "schema", "and the probability of class 1 there is"),
        (lambda v: v["metrics"].update(accuracy=0.99), "metrics recompute", "metrics.accuracy is 0.99"),
        (lambda v: v.update(eval_hash="0" * 12), "evaluation rows", "are not the task's rows"),
        (lambda v: v.update(train_hash="0" * 12), "evaluation rows", "are not the task's rows"),
        (lambda v: v.update(run_id="0" * 12), "schema", "is not the digest of identity"),
        (lambda v: v.update(extra=1), "schema", "extra: field is unknown"),
        (_other_teacher, "identity", "identity.track is not what this version gives"),
        (lambda v: v["spec"].update(seed=7), "schema", "identity.seed"),
        (lambda v: v["provenance"].update(git={"commit": "a" * 40, "dirty": True}), "clean code", "changed code"),
        (lambda v: v["provenance"].update(git={"dirty": False}), "clean code", "provenance.git.commit"),
        (lambda v: v["provenance"].pop("git"), "clean code", "provenance.git: is missing"),
        (lambda v: v["provenance"].update(git="clean"), "schema", "provenance.git.commit"),
        (lambda v: v["provenance"].update(date="yesterday"), "clean code", "provenance.date: 'yesterday'"),
        (lambda v: v["provenance"].update(date="2999-01-01"), "clean code", "provenance.date: '2999-01-01' is yet to"),
        (lambda v: v["provenance"].pop("environment"), "clean code", "environment must be told"),
        (lambda v: v["history"]["loss"].pop(), "history", "values, and cost.steps is"),
        (lambda v: v["history"].update(loss=["x"]), "schema", "history.loss: must be a list of numbers"),
        (lambda v: v["history"].update(loss=5), "schema", "history.loss: must be a list of numbers"),
        (lambda v: v["cost"].update(train_seconds=0.0), "history", "of which its parts tell only"),
        (lambda v: v.update(history={}), "history", "history.loss: 0 values"),
        (lambda v: v.update(rows={}), "training rows", "rows.balance: field is missing"),
        (lambda v: v["rows"]["sources"].pop(), "training rows", "rows.labels: 8 entries, and rows.sources has 7"),
        (
            lambda v: v["rows"].update(labels="01" * 8),
            "training rows",
            "rows.labels: 16 entries, and rows.sources has 8",
        ),
        (lambda v: v["rows"].update(labels="7" * 8), "training rows", "must be one of 2 classes"),
        (lambda v: v["rows"].update(note=1), "training rows", "rows.note: field is"),
        (lambda v: v["rows"].update(roles="o" * 8), "training rows", "rows.roles: must be an original and"),
        (lambda v: v["rows"].update(balance=[8, 0]), "training rows", "rows.balance: [8, 0] is not what"),
        (lambda v: v["rows"].update(substituted=3), "training rows", "rows.substituted: 3, and rows.roles has"),
        (lambda v: v["rows"].update(passed_over=-1), "schema", "rows.passed_over: must be a count"),
        (lambda v: v["rows"].update(hash="x"), "training rows", "rows.hash: must be a hash"),
        (lambda v: v["rows"]["sources"].__setitem__(0, "0" * 12), "training rows", "not made from its original"),
        (_stranger, "training rows", "is no row of the training pool"),
        (_turned, "training rows", "the originals' classes must alternate"),
        (lambda v: v["cfe"].update(slots=2, valid=2, first_flips=2), "training rows", "cfe.slots: 2, and k=8 gives 4"),
        (lambda v: v["cfe"].update(valid=99), "schema", "cfe.valid: 99 of 4 slots"),
        (lambda v: v["provenance"].update(note="such a lovely film today"), "no text", "provenance.note: 'such a"),
        (lambda v: v["provenance"].update(note="Such A Lovely Film"), "no text", "reads like a text"),
        (lambda v: v["provenance"].update(note="such, a, lovely, film"), "no text", "reads like a text"),
        (lambda v: v["provenance"].update(note="so ein schöner film"), "no text", "reads like a text"),
        (lambda v: v["provenance"].update({"such a lovely film": 1}), "no text", "provenance: 'such a lovely film'"),
        (lambda v: v["rows"]["sources"].__setitem__(0, "a lovely film"), "no text", "rows.sources: 'a lovely film'"),
        (lambda v: v["rows"].update(roles="suchalovelyfilm"), "no text", "rows.roles: 'suchalovelyfilm'"),
        (lambda v: v["provenance"].update(environment={"torch": "1"}), "one teacher", "environment differs"),
    ],
)
def test_tampering_is_caught(change: Callable[[Any], object], caught_by: str, reason: str, folder: Path) -> None:
    edit(first(folder), change)
    results = {r.check: r for r in check(folder)}
    assert results[caught_by].state == "FAILED", results
    assert reason in results[caught_by].reason


def test_an_outcome_copied_from_another_seed_is_caught(folder: Path) -> None:
    """With its metrics, so that every number in the file follows from it."""
    values = {json.loads(path.read_text())["rows"]["hash"]: path for path in Results(folder).record_paths()}
    source, target = list(values.values())[:2]
    copied = json.loads(source.read_text())
    edit(target, lambda v: v.update({name: copied[name] for name in ("predictions", "probabilities", "metrics")}))
    results = {r.check: r for r in check(folder)}
    assert failed(list(results.values())) == ["no copies"]
    assert "100.0 % are the same to the last digit as those of run" in results["no copies"].reason


@pytest.mark.parametrize("name", ["KD", "Kd", "con", "con.", "-x", "a+b"])
def test_a_method_whose_name_is_no_name_is_caught(name: str, folder: Path) -> None:
    path = first(folder)
    value = json.loads(path.read_text())
    value["spec"]["method"] = value["identity"]["method"]["name"] = name
    value["run_id"] = digest(value["identity"])
    target = Results(folder).path(record_from_json(json.dumps(value)).spec, value["run_id"])
    target.parent.mkdir(parents=True)
    target.write_text(json.dumps(value))
    assert "differ from others in more than capitals" in {r.check: r for r in check(folder)}["identity"].reason


def test_a_method_that_does_not_tell_its_settings_is_caught(folder: Path) -> None:
    def strip(value: dict[str, Any]) -> None:
        del value["identity"]["method"]["hparams"]
        value["run_id"] = digest(value["identity"])

    edit(first(folder), strip)
    assert "must tell version and hparams" in {r.check: r for r in check(folder)}["identity"].reason


def test_an_index_and_a_lock_hold_no_text(folder: Path) -> None:
    for name in (".lock", INDEX):
        (folder / name).write_text('{"x": "such a lovely film"}\n{}')
        assert "reads like a text" in {r.check: r for r in check(folder)}["no text"].reason
        (folder / name).unlink()


def test_a_reference_file_that_nobody_rests_on_is_caught(folder: Path) -> None:
    (path,) = (folder / "_reference").rglob("*.json")
    value = json.loads(path.read_text())
    value["teacher_hash"] = "0" * 12
    path.with_name("toy-000000000000.json").write_text(json.dumps(value))
    assert "no record rests on it" in {r.check: r for r in check(folder)}["metrics recompute"].reason


def test_a_moved_record_and_a_stray_file_are_caught(folder: Path) -> None:
    path = first(folder)
    path.rename(path.with_name("k008-seed5-000000000000.json"))
    assert "path equals content" in failed(check(folder))
    for name in ("weights.pkl", "note.txt", "failures/x.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
        assert "schema" in failed(check(folder))
        (folder / name).unlink()


def test_a_hole_in_the_grid_is_caught(folder: Path) -> None:
    first(folder).unlink()
    results = {r.check: r for r in check(folder)}
    assert failed(list(results.values())) == ["grid complete"]
    assert (
        "belong to no complete suite; suite toy+mine lacks 1 runs such as toy mine" in results["grid complete"].reason
    )


@pytest.mark.parametrize("other", [False, True])
def test_a_complete_suite_on_local_slices_is_told_as_what_it_is(other: bool, folder: Path) -> None:
    """`other`: the slices of somebody else's rows, which make the variant six-local+local."""
    suite = suites.suite("six-local")
    specs = [
        replace(spec, task=spec.task.replace("+local-7178505d", "+local-0123abcd") if other else spec.task)
        for spec in suite.expand(track="minilm-fp32")
    ]
    found = Folder(Results(folder), {str(n): sample_record(spec=spec) for n, spec in enumerate(specs)})
    complete = next(one for one in CHECKS if one.name == "grid complete")
    name = "six-local+local" if other else "six-local"
    marked = f"{name} on minilm-fp32, protocol last (5 local slices, not the canonical data: an analogue)"
    assert (complete.find(found), complete.told(found)) == ({}, marked)
    gone = next(name for name, record in found.records.items() if "imdb" in record.spec.task)
    del found.records[gone]
    reasons = complete.find(found)
    assert reasons
    assert f"suite {name} lacks 1 runs such as imdb+local" in str(reasons)
    assert complete.told(found) == ""


def test_a_slice_that_only_a_table_of_its_own_shows_counts_as_there(folder: Path) -> None:
    """As `grids.on_other_tasks` shows it: one slice of each task together, a second one of a task alone."""
    suite, second = suites.suite("six-local"), "yelp+local-00000002"
    specs = [spec for spec in suite.expand(track="minilm-fp32") if spec.task.startswith("yelp")]
    every = [*suite.expand(track="minilm-fp32"), *(replace(spec, task=second) for spec in specs)]
    every += [replace(spec, task="yelp+local-00000001") for spec in specs]
    found = Folder(Results(folder), {str(n): sample_record(spec=spec) for n, spec in enumerate(every)})
    complete = next(one for one in CHECKS if one.name == "grid complete")
    assert f"six-local+{second} on minilm-fp32" in complete.told(found)
    del found.records[next(name for name, one in found.records.items() if one.spec.task == second)]
    assert second in str(complete.find(found))


def test_an_unranked_protocol_is_caught(folder: Path) -> None:
    path = first(folder)
    value = json.loads(path.read_text())
    value["spec"]["protocol"] = value["identity"]["protocol"] = "paper"
    value["run_id"] = digest(value["identity"])
    target = Results(folder).path(record_from_json(json.dumps(value)).spec, value["run_id"])
    target.parent.mkdir(parents=True)
    target.write_text(json.dumps(value))
    assert "ranked protocol" in failed(check(folder))


def forge_gold(folder: Path) -> None:
    """Gold labels that one run's predictions are right on everywhere, with the metrics of every run recomputed."""
    (path,) = (folder / "_reference").rglob("*.json")
    edit(path, lambda v: v.update(gold=json.loads(first(folder).read_text())["predictions"]))
    forged = reference_from_json(path.read_text())
    teacher = evaluate.metrics(forged.teacher_predictions, forged.teacher_probabilities, forged)
    edit(path, lambda v: v.update(teacher_metrics={name: teacher[name] for name in v["teacher_metrics"]}))
    for file in Results(folder).record_paths():
        edit(file, lambda v: v.update(metrics=evaluate.metrics(v["predictions"], v["probabilities"], forged)))


def test_forged_gold_is_caught_though_every_number_follows_from_it(folder: Path) -> None:
    forge_gold(folder)
    assert json.loads(first(folder).read_text())["metrics"]["accuracy"] == 1.0
    results = {r.check: r for r in check(folder)}
    assert failed(list(results.values())) == ["gold labels"]
    assert re.search(r"gold differs from the prepared task in \d+ of 100 rows", results["gold labels"].reason)


@pytest.mark.parametrize(
    ("change", "caught_by", "reason"),
    [
        (lambda v: v["teacher_metrics"].update(accuracy=0.99), "metrics recompute", "teacher_metrics.accuracy is 0.99"),
        (lambda v: v.update(teacher_metrics={}), "metrics recompute", "teacher_metrics.accuracy is None"),
        (lambda v: v["teacher_metrics"].update(beauty=1), "metrics recompute", "teacher_metrics.beauty is 1"),
        (lambda v: v["teacher_probabilities"].__setitem__(0, 20_000), "schema", "integers in 1..9999"),
        (lambda v: v["teacher_probabilities"].__setitem__(0, "x"), "schema", "integers in 1..9999"),
        (_flip_teacher, "schema", "teacher_predictions: class"),
        (lambda v: v.update(teacher_cost={"seconds": -1}), "schema", "teacher_cost.seconds: -1 is no number"),
        (lambda v: v["row_ids"].__setitem__(0, {}), "schema", "row_ids: must be words"),
    ],
)
def test_a_forged_reference_file_is_caught(
    change: Callable[[Any], object], caught_by: str, reason: str, folder: Path
) -> None:
    (path,) = (folder / "_reference").rglob("*.json")
    edit(path, change)
    assert reason in {r.check: r for r in check(folder)}[caught_by].reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v["row_ids"].reverse(), "row_ids are not those of the prepared task"),
        (lambda v: v["classes"].reverse(), "classes are ['good', 'bad'] and the task has"),
    ],
)
def test_forged_rows_and_classes_are_caught(change: Callable[[Any], object], reason: str, folder: Path) -> None:
    (path,) = (folder / "_reference").rglob("*.json")
    edit(path, change)
    assert reason in {r.check: r for r in check(folder)}["gold labels"].reason


def test_gold_that_nobody_can_verify_is_not_ok_for_a_pull_request(folder: Path) -> None:
    strange = {"_reference/x.json": sample_reference(task="sst2", classes=["negative", "positive"])}
    gold = next(one for one in CHECKS if one.name == "gold labels")
    alone = Folder(Results(folder), by_path=strange)
    assert gold.find(alone) is None
    assert "not verified: the rows of task 'sst2'" in gold.untold(alone)
    asked = Folder(Results(folder), by_path=strange, changes=Changes((), (), ()))
    assert "not verified" in str(gold.find(asked))
    same = Changes((), (), (), {"_reference/x.json": to_json(strange["_reference/x.json"])})
    assert gold.find(Folder(Results(folder), by_path=strange, changes=same)) == {}
    other = Changes((), (), (), {"y": to_json(replace(strange["_reference/x.json"], gold="10", teacher_hash="e"))})
    found = gold.find(Folder(Results(folder), by_path=strange, changes=other))
    assert "gold differs from the merge base in 2 of 2 rows" in str(found)


def test_a_missing_reference_is_caught(folder: Path) -> None:
    shutil.rmtree(folder / "_reference")
    assert failed(check(folder)) == ["metrics recompute"]


def test_a_folder_of_code_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit(5)")
    with pytest.raises(UsageError, match=r"only a file that you name is run; name .*mine.py"):
        check(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="has no records"):
        check(tmp_path / "empty")
    with pytest.raises(UsageError, match="no such folder"):
        check(tmp_path / "nothing")
