"""Suite, filters -> the runs to do: which are done, missing or failed, and about how long the rest takes. No torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, Literal

from cod_bench import origin, registry, suites, tracks
from cod_bench.errors import UsageError, unknown
from cod_bench.provenance import CPUINFO, instructions
from cod_bench.record import Summary
from cod_bench.shard import Shard, cut
from cod_bench.spec import (
    CONDITIONS,
    PROTOCOLS,
    WITHOUT_GENERATOR,
    RunSpec,
    Suite,
    base_name,
    canonical,
    digest,
    digest_text,
    identity,
)
from cod_bench.split import check_budget
from cod_bench.store import BadFile, Results

State = Literal["done", "missing", "failed", "not applicable"]

STEP_SECONDS = {"float32": 0.09, "bfloat16": 0.048}
"""Core-seconds of one optimiser step of the minilm student, before any record of this folder tells better."""
EVALUATION_SECONDS = {"float32": 1.3, "bfloat16": 0.9}
"""Core-seconds of evaluating 1,000 rows, likewise."""
TEACHER_SECONDS = {"float32": 180.0, "bfloat16": 100.0}
"""Core-seconds of fitting one teacher on its whole pool, with its counterfactuals' word scores, likewise."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a user wants of a suite; an empty tuple is everything."""

    protocol: tuple[str, ...] = ()
    track: str = ""
    task: tuple[str, ...] = ()
    method: tuple[str, ...] = ()
    condition: tuple[str, ...] = ()
    k: tuple[int, ...] = ()
    seed: tuple[int, ...] = ()
    generator: str = ""
    """Instead of the suite's own."""
    shard: Shard | None = None
    """A part of what the other filters leave; it may be empty."""

    @property
    def empty(self) -> bool:
        """Whether nothing is filtered; a shard is a part of everything."""
        return not (self.protocol or self.task or self.method or self.condition or self.k or self.seed)


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


def supports_bf16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether this CPU multiplies bfloat16 natively; elsewhere autocast would be slower than float32."""
    return instructions(cpuinfo) in {"amx_bf16", "avx512_bf16"}


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_track(suite: Suite, name: str = "") -> str:
    """The track to run a suite on: the named one, or its first that this machine supports.

    Named may be one of the suite's, one of these with another recipe (`<track>+<recipe>`), or one that the user made.

    Raises:
        UsageError: unknown, or not a track of the suite.
    """
    if name:
        tracks.track(name)
        if not admits(suite, name):
            raise UsageError(
                f"track {name!r}: suite {suite.name!r} runs on {', '.join(suite.tracks)}; name one of them"
            )
        return name
    if len(suite.tracks) == 1:
        return suite.tracks[0]  # nothing to choose from: bfloat16 is slow where the CPU lacks it, not wrong
    for candidate in suite.tracks:
        if tracks.track(candidate).precision == "float32" or supports_bf16():
            return candidate
    raise UsageError(
        f"suite {suite.name!r}: this machine supports none of {', '.join(suite.tracks)}; name one by --track"
    )


def admits(suite: Suite, track: str) -> bool:
    """Whether a suite runs on a track."""
    return tracks.exists(track) and (
        track in suite.tracks or track.partition("+")[0] in suite.tracks or tracks.is_own(track)
    )


def on_tracks(suite: Suite, wanted: Iterable[str]) -> Suite:
    """The suite with those of the wanted tracks that it runs on without declaring them."""
    others = [track for track in sorted(wanted) if track not in suite.tracks and admits(suite, track)]
    return replace(suite, tracks=(*suite.tracks, *others)) if others else suite


def suite_for(name: str, filters: Filters) -> Suite:
    """The suite a user means: the named one, or a variant of it for methods or a generator that it does not declare.

    A submission is a family of its own (protocol.md, "What may be said"), and tables are conditional on one generator:
    a variant has tables of its own under the name `<suite>+<what is different>`.

    Raises:
        UsageError: an unknown name, or declared and other methods at once.
    """
    suite = suites.suite(name)
    _check_names(filters)
    others = tuple(method for method in filters.method if method not in methods(suite))
    if others and any(others[0] in methods(known) for known in suites.SUITES.values()):
        others = ()  # a method of another suite: `select` says which methods this one has
    if others and len(others) < len(filters.method):
        raise UsageError(f"--method {','.join(filters.method)}: suite {name!r} declares some of these; run them apart")
    return with_tasks(
        variant(suite, submitted=others, generator=filters.generator), [origin.named(task) for task in suite.tasks]
    )


def variant(suite: Suite, *, submitted: tuple[str, ...] = (), generator: str = "") -> Suite:
    """The suite's first grid for submitted methods, or with another generator; the suite itself if neither differs."""
    if submitted:
        grid = replace(suite.grids[0], methods=submitted)
        suite = replace(suite, name=f"{suite.name}+{'+'.join(submitted)}", title=f"{suite.title}; submitted")
        suite = replace(suite, grids=(grid,))
    if generator and generator != suite.generator:
        suite = replace(suite, name=f"{suite.name}+{generator}", generator=generator)
    return suite


def with_tasks(suite: Suite, tasks: Sequence[str]) -> Suite:
    """The suite on tasks under other names: on local slices, in tables of its own; the suite itself if none differs."""
    if tuple(tasks) == suite.tasks:
        return suite
    return replace(suite, name=f"{suite.name}+local", title=f"{suite.title}; on local slices", tasks=tuple(tasks))


def methods(suite: Suite) -> tuple[str, ...]:
    """The methods a suite declares, in its order."""
    return tuple(dict.fromkeys(method for grid in suite.grids for method in grid.methods))


def select(suite: Suite, filters: Filters) -> list[RunSpec]:
    """The suite's runs after filters, seed by seed and within a seed method by method; none in an empty shard.

    Raises:
        UsageError: an unknown name, a k that cannot be balanced, nothing is left, or a shard of no certain track.
    """
    if filters.shard and not filters.track and len(suite.tracks) > 1:
        raise UsageError(
            f"--shard {filters.shard}: suite {suite.name!r} runs on the first track that a machine supports; name one "
            f"of {', '.join(suite.tracks)} by --track, so that all shards take the same"
        )
    track = choose_track(suite, filters.track)
    _check_names(filters)
    protocols = filters.protocol or suite.protocols
    everything = found = [spec for protocol in protocols for spec in suite.expand(track=track, protocol=protocol)]
    for name, values in (
        ("task", filters.task), ("method", filters.method), ("condition", filters.condition),
        ("k", filters.k), ("seed", filters.seed),
    ):  # fmt: skip
        if not values:
            continue
        offered = sorted({getattr(spec, name) for spec in everything})
        # a task's plain name means its local slice too
        called = {value: {value, base_name(value)} if name == "task" else {value} for value in offered}
        absent = [value for value in values if not any(value in names for names in called.values())]
        found = [spec for spec in found if called[getattr(spec, name)].intersection(values)]
        if absent or not found:
            named = ",".join(map(str, absent or values))
            after = "" if absent else " after the other filters"
            raise UsageError(
                f"--{name} {named}: suite {suite.name!r} has only {', '.join(map(str, offered))}{after}; choose among "
                "these or another --suite"
            )
    order = methods(suite)
    found = sorted(found, key=lambda s: (protocols.index(s.protocol), s.seed, order.index(s.method), s.k))
    return cut(found, filters.shard)


def _check_names(filters: Filters) -> None:
    for value in filters.task:
        if not origin.known(value):
            raise unknown("task", value, registry.names("task"))
    for field_name, values, known in (
        ("protocol", filters.protocol, PROTOCOLS),
        ("method", filters.method, registry.names("baseline")),
        ("condition", filters.condition, CONDITIONS),
        ("generator", (filters.generator,) if filters.generator else (), registry.names("generator")),
    ):
        for value in values:
            if value not in known:
                raise unknown(field_name, value, known)
    for k in filters.k:
        check_budget(k, 2)


def identify(spec: RunSpec, *, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The full identity of a run, from the plugins as they are installed now; loads no data and no weights.

    Args:
        params: of the generator, as a record tells them; it is asked for them where they are not given.
    """
    return identity(
        spec,
        task=origin.find(spec.task).identity(),
        track=_track_identity(spec.track),
        method=_method_identity(spec.method, spec.track, spec.k),
        generator=None if spec.condition in WITHOUT_GENERATOR else _generator_identity(spec.generator, params),
    )


def run_id(spec: RunSpec) -> str:
    """The run id that the installed code gives a spec."""
    return digest(identify(spec))


def run_ids(specs: Iterable[RunSpec]) -> dict[RunSpec, str]:
    """`run_id` of many runs; for those that differ in the seed alone, all but the seed is put into words once."""
    alike: dict[tuple[Any, ...], list[RunSpec]] = {}
    for spec in specs:
        key = (spec.protocol, spec.track, spec.task, spec.method, spec.condition, spec.generator, spec.k)
        alike.setdefault(key, []).append(spec)
    found = {}
    for group in alike.values():
        whole = identify(group[0])
        before = canonical({key: value for key, value in whole.items() if key < "seed"})[:-1]
        after = canonical({key: value for key, value in whole.items() if key > "seed"})[1:]
        for spec in group:
            found[spec] = digest_text(f'{before},"seed":{spec.seed},{after}')
    return found


def expected(specs: Iterable[RunSpec]) -> dict[RunSpec, str]:
    """Spec -> run id, for readers of records: other ids under the same spec are stale.

    Runs that cannot be have none, nor have those whose learning rate has not been chosen here.
    """
    specs = list(specs)
    pairs = {
        (track, method)
        for track, method in {(spec.track, spec.method) for spec in specs}
        if not not_applicable(track, method) and tracks.track(track).recipe_for(method).learning_rate is not None
    }
    return run_ids(spec for spec in specs if (spec.track, spec.method) in pairs)


def not_applicable(track: str, method: str) -> str:
    """Why a method cannot run on a track; empty if it can."""
    return str(registry.load("baseline", method).not_applicable(tracks.track(track)))


def excluded(specs: Iterable[RunSpec]) -> dict[tuple[str, str], str]:
    """(track, method) -> why the method cannot run there, for the pairs of these runs."""
    pairs = dict.fromkeys((spec.track, spec.method) for spec in specs)
    return {pair: reason for pair in pairs if (reason := not_applicable(*pair))}


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
    missing = [run.spec for run in runs if run.state == "missing"]
    return Plan(suite, choose_track(suite, filters.track), runs, tuple(bad), _seconds(missing, records), filters.shard)


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
            steps = track.recipe_for(spec.method).steps_at(spec.k)  # a guess: a plugin may take others
            seconds = track.effort * (steps * STEP_SECONDS[track.precision] + EVALUATION_SECONDS[track.precision])
        if (spec.track, spec.task) in teachers and not track.random:
            share = track.effort if track.teacher.rows is None else track.teacher.rows / 8000
            seconds += share * TEACHER_SECONDS[track.precision] / teachers[spec.track, spec.task]
        expected_seconds[spec] = seconds
    return expected_seconds


def _track_identity(name: str) -> dict[str, Any]:
    # Not remembered: a hub model that is seen for the first time is pinned while the process lives.
    return tracks.track(name).identity()


@cache
def _method_identity(name: str, track: str, k: int) -> dict[str, Any]:
    method = registry.load("baseline", name)
    try:
        return {"version": method.version, "hparams": method.hparams(tracks.track(track), k)}
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"method {name!r}: its hparams(track, k) raised {type(error).__name__}: {error}") from error


def _generator_identity(name: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    generator = registry.load("generator", name)
    if params is None:
        # Remembered only where code alone decides: what a user names may change while the process lives.
        params = generator.params() if generator.carries_data else _code_params(name)
    return {"version": generator.version, "params": dict(params)}


@cache
def _code_params(name: str) -> dict[str, Any]:
    return dict(registry.load("generator", name).params())
