"""The files for pull requests are sound, and what is contributed says what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import ROOT


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
