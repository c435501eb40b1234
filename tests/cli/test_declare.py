"""`declare` writes once what is going to be compared, of committed code alone; tables and `check` then hold it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cod_bench.analysis import grids
from cod_bench.checks import records as checks
from cod_bench.design import suites
from cod_bench.records import declarations, provenance
from cod_bench.records.results import Results
from cod_bench.reports import render, standing
from tests.cli.called import Caller
from tests.declared import TOY, commit, git, records, repository, write

NAME = "toy--toy--last.json"
OUT = "results/_declared"


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Caller:
    """In a repository, whose commit the code is of."""
    first = repository(tmp_path)
    (tmp_path / ".gitignore").write_text("home\n")
    code_of(monkeypatch, {"commit": first, "dirty": False})
    return Caller(monkeypatch, capsys, tmp_path)


def code_of(monkeypatch: pytest.MonkeyPatch, told: dict[str, Any] | None) -> None:
    """What the checkout of this very code is at the moment is not the tests' to decide."""
    monkeypatch.setattr(provenance, "git", lambda: told)


def told(folder: Path) -> str:
    """What the toy tables of a folder say of themselves."""
    results = Results(folder / "results")
    (grid,) = grids.named(TOY, results)
    return standing.declared(render.as_declared(results, grid))


def test_declare_commit_run(called: Caller, tmp_path: Path) -> None:
    done = called("declare", "toy", "--out", OUT)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == f"wrote {OUT}/{NAME}: 48 runs, 14 families of comparisons"
    brought = commit(tmp_path)
    again = called("declare", "toy", "--track", "toy", "--out", OUT)
    assert again.out == f"{OUT}/{NAME} says the same already, since {provenance.today()}; nothing was written\n"
    write(Results(tmp_path / "results"), records(day=provenance.today(), commit=brought))
    sentence = told(tmp_path)
    assert sentence.startswith(f"Declared on {provenance.today()} before its first record, not")
    assert "48 of its runs have records already" in called("declare", "toy", "--out", OUT).out
    results = {one.check: one for one in checks.check(tmp_path / "results")}
    assert results["declarations"].line.startswith(
        f"ok      declarations: toy on toy, protocol last: declared on {provenance.today()}"
    )
    assert results["no text"].state == results["schema"].state == results["path equals content"].state == "ok"


def test_records_from_before_the_commit_stay_exploratory(called: Caller, tmp_path: Path) -> None:
    early = git(tmp_path, "rev-parse", "HEAD")
    called("declare", "toy", "--out", OUT)
    write(Results(tmp_path / "results"), records(day=provenance.today(), commit=early))
    sentence = told(tmp_path)
    assert sentence.startswith("Exploratory: declared on ")
    assert "48 of 48 records were made by the very code that it was written by" in sentence
    commit(tmp_path)
    assert told(tmp_path) == sentence
    (one,) = [one for one in checks.check(tmp_path / "results") if one.check == "declarations"]
    assert one.state == "ok"
    assert "toy on toy, protocol last: exploratory: 48 of 48 records" in one.reason


def test_a_declaration_that_was_never_there_is_told(called: Caller, tmp_path: Path) -> None:
    write(Results(tmp_path / "results"), records())
    assert told(tmp_path) == standing.UNDECLARED


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["toyy"], "unknown suite 'toyy': did you mean 'toy'?"),
        (["toy", "--track", "minilm"], "suite 'toy' runs on toy"),
        (["toy", "--protocol", "first"], "unknown protocol 'first'"),
        (["toy", "--out", "results"], "--out results: readers look in _declared of a results folder"),
        (["paper", "--out", OUT], "track 'deberta-small': its models are not pinned yet"),
        (
            ["confirm", "--track", "minilm@1", "--out", OUT],
            "--track minilm@1: suite 'confirm' averages over its teachers",
        ),
    ],
    ids=str,
)
def test_a_users_mistake_is_one_sentence(called: Caller, arguments: list[str], sentence: str) -> None:
    done = called("declare", *arguments)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert len(done.err.splitlines()) == 1
    assert not Path("results").exists()


@pytest.mark.parametrize("told", [None, {"commit": "a" * 40, "dirty": True}], ids=["nowhere", "dirty"])
def test_code_that_is_in_no_commit_declares_nothing(
    called: Caller, told: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    code_of(monkeypatch, told)
    done = called("declare", "toy", "--out", OUT)
    assert done.code == 2
    assert "so nobody could tell what was declared; commit it first" in done.err
    assert not Path(OUT).exists()


def test_another_declaration_is_never_replaced(called: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    called("declare", "toy", "--out", OUT)
    before = Path(OUT, NAME).read_text()
    fewer = declarations.from_json(before)
    Path(OUT, NAME).write_text(before.replace('"runs":48', '"runs":47'))
    done = called("declare", "toy", "--out", OUT)
    assert (done.code, done.out) == (2, "")
    assert f"declares something else since {fewer.date}, and a declaration stays as it is" in done.err
    assert '"runs":47' in Path(OUT, NAME).read_text()
    Path(OUT, NAME).write_text("{}")
    assert "is no declaration" in called("declare", "toy", "--out", OUT).err


def test_a_corrupt_declaration_stops_the_tables_with_a_sentence(called: Caller, tmp_path: Path) -> None:
    write(Results(tmp_path / "results"), records())
    Path(OUT).mkdir()
    Path(OUT, NAME).write_text("[]")
    done = called("leaderboard", "--results", "results", "--out", "tables")
    assert done.code == 2
    assert f"{NAME} is corrupt (not a JSON object); take it from version control again" in done.err


def test_every_suite_on_its_own_rows_can_be_declared(called: Caller) -> None:
    for name in ("smoke", "embedded", "embedded-full", "six-local"):
        track = suites.suite(name).main
        assert called("declare", name, "--track", track, "--out", OUT).code == 0, name
        path = Path(OUT, f"{name}--{track}--last.json")
        assert declarations.read(path).suite == name
