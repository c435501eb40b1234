"""A CSV file of the lab -> its rows; rows of two settings -> the paired difference, with an interval over seeds."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cod_bench.analysis import stats
from cod_bench.errors import UsageError
from cod_bench.store import read_text

Row = Mapping[str, str]
LARGEST = 64 * 2**20


def rows(folder: Path, name: str) -> list[Row]:
    """The rows of one file of the lab.

    Raises:
        UsageError: it is not there, or is none.
    """
    path = folder / name
    if not path.is_file():
        verb = name.partition("-")[0].partition(".")[0]
        raise UsageError(f"{path}: is not there; run `cod-bench lab {verb} --out {folder}` first")
    found: list[Row] = list(csv.DictReader(read_text(path, LARGEST).splitlines()))
    if not found:
        raise UsageError(f"{path}: holds no rows; remove it and run the lab again")
    if any(None in row or None in row.values() for row in found):
        raise UsageError(f"{path}: a row has other columns than its head; remove it and run the lab again")
    return found


def number(row: Row, name: str) -> float:
    """A row's value; NaN where it has none.

    Raises:
        UsageError: the file has no such column, or no number there.
    """
    try:
        return float(row[name]) if row[name] else math.nan
    except (KeyError, ValueError) as error:
        raise UsageError(f"column {name}: {error}; run the lab again") from error


@dataclass(frozen=True)
class Setting:
    """Which students: a condition's at a budget, and what else was varied; as in the columns of `moons.csv`."""

    condition: str
    k: int
    overshoot: str = "0.05"
    soft: str = "yes"
    sided: str = "no"
    noise: str = "0"
    kept: str = "no"

    def of(self, found: Sequence[Row]) -> dict[int, Row]:
        """Its rows by seed."""
        wanted = {name: str(value) for name, value in vars(self).items()}
        lacks = [name for name in (*wanted, "seed") if found and name not in found[0]]
        if lacks:
            raise UsageError(f"moons.csv: has no column {lacks[0]}; run the lab again")
        return {int(row["seed"]): row for row in found if all(row[name] == told for name, told in wanted.items())}


@dataclass(frozen=True)
class Compared:
    """One setting minus another in one measure, paired by seed.

    Args:
        n: seeds in which both have a value.
        left_out: seeds in which one has none.
        mean, low, high: of the differences, with a 95 % t interval over seeds.
        median: of the differences.
        wins: seeds in which the first is the better one; a student without a value loses.
    """

    n: int
    left_out: int
    mean: float
    low: float
    high: float
    median: float
    wins: int

    @property
    def shown(self) -> bool:
        """Whether the interval has no 0 in it."""
        return self.low > 0 or self.high < 0


def compared(found: Sequence[Row], one: Setting, other: Setting, measure: str, *, less_is_better: bool) -> Compared:
    """Both settings' students of the same seeds, against one another.

    Raises:
        UsageError: too few seeds have both for an interval.
    """
    first, second = one.of(found), other.of(found)
    seeds = sorted(first.keys() & second.keys())
    pairs = np.array([(number(first[seed], measure), number(second[seed], measure)) for seed in seeds]).reshape(-1, 2)
    differences = pairs[:, 0] - pairs[:, 1]
    there = differences[~np.isnan(differences)]
    interval = stats.mean_interval(there)
    if interval is None:
        raise UsageError(
            f"{one.condition} against {other.condition}, k = {one.k}: too few seeds; run the lab with more --seeds"
        )
    better = there < 0 if less_is_better else there > 0
    lone = np.isnan(pairs[:, 1]) & ~np.isnan(pairs[:, 0])
    return Compared(
        len(there), len(seeds) - len(there), float(there.mean()), *interval, float(np.median(there)),
        int(better.sum() + lone.sum()),
    )  # fmt: skip


def average(found: Sequence[Row], setting: Setting, measure: str) -> float:
    """Mean over the seeds that have a value; NaN if none has."""
    values = np.array([number(row, measure) for row in setting.of(found).values()])
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else math.nan
