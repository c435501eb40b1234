"""The wheel holds every folder and data file, nothing else, and works where there is no checkout."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from cod_bench.records.results import Results
from tests import ROOT
from tests.cli.test_app import call

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
PLACES = {folder: package.replace(".", "/") for package, folder in SETTINGS["package-dir"].items()}
"""Folder of the checkout -> its place in the wheel."""
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def committed() -> list[PurePosixPath]:
    """What a commit of everything here would hold: no ignored file, and none that is only in the last commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("no git checkout: what belongs into the wheel cannot be told from what does not")
    return sorted({PurePosixPath(name) for name in done.stdout.split("\0") if name and (ROOT / name).is_file()})


def belongs(path: PurePosixPath) -> bool:
    """Python, what lies beside it in `cod_bench/`, and of the leaderboard what is read: tables and examples."""
    if path.parts[0] not in PLACES:
        return False
    if path.suffix == ".py" or path.parts[0] == "cod_bench":
        return True
    if path == PurePosixPath("leaderboard/examples.json"):
        return True
    return path.parts[0] == "leaderboard" and len(path.parts) > 2 and (path.name == "main.txt" or path.suffix == ".csv")


def pip(*arguments: str) -> None:
    done = subprocess.run([*PIP, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what is committed but for the records."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    for path in committed():
        if path.parts[0] != "results":
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, copy / path)
    pip("wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(out), str(copy))
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder that holds the installed package, for PYTHONPATH, which comes before this checkout's own."""
    target = tmp_path_factory.mktemp("target")
    pip("install", "-q", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    return str(target)


def test_the_wheel_holds_what_is_committed_and_nothing_else(wheel: Path) -> None:
    expected = {"/".join((PLACES[path.parts[0]], *path.parts[1:])) for path in committed() if belongs(path)}
    assert len(expected) > 180
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert (sorted(expected - found), sorted(found - expected)) == ([], [])
        for name in ("cod_bench/py.typed", "cod_bench/reports/paper/numbers/accuracy.csv"):
            assert archive.read(name) == (ROOT / name).read_bytes()


def test_every_package_is_taken_from_the_wheel(installed: str, tmp_path: Path) -> None:
    script = (
        "import importlib, json, sys\n"
        "print(json.dumps({name: importlib.import_module(name).__file__ for name in sys.argv[1:]}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *SETTINGS["packages"]], cwd=tmp_path, env={"PYTHONPATH": installed},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)
    assert len(files) == len(SETTINGS["packages"])
    assert not {name: file for name, file in files.items() if not Path(file).is_relative_to(installed)}


def test_looking_and_starting_a_method_need_no_checkout(installed: str, tmp_path: Path) -> None:
    for arguments, told in (
        (("list",), "\n  kd_random_soft "),
        (("new", "baseline", "mine"), "mine.py"),
        (("list", "--plugin", "mine.py"), "\n  mine "),
        (("table", "1"), "Table 1 of arXiv 2510.21631"),
    ):
        done = call(*arguments, cwd=tmp_path, PYTHONPATH=installed)
        assert done.returncode == 0, done.stderr
        assert told in done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_a_run_and_its_page_need_no_checkout(installed: str, tmp_path: Path) -> None:
    cell = ("--method", "kd", "--condition", "standard", "--k", "8", "--seed", "0", "--workers", "1")
    done = call("run", "--suite", "toy", *cell, cwd=tmp_path, PYTHONPATH=installed)
    assert done.returncode == 0, done.stderr
    (record,) = Results(tmp_path / "runs").scan()[0]
    assert (record.spec.track, record.spec.method) == ("toy", "kd")
    assert record.provenance["git"] is None
    done = call("site", "--results", "runs", "--out", "page", cwd=tmp_path, PYTHONPATH=installed)
    assert done.returncode == 0, done.stderr
    assert '<ul class="pairs">' in (tmp_path / "page" / "index.html").read_text()  # the published examples
