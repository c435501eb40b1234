"""Candidate settings -> the recipe of each method on a track: by `standard` on dev, never by a gain (protocol.md).

Whatever is tried stands in docs/recipe.md and docs/recipe.csv. The evaluation split is not read: neither for choosing
nor for showing.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from cod_bench import registry
from cod_bench.distiller import brings_fit
from cod_bench.errors import RunError, UsageError
from cod_bench.executor import Job, Outcome
from cod_bench.runner.jobs import teacher_job, teacher_key
from cod_bench.spec import RunSpec
from cod_bench.store import usable_home, write_atomic
from cod_bench.track import Track

SEEDS = (100, 101, 102, 103, 104)
"""Never a seed of a suite."""
CANDIDATES = tuple((rate, steps) for rate in (1e-4, 2e-4, 5e-4, 1e-3) for steps in (20, 40))
"""(learning rate, steps) to choose from: as many steps as the embedded suite's half hour in float32 allows."""
BEYOND = ((3e-4, 60),)
"""Scored and shown, but not to be chosen: so many steps take the suite beyond its half hour."""
KS = (8, 32)
COLUMNS = ("track", "method", "learning_rate", "steps", "task", "k", "seed", "accuracy", "seconds")


@dataclass(frozen=True, slots=True)
class Trial:
    """One training of `standard`, scored on dev."""

    track: str
    method: str
    learning_rate: float
    steps: int
    task: str
    k: int
    seed: int


def methods() -> list[str]:
    """The methods that have a recipe to choose: all but those that bring their own fit."""
    return [name for name in registry.names("baseline") if not brings_fit(name)]


def trials(track: Track, methods: Sequence[str], tasks: Sequence[str]) -> list[Trial]:
    """Every setting of every method, on all tasks, ks and seeds alike.

    Raises:
        UsageError: a method that brings its own fit has no setting to choose.
    """
    for method in methods:
        if brings_fit(method):
            raise UsageError(f"method {method!r}: brings its own fit and has no recipe to choose; name one with a loss")
    return [
        Trial(track.name, method, rate, steps, task, k, seed)
        for method, seed, task, k in product(methods, SEEDS, tasks, KS)
        for rate, steps in candidates(track, method)
    ]


def trials_above(
    track: Track, methods: Sequence[str], tasks: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> list[Trial]:
    """What is tried at larger k once the rate is chosen at small ones: numbers of steps, where the recipe names them.

    Raises:
        RunError: as `choose`.
    """
    return [
        Trial(track.name, method, choose(rows, track.name, method)[0], steps, task, k, seed)
        for method, seed, task in product(methods, SEEDS, tasks)
        for k, several in track.recipe_for(method).above.items()
        for steps in several
    ]


def candidates(track: Track, method: str) -> tuple[tuple[float, int], ...]:
    """(learning rate, steps) to try: the recipe's own, or its own rates with its own steps (0), or ours."""
    recipe = track.recipe_for(method)
    return recipe.candidates or tuple((rate, 0) for rate in recipe.rates) or CANDIDATES + BEYOND


def search(todo: Sequence[Trial], file: Path, *, workers: int, listen: Callable[[str], None]) -> list[dict[str, Any]]:
    """Score what is not yet in `file` (CSV, written after every trial); returns all rows.

    Raises:
        RunError: a trial failed.
    """
    usable_home()
    rows = read(file)
    known = {tuple(row[name] for name in COLUMNS[:7]) for row in rows}
    missing = [trial for trial in todo if tuple(asdict(trial).values()) not in known]
    jobs = [teacher_job(*pair) for pair in dict.fromkeys((t.track, t.task) for t in missing)]
    jobs += [Job("/".join(map(str, asdict(t).values())), _payload(t), (teacher_key(t.track, t.task),)) for t in missing]
    execute = registry.load("executor", "local")
    with closing(execute(jobs, workers=workers, plugins=registry.plugin_files())) as outcomes:
        for outcome in outcomes:
            _demand(outcome)
            if outcome.job.stage != "dev":
                listen(f"{outcome.job.key}: {outcome.result['seconds']:.0f} s")
                continue
            trial = outcome.job.payload["trial"]
            rows.append({**trial, "accuracy": outcome.result["accuracy"], "seconds": outcome.result["seconds"]})
            write(file, rows)
            listen(f"[{len(rows)}/{len(todo)}] {outcome.job.key}: {outcome.result['accuracy']:.3f}")
    return rows


def _payload(trial: Trial) -> dict[str, Any]:
    spec = RunSpec("last", trial.track, trial.task, trial.method, "standard", "", trial.k, trial.seed)
    steps = {"steps": trial.steps} if trial.steps else {}
    override = {"learning_rate": trial.learning_rate, **steps}
    return {"stage": "dev", "spec": asdict(spec), "override": override, "trial": asdict(trial)}


def _demand(outcome: Outcome) -> None:
    if outcome.result is None:
        raise RunError(f"{outcome.job.key}: {outcome.error}")


def read(file: Path) -> list[dict[str, Any]]:
    """Rows of an earlier search; none if there was none."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return [
            {
                **row, "learning_rate": float(row["learning_rate"]), "steps": int(row["steps"]), "k": int(row["k"]),
                "seed": int(row["seed"]), "accuracy": float(row["accuracy"]), "seconds": float(row["seconds"]),
            }
            for row in csv.DictReader(lines)
        ]  # fmt: skip


def write(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """All rows, sorted by their coordinates, whole."""
    ordered = sorted(rows, key=lambda row: tuple(row[name] for name in COLUMNS[:7]))
    lines = [",".join(COLUMNS)]
    lines += [
        ",".join(f"{row[n]:.6g}" if isinstance(row[n], float) else str(row[n]) for n in COLUMNS) for row in ordered
    ]
    write_atomic(file, "\n".join(lines) + "\n")


def choose(rows: Sequence[Mapping[str, Any]], track: str, method: str) -> tuple[float, int]:
    """(learning rate, steps) with the highest mean dev accuracy of `standard`; fewer steps, then lower rates, on a tie.

    Raises:
        RunError: no trials of that method on that track.
    """
    means = {key: value for key, value in settings(rows, track, method).items() if key not in BEYOND}
    if not means:
        raise RunError(f"method {method!r} on track {track!r}: no trials; run `cod-bench recipe` first")
    return max(means, key=lambda key: (round(means[key], 6), -key[1], -key[0]))


def steps_above(rows: Sequence[Mapping[str, Any]], track: str, method: str) -> dict[int, int]:
    """k -> steps with the highest mean dev accuracy of `standard` there, of the larger k that were tried."""
    found = {}
    for k in sorted({row["k"] for row in rows if (row["track"], row["method"]) == (track, method)} - {*KS}):
        means = settings(rows, track, method, (k,))
        found[k] = max(means, key=lambda key: (round(means[key], 6), -key[1]))[1]
    return found


def settings(
    rows: Sequence[Mapping[str, Any]], track: str, method: str, ks: Sequence[int] = KS
) -> dict[tuple[float, int], float]:
    """Mean dev accuracy over tasks, ks and seeds of every (learning rate, steps)."""
    found: dict[tuple[float, int], list[float]] = {}
    for row in rows:
        if (row["track"], row["method"]) == (track, method) and row["k"] in ks:
            found.setdefault((row["learning_rate"], row["steps"]), []).append(row["accuracy"])
    return {key: mean(values) for key, values in sorted(found.items())}


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Every setting tried, the chosen one of each method in bold."""
    parts = [_INTRODUCTION]
    for track, method in sorted({(row["track"], row["method"]) for row in rows}):
        chosen = choose(rows, track, method)
        own = [row for row in rows if (row["track"], row["method"]) == (track, method)]
        columns = sorted({(row["task"], row["k"]) for row in own if row["k"] in KS})
        head = ["learning rate", "steps", "mean", *(f"{task} k={k}" for task, k in columns)]
        lines = [f"## {method} on {track}", "", "| " + " | ".join(head) + " |", "|" + " ---: |" * len(head)]
        for (rate, steps), average in settings(rows, track, method).items():
            cells = [_cell(rows, track, method, rate, steps, task, k) for task, k in columns]
            shown = [f"{rate:g}", str(steps or "recipe's"), f"{100 * average:.2f}"]
            if (rate, steps) == chosen:
                shown = [f"**{value}**" for value in shown]
            lines.append("| " + " | ".join([*shown, *cells]) + " |")
        parts.append("\n".join(lines))
        if above := steps_above(rows, track, method):
            parts.append(_above(rows, track, method, above))
    return "\n\n".join(parts) + "\n"


def _above(rows: Sequence[Mapping[str, Any]], track: str, method: str, above: Mapping[int, int]) -> str:
    """Every number of steps tried at larger k, the chosen one of each k in bold."""
    tasks = sorted({row["task"] for row in rows if (row["track"], row["method"]) == (track, method)})
    head = ["k", "learning rate", "steps", "mean", *tasks]
    lines = ["| " + " | ".join(head) + " |", "|" + " ---: |" * len(head)]
    for k, best in above.items():
        for (rate, steps), average in settings(rows, track, method, (k,)).items():
            shown = [str(k), f"{rate:g}", str(steps), f"{100 * average:.2f}"]
            shown = [f"**{value}**" for value in shown] if steps == best else shown
            cells = [_cell(rows, track, method, rate, steps, task, k) for task in tasks]
            lines.append("| " + " | ".join([*shown, *cells]) + " |")
    return "\n".join(lines)


def _cell(
    rows: Sequence[Mapping[str, Any]], track: str, method: str, rate: float, steps: int, task: str, k: int
) -> str:
    wanted = (track, method, rate, steps, task, k)
    values = [
        100 * row["accuracy"]
        for row in rows
        if tuple(row[n] for n in ("track", "method", "learning_rate", "steps", "task", "k")) == wanted
    ]
    spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    return f"{mean(values):.1f}{spread}" if values else "–"


_INTRODUCTION = """# How the students' recipes were chosen

Per track and method, the learning rate and the number of steps with the highest accuracy of `standard` on the dev
split, mean over tasks, k and the seeds 100 to 104, which no suite uses. No gain of any condition over another was
looked at, the evaluation split was not read, and the chosen setting holds for every condition of the method. To choose
from: learning rates 1e-4, 2e-4, 5e-4 and 1e-3 with 20 or 40 steps, 40 being what lets the embedded suite finish within
half an hour on two cores in float32. 3e-4 with 60 steps is shown for comparison and cannot be chosen, for the same
reason. (1e-3 and 3e-4 were added when 5e-4 came out best at the edge of the first grid.) Batches of eight rows (four
slots), warm-up over a tenth of the steps, linear decay and weight decay 0.01 were not varied. Tables show dev accuracy
in percent, mean ± standard deviation over seeds; every single trial is in `recipe.csv`. `cod-bench recipe` repeats or
continues the search.

Above the largest k tried, steps on `minilm-fp32` grow as about 1.25 k (64: 80, 128: 160, 256: 320, 512: 640) with the
same learning rate: a rule, not a search. `minilm`, the bfloat16 twin of `minilm-fp32`, takes the recipes chosen on
`minilm-fp32`. Those of the smoke and toy tracks were set by hand so that they take seconds.

On the tracks whose student is a whole model the same rule holds with other settings to choose from: 5e-5, 1e-4, 2e-4
and 5e-4 with 20 or 40 steps (5e-5 was added when 1e-4 came out best at the edge of the first grid), for lwd and ted,
which had come out as kd did on the small student, kd's choice and the next larger rate. Then, at the rate chosen, the
steps of kd at k = 64 (40, 80 or 160) are chosen in the same way. The float32 twins take the recipes that were chosen in
bfloat16."""
