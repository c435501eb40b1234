"""Records re-run on the toy suite: found again, contradicted where they were changed, and what the tables then say."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from pathlib import Path

import pytest

from cod_bench.checks import records as check_records
from cod_bench.design import suites
from cod_bench.errors import UsageError
from cod_bench.records import verdicts
from cod_bench.records.record import Record
from cod_bench.records.results import Results
from cod_bench.records.verdicts import CONTRADICTED, REPRODUCED, Cell
from cod_bench.reports import render
from cod_bench.runner import reproduce
from cod_bench.spec import RunSpec
from tests import submissions
from tests.checks.test_merge_base import git
from tests.cli.test_app import call
from tests.samples import sample_record


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every run of kd on the toy suite."""
    folder = tmp_path_factory.mktemp("finished")
    done = call("run", "--suite", "toy", "--method", "kd", "--condition", "standard,cod", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs"


@pytest.fixture
def results(finished: Path, tmp_path: Path) -> Results:
    shutil.copytree(finished, tmp_path / "runs")
    return Results(tmp_path / "runs")


def test_random_cells_are_found_again_and_the_tables_say_so(results: Results) -> None:
    before = render.files(results, [suites.suite("toy")], figures=False)["toy/README.md"]
    assert "Records: submitted." in before
    assert "Re-runs:" not in before
    seen: list[Cell] = []
    made = reproduce.reproduce(results, share=0.3, seed=3, listen=lambda _, cell: seen.append(cell))
    assert [(v.method, v.generator, len(v.runs), v.state, len(v.cells)) for v in made] == [
        ("kd", "", 2, REPRODUCED, 1), ("kd", "substitution", 2, REPRODUCED, 1),
    ]  # fmt: skip
    assert {cell.agreement for cell in seen} == {1.0}
    assert results.verdicts() == tuple(made)
    text = render.files(results, [suites.suite("toy")], figures=False)["toy/README.md"]
    assert "Re-runs: kd reproduced (2 of 2 re-run cells found again, of 4 records, on the same kind of machine" in text
    assert not results.scan()[1]
    # records of another generator void nothing
    replayed = submissions.record(RunSpec("last", "toy", "toy", "kd", "cod", "replay", 8, 0), submissions.reference(),
                                  params=submissions.PAIRS)  # fmt: skip
    results.write(replayed)
    assert render.files(results, [suites.suite("toy")], figures=False)["toy/README.md"] == text


def test_a_changed_record_is_another_result(results: Results) -> None:
    for path in results.record_paths():
        value = json.loads(path.read_text())
        value["predictions"] = value["predictions"].translate(str.maketrans("01", "10"))
        value["probabilities"] = [10_000 - p for p in value["probabilities"]]
        del value["digest"]  # whoever forges does not leave it
        path.write_text(json.dumps(value))
    made = reproduce.reproduce(results, share=0.1, seed=1, listen=lambda *_: None)
    assert [v.state for v in made] == [CONTRADICTED] * 2


def records(tasks: tuple[str, ...], seeds: int) -> list[Record]:
    return [
        sample_record(spec=RunSpec("last", "toy", task, "kd", "standard", "", 8, seed))
        for task in tasks
        for seed in range(seeds)
    ]


@pytest.mark.parametrize(("share", "expected"), [(0.01, 1), (0.05, 1), (0.051, 2), (1.0, 20)])
def test_every_task_is_looked_at(share: float, expected: int) -> None:
    parts = reproduce.groups(records(("a", "b"), 20))
    found = {task: verdicts.sample(own, share, seed=0) for (_, _, task, _, _), own in parts.items()}
    assert {task: len(own) for task, own in found.items()} == {"a": expected, "b": expected}
    assert all(len({r.spec.seed for r in own}) == expected for own in found.values())


def test_another_seed_is_another_sample() -> None:
    drawn = {str([r.spec.seed for r in verdicts.sample(records(("a",), 40), 0.1, seed)]) for seed in range(20)}
    assert len(drawn) > 15


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell is found again without being trained."""

    def run(stored: dict[RunSpec, Record], *_: object) -> dict[RunSpec, Cell]:
        return {spec: verdicts.settle(record, record) for spec, record in stored.items()}

    monkeypatch.setattr(reproduce, "_run", run)


@pytest.fixture
def committed(results: Results) -> Results:
    """The same folder in a repository of its own."""
    git(results.root.parent, "init", "-q", "-b", "trunk")
    commit(results)
    return results


def commit(results: Results, *, merged: bool = True) -> str:
    top = results.root.parent
    git(top, "add", "-A")
    git(top, "commit", "-q", "--allow-empty", "-m", "records")
    if merged:
        git(top, "checkout", "-q", "-B", "side")
        git(top, "commit", "-q", "--allow-empty", "-m", "of a submission")
        git(top, "checkout", "-q", "trunk")
        git(top, "merge", "-q", "--no-ff", "-m", "merged", "side")
    return head(results)


def test_only_a_merge_gives_the_seed(committed: Results) -> None:
    """The author of any other commit may have looked for one whose hash suits."""
    assert re.fullmatch("[0-9a-f]{40}", head(committed))
    assert commit(committed, merged=False) == ""
    assert commit(committed) != ""


def head(results: Results) -> str:
    return reproduce.head(results)


@pytest.mark.usefixtures("untrained")
def test_the_commit_that_holds_the_records_draws_the_cells(committed: Results) -> None:
    first = head(committed)
    assert re.fullmatch("[0-9a-f]{40}", first)
    made = reproduce.reproduce(committed, share=0.5, listen=lambda *_: None)
    assert {(v.commit, v.seed) for v in made} == {(first, int(first[:8], 16))}
    assert head(committed) == first  # neither the verdicts nor what `run` leaves there are records
    text = render.files(committed, [suites.suite("toy")], figures=False)["toy/README.md"]
    assert "of 4 records, on the same kind of machine; " in text
    assert "cells not chosen" not in text
    assert not [r for r in check_records.check(committed.root) if r.check == "verdicts" and r.state != "ok"]
    assert commit(committed) != first


@pytest.mark.parametrize("way", ["added", "ignored", "changed", "removed", "reference"])
def test_records_that_are_not_committed_are_refused(way: str, committed: Results) -> None:
    first, *_ = committed.record_paths()
    if way == "ignored":
        (committed.root.parent / ".gitignore").write_text("*seed9*\n")
        commit(committed)
    if way in ("added", "ignored"):
        shutil.copy(first, first.with_name("k008-seed9-x.json"))
    elif way == "changed":
        first.write_text(first.read_text() + " ")
    elif way == "removed":
        first.unlink()
    else:
        next((committed.root / "_reference").rglob("*.json")).write_text("{}")
    with pytest.raises(UsageError, match=r"is not as HEAD has it, and records from after it .* or name a --seed"):
        head(committed)


@pytest.mark.usefixtures("untrained")
def test_outside_a_repository_or_with_a_seed_the_verdict_says_so(results: Results) -> None:
    assert head(results) == ""
    made = reproduce.reproduce(results, share=0.1, listen=lambda *_: None)
    assert {v.commit for v in made} == {""}
    git(results.root.parent, "init", "-q", "-b", "trunk")  # a repository without a commit
    assert head(results) == ""
    commit(results)
    made = reproduce.reproduce(results, share=0.1, seed=7, listen=lambda *_: None)
    assert {(v.commit, v.seed) for v in made} == {("", 7)}
    text = render.files(results, [suites.suite("toy")], figures=False)["toy/README.md"]
    assert "on the same kind of machine, cells not chosen by a commit; " in text


def test_what_is_not_at_hand_is_told_and_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path))
    monkeypatch.delenv("COD_BENCH_DATA", raising=False)
    found = reproduce.groups([
        *records(("toy", "imdb+local-7178505d", "strange"), 1),
        sample_record(spec=RunSpec("last", "toy", "toy", "mine", "standard", "", 8, 0)),
    ])  # fmt: skip
    said: list[str] = []
    left = reproduce.at_hand(found, (), (), said.append)
    assert [(task, method) for _, _, task, method, _ in left] == [("toy", "kd")]
    assert said == [
        "left out: method 'mine': is not installed here; read its file and name it by --plugin",
        (
            "left out: task 'imdb+local-7178505d': its rows are not at hand; name it by --task, or the folder of its "
            "files by --data"
        ),
        "left out: task 'strange': is not installed here; read its file and name it by --plugin",
    ]
    for methods, tasks, sentence in (
        (("mine",), (), "method 'mine': is not installed here"),
        ((), ("strange",), "task 'strange': is not installed here"),
        ((), ("imdb",), "no source for its rows: name the folder"),
    ):
        with pytest.raises(UsageError, match=sentence):
            reproduce.at_hand(found, methods, tasks, said.append)
    with pytest.raises(UsageError, match="nothing is left of these records"):
        reproduce.at_hand(reproduce.groups(records(("strange",), 1)), (), (), said.append)


def test_tasks_are_named_with_or_without_their_slice() -> None:
    own = records(("a", "imdb+local-7178505d"), 2)
    assert [part[2] for part in reproduce.groups(own, (), ("imdb",))] == ["imdb+local-7178505d"]
    assert [part[2] for part in reproduce.groups(own, (), ("imdb+local-7178505d", "a"))] == ["a", "imdb+local-7178505d"]
    with pytest.raises(UsageError, match="unknown task with records 'b'"):
        reproduce.groups(own, (), ("b",))


def test_mistakes_are_sentences(results: Results, tmp_path: Path) -> None:
    def run(folder: Results = results, share: float = 0.05, methods: tuple[str, ...] = ()) -> None:
        reproduce.reproduce(folder, share=share, methods=methods, listen=lambda *_: None)

    with pytest.raises(UsageError, match=r"--sample 0: choose a share above 0"):
        run(share=0)
    with pytest.raises(UsageError, match=r"--seed -1: choose a whole number from 0 to 4294967295"):
        reproduce.reproduce(results, share=0.05, seed=-1, listen=lambda *_: None)
    with pytest.raises(UsageError, match="has no records to re-run"):
        run(Results(tmp_path / "empty"))
    with pytest.raises(UsageError, match="unknown method with records 'kdd'"):
        run(methods=("kdd",))
    results.reproduced_path().write_text("{")
    with pytest.raises(UsageError, match=r"verdicts .* are corrupt"):
        results.verdicts()


def test_a_method_that_is_not_installed_is_left_out_unless_it_is_named(results: Results) -> None:
    stranger = sample_record(spec=RunSpec("last", "toy", "toy", "strange", "standard", "", 8, 0))
    results.write(stranger)
    with pytest.raises(UsageError, match="method 'strange': is not installed here; read its file and name it"):
        reproduce.reproduce(results, share=0.05, methods=("strange",), listen=lambda *_: None)
    done = call("reproduce", "--results", "runs", "--task", "toy", "--seed", "3", cwd=results.root.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("left out: method 'strange': is not installed here; read its file and name it by")
    assert done.stdout.rstrip().endswith("sample of seed 3, of no commit, which the verdicts tell")
    assert {v.method for v in results.verdicts()} == {"kd"}


def test_a_folder_that_brings_a_repository_of_its_own_runs_nothing(committed: Results, tmp_path: Path) -> None:
    """A results folder that looks like the inside of a repository names a program for git to run."""
    program, mark = tmp_path / "program", tmp_path / "ran"
    program.write_text(f"#!/bin/sh\ntouch {mark}\n")
    program.chmod(0o755)
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "a.json").write_text("{}")
    git(inner, "init", "-q", "-b", "trunk")
    git(inner, "add", "-A")
    git(inner, "commit", "-q", "-m", "inner")
    git(inner, "config", "core.worktree", str(committed.root))
    git(inner, "config", "core.fsmonitor", str(program))
    shutil.copytree(inner / ".git", committed.root, dirs_exist_ok=True)
    with contextlib.suppress(UsageError):
        head(committed)
    assert not mark.exists()
