"""Three classes from a file to a table that passes `check`: records of schema 2, without floors that tell two apart."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from cod_bench.design import suites
from tests.cli.called import Caller

SUITE = """
title = "Three classes of one's own"
tasks = ["mine"]
methods = ["kd", "finetune"]
conditions = ["standard", "cod", "random", "unvalidated", "half", "label-preserving", "teacher-labelled"]
k = [12]
seeds = "0-1"
tracks = ["toy"]
"""
CUES = {"bad": "sadly", "good": "truly", "plain": "plainly"}


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Caller:
    """The command line in a folder with rows of three classes and a suite."""
    with (tmp_path / "mine.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for n in range(120):
            for place, (label, cue) in enumerate(CUES.items()):
                rows.writerow([f"{cue} item{n}x{place} came with part{n}y{place} and tool{n}z{place}", label])
    (tmp_path / "three.toml").write_text(SUITE)
    monkeypatch.setattr(suites, "_of_files", {})
    return Caller(monkeypatch, capsys, tmp_path)


GIVEN = ("--suite", "three.toml", "--data", "mine=mine.csv")


def test_three_classes_run_are_read_and_pass_check(called: Caller, tmp_path: Path) -> None:
    done = called("run", *GIVEN, "--all", "--workers", "1", "--results", "out")
    assert done.code == 0, done.err
    assert "lexicon: not applicable" in done.out
    assert "tells two classes apart, and mine+local-" in done.out
    records = [json.loads(path.read_text()) for path in (tmp_path / "out" / "last").rglob("*.json")]
    assert {record["schema"] for record in records} == {2}
    assert {record["spec"]["method"] for record in records} == {
        "kd",
        "finetune",
        "majority",
        "tfidf",
        "probe",
        "probe_teacher",
    }
    for record in records:
        n = len(record["predictions"])
        assert len(record["probabilities"]) == 3 * n
        rows = [record["probabilities"][3 * row : 3 * row + 3] for row in range(n)]
        assert all(abs(sum(row) - 10_000) <= 3 for row in rows)
        labels = record["rows"]["labels"]
        if record["spec"]["condition"] == "standard" and record["spec"]["k"] == 12:
            # two slots a class; a partner is of the other class that its slot drew
            assert min(labels.count(label) for label in "012") >= 2
    (reference,) = (tmp_path / "out" / "_reference").rglob("*.json")
    assert json.loads(reference.read_text())["classes"] == ["bad", "good", "plain"]
    told = called("check", "out", *GIVEN)
    failed = [line for line in told.out.splitlines() if "FAILED" in line and "clean code" not in line]
    assert failed == []
    assert "grid complete: three on toy" in told.out
    assert "–" in (tmp_path / "out" / "leaderboard" / "README.md").read_text()


def test_a_budget_that_three_classes_cannot_balance_is_a_sentence(called: Caller, tmp_path: Path) -> None:
    (tmp_path / "three.toml").write_text(SUITE.replace("[12]", "[8]"))
    done = called("run", *GIVEN, "--all", "--results", "out")
    assert done.code == 2
    assert "k=8" in done.err
    assert "6" in done.err
