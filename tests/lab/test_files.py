"""Two moons and logistic regressions from nothing to files, small; what outcomes say, and that they are found again."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from cod_bench.lab import files, moons
from cod_bench.lab.moons import Outcome
from cod_bench.lab.rows import Cell

FEW = [
    Cell(seed, 8, condition, overshoot=0.05, soft=soft)
    for seed in (0, 1)
    for condition, soft in (("standard", True), ("cod", True), ("cod", False))
]


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return moons.run(FEW)


def test_outcomes_come_in_the_order_of_their_cells_and_make_sense(outcomes: list[Outcome]) -> None:
    assert [one.cell for one in outcomes] == FEW
    for one in outcomes:
        assert 0.4 < one.agreement <= 1
        assert 0.4 < one.accuracy <= one.taught <= 1
        assert 0 <= one.distance <= one.greatest
        assert (one.pairs is None) == (one.cell.condition == "standard")
        if one.pairs is not None and one.pairs.crossed > 0:
            assert one.pairs.ratio >= 0.99


def test_a_student_is_found_again_whatever_stands_beside_it(outcomes: list[Outcome]) -> None:
    (alone,) = moons.run(FEW[1:2])
    assert alone.agreement == pytest.approx(outcomes[1].agreement, abs=2e-3)
    assert alone.distance == pytest.approx(outcomes[1].distance, abs=2e-3)


def test_the_whole_experiment_has_each_student_once() -> None:
    found = moons.cells(range(3))
    assert len(found) == len(set(found)) == 3 * 40
    settings = {(one.soft, one.sided, one.noise, one.kept) for one in found}
    assert len(settings) == 1 + 1 + 1 + len(moons.NOISES)
    assert len(moons.SEEDS) >= 50


def test_rows_are_written_with_what_they_are_called_by(outcomes: list[Outcome], tmp_path: Path) -> None:
    files.write(tmp_path / "deep" / "moons.csv", outcomes)
    with (tmp_path / "deep" / "moons.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["condition"] for row in rows] == [one.condition for one in FEW]
    assert [row["soft"] for row in rows[:3]] == ["yes", "yes", "no"]
    assert float(rows[1]["pairs.gap"]) == pytest.approx(outcomes[1].pairs.gap, rel=1e-4)  # type: ignore[union-attr]
    assert rows[0]["pairs.gap"] == ""
    with pytest.raises(ValueError, match="no rows"):
        files.write(tmp_path / "none.csv", [])


def test_what_is_no_number_is_left_empty(tmp_path: Path) -> None:
    files.write(tmp_path / "one.csv", [{"a": np.nan, "b": 1 / 3, "c": True, "d": 3}])
    assert (tmp_path / "one.csv").read_text() == "a,b,c,d\n,0.333333,yes,3\n"


def test_a_picture_has_the_teacher_and_every_condition() -> None:
    points, lines = files.picture(0)
    assert {row["of"] for row in lines} == {"teacher", *moons.CONDITIONS}
    seen = {name: sum(row["of"] == name and row["label"] >= 0 for row in points) for name in moons.CONDITIONS}
    assert seen == dict.fromkeys(moons.CONDITIONS, 20) | {"half": 10}
    assert sum(row["of"] == "data" for row in points) == moons.POINTS
    assert sum("end_x" in row for row in points if row["of"] == "cod") == 10
