"""CONTRIBUTING's commands do what they say, in an empty folder; the files for pull requests are sound."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
FILES = {
    f"{re.match(r'[^:]+', text[3:])[0].replace('-', '_')}.py": text  # type: ignore[index]
    for text in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
}
"""The files that it shows, by the name that their first line gives."""


def test_there_are_commands_to_follow() -> None:
    assert len(BLOCKS) == 4
    assert list(FILES) == ["nearest_mean.py", "shared_words.py"]
    assert all(line.startswith("cod-bench ") for block in BLOCKS for line in block.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=["a method", "a method's fit", "a condition", "a task and a generator"])
def test_the_commands_work_in_an_empty_folder(block: str, tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for line in block.splitlines():
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True)
        # a checkout with changes makes records that `check` must refuse for that alone
        failed = [told for told in done.stdout.splitlines() if "FAILED" in told and "clean code" not in told]
        assert not failed, (line, done.stdout)
        assert done.returncode == 0 or "clean code" in done.stdout, (line, done.stdout, done.stderr)


def _yaml(path: Path) -> Any:
    return pytest.importorskip("yaml").safe_load(path.read_text())


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda p: p.stem)
def test_workflows_and_forms_are_sound(path: Path) -> None:
    value = _yaml(path)
    if path.parent.name != "workflows":
        assert value["name"] if path.stem != "config" else "blank_issues_enabled" in value
        return
    assert value["permissions"] == {"contents": "read"}
    for job in value["jobs"].values():
        assert job["timeout-minutes"] <= 120
        assert all("uses" in step or "run" in step for step in job["steps"])
    # a workflow that could write must never run what a pull request brings
    assert "pull_request_target" not in path.read_text()


def test_the_citation_names_the_paper() -> None:
    value = _yaml(ROOT / "CITATION.cff")
    assert (value["cff-version"], value["title"]) == ("1.2.0", "cod-bench")
    assert any("2510.21631" in str(reference) for reference in value["references"])


@pytest.mark.parametrize("folder", ["baselines"])
def test_every_method_says_what_it_is(folder: str) -> None:
    from cod_bench import registry

    for name in registry.names("baseline"):
        method = registry.load("baseline", name)
        assert len((method.__doc__ or "").split()) > 8, name
        assert len(method.summary.split()) > 5, name
