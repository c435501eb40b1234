"""Tidy tables: a row a run, nothing imputed, read back as they were."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cod_bench.analysis import frame
from cod_bench.errors import UsageError
from cod_bench.records import evaluate
from tests import asked
from tests.analysis.test_aggregate import REFERENCES, collect, hand_records


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return frame.frame([collect(hand_records())])


def test_every_counted_run_has_one_row_with_its_own_values(table: pd.DataFrame) -> None:
    records = hand_records()
    assert len(table) == len(records)
    for record in records:
        spec = record.spec
        own = table[table.run_id.eq(record.run_id)]
        assert own[["task", "method", "condition", "k", "seed"]].to_numpy().tolist() == [
            [spec.task, spec.method, spec.condition, spec.k, spec.seed]
        ]
        assert own.accuracy.item() == pytest.approx(record.metrics["accuracy"])


def test_what_only_readers_compute_has_columns_too(table: pd.DataFrame) -> None:
    for (_, task, _), reference in REFERENCES.items():
        own = table[table.task.eq(task)]
        for record in (record for record in hand_records() if record.spec.task == task):
            (found,) = evaluate.metrics_of([(record.predictions, record.probabilities)], reference)
            row = own[own.run_id.eq(record.run_id)]
            assert (row.matched.item(), row.collapsed.item()) == (found.read["matched"], found.read["collapsed"])
            assert "matched" not in record.metrics


def test_what_a_run_is_for_and_what_it_cost_stand_beside_its_metrics(table: pd.DataFrame) -> None:
    assert tuple(table.columns) == tuple(frame.COLUMNS)
    assert set(table.kind) == {"student"}
    grid = collect(hand_records())
    for record in hand_records():
        row = table[table.run_id.eq(record.run_id)]
        assert row.teacher_accuracy.item() == grid.teachers[record.spec.task]
        assert row.seconds.item() == record.cost["seconds"]
        assert row.kwh.isna().all()  # not counted, and so not 0
        slots = (record.cfe or {}).get("slots")
        assert row.cfe_slots.isna().item() if slots is None else row.cfe_slots.item() == slots


def test_missing_runs_have_no_row() -> None:
    assert len(frame.frame([collect(hand_records()[:3])])) == 3


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_files_are_read_back_as_they_were(table: pd.DataFrame, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"runs{suffix}"
    frame.write(table, path)
    read = pd.read_parquet(path) if suffix == ".parquet" else pd.read_csv(path).fillna({"suite": "", "generator": ""})
    pd.testing.assert_frame_equal(read, table, check_dtype=suffix == ".parquet")


def test_another_ending_is_told(table: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must end in \.csv or \.parquet"):
        frame.write(table, tmp_path / "runs.xlsx")


def test_runs_of_several_teachers_tell_their_track_and_the_accuracy_of_their_own() -> None:
    told = frame.frame([asked.grid(asked.by_hand(), asked.TWO)])
    assert len(told) == 16
    assert told.groupby("track")["teacher_accuracy"].unique().map(list).to_dict() == {
        "minilm": [1.0], "minilm@1": [0.99],
    }  # fmt: skip
