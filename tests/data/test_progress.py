"""Long steps tell the process that started their worker how far they are, and never fail because of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cod_bench.data import progress

CHILD = """
import sys, time
from cod_bench.data import progress
with progress.step("teacher of toy (1 epoch)", 300) as step:
    step.at(40)
    print("there", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path))
    return tmp_path


def test_a_worker_tells_its_parent_while_the_step_lasts() -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD], stdin=-1, stdout=-1, text=True) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.readline() == "there\n"
        (found,) = progress.told()
        assert (found.what, found.done, found.of) == ("teacher of toy (1 epoch)", 40, 300)
        worker.stdin.write("\n")
    assert worker.returncode == 0
    assert progress.told() == []


def test_the_line_tells_time_left_once_a_part_is_done() -> None:
    assert progress.Progress("x", 0, 4, 0.0).line == "x: step 0 of 4"
    assert progress.Progress("x", 1, 4, 10.0).line == "x: step 1 of 4, about 30 s left"
    assert progress.Progress("x", 1, 61, 10.0).line == "x: step 1 of 61, about 10 min left"


def test_what_others_left_is_not_told(home: Path) -> None:
    folder = home / "progress"
    folder.mkdir()
    value = {"what": "x", "done": 1, "of": 2, "seconds": 1.0, "for": os.getpid()}
    (folder / "1.json").write_text(json.dumps({**value, "for": os.getpid() + 1}))
    (folder / "2.json").write_text("{")
    (folder / "3.json").write_text(json.dumps({**value, "done": "many"}))
    (folder / "4.json").write_text(json.dumps(value))
    old = time.time() - 2 * progress.LATEST
    os.utime(folder / "4.json", (old, old))
    assert progress.told() == []
    (folder / "5.json").write_text(json.dumps({**value, "what": "a\x1b[31mb"}))
    assert [one.what for one in progress.told()] == ["a\\x1b[31mb"]


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(home: Path) -> None:
    (home / "progress").write_text("a file")
    with progress.step("x", 2) as step:
        step.at(1)
    assert (home / "progress").read_text() == "a file"


def test_it_is_written_at_most_once_a_second(home: Path) -> None:
    with progress.step("x", 10**6) as step:
        step.at(1)
        (path,) = (home / "progress").glob("*.json")
        before = path.stat().st_ino
        for done in range(2, 200):
            step.at(done)
        assert path.stat().st_ino == before
