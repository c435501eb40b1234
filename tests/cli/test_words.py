"""Every verb looks at its words, names and paths before it does anything: one sentence, exit code 2, nothing made."""

from __future__ import annotations

import os
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from cod_bench.cli import show
from cod_bench.counterfactuals import judge, warm
from cod_bench.runner import recipe
from tests.cli.called import Caller

TOY = ("--task", "toy", "--track", "toy")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Caller:
    """The command line in a folder of wrong paths; whoever starts work fails the test."""

    def work(*_: Any, **__: Any) -> None:
        raise AssertionError("work was started")

    monkeypatch.setattr(warm, "teacher", work)
    monkeypatch.setattr(recipe, "search", work)
    monkeypatch.setattr(judge, "measure", work)
    monkeypatch.setattr(show, "run", work)
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "latin.py").write_bytes(b'"\xff"')
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "bad.jsonl").write_text("x\n")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "recipe.csv").write_text("track,steps\ntoy,x\n")
    return Caller(monkeypatch, capsys, tmp_path)


CASES = [
    # numbers are plain digits
    (["plan", "--workers", "８"], "--workers '８': write a whole number of at most nine digits"),
    (["plan", "--workers", "1_0"], "--workers '1_0': write a whole number"),
    (["plan", "--workers", "+8"], "--workers '+8': write a whole number"),
    (["plan", "--workers", " 8"], "--workers ' 8': write a whole number"),
    (["plan", "--workers", "99999999999"], "--workers '99999999999': write a whole number"),
    (["plan", "--max-length", "-9"], "--max-length '-9': write a whole number"),
    (["plan", "--k", "８"], "--k '８': write whole numbers up to"),
    (["plan", "--k", "1_0"], "--k '1_0': write whole numbers up to"),
    (["plan", "--seed", "+1"], "--seed '+1': write whole numbers up to"),
    (["plan", "--seed", "０-４"], "--seed '０-４': write whole numbers up to"),
    (["plan", "--shard", "１/２"], "--shard '１/２': write i/n with whole numbers"),
    (["plan", "--attempts", "８", "--generator", "llm"], "--attempts '８': choose a whole number from 1 to 20"),
    (["plan", "--layer-map", "１:２"], "--layer-map '１:２': write student:teacher pairs"),
    (["run", "--all", "--gpus-per-run", "nan"], "--gpus-per-run 'nan': write digits such as"),
    (["table", "1_0"], "NUMBER '1_0': write a whole number"),
    (["power", "--effect", "nan"], "--effect 'nan': write digits such as"),
    (["power", "--effect", "1e999"], "--effect '1e999': write digits such as"),
    (["reproduce", "--sample", "inf"], "--sample 'inf': write digits such as"),
    (["cfe", "serve", "--port", "８０"], "--port '８０': write a whole number"),
    (["cfe", "generate", "--generator", "llm", "--budget", "nan"], "--budget 'nan': write requests as 500"),
    (["cfe", "generate", "--generator", "llm", "--budget", "1e999usd"], "--budget '1e999usd': write requests"),
    (["cfe", "generate", "--generator", "llm", "--budget", "５"], "--budget '５': write requests as 500"),
    (["cfe", "generate", "--generator", "llm", "--budget", "5,6"], "--budget '5,6': write requests as 500"),
    (["cfe", "generate", "--rate", "inf"], "--rate 'inf': write digits such as"),
    # nothing is empty, and what becomes part of a file is text
    *(
        (["plan", option, ""], f"{option} '': name at least one value or leave the option out")
        for option in ("--suite", "--results", "--task", "--k", "--track", "--generator", "--plugin", "--data")
    ),
    (["compare", "", "kd"], "LEFT '': name at least one value"),
    (["leaderboard", "--suite", "  "], "--suite '  ': name at least one value"),
    (["plan", "--track", os.fsdecode(b"\xff")], "is not UTF-8; write it in UTF-8"),
    # names, before a teacher is trained or a track is made
    (["plan", "--track", "mine", "--teacher", "a/b", "--student", "a/b", "--method", "nope"], "unknown method 'nope'"),
    (["run", "--all", "--track", "m", "--teacher", "a/b", "--student", "a/b", "--generator", "n"], "unknown generator"),
    (["judge", "--generator", "replay"], "generator 'replay': no pairs"),
    (["judge", "--track", "nope"], "unknown track 'nope'"),
    (["recipe", "--track", "toy", "--method", "nope"], "unknown method 'nope'"),
    (["recipe", "--track", "toy", "--task", "nope"], "unknown task 'nope'"),
    (["table", "5", "--track", "nope"], "unknown track 'nope'"),
    (["claims", "--protocol", "nope"], "unknown protocol 'nope'"),
    (["compare", "kd", "lwd", "--track", "nope"], "unknown track 'nope'"),
    (["frontier", "--track", "nope"], "unknown track 'nope'"),
    (["export", "x.csv", "--protocol", "nope"], "unknown protocol 'nope'"),
    (["cfe", "validate", "--task", "nope"], "unknown task 'nope'"),
    (["cfe", "validate", "--task", "toy", "--track", "nope"], "unknown track 'nope'"),
    (["cfe", "inspect", *TOY, "--generator", "nope"], "unknown generator 'nope'"),
    (["cfe", "generate", "--method", "nope"], "unknown method 'nope'"),
    # paths, before any work and without making one
    (["cfe", "validate", *TOY, "--pairs", "/nonexistent"], "--pairs /nonexistent: no such file"),
    (["cfe", "validate", *TOY, "--pairs", "bad.jsonl"], "--pairs bad.jsonl, line 1: is no pair"),
    (["cfe", "validate", *TOY, "--pairs", "pipe.py"], "--pairs pipe.py: no such file"),
    (["cfe", "inspect", *TOY, "--generator", "replay", "--pairs", "nope"], "--pairs nope: no such file"),
    (["cfe", "compare", *TOY, "--generator", "substitution,replay"], "generator 'replay': no pairs"),
    (["cfe", "compare", *TOY, "--generator", "substitution", "--fluency", "folder"], "--fluency folder: holds no"),
    (["cfe", "generate", "--suite", "toy", "--export", "nope/x"], "--export nope/x: its folder nope is not there"),
    (["cfe", "originals", "--pairs", "pipe.py", "--out", "x"], "--pairs pipe.py: no such file"),
    (["recipe", "--track", "toy", "--out", "file"], "--out file: file is no folder"),
    (["recipe", "--track", "toy", "--out", "file/x"], "file is no folder; name another one"),
    (["recipe", "--track", "toy", "--out", "old"], "holds no trials of `cod-bench recipe`"),
    (["table", "5", "--out", "file"], "--out file: file is no folder"),
    (["claims", "--out", "file/x"], "file is no folder; name another one"),
    (["site", "--out", "file"], "--out file: file is no folder"),
    (["export", "nope/x.csv"], "nope/x.csv: its folder nope is not there"),
    (["frontier", "--csv", "folder"], "--csv folder: is no file; name a file"),
    (["export", "x.txt"], "x.txt: the name must end in .csv or .parquet"),
    (["export", "x.csv"], "has no run of suite 'embedded'"),
    (["compare", "folder", "folder"], "has no run of suite 'embedded'"),
    (["compare", "nope1", "nope2"], "has no run of suite 'embedded'"),
    (["bench", "--out", "nope/x.json"], "--out nope/x.json: its folder nope is not there"),
    (["list", "--plugin", "folder.py"], "--plugin folder.py: no such file"),
    (["list", "--plugin", "pipe.py"], "--plugin pipe.py: no such file"),
    (["list", "--plugin", "latin.py"], "--plugin latin.py cannot be imported: SyntaxError"),
    (["list", "--plugin", "broken.py"], "--plugin broken.py cannot be imported: SyntaxError"),
    (["plan", "--results", "x" * 300], "File name too long"),
    # options that do nothing
    (["plan", "--model", "x"], "--model: has no effect with substitution, which asks no model and buys nothing"),
    (["plan", "--attempts", "5"], "--attempts: has no effect with substitution"),
    (["plan", "--pairs", "bad.jsonl"], "--pairs: has no effect with substitution, which reads no file of pairs"),
    (["plan", "--generator", "llm", "--pairs", "bad.jsonl"], "--pairs: has no effect with llm"),
    (["status", "--attempts", "5"], "--attempts: has no effect with substitution"),
    (["run", "--all", "--yes"], "--yes: has no effect with substitution"),
    (["cfe", "generate", "--batch"], "--batch: has no effect with substitution"),
    (["cfe", "generate", "--concurrency", "8"], "--concurrency: has no effect with substitution"),
    (["cfe", "validate", *TOY, "--pairs", "bad.jsonl", "--texts", "5"], "--texts: has no effect with --pairs"),
    (["cfe", "validate", *TOY, "--pairs", "bad.jsonl", "--generator", "llm"], "--generator: has no effect with"),
    (["cfe", "validate", *TOY, "--longest", "5"], "--longest: has no effect without --pairs"),
    (["cfe", "inspect", *TOY, "--model", "x"], "--model: has no effect with substitution"),
    (["cfe", "compare", *TOY, "--generator", "substitution", "--budget", "5"], "--budget: has no effect with"),
    (["bench", "--workers-per-device", "2"], "--workers-per-device: has no effect without --gpu"),
    (["bench", "--parts", "--quick"], "--quick: has no effect with --parts"),
]


@pytest.mark.parametrize(
    ("arguments", "sentence"), CASES, ids=[" ".join(a).encode("ascii", "replace")[:60] for a, _ in CASES]
)
def test_a_slip_is_a_sentence_before_any_work(
    called: Caller, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    before = {*tmp_path.rglob("*")}
    done = called(*arguments)
    assert (done.code, done.out) == (2, ""), done.err
    assert sentence in done.err
    told = [line for line in done.err.splitlines() if not line.startswith("records: ")]  # a reader's first line
    assert len(told) == 1
    assert told[0].startswith("cod-bench: ")
    assert {*tmp_path.rglob("*")} == before


def test_what_has_an_effect_is_not_refused(called: Caller) -> None:
    for arguments in (
        ("--generator", "llm", "--model", "x", "--attempts", "20"),
        ("--k", "8", "--workers", "08", "--seed", "0-1"),
        ("--suite", "toy", "--results", "nowhere"),
    ):
        done = called("plan", *arguments)
        assert done.code == 0, done.err


def test_the_version_is_told_with_the_commit_that_it_runs_from(called: Caller) -> None:
    done = called("--version")
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(rf"cod-bench {re.escape(version('cod-bench'))}(, commit [0-9a-f]{{10}})?\n", done.out)


def test_without_a_verb_the_help_is_printed_over_lines(called: Caller) -> None:
    done = called()
    assert done.code == 2
    assert "\nRun:\n" in done.err
