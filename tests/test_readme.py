"""What the texts for readers name is there, what they state is published, and README is short enough to be read."""

from __future__ import annotations

import csv
import importlib
import re
from pathlib import Path

import pytest

from cod_bench.analysis import compare, grids
from cod_bench.design import suites
from cod_bench.records.results import Results
from tests import ROOT, docs, law

TEXTS = [*docs.PAGES, ROOT / "CHANGELOG.md"]
README = TEXTS[0].read_text(encoding="utf-8")
LONGEST = 900
"""Words of README outside blocks."""
TERMS = (
    "student",
    "teacher",
    "counterfactual",
    "k",
    "query",
    "task",
    "condition",
    "method",
    "floors",
    "seed",
    "track",
    "suite",
)
"""What nobody knows before README says it."""
TEXTS += sorted(path for path in (ROOT / ".github").rglob("*") if path.is_file())
PATH = re.compile(r"(?<![\w/.~-])(?:\.ci|\.github|cod_bench|tests|docs|tasks|baselines|benchmarks)/[\w./-]*")
"""A path of this repository; one with a <placeholder> or a * counts up to there."""
LINK = re.compile(r"\]\(([^)#:]+)\)")
MODULE = re.compile(r"`(cod_bench(?:\.\w+)+)")
(TREE,) = re.findall(r"## File structure\n.*?```text\n(.*?)```", README, re.DOTALL)
ENTRIES = {name: " ".join(told.split()) for name, told in re.findall(r"^(?:[├└]── )?([\w./]+) +(\S.*)$", TREE, re.M)}
"""What a line of the tree names -> what it says of it."""


GAIN = re.compile(
    r"(?<![\d.])([-+]?\d+\.\d+)(?:\s+accuracy)?(?:\s+points)?(?:\s+\w+)?\s+\[(-?\d+\.\d+),\s+(-?\d+\.\d+)\]"
)
"""A difference with its interval, as texts write it."""


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


def test_readme_is_read_in_some_minutes() -> None:
    assert len(docs.prose(README)) <= LONGEST


@pytest.mark.parametrize("term", TERMS)
def test_readme_explains_a_term_where_it_is_first_used(term: str) -> None:
    plain = re.sub(r"```.*?```|`[^`]*`|!\[.*?\]\(.*?\)|\]\([^)]*\)|<!--.*?-->", " ", README, flags=re.DOTALL)
    first = re.search(rf"(\*{{0,2}})(?<!\w)(?:{term}|{term.removesuffix('s')})(?:s|\b)", plain, re.IGNORECASE)
    assert first is not None
    assert first[1], plain[max(0, first.start() - 60) : first.end() + 20]


def test_readme_opens_with_the_answer_and_with_where_there_is_none() -> None:
    """Before the first section: a pair, where counterfactuals pay and do not, the figure; then the two commands."""
    opening, _, rest = README.partition("\n## ")
    assert opening.count("\n> ") == 2
    assert opening.count("\n- **No") >= 3
    assert opening.count("\n![") == 1
    assert rest.startswith("Two commands")
    for word in ("query", "word list", "CoLA"):
        assert word in opening


@pytest.fixture(scope="module")
def published() -> set[tuple[float, float, float]]:
    """Every difference with its interval of the committed tables, in points."""
    found = set()
    for path in sorted((ROOT / "leaderboard").glob("*/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for names in (("mean", "low", "high"), ("matched_mean", "matched_low", "matched_high")):
                    if all(row.get(one) for one in names):
                        found.add(tuple(100 * float(row[one]) for one in names))
    return found | _of_single_budgets()


def _of_single_budgets() -> set[tuple[float, float, float]]:
    """`cod` minus the word list at each k, which no table holds: from the records."""
    results = Results(ROOT / "results")
    records, _ = results.scan()
    (grid,) = grids.of(suites.suite("why"), records=records, references=results.references())
    found = set()
    for k in (8, 16, 32):
        sides = [(name, compare.side(grid, *name, [k])) for name in (("kd", "cod"), ("lexicon_median", "standard"))]
        one = compare.compare(("cod", sides[0][1]), ("list", sides[1][1]), test=False)
        found.add((100 * one.estimate, 100 * one.low, 100 * one.high))
    return found


APART = {
    (0.0, -0.9, 0.9), (5.2, 1.3, 9.0), (5.3, -1.7, 12.2), (-0.4, -3.2, 2.4), (3.4, 1.5, 5.2), (2.6, 1.0, 4.2),
    (1.6, 0.1, 3.2), (-1.9, -9.6, 5.9),
}  # fmt: skip
"""Of docs/published.md, in no table: single corpora, rivals among themselves, floors in matched accuracy."""


@pytest.mark.parametrize("path", [TEXTS[0], ROOT / "docs" / "published.md"], ids=lambda path: path.name)
def test_every_difference_that_is_stated_is_published(path: Path, published: set[tuple[float, float, float]]) -> None:
    """To the digits that are stated, in either direction."""
    stated = [tuple(map(float, found.groups())) for found in GAIN.finditer(path.read_text(encoding="utf-8"))]
    assert len(stated) > 10
    there = {tuple(sorted(map(abs, row))) for row in published}
    lost = [
        one
        for one in stated
        if (path == TEXTS[0] or one not in APART)
        and not any(all(abs(a - b) < 0.0501 for a, b in zip(sorted(map(abs, one)), row, strict=True)) for row in there)
    ]
    assert not lost, str(lost)


def test_the_accuracies_of_readme_are_published() -> None:
    with (ROOT / "leaderboard" / "why" / "overall.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["track"] == "minilm-fp32" and row["accuracy"]]
    means = {(row["method"], row["condition"], row["scope"]): 100 * float(row["accuracy"]) for row in rows}
    for told, key in (
        ("`standard`", ("kd", "standard")), ("`cod`", ("kd", "cod")),
        ("`teacher-labelled`", ("kd", "teacher-labelled")), ("`teacher-only`", ("kd", "teacher-only")),
    ):  # fmt: skip
        (line,) = re.findall(rf"^\| {told}, .*\|$", README, re.MULTILINE)
        stated = [float(cell) for cell in line.split("|")[2:5]]
        assert stated == pytest.approx([means[*key, f"k={k}"] for k in (8, 16, 32)], abs=0.0501), told
