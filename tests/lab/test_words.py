"""Prompts and answers as classes; the whole experiment with a decoder that is built on the spot."""

from __future__ import annotations

from pathlib import Path

import pytest

from cod_bench.lab import files, words
from cod_bench.reports.lab import page
from cod_bench.reports.lab.read import rows


class Letters:
    """A tokenizer of characters."""

    eos_token_id = 0

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        assert not add_special_tokens
        return {"input_ids": [ord(letter) for letter in text]}


def test_an_answer_is_a_word_with_its_end_and_the_word_is_its_class() -> None:
    talk = words.Talk(Letters(), ("bad", "good"), 3)
    assert talk.answer(1) == [*map(ord, " good"), 0]
    assert [talk.label(talk.answer(label)[:-1]) for label in (0, 1)] == [0, 1]
    assert talk.label([*map(ord, " goo")]) == words.NONE
    assert talk.label([]) == words.NONE
    assert talk.prompt("abcdef") == [*map(ord, "abc\nVerdict:")]


def test_every_condition_has_a_row_a_seed_and_the_same_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    small = {
        "TRACK": "toy-decoder", "SEARCHED_ON": "toy", "TASK": "toy", "KS": (4,), "STEPS": 40, "RATE": 3e-3,
        "TEACHER_ROWS": 400, "TEACHER_RATE": 1e-3, "TEACHER_SIZE": 1, "EVALUATED": 40,
    }  # fmt: skip
    for name, value in small.items():
        monkeypatch.setattr(words, name, value)
    heard: list[str] = []
    files.words_to(tmp_path, (0, 1, 2, 3), heard.append)
    found = rows(tmp_path, "words.csv")
    assert [row["condition"] for row in found] == ["teacher", *words.CONDITIONS * 4]
    assert len(heard) == len(found)
    taught = found[0]
    assert float(taught["agreement"]) == 1.0
    assert float(taught["accuracy"]) > 0.9
    for row in found:
        assert all(0 <= float(row[name]) <= 1 for name in ("valid", "accuracy", "agreement", "words"))
        assert float(row["accuracy"]) <= float(row["words"])
    assert {row["valid"] for row in found if row["condition"] in ("standard", "half")} == {"1"}
    (finding,) = page.WRITERS["words"](tmp_path)
    assert finding.startswith("Accuracy of `cod`, points: at k = 4 minus `standard` ")
    told = (tmp_path / "words.md").read_text()
    assert "4 seeds" in told
    assert "| the teacher" in told
    kept = {key: value for row in found[1:3] for key, value in row.items() if key != "seconds"}
    files.words_to(tmp_path, (0,), heard.append)
    again = rows(tmp_path, "words.csv")
    assert {key: value for row in again[1:3] for key, value in row.items() if key != "seconds"} == kept
