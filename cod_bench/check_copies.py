"""Records -> outcomes that stand twice: no two trainings on different rows end alike to the last digit. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from cod_bench.record import SCALE, Record
from cod_bench.spec import digest

TIES = 0.1
"""Share of rows whose probability may be one half, where either class may stand; published records have few."""


def copies(records: Mapping[str, Record]) -> dict[str, str]:
    """Runs with the predictions and probabilities, or with the losses, of a run on other rows, by path.

    Equal rows may give equal outcomes: a submitted method may do what another does, and where all first answers are
    valid `unvalidated` is `cod`.
    """
    first: dict[tuple[str, ...], tuple[str, str]] = {}
    reasons = {}
    for path, record in records.items():
        spec, rows = record.spec, str(record.rows.get("hash"))
        place = (spec.track, spec.task, record.teacher_hash)
        outcome = digest([record.predictions, list(record.probabilities)])
        losses = digest(list(record.history.get("loss", ())))
        for what, value in (("predictions", outcome), ("losses", losses)):
            other, own = first.setdefault((*place, what, value), (record.run_id, rows))
            if own != rows:
                reasons[path] = f"{what}: those of run {other} to the last digit, which was trained on other rows"
    return reasons


def undecided(record: Record) -> str:
    """Why a record's probabilities leave its classes open; empty if they do not."""
    open_ = list(record.probabilities).count(SCALE // 2)
    if open_ > TIES * len(record.probabilities):
        return f"probabilities: {open_} of {len(record.probabilities)} rows at one half, where either class may stand"
    return ""
