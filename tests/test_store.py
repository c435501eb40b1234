"""Where files lie, and that they are whole or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cod_bench.errors import UsageError
from cod_bench.store import home, lock, usable_home, write_atomic
from tests.cli.test_app import call


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
