"""What the texts for readers name is there: README's file structure, and every path and module in any of them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests import ROOT, law

TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS += sorted(path for path in (ROOT / ".github").rglob("*") if path.is_file())
PATH = re.compile(r"(?<![\w/.~-])(?:\.ci|\.github|cod_bench|tests|docs|tasks|baselines|benchmarks)/[\w./-]*")
"""A path of this repository; one with a <placeholder> or a * counts up to there."""
LINK = re.compile(r"\]\(([^)#:]+)\)")
MODULE = re.compile(r"`(cod_bench(?:\.\w+)+)")
(TREE,) = re.findall(r"## File structure\n.*?```\n(.*?)```", TEXTS[0].read_text(encoding="utf-8"), re.DOTALL)
ENTRIES = {name: " ".join(told.split()) for name, told in re.findall(r"^(?:[├└]── )?([\w./]+) +(\S.*)$", TREE, re.M)}
"""What a line of the tree names -> what it says of it."""


def inside(room: str) -> set[str]:
    """Modules and packages of a room, these with a stroke."""
    found = [path for path in (ROOT / "cod_bench" / room).iterdir() if path.name not in ("__init__.py", "__pycache__")]
    return {f"{p.name}/" if p.is_dir() else p.stem for p in found if p.suffix == ".py" or (p / "__init__.py").exists()}


def told(room: str) -> set[str]:
    """The names in the lines that follow a room's own."""
    found = re.search(rf"── {room}/ .*\n((?:│ .*\n)+)", TREE)
    return set(re.findall(r"\w+/?", found[1])) if found else set()


def test_the_tree_has_every_noun_room_and_folder() -> None:
    package = ROOT / "cod_bench"
    nouns = {path.name for path in package.glob("*.py") if path.stem not in law.DOORS}
    rooms = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    beside = {f"{name}/" for name in (*law.TOPMOST, "results", "leaderboard", "tests", "docs")}
    assert set(ENTRIES) == {"cod_bench/"} | nouns | rooms | beside
    assert all((ROOT / name).is_dir() for name in beside)


@pytest.mark.parametrize("room", law.ROOMS)
def test_the_tree_names_the_files_of_every_room(room: str) -> None:
    assert told(room) == inside(room)


@pytest.mark.parametrize("kind", sorted(set(law.PLUGINS) - set(law.TOPMOST)))
def test_plugins_that_the_tree_names_are_there(kind: str) -> None:
    """Others may be: a plugin is one file and nothing else."""
    named = set(re.findall(r"\w+", ENTRIES[f"{kind}/"].partition(": ")[2]))
    assert named
    assert named <= inside(kind) or not inside(kind)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_path_and_module_that_is_named_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = {ROOT / found.rstrip(".-") for found in PATH.findall(text)}
    named |= {path.parent / found for found in LINK.findall(text)} if path.suffix == ".md" else set()
    assert not sorted(str(one) for one in named if not one.exists())
    assert not [dotted for dotted in MODULE.findall(text) if not _importable(dotted)]


def _importable(dotted: str) -> bool:
    """Whether it is a module, or a name in one."""
    try:
        importlib.import_module(dotted)
    except ModuleNotFoundError:
        module, _, name = dotted.rpartition(".")
        return bool(module) and hasattr(importlib.import_module(module), name)
    return True
