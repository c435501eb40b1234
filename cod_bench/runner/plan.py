"""Suite, filters -> the runs to do: which are done, missing or failed, and about how long the rest takes. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from cod_bench.data import origin
from cod_bench.data.checkpoints import MARKER, teacher_key
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
from cod_bench.store import Artifacts
from cod_bench.track import Track

State = Literal["done", "missing", "failed", "not applicable"]

Pair = tuple[str, str]
"""(track, task), which has a teacher."""
Texts = tuple[int, float]
"""Rows of a training pool and tokens of one of its texts."""

NO_SUITE = Suite("", "runs named one by one", (), (), (), (), (), "")
"""What the plan of such runs has in place of a suite: it declares nothing, so that no table can be made of it."""

HANGS_AFTER, HANGS_TIMES = 600.0, 10.0
"""A run hangs when it has taken so many seconds and so many times as long as the longest of its kind."""
STEP_SECONDS = {"float32": 0.09, "bfloat16": 0.048}
"""Core-seconds of one optimiser step of the minilm student, before any record of this folder tells better."""
EVALUATION_SECONDS = {"float32": 1.3, "bfloat16": 0.9}
"""Core-seconds of evaluating 1,000 rows, likewise."""
PRODUCTS = {"float32": 6e10, "bfloat16": 1.1e11}
"""Floating-point operations that a core does in a second of training, for tracks whose parameters are known."""
ROWS, TOKENS, PIECES = 8000, 40, 1.3
"""Of a task whose rows are not at hand: rows of its pool, tokens of a text; and tokens of a word."""
EVALUATED, ASKED = 1000, 15_000
"""Rows of an evaluation; texts about which a teacher is asked for word scores and counterfactuals of one suite."""
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
    """Core-seconds expected for each run that is not done, without its teacher."""
    first: Mapping[Pair, float] = field(default_factory=dict)
    """(track, task) -> core-seconds expected for a teacher that is to be fitted, with the searches that ask it."""
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
        return self.first_hours(workers) + sum(self.seconds.values()) / workers / 3600

    def first_hours(self, workers: int) -> float:
        """How long of these before the first run: a teacher takes one worker."""
        return sum(self.first.values()) / max(1, min(workers, len(self.first))) / 3600


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
    runs, seconds, first = _look(specs, results, records)
    return Plan(suite, suite.choose_track(filters.track), runs, tuple(bad), seconds, first, filters.shard)


def make_of(specs: Sequence[RunSpec], results: Results, records: Sequence[Summary], bad: Sequence[BadFile]) -> Plan:
    """The same of runs that were named one by one: the plan's suite is `NO_SUITE`, its track all of theirs.

    Raises:
        UsageError: an unknown name, or a k that cannot be balanced.
    """
    specs = exactly(specs)
    runs, seconds, first = _look(specs, results, records)
    return Plan(NO_SUITE, ", ".join(sorted({spec.track for spec in specs})), runs, tuple(bad), seconds, first)


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
) -> tuple[tuple[Planned, ...], dict[RunSpec, float], dict[Pair, float]]:
    """Each run with its state, and core-seconds expected for the missing ones and for teachers."""
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
    return runs, *_seconds([run.spec for run in runs if run.state == "missing"], records)


def _state(spec: RunSpec, run: str, done: set[tuple[RunSpec, str]], failed: set[str]) -> State:
    if (spec, run) in done:
        return "done"
    return "failed" if failed and Results.name(spec, run) in failed else "missing"


def _seconds(missing: Sequence[RunSpec], records: Sequence[Summary]) -> tuple[dict[RunSpec, float], dict[Pair, float]]:
    """Core-seconds per missing run, and of each teacher that is to be fitted with what is searched by it.

    The median of like records; without any, what a track's models, texts and recipe take at built-in speeds.
    """
    known: dict[tuple[str, str, int], list[float]] = {}
    for record in records:
        key = (record.spec.track, record.spec.method, record.spec.k)
        known.setdefault(key, []).append(record.cpu_seconds)
    fitted = {(record.spec.track, record.spec.task) for record in records}
    there = {name: tracks.track(name) for name in {spec.track for spec in missing}}
    medians = {key: median(values) for key, values in known.items()}
    texts = {pair: _texts(there[pair[0]], pair[1]) for pair in {(spec.track, spec.task) for spec in missing}}
    runs, first = {}, dict[Pair, float]()
    for spec in missing:
        track, pair = there[spec.track], (spec.track, spec.task)
        seconds = medians.get((spec.track, spec.method, spec.k), -1.0)
        if seconds < 0:
            # a guess: a plugin may take other steps
            steps = 0 if brings_fit(spec.method) else track.recipe_for(spec.method).steps_at(spec.k)
            each, evaluation = _step_seconds(track, texts[pair])
            seconds = steps * each + evaluation
        runs[spec] = seconds
        if pair not in fitted and pair not in first and not track.random:
            first[pair] = 0.0 if _is_fitted(track, spec.task) else _teacher_seconds(track, texts[pair])
    return runs, first


def _step_seconds(track: Track, texts: Texts) -> tuple[float, float]:
    """Core-seconds of one step of a student, and of its evaluation."""
    if track.sizes is None:
        return track.effort * STEP_SECONDS[track.precision], track.effort * EVALUATION_SECONDS[track.precision]
    _, tokens = texts
    product = 2 * track.sizes[1] * tokens / PRODUCTS[track.precision]
    return 3 * product * track.recipe.batch_size, EVALUATED * product


def _teacher_seconds(track: Track, texts: Texts) -> float:
    """Core-seconds of fitting a teacher, and of the word scores and searches that ask it."""
    if track.sizes is None:
        share = track.effort if track.teacher.rows is None else track.teacher.rows / 8000
        return share * TEACHER_SECONDS[track.precision]
    rows, tokens = texts
    product = 2 * track.sizes[0] * tokens / PRODUCTS[track.precision]
    return 3 * product * rows * track.teacher.epochs + product * ASKED


def _texts(track: Track, task: str) -> Texts:
    """Rows that a teacher is fitted on and tokens of a text; what is usual where a task's rows are not at hand.

    Of a track whose parameters nobody counted neither is asked for.
    """
    found = origin.at_hand(task) if track.sizes is not None else None
    if found is None or not found.train:
        return min(ROWS, track.teacher.rows or ROWS), min(TOKENS, track.max_length)
    some = found.train[:500]
    words = sum(len(row.text.split()) for row in some) / len(some)
    return min(len(found.train), track.teacher.rows or len(found.train)), min(words * PIECES + 2, track.max_length)


def _is_fitted(track: Track, task: str) -> bool:
    """Whether the cache folder has the teacher, whichever track it was fitted for."""
    if not track.teacher_side.pinned:
        return False
    name = teacher_key(track, origin.find(task))
    return (Artifacts.default().teacher(track.teacher_name, task, name) / MARKER).is_file()
