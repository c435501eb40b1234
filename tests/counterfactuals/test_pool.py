"""Generators' answers -> pool entries: what an answer without words becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from cod_bench.counterfactuals import pool, warm
from cod_bench.counterfactuals.rows import build
from cod_bench.generator import Answer, Generator
from cod_bench.store import Artifacts


class _Silent(Generator):
    name: ClassVar[str] = "silent"
    version: ClassVar[int] = 1
    card: ClassVar[str] = "Says nothing at first and then what flips."

    def params(self) -> dict[str, Any]:
        return {}

    def prepare(self, train: Any, oracle: Any) -> dict[str, Any]:
        return {}

    def answer(self, query: Any, oracle: Any, state: Any) -> Answer:
        text = "good fine great"
        return Answer("", (text,) if query.target else ("bad awful poor",), 1)

    def preserve(self, query: Any, counterfactual: str, oracle: Any, state: Any) -> tuple[str, ...]:
        return ()


def test_an_empty_first_answer_is_never_put_to_the_teacher_and_makes_the_slot_invalid(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found, draw = warm.pool("toy", "toy", "substitution"), warm.draw("toy", "toy", 0, False)
    asked: list[str] = []
    predict, probability = found.teacher.predict, found.teacher.probability

    def predicted(text: str) -> int:
        asked.append(text)
        return predict(text)

    def probable(text: str, label: int) -> float:
        asked.append(text)
        return probability(text, label)

    monkeypatch.setattr(found.teacher, "predict", predicted)
    monkeypatch.setattr(found.teacher, "probability", probable)
    silent = pool.Pool(found.corpus, found.teacher, _Silent(), Artifacts(tmp_path), found.near)
    entries = silent.entries(draw, 8)
    assert asked
    assert all(asked), "a decoder without a BOS token has nothing to read of an empty text"
    assert not any(entry.first_flips or entry.cfe for entry in entries)
    made = build(draw, "unvalidated", 8, entries)
    assert made.substituted == 4
    assert all(row.text for row in made.rows)
