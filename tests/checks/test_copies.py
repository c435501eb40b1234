"""Outcomes that stand twice: copies are told, and equal rows may end alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cod_bench.checks import rows
from cod_bench.records.record import Record
from tests.samples import sample_record


def record(rows: str, **changes: object) -> Record:
    return replace(sample_record(), rows={"hash": rows}, **changes)  # type: ignore[arg-type]


def test_predictions_of_a_run_on_other_rows_are_told() -> None:
    one, other = record("a", history={"loss": [1.0]}), record("b", history={"loss": [2.0]})
    assert set(rows.copies({"one": one, "other": other})) == {"other"}
    apart = replace(other, probabilities=[2, *other.probabilities[1:]])
    assert rows.copies({"one": one, "other": apart}) == {}


def test_losses_of_a_run_on_other_rows_are_told() -> None:
    other = record("b", probabilities=[2, 9999, 5001, 20])
    assert rows.copies({"one": record("a"), "other": other})["other"].startswith("losses: those of run")


def test_equal_rows_and_other_teachers_may_end_alike() -> None:
    """A submission may do what another method does; `unvalidated` is `cod` where every first answer is valid."""
    assert rows.copies({"one": record("a"), "other": record("a")}) == {}
    assert rows.copies({"one": record("a"), "other": record("b", teacher_hash="other")}) == {}


@pytest.mark.parametrize(("ties", "told"), [(0, False), (2, False), (3, True)])
def test_few_rows_may_lie_at_one_half(ties: int, told: bool) -> None:
    p = [5000] * ties + [9000] * (20 - ties)
    assert bool(rows.undecided(record("a", predictions="1" * 20, probabilities=p))) == told
