"""A results folder and the lab's rows -> tables for queries, equal to the leaderboard's files and to the runs."""

from __future__ import annotations

import csv
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cod_bench.analysis import stats
from cod_bench.errors import UsageError
from cod_bench.records.results import Results
from cod_bench.reports.findings import tables
from tests import ROOT


@pytest.fixture(scope="module")
def published() -> sqlite3.Connection:
    return tables.gather(Results(ROOT / "results"), ROOT / "docs" / "lab")


def test_a_leaderboard_file_is_in_its_table_row_by_row(published: sqlite3.Connection) -> None:
    with (ROOT / "leaderboard" / "confirm" / "claims.csv").open() as file:
        wanted = [(row["track"], row["claim"], row["verdict"], float(row["p"])) for row in csv.DictReader(file)]
    asked = "SELECT track, claim, verdict, p FROM claims WHERE suite = 'confirm' AND track = 'minilm' ORDER BY rowid"
    assert published.execute(asked).fetchall() == wanted


def test_a_run_is_a_row_and_what_nobody_counted_is_null(published: sqlite3.Connection) -> None:
    (runs,) = published.execute("SELECT COUNT(*) FROM runs WHERE suite = 'confirm' AND track LIKE 'minilm%'").fetchone()
    assert runs >= 2784
    asked = "SELECT COUNT(*), COUNT(kwh) FROM runs WHERE suite = 'confirm'"
    every, counted = published.execute(asked).fetchone()
    assert every > 0
    assert counted == 0


def test_mean_accuracy_by_query_is_the_leaderboards(published: sqlite3.Connection) -> None:
    asked = (
        "SELECT c.accuracy, AVG(r.accuracy) FROM cells c JOIN runs r ON (r.task, r.method, r.condition, r.k) = "
        "(c.task, c.method, c.condition, c.k) AND r.suite = c.suite AND r.track LIKE c.track || '%' "
        "WHERE c.suite = 'confirm' AND c.track = 'minilm' GROUP BY c.rowid"
    )
    found = np.array(published.execute(asked).fetchall())
    assert len(found) > 50
    assert np.abs(found[:, 0] - found[:, 1]).max() < 1e-6


def test_the_labs_rows_and_the_papers_numbers_are_there(published: sqlite3.Connection) -> None:
    assert published.execute("SELECT COUNT(DISTINCT seed) FROM lab_moons").fetchone() == (60,)
    asked = (
        "SELECT mean FROM paper_accuracy WHERE \"table\" = 1 AND task = 'amazon' AND method = 'kd' AND k = 8 "
        "AND variant = 'none' AND student = 'deberta-v3-small'"
    )
    assert published.execute(asked).fetchall() == [(0.671,)]


@given(values=st.lists(st.floats(-100, 100), min_size=0, max_size=30), gaps=st.integers(0, 3))
def test_intervals_are_those_of_the_statistics_and_null_below_four(values: list[float], gaps: int) -> None:
    made = sqlite3.connect(":memory:")
    for name, end in (("t_low", 0), ("t_high", 1)):
        made.create_aggregate(name, -1, tables._interval(end))
    made.execute("CREATE TABLE x (v)")
    made.executemany("INSERT INTO x VALUES (?)", [*((value,) for value in values), *((None,) for _ in range(gaps))])
    found = made.execute("SELECT t_low(v), t_high(v) FROM x").fetchone()
    wanted = stats.mean_interval(np.array(values)) if values else None
    assert found == ((None, None) if wanted is None else pytest.approx(wanted))


@given(
    groups=st.lists(st.lists(st.floats(-100, 100), min_size=2, max_size=9), min_size=2, max_size=4).filter(
        lambda groups: sum(map(len, groups)) >= stats.FEWEST
    )
)
def test_strata_are_those_of_the_leaderboards_units(groups: list[list[float]]) -> None:
    made = sqlite3.connect(":memory:")
    for name, end in (("t_low", 0), ("t_high", 1)):
        made.create_aggregate(name, -1, tables._interval(end))
    made.execute("CREATE TABLE x (task, v)")
    made.executemany("INSERT INTO x VALUES (?, ?)", [(place, v) for place, group in enumerate(groups) for v in group])
    low, high = made.execute("SELECT t_low(v, task), t_high(v, task) FROM x").fetchone()
    arrays = [np.array(group) for group in groups]
    error = stats.unit_error(arrays)
    assert error is not None
    half = stats.half_width(error, 0.0, sum(len(group) - 1 for group in groups))
    assert (low + high) / 2 == pytest.approx(np.mean([group.mean() for group in arrays]), abs=1e-9)
    assert (high - low) / 2 == pytest.approx(half, abs=1e-9)


def test_a_row_with_a_cell_too_many_is_told(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("a,b\n1,2,3\n")
    with pytest.raises(UsageError, match="has other columns than its head"):
        tables.gather(Results(tmp_path / "none"), tmp_path)


def test_names_of_columns_and_values_from_files_stay_text(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    (lab / "odd-file.csv").write_text('"x"" ) ; DROP TABLE runs; --",y\n"1; DROP",2\n,0.5\n')
    made = tables.gather(Results(ROOT / "results"), lab, ["'six-local'"])
    assert made.execute("SELECT * FROM lab_odd_file").fetchall() == [("1; DROP", 2), (None, 0.5)]
    assert made.execute("SELECT COUNT(*) > 0 FROM runs").fetchone() == (1,)


def test_suites_that_no_query_names_are_left_out(published: sqlite3.Connection) -> None:
    query = "SELECT * FROM runs WHERE suite = 'six-local'"
    made = tables.gather(Results(ROOT / "results"), ROOT / "docs" / "lab", [query])
    assert {suite for (suite,) in made.execute("SELECT DISTINCT suite FROM runs")} == {"six-local"}
    assert made.execute(query).fetchall() == published.execute(query).fetchall()
    everything = "SELECT * FROM {} WHERE suite = 'six-local'"
    for name in ("cells", "significance", "claims", "floors"):
        assert made.execute(everything.format(name)).fetchall() == published.execute(everything.format(name)).fetchall()


def test_an_empty_folder_has_no_runs(tmp_path: Path) -> None:
    made = tables.gather(Results(tmp_path), tmp_path)
    with pytest.raises(sqlite3.OperationalError, match="no such table: runs"):
        made.execute("SELECT * FROM runs")
