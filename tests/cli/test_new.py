"""What `cod-bench new` writes passes `check` as it is, and never goes over anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cod_bench import device, registry
from cod_bench.checks import probe
from cod_bench.checks.plugin import CHECKS
from cod_bench.checks.processes import Probed, kind_of, toy_tracks
from cod_bench.checks.report import judge
from cod_bench.cli import new
from cod_bench.errors import UsageError
from cod_bench.runner import work
from tests import ROOT


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    before = dict(registry._plugin_files)
    device.set_threads()
    yield
    registry._plugin_files.clear()
    registry._plugin_files.update(before)
    work.stand_in("toy", None)


@pytest.mark.parametrize("kind", new.KINDS)
def test_a_new_file_passes_every_check(kind: str, tmp_path: Path) -> None:
    known = {}
    for world in ("clean", "poisoned"):
        path = new.write(kind, "brand_new", tmp_path / world / "brand_new.py")
        assert kind_of(path) == kind
        known[world] = probe.facts(path, kind, world, toy_tracks())
        registry._plugin_files.clear()
    results = judge(CHECKS[kind], Probed(kind, "brand_new", toy_tracks(), known["clean"], known["poisoned"]))
    assert {r.state for r in results} == {"ok"}, results


@pytest.mark.parametrize("kind", new.KINDS)
def test_templates_are_as_tidy_as_the_rest(kind: str, tmp_path: Path) -> None:
    import subprocess
    import sys

    path = new.write(kind, "brand_new", tmp_path / "brand_new.py")
    settings = ROOT / "pyproject.toml"
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--config", str(settings), str(path)],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["", "Two Words", "a-b", "class", "../up", "9lives", "é"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose a name"):
        new.write("baseline", name, tmp_path / "x.py")
    assert not list(tmp_path.iterdir())


def test_taken_names_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is one of that name"):
        new.write("baseline", "kd", tmp_path / "kd.py")
    with pytest.raises(UsageError, match="unknown kind 'executor'"):
        new.write("executor", "mine", tmp_path / "mine.py")
    with pytest.raises(UsageError, match="called as the plugin"):
        new.write("baseline", "mine", tmp_path / "other.py")
    path = tmp_path / "mine.py"
    path.write_text("precious")
    with pytest.raises(UsageError, match="is there already"):
        new.write("baseline", "mine", path)
    assert path.read_text() == "precious"
