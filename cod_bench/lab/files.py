"""Outcomes of the lab -> CSV files, a row each, in a folder of one's own."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from cod_bench.counterfactuals.pairs import Pair
from cod_bench.errors import RunError, UsageError, unknown
from cod_bench.lab import fisher, moons, rows, text, words
from cod_bench.lab.boundaries import Boundary, grid_points
from cod_bench.lab.moons import Listener
from cod_bench.lab.rows import Cell
from cod_bench.runner.worker import prepare_process
from cod_bench.spec import RunSpec
from cod_bench.store import write_atomic

DIGITS = 6
"""Significant digits: what is measured here is known to three."""
PICTURED = 1
"""The seed whose points and boundaries are drawn; fixed before any was looked at."""


def moons_to(folder: Path, seeds: Sequence[int] = moons.SEEDS, listen: Listener = moons.quiet) -> None:
    """Run two moons and write `moons.csv`, a row a student, and what a picture of one seed needs."""
    write(folder / "moons.csv", moons.run(moons.cells(seeds), listen))
    points, lines = picture(seeds[PICTURED % len(seeds)])
    write(folder / "moons-points.csv", points)
    write(folder / "moons-lines.csv", lines)


def fisher_to(folder: Path, draws: int = fisher.DRAWS, listen: Listener = moons.quiet) -> None:
    """Run the logistic regressions and write `fisher-order.csv` and `fisher-errors.csv`, a row a setting."""
    write(folder / "fisher-order.csv", fisher.orders(draws))
    listen("orders of information compared")
    write(folder / "fisher-errors.csv", fisher.errors(draws))
    listen("errors of estimates compared")


def text_to(
    folder: Path, foreign: Mapping[str, Path], track: str = "", workers: int = 1, listen: Listener = moons.quiet
) -> None:
    """Train the students of real texts and write `text.csv`, a row a student, and `text-margins.csv`.

    Args:
        foreign: task -> a file of pairs that somebody else wrote.

    Raises:
        UsageError: a file that is none of pairs with both classes, or of a task that is not among those of the
            experiment.
        RunError: a process was killed.
    """
    from cod_bench.counterfactuals import pairs

    for task in foreign:
        if task not in text.SUITE.tasks:
            raise unknown("task", task, text.SUITE.tasks)
    given = {task: pairs.read(path).pairs for task, path in foreign.items()}
    for task, path in foreign.items():
        if any(pair.label is None for pair in given[task]):
            raise UsageError(f"--foreign {task}={path}: a pair has no original_label; name the class of both sides")
    runs = text.specs(track=track)
    found: list[text.Geometry] = []
    # one task's runs are dealt out whole seeds at a time, so that a worker's warm pools are of use to it
    groups = [
        [run for run in runs if (run.task, run.seed) == key] for key in dict.fromkeys((r.task, r.seed) for r in runs)
    ]
    try:
        with (
            ProcessPoolExecutor(workers, get_context("spawn"), initializer=prepare_process, initargs=((),)) as pool,
            cancelled(pool),
        ):
            for made in pool.map(partial(_of_text, given), groups):
                found += made
                listen(f"{len(found)} of {len(runs)} students measured")
            margins = [row for part in pool.map(text.margins, _by_task(runs)) for row in part]
            teachers = list(pool.map(partial(_teacher_of_text, given), {run.task: run for run in runs}.values()))
    except BrokenProcessPool as error:
        raise RunError("lab text: a process was killed, as it is where memory runs out; use fewer --workers") from error
    for row in teachers:
        if row.task in given:
            read = row.consistency[text.FOREIGN].pairs
            listen(
                f"{row.task}: {read} of {len(given[row.task])} foreign pairs have at most {text.LONGEST} tokens a side"
            )
    write(folder / "text.csv", [*found, *teachers])
    write(folder / "text-margins.csv", margins)


def words_to(folder: Path, seeds: Sequence[int] = words.SEEDS, listen: Listener = moons.quiet) -> None:
    """Fine-tune the speaking teacher and its students and write `words.csv`, a row each."""
    write(folder / "words.csv", words.run(seeds, listen))


@contextmanager
def cancelled(pool: ProcessPoolExecutor) -> Iterator[None]:
    """What waits in the pool is dropped where this ends by an exception, Ctrl-C among them."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def _of_text(given: Mapping[str, Sequence[Pair]], runs: Sequence[RunSpec]) -> list[text.Geometry]:
    return [text.geometry(run, _foreign(given, run)) for run in runs]


def _teacher_of_text(given: Mapping[str, Sequence[Pair]], run: RunSpec) -> text.Geometry:
    return text.taught(run.track, run.task, _foreign(given, run))


def _foreign(given: Mapping[str, Sequence[Pair]], run: RunSpec) -> dict[str, list[Pair]]:
    return {text.FOREIGN: text.fitting(run.track, run.task, given[run.task])} if run.task in given else {}


def _by_task(runs: Sequence[RunSpec]) -> list[list[RunSpec]]:
    return [[run for run in runs if run.task == task] for task in dict.fromkeys(run.task for run in runs)]


def picture(seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Points that each condition's student of a seed sees, and every boundary, the teacher's among them."""
    own = [Cell(seed, moons.SWEPT_K, condition, overshoot=moons.OVERSHOOT) for condition in moons.CONDITIONS]
    worlds = moons.teachers([(seed, 0.0)])
    world = worlds[seed, 0.0]
    made = {cell: rows.draw(world, cell) for cell in own}
    students = moons.fit(own, made, worlds)
    margins = students.margins(grid_points())
    points = [_point("data", at, gold) for at, gold in zip(world.points, world.gold, strict=True)]
    lines = [*_line("teacher", world.boundary)]
    for at, cell in enumerate(own):
        drawn = made[cell]
        points += [_point(cell.condition, *row) for row in zip(drawn.points, drawn.labels, strict=True)]
        points += [
            _point(cell.condition, start, -1, end) for start, end in zip(*drawn.pairs, strict=True)
        ]  # fmt: skip
        lines += _line(cell.condition, Boundary.of(margins[at]))
    return points, lines


def write(path: Path, found: Iterable[Any]) -> None:
    """Write rows, dataclasses or mappings, with a head line; nested dataclasses become columns `field.field`.

    Raises:
        ValueError: there is none.
    """
    flat = [_flat(one) for one in found]
    if not flat:
        raise ValueError(f"{path}: no rows")
    names = list(dict.fromkeys(name for row in flat for name in row))
    told = io.StringIO()
    into = csv.DictWriter(told, names, restval="", lineterminator="\n")
    into.writeheader()
    into.writerows(flat)
    write_atomic(path, told.getvalue())


def _flat(found: Any, before: str = "") -> dict[str, str]:
    named = {field.name: getattr(found, field.name) for field in fields(found)} if is_dataclass(found) else found
    row: dict[str, str] = {}
    for name, value in named.items():
        if is_dataclass(value) or isinstance(value, Mapping):
            # a cell's fields are what a row is called by; others keep their own place in the name
            row |= _flat(value, "" if name == "cell" else f"{before}{name}.")
        elif value is not None:
            row[f"{before}{name}"] = _told(value)
    return row


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.{DIGITS}g}"
    return str(value)


def _point(of: str, at: Any, label: int, end: Any = None) -> dict[str, Any]:
    row = {"of": of, "x": float(at[0]), "y": float(at[1]), "label": int(label)}
    return row if end is None else row | {"end_x": float(end[0]), "end_y": float(end[1])}


def _line(of: str, boundary: Boundary) -> list[dict[str, Any]]:
    return [
        {"of": of, "piece": piece, "x": float(x), "y": float(y)}
        for piece, line in enumerate(boundary.lines)
        for x, y in line
    ]
