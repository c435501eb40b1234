"""Leaderboard files, runs, published numbers and the lab's rows -> one database in memory, for the report's queries."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from cod_bench.analysis import frame, grids, stats
from cod_bench.errors import UsageError
from cod_bench.records.results import Results
from cod_bench.reports import render
from cod_bench.reports.findings import errors
from cod_bench.store import read_text

LARGEST = 64 * 2**20
"""Bytes that a file of the lab may have."""


def gather(results: Results, lab: Path, queries: Sequence[str] | None = None) -> sqlite3.Connection:
    """Every table of a results folder and of a lab's folder; those of all suites and tracks stand in one.

    `cells`, `claims`, `significance` ... are the leaderboard's CSV files, made from the records here and now; `runs`
    has a row a (suite, counted run), `errors` what `errors.rows` tells; `paper_accuracy` ... are the numbers
    that the paper printed; `lab_moons` ... are the lab's. Aggregates beside SQLite's own: `t_low(x)` and `t_high(x)`,
    ends of the 95 % t interval of a mean over units, evaluation rows fixed; `t_low(x, task)` stratified by task;
    `here(verdict)`, the report's word for a verdict of `claims`.

    Args:
        queries: what will be asked; suites that none of them names, in quotes, are left out. All are there if None.

    Raises:
        UsageError: a file of the lab is none, or the folder holds a corrupt declaration.
    """
    made = sqlite3.connect(":memory:")
    for name, end in (("t_low", 0), ("t_high", 1)):
        made.create_aggregate(name, -1, _interval(end))
    made.create_function("here", 1, _here, deterministic=True)
    asked = grids.suites_with_records(results)
    if queries is not None:
        asked = [suite for suite in asked if any(f"'{suite.name}'" in query for query in queries)]
    rows: dict[str, list[Mapping[str, object]]] = {}
    for name, text in render.files(results, asked, figures=False).items():
        if name.endswith(".csv"):
            rows.setdefault(Path(name).stem, []).extend(_read(text))
    for file in sorted(resources.files("cod_bench.reports.paper.numbers").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".csv"):
            rows[f"paper_{file.name.removesuffix('.csv')}"] = [*_read(file.read_text(encoding="utf-8"))]
    for path in sorted(lab.glob("*.csv")):
        rows[f"lab_{path.stem.replace('-', '_')}"] = [*_read(read_text(path, LARGEST))]
    records, _ = results.scan()
    references = results.references()
    found = [grid for suite in asked for grid in grids.of(suite, records=records, references=references) if grid.runs]
    if found:
        table = frame.frame(found)
        rows["errors"] = [*errors.rows(found, references)]
        rows["runs"] = [
            {str(name): None if value != value else value for name, value in row.items()}  # NaN: nobody counted it
            for row in table.to_dict(orient="records")
        ]
    for name, own in rows.items():
        _put(made, name, own)
    made.commit()
    return made


def _read(text: str) -> Iterable[Mapping[str, object]]:
    """Rows of a CSV text: numbers as numbers, nothing as NULL."""
    for row in csv.DictReader(text.splitlines()):
        if None in row or None in row.values():
            raise UsageError(
                f"a row of {', '.join(map(str, row))}: has other columns than its head; make the file again"
            )
        yield {name: _value(told) for name, told in row.items()}


def _value(told: str) -> object:
    if not told:
        return None
    for kind in (int, float):
        try:
            return kind(told)
        except ValueError:
            continue
    return told


def _put(made: sqlite3.Connection, name: str, rows: Sequence[Mapping[str, object]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if not columns:
        return
    quoted = ", ".join(_quoted(column) for column in columns)
    made.execute(f"CREATE TABLE {_quoted(name)} ({quoted})")
    slots = ", ".join("?" for _ in columns)
    values = ([_plain(row.get(column)) for column in columns] for row in rows)
    made.executemany(f"INSERT INTO {_quoted(name)} VALUES ({slots})", values)  # noqa: S608 - both are quoted


def _quoted(name: str) -> str:
    """A name as SQL has it, whatever is in it: columns come from files."""
    if "\0" in name:
        raise UsageError(f"column {name!r}: holds a NUL; make the file again")
    return '"' + name.replace('"', '""') + '"'


def _plain(value: object) -> object:
    """What SQLite can hold."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    return value.item() if isinstance(value, np.generic) else value


HERE = {"shown": "holds here", "reversed": "fails here", "not shown": "not shown here"}
"""A verdict of `claims` -> the report's word for it."""


def _here(verdict: str) -> str:
    return HERE[verdict]


def _interval(end: int) -> type:
    """An aggregate: the low or the high end of the 95 % t interval of a mean over units, by stratum if one is given.

    NULL below `stats.FEWEST` values, and where a stratum has a single one.
    """

    class End:
        def __init__(self) -> None:
            self.groups: dict[object, list[float]] = {}

        def step(self, value: float | None, stratum: object = None) -> None:
            if value is not None:
                self.groups.setdefault(stratum, []).append(float(value))

        def finalize(self) -> float | None:
            groups = [np.array(values) for values in self.groups.values()]
            units = sum(map(len, groups))
            error = stats.unit_error(groups) if units >= stats.FEWEST else None
            if error is None:
                return None
            half = stats.half_width(error, 0.0, units - len(groups))
            return float(np.mean([group.mean() for group in groups])) + (half if end else -half)

    return End
