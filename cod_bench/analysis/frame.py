"""Grids -> one tidy table, a row a counted run, for notebooks and other statistics software: pandas, CSV or parquet."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from cod_bench.analysis.aggregate import METRICS, Grid
from cod_bench.errors import UsageError
from cod_bench.store import write_atomic

if TYPE_CHECKING:
    import pandas as pd

COORDINATES = ("protocol", "track", "task", "method", "condition", "generator", "k", "seed")


def frame(grids: Iterable[Grid]) -> pd.DataFrame:
    """One row a counted run in its suite's order: suite, coordinates, run id, teacher, metrics as shares, wall seconds.

    Missing runs have no row; nothing is imputed.
    """
    import pandas as pd

    rows = [
        {"suite": grid.suite.name}
        | {name: getattr(spec, name) for name in COORDINATES}
        | {"run_id": run.record.run_id, "teacher_hash": run.record.teacher_hash}
        | {name: run.metrics[name] for name in (*METRICS, "collapsed")}
        | {"seconds": run.record.cost["seconds"]}
        for grid in grids
        for spec, run in grid.runs.items()
    ]
    columns = ["suite", *COORDINATES, "run_id", "teacher_hash", *METRICS, "collapsed", "seconds"]
    return pd.DataFrame(rows, columns=columns)


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
