"""The law of the house holds, fails where it is broken, and nothing a reader of records uses imports torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import ROOT, law
from tests.law import LAW, House

HOUSE = House(ROOT)


@pytest.mark.parametrize("rule", LAW, ids=lambda rule: rule.__name__)
def test_the_law_holds(rule: Callable[[House], list[str]]) -> None:
    assert rule(HOUSE) == []


BREACHES = {
    "nouns_know_no_room": ("cod_bench/split.py", "from cod_bench.data import corpus"),
    "rooms_keep_to_the_table": ("cod_bench/records/merge.py", "from cod_bench.design import suites"),
    "readers_know_no_maker": ("cod_bench/analysis/stats.py", "def f():\n    from cod_bench.runner import plan"),
    "plugins_keep_to_their_base": ("baselines/kd.py", "def f():\n    from cod_bench.runner import plan"),
    "nobody_names_a_plugin": ("cod_bench/runner/plan.py", "from cod_bench.generators import substitution"),
    "torch_is_imported_by_one_room": ("cod_bench/runner/work.py", "import torch"),
    "no_circles": (
        "cod_bench/records/record.py",
        "if TYPE_CHECKING:\n    from cod_bench.records.results import Results",
    ),
    "files_are_small_and_say_what_they_are": ("cod_bench/analysis/power.py", "x = 0\n" * law.LONGEST),
    "every_folder_is_in_the_wheel": ("cod_bench/analysis/deeper/room.py", '"""A room that nobody told of."""'),
}


@pytest.mark.parametrize("rule", LAW, ids=lambda rule: rule.__name__)
def test_each_rule_fails_where_it_is_broken(rule: Callable[[House], list[str]]) -> None:
    assert rule(broken(*BREACHES[rule.__name__]))


def broken(name: str, text: str) -> House:
    """The house with a text more in one of its files, or with one file more."""
    path = ROOT / name
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    return House(ROOT, ((name, f"{before}\n{text}\n"),))


def test_too_many_files_make_two_rooms() -> None:
    text = '"""Something -> something else, as every file says."""\n'
    house = House(ROOT, tuple((f"cod_bench/extra/m{number}.py", text) for number in range(law.MOST_FILES + 1)))
    assert law.files_are_small_and_say_what_they_are(house) == ["cod_bench/extra: 16 files"]


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        (law.rooms_keep_to_the_table, "cod_bench/reports/plots.py", "from cod_bench import run"),
        (law.plugins_keep_to_their_base, "cod_bench/conditions/cod.py", "def f():\n    from cod_bench import Suite"),
        (law.rooms_keep_to_the_table, "cod_bench/extra/room.py", "from cod_bench.runner import plan"),
        (law.torch_is_imported_by_one_room, "cod_bench/runner/plan.py", "from cod_bench.training import model"),
        (
            law.torch_is_imported_by_one_room,
            "cod_bench/analysis/stats.py",
            "if TYPE_CHECKING:\n    pass\nelse:\n    import torch",
        ),
        (law.nobody_names_a_plugin, "cod_bench/runner/plan.py", "def f():\n    from baselines.kd import KD"),
        (
            law.files_are_small_and_say_what_they_are,
            "cod_bench/analysis/odd.py",
            '"""Something about something else."""',
        ),
        (law.readers_know_no_maker, "cod_bench/design/suite.py", "def f():\n    from cod_bench.runner import plan"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("cod_bench") else "",
)
def test_no_breach_slips_through(rule: Callable[[House], list[str]], name: str, text: str) -> None:
    assert rule(broken(name, text))


def test_no_test_file_is_longer_than_400_lines() -> None:
    files = (ROOT / "tests").rglob("*.py")
    assert not {p.name: n for p in files if (n := len(p.read_text().splitlines())) > law.LONGEST}


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
