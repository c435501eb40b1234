"""Published numbers and a grid of ours -> the paper's tables, cell by cell. Pure; Hamman et al., arXiv 2510.21631."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import numpy as np

from cod_bench.analysis import paired
from cod_bench.analysis.aggregate import Grid
from cod_bench.errors import UsageError
from cod_bench.spec import base_name as declared_name

RUNS = 5
"""Of each published mean and standard deviation."""
ZERO = 1e-9
"""Differences of ours below it are the last bits of a tie: one row in one of many runs is far more."""
OTHER_NAMES: Mapping[str, str] = {"amazon_polarity": "amazon", "amazon_paper": "amazon", "yelp_paper": "yelp"}
"""Our task -> the paper's, where they differ; a `+local` suffix is cut before."""
EDITOR = re.compile(r"gpt-4o(-\d{4}-\d\d-\d\d)?")
"""The model that made the paper's counterfactuals (gen_cfx.sh of the released scripts), under any of its dates."""
DEPARTURES: Mapping[str, str] = {
    "amazon_polarity": "texts of at most 90 characters instead of the released code's 60, which leave 113 to evaluate",
    "amazon_paper": "texts that occur twice are kept once",
    "yelp": "1 and 2 stars are negative and 4 and 5 positive, as the paper says; its released code takes 1 to 3 stars "
    "for negative, leaves 4 out and evaluates other rows with every seed",
    "yelp_paper": "labels as in the released code, but evaluated on fixed rows: the released code's move with the seed",
    "imdb": "reviews that occur twice are evaluated once",
    "sentiment140": "evaluated on fixed rows; those of the released code are drawn anew with every seed",
}
"""How labels and evaluation rows of a canonical task of ours differ from the paper's; without an entry they do not."""
CONDITIONS_BESIDE: Mapping[str, tuple[str, ...]] = {"none": ("standard",), "cod": ("unvalidated", "cod")}
"""Paper's row -> ours. The released code validated nothing, so that both of ours stand beside its CoD."""
_COD = CONDITIONS_BESIDE["cod"]
Kind = Literal["accuracy", "teachers", "prompts", "cost", "soft labels"]


@dataclass(frozen=True, slots=True)
class Table:
    """One of the paper's tables: what it shows and which suite of ours answers it."""

    number: int
    title: str
    kind: Kind
    suite: str
    source: int
    """The table whose numbers these are (the paper's table 3 repeats cells of its table 6)."""


TABLES: Mapping[int, Table] = {
    table.number: table
    for table in (
        Table(1, "KD and LWD, DeBERTa-v3-base to small", "accuracy", "paper", 1),
        Table(2, "TED, DeBERTa-v3-base to small", "accuracy", "paper", 2),
        Table(3, "KD and LWD, Qwen2.5-1.5B to 0.5B (cells of table 6)", "accuracy", "paper-qwen", 6),
        Table(4, "Teachers", "teachers", "paper", 4),
        Table(5, "KD and LWD, DeBERTa-v3-base to xsmall", "accuracy", "paper-xsmall", 5),
        Table(6, "KD and LWD, Qwen2.5-1.5B to 0.5B", "accuracy", "paper-qwen", 6),
        Table(7, "Four prompts, SST-2, KD", "prompts", "prompt-ablation", 7),
        Table(8, "Cost of a run, SST-2", "cost", "paper", 8),
        Table(9, "Soft labels, SST-2, KD", "soft labels", "soft-labels", 9),
    )
}


@dataclass(frozen=True, slots=True)
class Value:
    """Mean, standard deviation over `n` runs (None where it is not told) and whether its row is beyond doubt."""

    mean: float
    sd: float | None
    n: int
    certain: bool = True


Cell = Value | float | str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: whose it is, what it shows, and its values by column."""

    block: str
    """The paper's task and method, between which rules are drawn."""
    whose: str
    """`paper` or the suite, protocol and track of ours."""
    what: str
    cells: Mapping[str, Cell]
    """Column -> a mean with its spread (shares), a difference (share), a cost or a word."""
    unit: Literal["share", "s", "kWh"] = "share"


def table(number: int) -> Table:
    """The table of that number; an unknown one is a UsageError."""
    if number not in TABLES:
        raise UsageError(f"table {number}: the paper has tables 1 to {max(TABLES)}; choose one of these")
    return TABLES[number]


@cache
def published(name: str) -> tuple[Mapping[str, str], ...]:
    """The rows of one file of published numbers, as text."""
    text = resources.files("cod_bench.reports.paper.numbers").joinpath(f"{name}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def accuracies(number: int) -> dict[tuple[str, str, str, int], Value]:
    """(task, method, `none` or `cod`, k) -> the published accuracy of a table (1, 2, 5 or 6)."""
    return {
        (row["task"], row["method"], row["variant"], int(row["k"])): Value(
            float(row["mean"]), float(row["std"]), RUNS, row["certain"] == "yes"
        )
        for row in published("accuracy")
        if int(row["table"]) == number
    }


def base_name(task: str) -> str:
    """The paper's name of a task of ours, canonical or local."""
    name = declared_name(task)
    return OTHER_NAMES.get(name, name)


def rows(number: int, grids: Sequence[Grid]) -> list[Row]:
    """The lines of one table: the paper's and, below, those of each grid of ours that answers it.

    Args:
        grids: of any (suite, protocol, track); tasks are matched by `base_name`. Cells that were not run are None.
    """
    shown = table(number)
    made = {
        "accuracy": _accuracy, "teachers": _teachers, "prompts": _prompts, "cost": _cost, "soft labels": _soft_labels,
    }[shown.kind]  # fmt: skip
    return list(made(shown, grids))


def columns(found: Sequence[Row]) -> list[str]:
    """The columns of a table in the order of their first row."""
    return list(dict.fromkeys(name for row in found for name in row.cells))


def gain(plain: Value | None, cod: Value | None) -> float | None:
    """Difference of two means; None where one is missing."""
    return None if plain is None or cod is None else cod.mean - plain.mean


def standard_error(plain: Value | None, cod: Value | None) -> float | None:
    """Of a published difference: its sides taken as independent, the paper tells no pairing."""
    if plain is None or cod is None or plain.sd is None or cod.sd is None:
        return None
    return math.sqrt(plain.sd**2 / plain.n + cod.sd**2 / cod.n)


def agreement(theirs: float | None, error: float | None, ours: float | None) -> str | None:
    """Whether ours has the sign of a published difference.

    None where one is missing, theirs is within its error or ours is none at all.
    """
    if theirs is None or ours is None or error is None or abs(theirs) <= error or abs(ours) < ZERO:
        return None
    return "same sign" if theirs * ours > 0 else "other sign"


def ours(grid: Grid, task: str, method: str, condition: str, k: int) -> Value | None:
    """Mean and spread over seeds of our runs whose task the paper calls `task`; None if there is none."""
    names = [name for name in grid.suite.tasks if base_name(name) == task]
    if method not in grid.methods or condition not in grid.conditions(method) or not names:
        return None
    found = [float(run.metrics["accuracy"]) for run in grid.cell(names[0], method, condition, k)]
    return _value(found)


def gained(grid: Grid, task: str, method: str, condition: str, k: int) -> float | None:
    """What a condition of ours gains over `standard`, mean over the seeds that have both; None if there is none."""
    names = [name for name in grid.suite.tasks if base_name(name) == task]
    if method not in grid.methods or not {condition, "standard"} <= set(grid.conditions(method)) or not names:
        return None
    found = paired.differences(grid, names[0], method, (condition, "standard"), [k]).units
    return float(found.mean()) if len(found) else None


def _gained(grid: Grid, method: str, condition: str, columns: Iterable[str]) -> dict[str, Cell]:
    """The same on SST-2, by column."""
    return {name: gained(grid, "sst2", method, condition, _k(name)) for name in columns}


def _value(found: Sequence[float]) -> Value | None:
    if not found:
        return None
    return Value(float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else None, len(found))


def _named(grid: Grid) -> str:
    return f"ours: {grid.suite.name}, {grid.track}, {grid.protocol}"


def _accuracy(shown: Table, grids: Sequence[Grid]) -> Iterator[Row]:
    theirs = accuracies(shown.source)
    for task, method in dict.fromkeys((task, method) for task, method, _, _ in theirs):
        ks = [k for t, m, variant, k in theirs if (t, m, variant) == (task, method, "none")]
        block = f"{task} {method}"

        def row(whose: str, what: str, of: Mapping[int, Cell], block: str = block) -> Row:
            return Row(block, whose, what, {f"k={k}": value for k, value in of.items()})

        plain = {k: theirs.get((task, method, "none", k)) for k in ks}
        cod = {k: theirs.get((task, method, "cod", k)) for k in ks}
        differences = {k: gain(plain[k], cod[k]) for k in ks}
        errors = {k: standard_error(plain[k], cod[k]) for k in ks}
        yield row("paper", "without CoD", plain)
        yield row("paper", "with CoD", cod)
        yield row("paper", "difference", differences)
        for grid in (g for g in grids if method in g.methods and task in map(base_name, g.suite.tasks)):
            own = {c: {k: ours(grid, task, method, c, k) for k in ks} for c in ("standard", *CONDITIONS_BESIDE["cod"])}
            for condition, values in own.items():
                yield row(_named(grid), condition, values)
            for condition in CONDITIONS_BESIDE["cod"]:
                lifts = {k: gained(grid, task, method, condition, k) for k in ks}
                yield row(_named(grid), f"{condition} - standard", lifts)
                signs = {k: agreement(differences[k], errors[k], lifts[k]) for k in ks}
                yield row(_named(grid), f"{condition}: sign beside the paper's", signs)


def _teachers(_: Table, grids: Sequence[Grid]) -> Iterator[Row]:
    printed: dict[str, dict[str, Cell]] = {}
    for row in published("teacher_accuracy"):
        printed.setdefault(row["teacher"], {})[row["task"]] = Value(float(row["accuracy"]), None, 1)
    tasks = list(next(iter(printed.values())))
    for teacher, cells in printed.items():
        yield Row("teachers", "paper", teacher, cells)
    for grid in grids:
        known = {base_name(task): Value(accuracy, None, 1) for task, accuracy in grid.teachers.items()}
        yield Row("teachers", _named(grid), "teacher", {task: known.get(task) for task in tasks})


PROMPTS: Mapping[str, str] = {f"prompt {number}": f"llm_v{number}" for number in (1, 2, 3, 4)}
"""The paper's row -> our generator."""


def has_task(grid: Grid, task: str = "sst2") -> bool:
    """Whether a grid has a task that the paper calls so; tables 7 to 9 have SST-2 alone."""
    return task in map(base_name, grid.suite.tasks)


def needs(shown: Table, grids: Sequence[Grid]) -> list[tuple[str, str]]:
    """(what of ours is missing beside one of the tables 7 to 9, the command that makes it).

    Args:
        grids: those that are the published pair on canonical data.
    """
    run = f"cod-bench run --suite {shown.suite}"
    if shown.kind == "prompts":
        there = {grid.suite.generator for grid in grids}
        lacking = [(name, made) for name, made in PROMPTS.items() if made not in there]
        return [(f"{name[:1].upper()}{name[1:]}", f"{run} --generator {made} --all") for name, made in lacking]
    if shown.kind == "soft labels":
        there = {method for grid in grids for method in grid.methods}
        lacking = [(row.replace("_", " "), method) for row, method in SOFT_LABELS.items() if method not in there]
        return [(f"{row[:1].upper()}{row[1:]} ({method})", f"{run} --method {method}") for row, method in lacking]
    if shown.kind != "cost":
        return []
    cell = f"{run} --protocol paper --task sst2 --method kd,lwd --condition cod"
    told = [run.record.cost for grid in grids for run in grid.runs.values() if run.record.spec.condition == "cod"]
    if not told:
        return [("Time", cell), ("Energy", f"{cell} --energy")]
    return [] if any("kwh" in cost for cost in told) else [("Energy", f"{cell} --energy --rerun all")]


def _prompts(_: Table, grids: Sequence[Grid]) -> Iterator[Row]:
    printed: dict[str, dict[str, Cell]] = {}
    for row in published("prompt_ablation"):
        printed.setdefault(row["variant"], {})[f"k={row['k']}"] = Value(float(row["accuracy"]), None, RUNS)
    block, plain = "sst2 kd", printed["kd"]
    yield Row(block, "paper", "without CoD", plain)
    for variant, cells in printed.items():
        if variant != "kd":
            name = variant.replace("cod_v", "prompt ")
            yield Row(block, "paper", name, cells)
            yield Row(block, "paper", f"{name} - without CoD", _minus(cells, plain))
    names = {made: name for name, made in PROMPTS.items()}
    shown: set[tuple[str, ...]] = set()
    for grid in filter(has_task, grids):
        own = {c: {name: ours(grid, "sst2", "kd", c, _k(name)) for name in plain} for c in ("standard", *_COD)}
        whose = f"ours: {grid.suite.name.partition('+')[0]}, {grid.track}, {grid.protocol}"
        if (where := (grid.track, grid.protocol, *grid.suite.tasks)) not in shown:
            shown.add(where)  # no generator moves it: the same runs stand beside every prompt
            yield Row(block, whose, "standard", own["standard"])
        told = f"{names[made]} ({made})" if (made := grid.suite.generator) in names else made
        for condition in _COD:
            yield Row(block, f"{whose}, {told}", condition, own[condition])
            yield Row(block, f"{whose}, {told}", f"{condition} - standard", _gained(grid, "kd", condition, plain))


def _k(column: str) -> int:
    return int(column.removeprefix("k="))


def _minus(cod: Mapping[str, Cell], plain: Mapping[str, Cell]) -> dict[str, Cell]:
    """Column by column; the tables 7 and 9 tell no spread, so that no sign is compared."""
    pairs = {name: (plain.get(name), cell) for name, cell in cod.items()}
    return {
        name: gain(a, b) if isinstance(a, Value) and isinstance(b, Value) else None for name, (a, b) in pairs.items()
    }


ENERGY: Mapping[str, str] = {
    "cpu energy": "cpu_kwh", "gpu energy": "gpu_kwh", "ram energy": "ram_kwh", "energy": "kwh",
}  # fmt: skip
"""Row -> key of a record's cost; only runs that were asked to estimate it have these."""


def _cost(_: Table, grids: Sequence[Grid]) -> Iterator[Row]:
    for method in ("kd", "lwd"):
        own = [row for row in published("cost") if row["method"] == method]
        block, ks = f"sst2 {method}, with CoD", [int(row["k"]) for row in own]
        yield Row(block, "paper", "time", {f"k={row['k']}": float(row["duration_s"]) for row in own}, "s")
        for part in ("cpu", "gpu", "ram"):
            energy = {f"k={row['k']}": float(row[f"{part}_kwh"]) for row in own}
            yield Row(block, "paper", f"{part} energy", energy, "kWh")
        for grid in filter(has_task, grids):
            yield Row(block, _named(grid), "cod: time", _mean_cost(grid, method, ks, "seconds"), "s")
            for name, key in ENERGY.items():
                yield Row(block, _named(grid), f"cod: {name} (estimate)", _mean_cost(grid, method, ks, key), "kWh")


def _mean_cost(grid: Grid, method: str, ks: Sequence[int], key: str) -> dict[str, Cell]:
    """Mean over seeds of one part of the recorded cost at each k; None where no run tells it."""
    task = next((name for name in grid.suite.tasks if base_name(name) == "sst2"), "")
    told = {k: [r.record.cost[key] for r in grid.cell(task, method, "cod", k) if key in r.record.cost] for k in ks}
    return {f"k={k}": float(np.mean(found)) if found else None for k, found in told.items()}


SOFT_LABELS: Mapping[str, str] = {"default": "kd", "no_soft_label": "finetune", "random_soft_label": "kd_random_soft"}
"""The paper's row -> our method: without soft labels distillation is fine-tuning on the hard ones."""


def _soft_labels(_: Table, grids: Sequence[Grid]) -> Iterator[Row]:
    printed: dict[str, dict[str, dict[str, Cell]]] = {}
    for row in published("soft_label_ablation"):
        cells = printed.setdefault(row["condition"], {}).setdefault(row["variant"], {})
        cells[f"k={row['k']}"] = Value(float(row["accuracy"]), None, RUNS)
    for labels, variants in printed.items():
        block, plain, cod = f"sst2 {labels.replace('_', ' ')}", variants["none"], variants["cod"]
        yield Row(block, "paper", "without CoD", plain)
        yield Row(block, "paper", "with CoD", cod)
        yield Row(block, "paper", "difference", _minus(cod, plain))
        for grid in (g for g in grids if has_task(g) and SOFT_LABELS[labels] in g.methods):
            own = {
                condition: {name: ours(grid, "sst2", SOFT_LABELS[labels], condition, _k(name)) for name in plain}
                for condition in ("standard", *_COD)
            }
            for condition, values in own.items():
                yield Row(block, _named(grid), condition, values)
            for condition in _COD:
                yield Row(
                    block, _named(grid), f"{condition} - standard", _gained(grid, SOFT_LABELS[labels], condition, plain)
                )
