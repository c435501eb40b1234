"""Grids -> one tidy table, a row a counted run, for notebooks and other statistics software: pandas, CSV or parquet."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cod_bench.analysis.aggregate import METRICS, Grid, Run
from cod_bench.design.suites import FLOORS
from cod_bench.errors import UsageError
from cod_bench.spec import RunSpec
from cod_bench.store import write_atomic

if TYPE_CHECKING:
    import pandas as pd

COORDINATES = ("protocol", "track", "task", "method", "condition", "generator", "k", "seed")
STUDENT, FLOOR, CEILING = "student", "floor", "ceiling"
"""Kinds of runs: a trained student; a method to measure it against; that method on the whole training pool, k = 0."""
CFE = ("slots", "valid", "edit_fraction", "margin_before", "margin_after")
"""What a record says of its counterfactuals, as columns `cfe_...`."""
COSTS = (
    "human_labels", "teacher_queries", "unlabelled_texts", "llm_requests", "llm_prompt_tokens", "llm_completion_tokens",
    "dollars", "steps", "prepare_steps", "teacher_passes", "seconds", "cpu_seconds", "rows_seconds", "prepare_seconds",
    "train_seconds", "evaluate_seconds", "pool_seconds", "pool_cpu_seconds", "kwh",
)  # fmt: skip

COLUMNS: Mapping[str, str] = {
    "suite": "the first suite that has the run; empty if none declares it",
    "kind": "`student`; `floor`, a method to measure students against; `ceiling`, such a method on the whole pool",
    "protocol": "how the student to evaluate is chosen: `last`, `dev` or `paper`",
    "track": "pair of teacher and student, with its recipe",
    "task": "corpus",
    "method": "how the student learns",
    "condition": "how the k rows are spent",
    "generator": "what made the counterfactuals; empty where none are needed",
    "k": "budget of labelled rows; 0 of a ceiling",
    "seed": "of rows, start and dropout",
    "run_id": "digest of all that the run depends on",
    "teacher_hash": "of the teacher; runs are paired only where it is the same",
    "teacher_accuracy": "accuracy of that teacher on the same rows, share",
    "accuracy": "share of the evaluation rows",
    "mcc": "Matthews correlation, -1 to 1",
    "macro_f1": "mean of the classes' F1, share",
    "auroc": "area under the ROC curve, share",
    "agreement": "share of rows on which student and teacher name the same class",
    "kl": "divergence of the student's probabilities from the teacher's, nats",
    "ece": "expected calibration error, share",
    "top_share": "share of the rows that the most predicted class has",
    "matched": "accuracy with the threshold at the evaluation prior, share",
    "collapsed": "whether the most predicted class exceeds its gold share by more than 30 points",
    "cfe_slots": "originals for which a counterfactual was looked for",
    "cfe_valid": "those that have one which flips the teacher",
    "cfe_edit_fraction": "words edited, share, mean over slots",
    "cfe_margin_before": "teacher's p(target) - p(gold) on the originals, mean over slots",
    "cfe_margin_after": "the same on the condition's own texts",
    "human_labels": "rows whose gold label had to be known",
    "teacher_queries": "texts that the teacher was asked about",
    "unlabelled_texts": "texts read without a label",
    "llm_requests": "requests to a language model",
    "llm_prompt_tokens": "tokens sent to it",
    "llm_completion_tokens": "tokens it answered",
    "dollars": "paid for it",
    "steps": "optimiser steps",
    "prepare_steps": "those of a first stage",
    "teacher_passes": "texts that the teacher read while the run was made",
    "seconds": "wall clock of the whole run",
    "cpu_seconds": "of the process",
    "rows_seconds": "making its rows",
    "prepare_seconds": "first stage",
    "train_seconds": "training; of a floor its fit",
    "evaluate_seconds": "predicting the evaluation rows",
    "pool_seconds": "its share of making the counterfactuals",
    "pool_cpu_seconds": "the same of the processor",
    "kwh": "energy of its training as codecarbon estimates it; only of `run --energy`",
}
"""Column -> what it holds, with its unit, in order. Costs that a record did not count are empty, never 0."""


def frame(grids: Iterable[Grid]) -> pd.DataFrame:
    """One row a counted run in its suite's order, with the columns of `COLUMNS`.

    Missing runs have no row; nothing is imputed.
    """
    import pandas as pd

    rows = [_row(grid, spec, run) for grid in grids for spec, run in grid.runs.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(_numbers(), "float64"))


def _row(grid: Grid, spec: RunSpec, run: Run) -> dict[str, Any]:
    record = run.record
    cfe = record.cfe or {}
    return (
        {"suite": grid.suite.name, "kind": kind(grid, spec)}
        | {name: getattr(spec, name) for name in COORDINATES}
        | {"run_id": record.run_id, "teacher_hash": record.teacher_hash}
        | {"teacher_accuracy": grid.each_teacher[spec.task, spec.track]}
        | {name: run.metrics[name] for name in (*METRICS, "collapsed")}
        | {f"cfe_{name}": cfe.get(name) for name in CFE}
        | {name: record.cost.get(name) for name in COSTS}
    )


def _numbers() -> list[str]:
    """Columns that may be empty."""
    return [*(f"cfe_{name}" for name in CFE), *COSTS]


def kind(grid: Grid, spec: RunSpec) -> str:
    """What a run is for; floors are those of its suite, and of any where its suite has none."""
    if spec.k == 0:
        return CEILING
    return FLOOR if spec.method in (grid.floors or FLOORS) else STUDENT


def write(table: pd.DataFrame, path: Path) -> None:
    """Write the table as its name says.

    Raises:
        UsageError: the name ends neither in .csv nor in .parquet, or it cannot be written.
    """
    check(path)
    if path.suffix == ".csv":
        write_atomic(path, table.to_csv(index=False, lineterminator="\n"))
    else:
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        write_atomic(path, buffer.getvalue())


def check(path: Path) -> None:
    """Refuse a name that says no form.

    Raises:
        UsageError: it ends neither in .csv nor in .parquet.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise UsageError(f"{path}: the name must end in .csv or .parquet")
