"""A package outside this repository: installed by pip, found by its entry points, run by name."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.cli.test_app import call

SOURCE = ROOT / "tests" / "example_plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder that holds the installed package, for PYTHONPATH."""
    source, target = tmp_path_factory.mktemp("source") / "package", tmp_path_factory.mktemp("target")
    shutil.copytree(SOURCE, source)
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "--target", str(target), str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return str(target)


def test_every_kind_of_plugin_is_found_by_its_entry_point(installed: str, tmp_path: Path) -> None:
    listed = call("list", cwd=tmp_path, PYTHONPATH=installed).stdout
    for name in ("confident", "remarks", "swap", "by-length"):
        assert f"\n  {name} " in listed
    assert "confident" not in call("list", cwd=tmp_path).stdout


def test_an_installed_method_runs_with_an_installed_executor_and_generator(installed: str, tmp_path: Path) -> None:
    arguments = ["--suite", "toy", "--method", "confident", "--condition", "standard,cod", "--seed", "0"]
    done = call(
        "run", *arguments, "--generator", "swap", "--executor", "one_by_one", cwd=tmp_path, PYTHONPATH=installed
    )
    assert done.returncode == 0, done.stderr
    assert "2 runs done, 0 failed" in done.stderr
    assert (tmp_path / "runs" / "leaderboard" / "toy+confident+swap" / "README.md").is_file()


def test_an_installed_condition_runs_beside_the_declared_ones(installed: str, tmp_path: Path) -> None:
    arguments = ["--suite", "toy", "--method", "kd", "--condition", "standard,by-length", "--seed", "0"]
    done = call("run", *arguments, cwd=tmp_path, PYTHONPATH=installed)
    assert done.returncode == 0, done.stderr
    assert "2 runs done, 0 failed" in done.stderr
    table = (tmp_path / "runs" / "leaderboard" / "toy+by-length" / "README.md").read_text()
    assert "`by-length`: k originals; the partner of an original is, of 20 rows" in table
    assert "Exploratory: no suite declares `by-length`" in table
    # readers without the package say so and leave its records out
    told = call("leaderboard", "--results", "runs", "--out", "again", cwd=tmp_path)
    assert "records of condition 'by-length' are left out of the tables" in told.stderr
    assert "by-length" not in (tmp_path / "again" / "README.md").read_text()


def test_a_taken_name_is_told(installed: str, tmp_path: Path) -> None:
    shutil.copytree(installed, tmp_path / "again")
    names = next((tmp_path / "again").glob("*.dist-info")) / "entry_points.txt"
    names.write_text(names.read_text().replace("confident = ", "kd = "))
    told = call("list", cwd=tmp_path, PYTHONPATH=str(tmp_path / "again"))
    assert told.returncode == 2
    assert "baseline 'kd' of cod_bench_example.confident exists already; uninstall one of the two" in told.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["confident", "by_length", "one_by_one"])
def test_installed_plugins_pass_check_by_their_file(name: str, installed: str, tmp_path: Path) -> None:
    done = call("check", f"{installed}/cod_bench_example/{name}.py", cwd=tmp_path, PYTHONPATH=installed)
    assert done.returncode == 0, done.stdout + done.stderr
