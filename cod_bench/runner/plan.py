"""Suite, filters -> the runs to do: which are done, missing or failed, and about how long the rest takes. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from cod_bench.design import tracks
from cod_bench.design.filters import Filters, exactly, select
from cod_bench.design.identity import excluded, run_ids
from cod_bench.design.shard import Shard
from cod_bench.design.suite import Suite
from cod_bench.device import cores
from cod_bench.distiller import brings_fit
from cod_bench.records.record import Summary
from cod_bench.records.results import BadFile, Results
from cod_bench.spec import RunSpec

State = Literal["done", "missing", "failed", "not applicable"]

NO_SUITE = Suite("", "runs named one by one", (), (), (), (), (), "")
"""What the plan of such runs has in place of a suite: it declares nothing, so that no table can be made of it."""

HANGS_AFTER, HANGS_TIMES = 600.0, 10.0
"""A run hangs when it has taken so many seconds and so many times as long as the longest of its kind."""
STEP_SECONDS = {"float32": 0.09, "bfloat16": 0.048}
"""Core-seconds of one optimiser step of the minilm student, before any record of this folder tells better."""
EVALUATION_SECONDS = {"float32": 1.3, "bfloat16": 0.9}
"""Core-seconds of evaluating 1,000 rows, likewise."""
TEACHER_SECONDS = {"float32": 180.0, "bfloat16": 100.0}
"""Core-seconds of fitting one teacher on its whole pool, with its counterfactuals' word scores, likewise."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A run of the plan."""

    spec: RunSpec
    run_id: str
    state: State
    reason: str = ""
    """Why it is not applicable."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The runs of a suite after filters, in the order in which they are done."""

    suite: Suite
    track: str
    runs: tuple[Planned, ...]
    bad: tuple[BadFile, ...] = ()
    """Files of the results folder that should be records and are not."""
    seconds: Mapping[RunSpec, float] = field(default_factory=dict)
    """Core-seconds expected for each run that is not done."""
    shard: Shard | None = None
    """Which part of the suite these runs are; None for the whole."""

    def count(self, state: State) -> int:
        """How many runs are in a state."""
        return sum(run.state == state for run in self.runs)

    def todo(self, rerun: str = "") -> list[Planned]:
        """What `run` does: the missing ones; `failed` adds failures, `all` does everything again."""
        more = {"": (), "mismatched": (), "failed": ("failed",), "all": ("failed", "done")}[rerun]
        return [run for run in self.runs if run.state in ("missing", *more)]

    def hours(self, workers: int) -> float:
        """About how long the missing runs take with so many workers, in hours."""
        return sum(self.seconds.values()) / workers / 3600


def make(suite: Suite, filters: Filters, results: Results) -> Plan:
    """What of the suite is done, missing and failed in a results folder.

    Raises:
        UsageError: as `select`.
    """
    records, bad = results.glance(cores())
    return make_from(suite, filters, results, records, bad)


def make_from(
    suite: Suite, filters: Filters, results: Results, records: Sequence[Summary], bad: Sequence[BadFile]
) -> Plan:
    """`make` for records that have been read already."""
    specs = select(suite, filters)
    runs, seconds = _look(specs, results, records)
    return Plan(suite, suite.choose_track(filters.track), runs, tuple(bad), seconds, filters.shard)


def make_of(specs: Sequence[RunSpec], results: Results, records: Sequence[Summary], bad: Sequence[BadFile]) -> Plan:
    """The same of runs that were named one by one: the plan's suite is `NO_SUITE`, its track all of theirs.

    Raises:
        UsageError: an unknown name, or a k that cannot be balanced.
    """
    specs = exactly(specs)
    runs, seconds = _look(specs, results, records)
    return Plan(NO_SUITE, ", ".join(sorted({spec.track for spec in specs})), runs, tuple(bad), seconds)


def limits(
    specs: Sequence[RunSpec], records: Sequence[Summary], expected: Mapping[RunSpec, float], asked: float = 0.0
) -> dict[RunSpec, float]:
    """Seconds after which each of these runs counts as hanging.

    Args:
        records: those that have been made; the longest of a run's kind (track, method, k) counts, if there is one.
        expected: core-seconds that the plan expects, for the others.
        asked: the same for all, where a user said so.
    """
    if asked:
        return dict.fromkeys(specs, asked)
    longest: dict[tuple[str, str, int], float] = {}
    for record in records:
        key = (record.spec.track, record.spec.method, record.spec.k)
        longest[key] = max(longest.get(key, 0.0), record.cpu_seconds)
    found = {spec: longest.get((spec.track, spec.method, spec.k), 0.0) or expected.get(spec, 0.0) for spec in specs}
    return {spec: max(HANGS_AFTER, HANGS_TIMES * seconds) for spec, seconds in found.items()}


def _look(
    specs: Sequence[RunSpec], results: Results, records: Sequence[Summary]
) -> tuple[tuple[Planned, ...], dict[RunSpec, float]]:
    """Each run with its state, and core-seconds expected for the missing ones."""
    apart = excluded(specs)
    ids = run_ids(spec for spec in specs if (spec.track, spec.method) not in apart)
    done = {(record.spec, record.run_id) for record in records}
    failed = results.failed()
    runs = tuple(
        Planned(spec, ids[spec], _state(spec, ids[spec], done, failed))
        if spec in ids
        else Planned(spec, "", "not applicable", apart[spec.track, spec.method])
        for spec in specs
    )
    return runs, _seconds([run.spec for run in runs if run.state == "missing"], records)


def _state(spec: RunSpec, run: str, done: set[tuple[RunSpec, str]], failed: set[str]) -> State:
    if (spec, run) in done:
        return "done"
    return "failed" if failed and Results.name(spec, run) in failed else "missing"


def _seconds(missing: Sequence[RunSpec], records: Sequence[Summary]) -> dict[RunSpec, float]:
    """Core-seconds per missing run: the median of like records, else built-in speeds; teachers are spread over runs."""
    known: dict[tuple[str, str, int], list[float]] = {}
    for record in records:
        key = (record.spec.track, record.spec.method, record.spec.k)
        known.setdefault(key, []).append(record.cpu_seconds)
    fitted = {(record.spec.track, record.spec.task) for record in records}
    teachers: dict[tuple[str, str], int] = {}
    for spec in missing:
        if (spec.track, spec.task) not in fitted:
            teachers[spec.track, spec.task] = teachers.get((spec.track, spec.task), 0) + 1
    expected_seconds = {}
    there = {name: tracks.track(name) for name in {spec.track for spec in missing}}
    medians = {key: median(values) for key, values in known.items()}
    for spec in missing:
        track = there[spec.track]
        seconds = medians.get((spec.track, spec.method, spec.k), -1.0)
        if seconds < 0:
            # a guess: a plugin may take other steps
            steps = 0 if brings_fit(spec.method) else track.recipe_for(spec.method).steps_at(spec.k)
            seconds = track.effort * (steps * STEP_SECONDS[track.precision] + EVALUATION_SECONDS[track.precision])
        if (spec.track, spec.task) in teachers and not track.random:
            share = track.effort if track.teacher.rows is None else track.teacher.rows / 8000
            seconds += share * TEACHER_SECONDS[track.precision] / teachers[spec.track, spec.task]
        expected_seconds[spec] = seconds
    return expected_seconds
