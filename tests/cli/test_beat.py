"""What a log hears of long steps."""

from __future__ import annotations

import threading

import pytest

from cod_bench.cli import beat


def test_a_step_is_told_at_its_start_while_it_lasts_and_at_its_end() -> None:
    said: list[str] = []
    third = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 3:
            third.set()

    with beat.step("teacher of toy", say, every=0.01):
        assert third.wait(60)
    assert said[0] == "teacher of toy: starts"
    assert all(line.startswith("teacher of toy: at work for ") for line in said[1:-1])
    assert said[-1].startswith("teacher of toy: done in ")


def test_a_step_that_fails_is_not_told_as_done() -> None:
    said: list[str] = []
    with pytest.raises(ValueError, match="no"), beat.step("pool", said.append):
        raise ValueError("no")
    assert said == ["pool: starts"]
