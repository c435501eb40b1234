"""The page of real texts from rows made by hand: what is averaged, what is left out, what each sentence says."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cod_bench.lab import files
from cod_bench.reports.lab import page, text

GAINS = {"standard": 0.0, "cod": 0.2, "near": 0.1, "far": 0.1, "random": -0.1, "teacher-labelled": 0.05}


def student(task: str, condition: str, seed: int, both: float, accuracy: float) -> dict[str, object]:
    parts = {"pairs": 40, "both": both, "first": both + 0.1, "second": both + 0.1}
    kinds = {"held-out": parts} | ({"foreign": parts} if task == "films" else {})
    gap = {"pairs": 50, "level": 0.6, "crossed": both, "gap": 0.3 - both / 2, "student": 0.5, "teacher": 0.4}
    return {
        "task": task, "condition": condition, "k": 16, "seed": seed, "accuracy": accuracy, "agreement": 0.7,
        "valid": 0.9, "seconds": 1.0, "consistency": kinds, "gap": gap,
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tasks, five seeds; foreign pairs of one task alone."""
    rows = [
        student(task, condition, seed, 0.3 + gain + 0.01 * seed * (condition == "cod"), 0.6 + gain / 2)
        for task in ("films", "tweets")
        for condition, gain in GAINS.items()
        for seed in range(5)
    ]
    files.write(
        tmp_path / "text.csv",
        [*rows, student("films", "teacher", 0, 0.8, 0.9), student("tweets", "teacher", 0, 0.8, 0.9)],
    )
    kinds = {"original": -3.0, "cfe": 2.5, "first": 0.5, "random": -2.9}
    files.write(
        tmp_path / "text-margins.csv",
        [
            {"task": task, "kind": kind, "texts": 8, "mean": at, "low": at - 1, "middle": at, "high": at + 1,
             "flipped": float(at > 0)}
            for task in ("films", "tweets")
            for kind, at in kinds.items()
        ],
    )  # fmt: skip
    return tmp_path


def test_differences_are_paired_by_task_and_seed(folder: Path) -> None:
    from cod_bench.reports.lab import read

    rows = read.rows(folder, "text.csv")
    mean, told = text.difference(rows, "cod", "standard", "consistency.held-out.both")
    assert mean == pytest.approx(22)
    assert told.startswith("+22.0 [+2")
    foreign = text.difference(rows, "cod", "standard", "consistency.foreign.both")
    assert foreign[0] == pytest.approx(22)
    assert foreign[1] != told, "half as many units have a wider interval"
    assert text.difference(rows, "cod", "nobody", "accuracy")[1] == "none"


def test_every_question_has_its_sentence(folder: Path) -> None:
    findings = page.write_text(folder)
    told = (folder / "text.md").read_text()
    assert len(findings) == told.count("\n## ") == 5
    assert "60 students of films and tweets, kd, k = 16, 5 seeds" in told
    assert findings[0].startswith("`cod` minus `standard` +22.0 [")
    assert "40 of films" in told
    assert "60 % of the pairs" in findings[2]
    assert findings[3].startswith("`cod` minus `near` +5.0")
    assert "films: originals at -3.0 in the median, counterfactuals at +2.5" in findings[4]
    assert "nan" not in told


def test_without_foreign_pairs_nothing_is_said_of_any(folder: Path) -> None:
    with (folder / "text.csv").open(newline="") as opened:
        rows = [
            {name: "" if "foreign" in name else value for name, value in row.items()} for row in csv.DictReader(opened)
        ]
    files.write(folder / "text.csv", rows)
    assert len(page.write_text(folder)) == 4
    assert "somebody else" not in (folder / "text.md").read_text()
