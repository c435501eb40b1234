"""What others wrote reaches a terminal as text: no control character, no half of one, no forged line, no markup."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from cod_bench.cli import terminal
from cod_bench.cli.terminal import say, settle
from cod_bench.design.filters import Filters, select
from cod_bench.design.identity import identify
from cod_bench.design.suites import suite
from cod_bench.errors import TURNING
from cod_bench.records.failures import AGAIN
from cod_bench.records.results import Results
from cod_bench.spec import digest
from tests import ROOT
from tests.cli.called import Called, Caller

FORGED = "  ok      forged"
HOSTILE = f"\x1b[31mred\x1b[0m\n{FORGED}\u202e\x9b2J\x07\r[red]"
BYTES = os.fsdecode(b"\xff\xfe")


def plainly(done: Called) -> None:
    """Nothing in what was printed steers a terminal or forges a line."""
    for text in (done.out, done.err):
        odd = {c for c in text if c != "\n" and (c in TURNING or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp"))}
        assert not odd, odd
        assert not [line for line in text.split("\n") if line.startswith(FORGED)]
        assert "Traceback" not in text


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Caller:
    return Caller(monkeypatch, capsys, tmp_path)


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """A few published records, and beside them files and folders of hostile names."""
    folder, published = tmp_path / "some", ROOT / "results"
    for part in ("_reference/minilm-fp32", "last/minilm-fp32/rt_quotes/kd"):
        shutil.copytree(published / part, folder / part)
    for name in (HOSTILE, BYTES):
        (folder / "last/minilm-fp32/rt_quotes/kd/cod+substitution" / f"{name}.json").write_text("{}")
        at = folder / "last" / name / "toy" / "kd" / "standard"
        at.mkdir(parents=True)
        (at / f"{name}.json").write_text(json.dumps({"schema": HOSTILE}))
    return folder


def fail(folder: Path, text: str) -> None:
    """The failure of the toy suite's first run."""
    spec = select(suite("toy"), Filters())[0]
    path = Results(folder).failure_path(spec, digest(identify(spec)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("verb", "code", "shown"),
    [
        (["status", "--suite", "embedded"], 0, "corrupt: "),
        (["plan", "--suite", "embedded"], 0, "corrupt files"),
        (["leaderboard", "--out", "tables"], 0, "not counted, corrupt: "),
        (["site", "--out", "page"], 0, "wrote "),
        (["export", "x.csv"], 0, "wrote "),
        (["check"], 1, "FAILED"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_names_of_files_and_folders_are_told_as_text(
    called: Caller, spoilt: Path, verb: list[str], code: int, shown: str
) -> None:
    done = called(*verb, str(spoilt)) if verb == ["check"] else called(*verb, "--results", str(spoilt))
    plainly(done)
    assert done.code == code, done.err
    assert shown in done.out + done.err
    if verb[0] == "leaderboard":
        text = next(Path("tables").glob("*/incomplete.md")).read_text(encoding="utf-8")
        assert "udcff" in text
        assert not {"\x1b", "\x9b", "\u202e"} & {*text}
    if verb[0] in ("status", "leaderboard"):
        assert "\\x1b[31mred\\x1b[0m\\n  ok      forged\\u202e\\x9b2J" in done.out + done.err
        assert "\\udcff\\udcfe" in done.out + done.err


@pytest.mark.parametrize("name", [HOSTILE, BYTES], ids=["hostile", "bytes"])
def test_a_folder_that_the_user_names_is_told_as_text(called: Caller, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    for verb in (["plan"], ["status"], ["leaderboard"], ["site", "--out", "x"], ["claims"]):
        done = called(*verb, "--results", name)
        plainly(done)
        assert done.code in (0, 2)
    for arguments in (["check", name], ["merge", name, "--results", "x"], ["site", "--out", name]):
        done = called(*arguments)
        plainly(done)
        assert done.code in (0, 2), done.err


def test_a_failure_is_told_as_text_and_hands_no_command_of_others_on(called: Caller, tmp_path: Path) -> None:
    fail(tmp_path / "runs", json.dumps({"reason": HOSTILE, "retry": "cod-bench run; rm -r ~"}))
    done = called("status", "--suite", "toy")
    plainly(done)
    assert done.code == 0
    assert "failed: toy" in done.out
    assert "\\x1b[31mred" in done.out
    assert f"retry: {AGAIN} --results runs" in done.out
    assert "rm -r" not in done.out
    fail(tmp_path / "runs", json.dumps({"reason": "no luck", "retry": "cod-bench run --rerun failed --suite toy"}))
    assert (
        "no luck\n  retry: cod-bench run --rerun failed --suite toy --results" in called("status", "--suite", "toy").out
    )


@pytest.mark.parametrize("text", ["{}", "[]", "null", "7", "{", "[" * 100_000, '{"reason": 1, "retry": null}'])
def test_a_failure_file_that_says_nothing_is_told_as_corrupt(called: Caller, tmp_path: Path, text: str) -> None:
    fail(tmp_path / "runs", text)
    done = called("status", "--suite", "toy")
    assert (done.code, done.err) == (0, "")
    assert "is corrupt (" in done.out
    assert "\n  retry: cod-bench run --rerun failed --all" in done.out


def test_summaries_of_plugins_are_told_as_text(called: Caller, tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        "from cod_bench.baselines.kd import KD\n\n\nclass Odd(KD):\n    name = 'odd'\n"
        f"    summary = {HOSTILE!r}\n\n\nDISTILLER = Odd\n"
    )
    (tmp_path / "odder.py").write_text(f"raise RuntimeError({HOSTILE!r})\n")
    done = called("list", "--plugin", "odd.py")
    plainly(done)
    assert done.code == 0
    assert "  odd            \\x1b[31mred" in done.out
    for verb in (["list", "--plugin", "odder.py"], ["check", "odder.py"]):
        done = called(*verb)
        plainly(done)
        assert done.code == (2 if verb[0] == "list" else 1)
    assert "RuntimeError: \\x1b[31mred" in called("list", "--plugin", "odder.py").err


def test_a_real_process_writes_no_raw_byte(tmp_path: Path) -> None:
    fail(tmp_path / "runs", json.dumps({"reason": HOSTILE + "±", "retry": "x"}))
    done = subprocess.run(
        [sys.executable, "-m", "cod_bench", "status", "--suite", "toy"], cwd=tmp_path, capture_output=True, timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\x1b[31mred" in done.stdout
    assert b"\\xb1" in done.stdout  # what the terminal's encoding has not
    assert set(done.stdout) <= {*range(32, 127), 10}


def test_a_line_of_a_run_keeps_no_control_character_and_no_markup() -> None:
    from rich.console import Console

    from cod_bench.cli.show import Show

    told = io.StringIO()
    Show(Console(file=told, force_terminal=True, width=500), lambda *_: "", 1).say(HOSTILE)
    assert told.getvalue() == ("\\x1b[31mred\\x1b[0m\\n  ok      forged\\u202e\\x9b2J\\x07\\r[red]\n")


def test_logs_and_tracebacks_are_as_plain(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    settle()
    assert logging.lastResort is not None
    logging.lastResort.handle(logging.LogRecord("x", logging.WARNING, "x", 1, "a %s", (HOSTILE,), None))
    sys.excepthook(ArithmeticError, ArithmeticError(HOSTILE), None)
    told = capsys.readouterr().err
    assert "a \\x1b[31mred\\x1b[0m\\n  ok" in told
    assert "ArithmeticError: \\x1b[31mred" in told
    assert not {"\x1b", "\x9b", "\u202e", "\r", "\x07"} & {*told}


def test_a_line_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\nb", "c")
    assert capsys.readouterr().out == "a\\nb\nc\n"


def test_nothing_else_of_the_command_line_prints() -> None:
    for path in sorted((ROOT / "cod_bench" / "cli").glob("*.py")):
        calls = {ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)}
        printing = calls & {"print", "sys.stdout.write", "sys.stderr.write", "typer.echo", "typer.secho"}
        assert not printing or path.name == "terminal.py", (path.name, printing)


TABLE = """## A table

| what | first column | second |
|---|---|---|
| one | some words that go on and on until they are too long for any terminal that is as narrow as this one | 1 |
| two | few | 2 |

A caption whose words are not broken although it is longer than the terminal that shows it to its reader.
"""


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_page_is_fitted_to_the_terminal_and_no_word_is_broken(width: int) -> None:
    lines = terminal.fitted(TABLE, width)
    assert max(map(len, lines)) <= width
    words = set(re.findall(r"[a-z]+", TABLE.lower()))
    assert words == set(re.findall(r"[a-z]+", "\n".join(lines).lower()))
    assert ("| two | few | 2 |" in lines) == (width == 200)


def test_a_table_that_cannot_fit_becomes_a_list() -> None:
    lines = terminal.fitted(TABLE, 24)
    assert lines[2:4] == ["what: one", "first column: some words"]
    assert max(map(len, lines)) <= 24


def test_a_pipe_gets_the_page_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.page(TABLE)
    assert capsys.readouterr().out == TABLE
