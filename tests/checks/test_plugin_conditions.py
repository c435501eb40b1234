"""Defects of a condition file are caught by the check that is meant to, and a sound one passes all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cod_bench import device, registry
from cod_bench.checks import probe
from cod_bench.checks.plugin import CHECKS
from cod_bench.checks.processes import WORLDS, Probed, kind_of, toy_tracks
from cod_bench.checks.report import Result, judge
from cod_bench.runner import work

CONDITION = '''"""A condition for tests."""

{top}
from cod_bench.condition import Condition, Pair, Partnered, Row, TrainingSet


class Mine(Partnered):
    """The validated counterfactual of each original."""

    name = "{name}"
    meaning = "as `cod`"
    text = "cfe"
    flips = {flips}
    {body}


CONDITION = Mine()
'''
ROWS = "def rows(self, draw, k, given):\n        found = super().rows(draw, k, given)\n        {}\n        return found"


FREE = "\n\n    def faults(self, rows, k, version):\n        return ''"
"""Any rows are its own."""


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    before = dict(registry._plugin_files)
    device.set_threads()
    yield
    registry._plugin_files.clear()
    registry._plugin_files.update(before)
    work.stand_in("toy", None)


def checked(
    folder: Path, body: str = "", top: str = "", name: str = "my-own", flips: bool = True
) -> dict[str, Result]:  # fmt: skip
    """The results of every world in this process, each with the file imported anew."""
    known = {}
    for world in WORLDS:
        path = folder / world / "my_own.py"
        path.parent.mkdir(parents=True)
        path.write_text(CONDITION.format(top=top, body=body, name=name, flips=flips))
        assert kind_of(path) == "condition"
        known[world] = probe.facts(path, "condition", world, toy_tracks())
        registry._plugin_files.clear()
    return {r.check: r for r in judge(CHECKS["condition"], Probed("condition", "my-own", toy_tracks(), **known))}


def test_a_sound_condition_passes_and_its_balance_is_told(tmp_path: Path) -> None:
    results = checked(tmp_path)
    assert {r.state for r in results.values()} == {"ok"}, results
    assert results["balance"].reason == "rows by class 4:4 at k=8, 8:8 at k=16"


def test_the_balance_where_counterfactuals_are_missing_is_told_apart(tmp_path: Path) -> None:
    body = ROWS.format(
        "if found.substituted:\n            "
        "found = TrainingSet((*found.pairs[:-1], Pair(found.pairs[-1].original)))"
    )  # fmt: skip
    assert "its own faults() refuses its rows at k=8" in checked(tmp_path, body)["rows"].reason
    body += FREE
    results = checked(tmp_path / "again", body)
    assert {r.state for r in results.values()} == {"ok"}, results
    told = "rows by class 4:4 at k=8, 8:8 at k=16; where counterfactuals are missing 3:4 at k=8, 7:8 at k=16"
    assert results["balance"].reason == told


HELD_OUT = (
    "import json\nfrom cod_bench.store import home\n\ndef held_out():\n"
    "    path = next((home() / 'tasks').glob('toy-*.json'))\n    return 'zyxwort' not in path.read_text()"
)
"""A plugin that goes to the cache folder itself: no guard notices, only the result tells."""


@pytest.mark.parametrize(
    ("changes", "caught_by", "reason"),
    [
        ({"name": "another"}, "name = file stem", "must be the file's name 'my-own'"),
        ({"body": "meaning = ' '"}, "name = file stem", "say it in a sentence"),
        ({"body": "version = 0"}, "name = file stem", "give a whole number from 1 on"),
        (
            {"body": ROWS.format("found = TrainingSet((*found.pairs, Pair(Row.of(draw.row(0, 60), k))))")},
            "rows",
            "give at most k, or say equal_k = False",
        ),
        ({"body": ROWS.format("found = TrainingSet(found.pairs[::-1])")}, "rows", "take them from draw.slots(k)"),
        (
            {
                "body": ROWS.format("found = TrainingSet(found.pairs[: 2 * random.randint(1, 2)])") + FREE,
                "top": "import random",
            },
            "deterministic",
            "in two runs",
        ),
        (
            {"body": ROWS.format("list(warm.corpus('toy').dev)"), "top": "from cod_bench.counterfactuals import warm"},
            "reads no evaluation row",
            "a row of the dev split was asked for",
        ),
        (
            {"body": ROWS.format("found = TrainingSet(found.pairs[: 4 if held_out() else 2])") + FREE, "top": HELD_OUT},
            "reads no evaluation row",
            "once evaluation and dev rows are others",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_defect_is_caught_by_its_check(
    changes: dict[str, str], caught_by: str, reason: str, tmp_path: Path
) -> None:  # fmt: skip
    results = checked(tmp_path, **changes)  # type: ignore[arg-type]
    failed = {name: r for name, r in results.items() if r.state == "FAILED"}
    assert caught_by in failed, results
    assert reason in failed[caught_by].reason
