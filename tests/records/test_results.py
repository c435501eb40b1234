"""A folder of records: paths, what is read back, what is corrupt, and folders that may not be used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench.errors import UsageError
from cod_bench.records.record import Record, Reference, sealed, to_json
from cod_bench.records.results import Results
from cod_bench.spec import RunSpec
from cod_bench.store import write_atomic
from tests.samples import sample_record, sample_reference


@pytest.fixture
def record() -> Record:
    return sample_record()


def test_the_path_is_readable_and_a_function_of_spec_and_id(tmp_path: Path, record: Record) -> None:
    path = Results(tmp_path).path(record.spec, record.run_id).relative_to(tmp_path)
    assert path.as_posix() == f"last/toy/toy/kd/cod+substitution/k008-seed0-{record.run_id}.json"
    standard = RunSpec("last", "toy", "toy", "kd", "standard", "", 512, 3)
    assert Results(tmp_path).path(standard, "x").name == "k512-seed3-x.json"
    assert Results(tmp_path).path(standard, "x").parent.name == "standard"


def test_records_are_written_found_and_read(tmp_path: Path, record: Record) -> None:
    results = Results(tmp_path)
    results.write_failure(record.spec, record.run_id, {"reason": "x"})
    path = results.write(record)
    assert results.scan() == ([record], [])
    assert not results.failure_path(record.spec, record.run_id).exists()
    assert path.read_text() == to_json(sealed(record))


def test_a_record_is_written_with_the_digest_of_what_it_says_now(tmp_path: Path, record: Record) -> None:
    results = Results(tmp_path)
    results.write(record)
    [first] = results.scan()[0]
    results.write(replace(first, cost={"seconds": 3.0}))
    [second] = results.scan()[0]
    assert second.cost == {"seconds": 3.0}
    assert len({"", first.digest, second.digest}) == 3


def test_failures_and_references_are_no_records(tmp_path: Path, record: Record) -> None:
    results = Results(tmp_path)
    results.write_failure(record.spec, record.run_id, {"reason": "x"})
    reference: Reference = sample_reference()
    results.write_reference(reference)
    assert results.scan() == ([], [])
    assert results.references() == {("toy", "toy", "abc"): reference}


def test_a_corrupt_and_a_moved_record_are_told_and_hide_nothing(tmp_path: Path, record: Record) -> None:
    results = Results(tmp_path)
    results.write(record)
    torn = results.path(replace(record.spec, seed=1), record.run_id)
    torn.write_text(to_json(record)[:100])
    moved = results.path(replace(record.spec, seed=2), record.run_id)
    moved.write_text(to_json(record))
    records, bad = results.scan()
    assert records == [record]
    assert {file.path: "not JSON" in file.reason for file in bad} == {torn: True, moved: False}
    assert "its content belongs at" in next(file.reason for file in bad if file.path == moved)


def test_a_corrupt_reference_is_a_sentence(tmp_path: Path) -> None:
    path = Results(tmp_path).reference_path("toy", "toy", "abc")
    write_atomic(path, "{")
    with pytest.raises(UsageError, match=r"is corrupt .*delete it and run again"):
        Results(tmp_path).references()


def test_what_a_killed_writer_left_is_swept_away_and_nothing_else(tmp_path: Path, record: Record) -> None:
    results = Results(tmp_path)
    path = results.write(record)
    left = path.parent / f".{path.name}.abc.tmp"
    left.write_text("half")
    results.sweep()
    assert not left.exists()
    assert results.scan() == ([record], [])


@pytest.mark.parametrize(
    ("mode", "arguments"),
    [
        (0o444, ("site", "--results", "runs", "--out", "page")),
        (0o000, ("compare", "runs", "runs", "--suite", "toy")),
        (0o444, ("check", "runs")),
        (0o555, ("run", "--suite", "toy", "--all")),
    ],
)
def test_a_folder_that_may_not_be_used_is_a_sentence(mode: int, arguments: tuple[str, ...], tmp_path: Path) -> None:
    bare = shutil.which("setpriv") if os.getuid() == 0 else ""
    if bare is None:
        pytest.skip("root may do everything, and there is no setpriv")
    folder = tmp_path / "runs"
    Results(folder).write(sample_record())
    folder.chmod(mode)
    start = [bare, "--bounding-set=-all", "--inh-caps=-all"] if bare else []
    try:
        done = subprocess.run(
            [*start, sys.executable, "-m", "cod_bench", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        folder.chmod(0o755)
    assert done.returncode == 2, done.stderr
    assert "Permission denied; " in done.stderr
    assert len(done.stderr.splitlines()) == 1
