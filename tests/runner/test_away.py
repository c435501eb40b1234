"""What travels between machines: files of the cache folder, once, whole, and nowhere else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cod_bench.errors import RunError
from cod_bench.executor import Job
from cod_bench.runner import away
from cod_bench.runner.worker import attempt
from tests import ROOT

POOL = {
    "stage": "pool", "track": "toy", "task": "toy", "generator": "substitution", "seed": 1, "start": 4, "end": 8,
    "kept_wrong": False,
}  # fmt: skip
TEACHER = {"stage": "teacher", "track": "toy", "task": "toy"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def put(path: Path, text: str = "x") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path.name


def test_a_whole_teacher_is_held_and_no_other(cache: Path) -> None:
    whole, half, other = (
        cache / "artifacts" / "teachers" / "toy" / name
        for name in ("toy-0123456789ab", "toy-ba9876543210", "toy+local-01234567-0123456789ab")
    )
    for folder in (whole, other):
        put(folder / "teacher.json")
    for folder in (whole, half, other):
        put(folder / "model.safetensors")
    put(whole / ".teacher.json.x.tmp")
    prefix = "artifacts/teachers/toy/toy-0123456789ab"
    assert set(away.held(TEACHER)) == {f"{prefix}/model.safetensors", f"{prefix}/teacher.json"}
    assert away.held({"stage": "run"}) == {}


def test_a_pool_block_is_held_with_its_generators_state(cache: Path) -> None:
    folder = cache / "artifacts" / "pools" / "toy" / "abc" / "substitution-0123456789ab"
    for name in (
        "state.json",
        "seed1-004-008.json",
        "seed1-all-004-008.json",
        "seed11-004-008.json",
        "seed1-000-004.json",
    ):
        put(folder / name)
    put(folder.parent / "substitution_two-0123456789ab" / "seed1-004-008.json")
    put(cache / "generations" / "model.jsonl")
    assert {Path(name).name for name in away.held(POOL)} == {"state.json", "seed1-004-008.json"}
    assert {Path(name).name for name in away.held({**POOL, "kept_wrong": True})} == {
        "state.json",
        "seed1-all-004-008.json",
    }
    assert "generations/model.jsonl" not in away.held(POOL)
    assert away.held({**POOL, "generator": "llm"}) == {"generations/model.jsonl": b"x"}


def test_what_is_there_is_never_replaced(cache: Path) -> None:
    away.unpack({"artifacts/a/b.json": b"1", "artifacts/a/c.safetensors": b"2"})
    away.unpack({"artifacts/a/b.json": b"other"})
    assert away.pack((cache / "artifacts" / "a").iterdir()) == {
        "artifacts/a/b.json": b"1",
        "artifacts/a/c.safetensors": b"2",
    }


@pytest.mark.parametrize("name", ["../x", "artifacts/../../x", "/x"])
def test_nothing_is_written_outside_the_cache_folder(name: str, cache: Path) -> None:
    with pytest.raises(RunError, match="lies outside the cache folder"):
        away.unpack({name: b""})


def test_the_marker_is_written_last(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(away, "write_atomic", lambda path, _: written.append(path.name))
    away.unpack({"a/teacher.json": b"", "a/model.safetensors": b"", "b/zzz.bin": b""})
    assert written[-1] == "teacher.json"


def test_a_mark_is_seen_in_the_same_cache_folder_alone(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = away.leave_mark()
    assert away.sees(mark.name)
    monkeypatch.setenv("COD_BENCH_HOME", str(cache.parent / "elsewhere"))
    assert not away.sees(mark.name)


def test_a_machine_of_another_kind_is_told_by_its_first_difference() -> None:
    here = away.credentials()
    assert away.difference(here, away.credentials()) == ""
    assert away.difference(here, {**here, "code": "old"}) == f"code is 'old' there and {here['code']!r} here"
    assert away.difference(here, {}).startswith("device is None there and 'cpu' here")


def test_folders_of_a_machine_and_keys_stay_where_they_are(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_WHEELS", "wheels")
    monkeypatch.setenv("COD_BENCH_LLM_MODEL", "maker/tiny")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    found = away.variables()
    assert found["COD_BENCH_LLM_MODEL"] == "maker/tiny"
    assert not {"COD_BENCH_HOME", "COD_BENCH_WHEELS", "OPENAI_API_KEY"} & set(found)


def test_plugins_lie_where_they_are_or_in_a_folder_of_their_own(tmp_path: Path) -> None:
    put(tmp_path / "mine.py", "A = 1\n")
    sent = away.sources([str(tmp_path / "mine.py")])
    assert away.place(sent) == [str(tmp_path / "mine.py")]
    put(tmp_path / "mine.py", "A = 2\n")
    (other,) = away.place(sent)
    assert other != str(tmp_path / "mine.py")
    assert Path(other).name == "mine.py"
    assert Path(other).read_text() == "A = 1\n"


def copied(folder: Path, change: str = "") -> str:
    """The proof that a copy of the package gives, in a process of its own; with a byte more in one of its files."""
    for name in ("cod_bench", "tasks", "baselines"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    # as an installed package has them: every plugin folder below the package
    for name in ("tasks", "baselines"):
        shutil.copytree(folder / name, folder / "cod_bench" / name, dirs_exist_ok=True)
    if change:
        path = folder / change
        path.write_bytes(path.read_bytes() + b"\n")
    script = (
        "import sys\nsys.path.insert(0, sys.argv[1])\n"
        "import cod_bench\nassert cod_bench.__file__.startswith(sys.argv[1]), cod_bench.__file__\n"
        "from cod_bench.runner.away import _code\nprint(_code())\n"
    )
    command = [sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_byte_in_any_room_is_other_code_and_an_installed_package_is_the_same(tmp_path: Path) -> None:
    whole = copied(tmp_path / "whole")
    assert whole == away._code()  # of a checkout, whose tasks and baselines lie beside the package
    for number, change in enumerate(
        ("cod_bench/training/distil.py", "cod_bench/conditions/cod.py", "cod_bench/generators/_substitution/words.py")
    ):
        assert copied(tmp_path / str(number), change) != whole, change


def test_failures_name_files_without_this_machines_folders() -> None:
    outcome = attempt(Job("broken", {"stage": "no such stage"}))
    assert any("cod_bench/runner/worker.py" in line for line in outcome.trace)
    assert str(ROOT) not in "".join(outcome.trace)
