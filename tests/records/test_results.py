"""Where files lie, and that they are whole or not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench.errors import UsageError
from cod_bench.records.record import Record, Reference, to_json
from cod_bench.records.results import Results
from cod_bench.spec import RunSpec
from cod_bench.store import home, lock, usable_home, write_atomic
from tests.cli.test_app import call
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
    assert path.read_text() == to_json(record)


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


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.json"
    write_atomic(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left on device"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_swept_away_and_nothing_else(tmp_path: Path, record: Record) -> None:
    results = Results(tmp_path)
    path = results.write(record)
    left = path.parent / f".{path.name}.abc.tmp"
    left.write_text("half")
    results.sweep()
    assert not left.exists()
    assert results.scan() == ([record], [])


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write .*choose another folder"):
        write_atomic(tmp_path / "file" / "x.json", "")


def test_a_lock_is_freed_when_its_holder_is_killed(tmp_path: Path) -> None:
    from filelock import Timeout

    path = tmp_path / ".lock"
    script = (
        "import time\nfrom pathlib import Path\nfrom cod_bench.store import lock\n"
        f"with lock(Path({str(path)!r})):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Timeout), lock(path, timeout=0):
            pass
        holder.kill()
        holder.wait()
        with lock(path, timeout=5):
            pass


def test_home_is_the_users_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "x"))
    assert home() == tmp_path / "x"
    monkeypatch.delenv("COD_BENCH_HOME")
    assert home().name == "cod-bench"


@pytest.mark.parametrize(
    "arguments",
    [("run", "--suite", "toy", "--all"), ("cfe", "inspect", "--task", "toy"), ("cfe", "generate", "--suite", "toy")],
)
def test_a_cache_folder_that_cannot_be_is_told_before_any_job(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = call(*arguments, cwd=tmp_path, COD_BENCH_HOME=str(tmp_path / "file" / "cache"))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"cod-bench: COD_BENCH_HOME {tmp_path}/file/cache: Not a directory; name a folder that can be written"
    ]


def test_a_cache_folder_that_somebody_filled_serves_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "shared"))
    assert usable_home() == tmp_path / "shared"
    monkeypatch.setattr(os, "access", lambda *_: False)  # who runs the tests may be allowed everything
    with pytest.raises(UsageError, match="Permission denied; name a folder that can be written"):
        usable_home()
    (tmp_path / "shared" / "artifacts").mkdir()
    assert usable_home() == tmp_path / "shared"


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
