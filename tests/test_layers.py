"""Who may import whom, and that nothing a reader of records uses imports torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = sorted((ROOT / "cod_bench").glob("*.py"))
PLUGINS = {
    "tasks": {"task", "assets"},
    "baselines": {"distiller", "distil", "losses", "spec", "model"},
    "cod_bench/generators": {
        "counterfactual",
        "perturb",
        "spec",
        "assets",
        "task",
        "errors",
        "store",
        "generators",
        "pairs",
    },
    "cod_bench/executors": {"jobs", "errors", "away", "device", "placement"},
}
PURE = {"errors", "spec", "record", "registry", "stats", "track", "verdicts"}
READERS = (
    "aggregate", "beside", "claims", "compare", "evaluate", "explore", "explore_page", "exports", "leaderboard", "page",
    "paper", "paper_analogues", "paper_claims", "paper_page", "plots", "power", "quality", "site", "site_charts",
    "site_data", "site_facts", "stats", "tables", "verdicts",
)  # fmt: skip
TRAINING = {
    "pretrained", "model", "teacher", "distil", "losses", "padding", "vocabulary", "pool", "work", "metrics", "split",
    "condition", "perturb", "task", "corpus", "origin", "hub", "localfiles", "graphs",
}  # fmt: skip
TORCH_ROOMS = {"pretrained", "model", "teacher", "distil", "losses", "padding", "vocabulary", "graphs", "products"}
"""The only modules of the core that import torch when they are imported."""


def imports(path: Path, *, top: bool = False) -> set[str]:
    """Own modules that a file imports; with `top`, only at import time (no function body, no TYPE_CHECKING)."""
    found: set[str] = set()
    for node in _nodes(ast.parse(path.read_text()), top):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "cod_bench":
                found |= {alias.name for alias in node.names}
            found.add(
                node.module.removeprefix("cod_bench.").split(".")[0] if "cod_bench." in node.module else node.module
            )
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
    return found


def third_party(path: Path) -> set[str]:
    """Top-level packages that a file imports at import time, whatever our own modules are called."""
    found: set[str] = set()
    for node in _nodes(ast.parse(path.read_text()), True):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
    return found - {"cod_bench"}


def _nodes(tree: ast.AST, top: bool) -> list[ast.AST]:
    if not top:
        return list(ast.walk(tree))
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        found += [child, *_nodes(child, top)]
    return found


@pytest.mark.parametrize("path", CORE, ids=lambda p: p.stem)
def test_nothing_in_the_core_names_a_plugin(path: Path) -> None:
    assert not {"tasks", "baselines", "generators", "executors"} & imports(path)


@pytest.mark.parametrize("path", CORE, ids=lambda p: p.stem)
def test_torch_is_imported_by_its_rooms_alone(path: Path) -> None:
    allowed = path.stem in TORCH_ROOMS
    heavy = {"torch", "transformers", "datasets", "evaluate", "pandas", "matplotlib", "scipy", "openai"}
    if path.stem == "metrics":
        heavy -= {"datasets", "evaluate"}
    found = heavy & third_party(path)
    assert allowed or not found, found


@pytest.mark.parametrize("name", sorted(PURE))
def test_the_innermost_rooms_import_only_each_other(name: str) -> None:
    own = {path.stem for path in CORE}
    assert imports(ROOT / "cod_bench" / f"{name}.py") & own <= PURE


@pytest.mark.parametrize("name", READERS)
def test_readers_of_records_never_import_the_training_side(name: str) -> None:
    assert not TRAINING & imports(ROOT / "cod_bench" / f"{name}.py")


@pytest.mark.parametrize("folder", sorted(PLUGINS))
def test_plugins_import_the_base_they_extend(folder: str) -> None:
    own = {path.stem for path in CORE} | {"generators", "executors", "tasks", "baselines"}
    for path in sorted((ROOT / folder).glob("*.py")):
        assert imports(path) & own <= PLUGINS[folder], path


@pytest.mark.parametrize("folder", sorted(PLUGINS))
def test_plugins_import_torch_only_inside_functions(folder: str) -> None:
    for path in sorted((ROOT / folder).glob("*.py")):
        assert not {"torch", "transformers", "pandas", "datasets"} & imports(path, top=True), path


def test_no_file_is_longer_than_400_lines() -> None:
    files = [p for folder in ("cod_bench", "tasks", "baselines", "tests") for p in (ROOT / folder).rglob("*.py")]
    assert not {p.name: n for p in files if (n := len(p.read_text().splitlines())) > 400}


def test_every_module_says_in_its_first_line_what_it_is() -> None:
    for path in CORE:
        doc = ast.get_docstring(ast.parse(path.read_text()))
        assert doc, path
        assert len(doc.splitlines()[0]) > 20, path


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list"],
        ["plan", "--suite", "embedded"],
        ["status", "--suite", "toy"],
        ["leaderboard", "--help"],
        ["site", "--help"],
    ],
    ids=" ".join,
)
def test_looking_imports_no_torch(arguments: list[str], tmp_path: Path) -> None:
    script = (
        "import sys\nfrom cod_bench.cli import main\n"
        f"sys.argv = ['cod-bench', *{arguments!r}]\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = ('torch', 'transformers', 'datasets', 'evaluate', 'pandas')\n"
        "    print('HEAVY', [name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr
