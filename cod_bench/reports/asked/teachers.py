"""A grid whose runs are made with several teachers -> what each of them alone says, and how they differ. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cod_bench.analysis import claims, paired
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import Gain
from cod_bench.reports import captions
from cod_bench.reports.tables import NONE, counted, escape, markdown, percent, points
from cod_bench.track import with_teacher


def parts(grid: Grid, gains: Sequence[Gain], *, level: int) -> list[str]:
    """Heading, the estimates of each teacher alone, the teachers' own accuracies, and what both say; nothing where
    there is one teacher."""
    shown = compared(grid, gains)
    if not grid.crossed or not shown:
        return []
    return [f"{'#' * level} By teacher", table(grid, shown), sentence(grid, shown), accuracies(grid), caption(grid)]


def compared(grid: Grid, gains: Sequence[Gain]) -> list[Gain]:
    """The comparisons in accuracy that a suite names, each once, or the main one of each method."""
    own = [gain for gain in gains if gain.measure == "accuracy"]
    return own if claims.by_asking(grid) else claims.main_gains(own)


def alone(grid: Grid, gain: Gain, teacher: int) -> float | None:
    """A comparison's estimate with one teacher alone; None while a task has no unit."""
    named = (with_teacher(grid.track, teacher),)
    pair = (gain.condition, gain.over)
    found = [
        paired.mean_differences(grid, task, (gain.method,), pair, gain.ks, teachers=named).units
        for task in grid.suite.tasks
    ]
    return float(np.mean([units.mean() for units in found])) if all(map(len, found)) else None


def spread(grid: Grid, gain: Gain) -> float | None:
    """Standard deviation between the estimates of single teachers; None while one is not there."""
    values = [alone(grid, gain, teacher) for teacher in captions.teachers(grid)]
    known = [value for value in values if value is not None]
    return float(np.std(known, ddof=1)) if len(known) == len(values) > 1 else None


def table(grid: Grid, shown: Sequence[Gain]) -> str:
    """One line a comparison: with all teachers, with each alone, and their spread."""
    rows = [
        [
            captions.named(grid, gain.method), captions.pair(grid, gain.condition, gain.over),
            ", ".join(map(str, gain.ks)), points(gain.mean),
            *(points(alone(grid, gain, teacher)) for teacher in captions.teachers(grid)),
            points(spread(grid, gain)).lstrip("+"),
        ]
        for gain in shown
    ]  # fmt: skip
    headers = ["method", "gain", "k", "all teachers", *_columns(grid), "sd between teachers"]
    return markdown(headers, rows, left=3)


def accuracies(grid: Grid) -> str:
    """One line a task: each teacher's own accuracy on the evaluation rows."""
    rows = []
    for task in grid.suite.tasks:
        own = [grid.each_teacher.get((task, name)) for name in grid.on_teachers]
        known = [value for value in own if value is not None]
        sd = float(np.std(known, ddof=1)) if len(known) == len(own) > 1 else None
        rows.append([escape(task), *map(percent, own), percent(sd)])
    return markdown(["accuracy of the teacher itself (%)", *_columns(grid), "sd"], rows)


def _columns(grid: Grid) -> list[str]:
    return [f"teacher {seed}" for seed in captions.teachers(grid)]


def sentence(grid: Grid, shown: Sequence[Gain]) -> str:
    """How far the teachers agree; empty while some of their estimates are missing."""
    spreads = [spread(grid, gain) for gain in shown]
    known = [value for value in spreads if value is not None]
    if not known or len(known) < len(spreads):
        return "Not every teacher has its runs yet, so nothing is said of how they differ."
    alike = sum(
        len({np.sign(alone(grid, gain, teacher) or 0.0) for teacher in captions.teachers(grid)}) == 1 for gain in shown
    )
    ends = " to ".join(dict.fromkeys(points(value).lstrip("+") for value in (min(known), max(known))))
    said = "has" if len(shown) == 1 else "have"
    return (
        f"{alike} of {counted(len(shown), 'comparison')} {said} the same sign with every teacher; between teachers the "
        f"estimates have a standard deviation of {ends} points."
    )


def caption(grid: Grid) -> str:
    """What the numbers are, and what they are not."""
    n = len(grid.on_teachers)
    return (
        "Accuracy points by the estimator of the table above, of the runs of each teacher alone; `teacher 0`: by the "
        f"seed that it was fine-tuned with. The variance between teachers stands here and is in no interval, p or "
        f"verdict: these are of the mean over these {n} teachers, and so few tell little of others. A mean that lacks "
        f"a task is {NONE}. {captions.conditional(grid)}"
    )
