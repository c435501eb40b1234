"""Chaos: whatever is done to a run, the same command again gives the undisturbed records. COD_BENCH_CHAOS trials."""

from __future__ import annotations

import importlib.util
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from cod_bench.data import assets
from tests.chaos import FAULTS, SMOKE, TOY, Trial, can_mount, comparable, finish, play, table

TRIALS = int(os.environ.get("COD_BENCH_CHAOS", "10"))
FIRST = int(os.environ.get("COD_BENCH_CHAOS_FIRST", "0"))
"""Number of the first trial: a trial that failed is repeated by its number."""
TABLE = os.environ.get("COD_BENCH_CHAOS_TABLE", "")
"""File that the table of all trials is written to."""
_done: list[Trial] = []
_whole: dict[str, tuple[dict[str, dict[str, Any]], float]] = {}


def drawn(number: int, *, mounts: bool, ray: bool, smoke: bool) -> Trial:
    """The trial of that number: each fault in turn, the rest by chance."""
    chance = random.Random(f"trial {number}")
    names = [name for name in FAULTS if mounts or "full" not in name]
    executor = "ray" if ray and chance.random() < 0.1 else "local"
    suite = SMOKE if smoke and chance.random() < 0.1 else TOY
    shards = 2 if executor == "local" and suite is TOY and chance.random() < 0.25 else 0
    return Trial(number, names[number % len(names)], executor, suite, shards)


def undisturbed(suite: list[str], folder: Path) -> tuple[dict[str, dict[str, Any]], float]:
    """The records of a command that nobody disturbs, and its seconds; once for all trials."""
    if suite[1] not in _whole:
        from tests.chaos import Bench

        begun = time.monotonic()
        code, said = finish(Bench(folder, random.Random(0)).start(Trial(-1, "", "local", suite, 0), 0))
        assert code == 0, said
        _whole[suite[1]] = comparable(folder / "runs"), time.monotonic() - begun
    return _whole[suite[1]]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(FIRST, FIRST + TRIALS))
def test_the_same_command_again_gives_the_undisturbed_records(number: int, tmp_path: Path) -> None:
    trial = drawn(
        number, mounts=can_mount(tmp_path / "disk"), ray=importlib.util.find_spec("ray") is not None,
        smoke=all(assets.offline(name) for name in ("minilm", "rotten-tomatoes-quotes")),
    )  # fmt: skip
    (tmp_path / "whole").mkdir()
    whole, seconds = undisturbed(trial.suite, tmp_path / "whole")
    (tmp_path / "trial").mkdir()
    _done.append(play(trial, tmp_path / "trial", whole, seconds))
    if TABLE:
        Path(TABLE).write_text(table(_done), encoding="utf-8")
    assert trial.sound, trial


def test_every_fault_has_its_turn() -> None:
    names = {drawn(number, mounts=True, ray=True, smoke=True).fault for number in range(len(FAULTS))}
    assert names == set(FAULTS)
    assert not any("full" in drawn(n, mounts=False, ray=False, smoke=False).fault for n in range(100))
