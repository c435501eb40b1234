"""Plan -> records: spread the jobs over workers, write what comes back, say how it goes. No torch in this process."""

from __future__ import annotations

import inspect
import shlex
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial as partial_of
from typing import Any

from cod_bench import registry
from cod_bench.data import origin
from cod_bench.design import suites, tracks
from cod_bench.design.filters import Filters
from cod_bench.design.suite import Suite
from cod_bench.device import cores
from cod_bench.errors import InterruptionError, RunError, UsageError, unknown
from cod_bench.executor import Outcome
from cod_bench.records.provenance import environment, provenance
from cod_bench.records.record import Summary, record_from_json, reference_from_json
from cod_bench.records.results import BadFile, Results
from cod_bench.runner.jobs import jobs_for, teacher_job, teacher_key
from cod_bench.runner.plan import Plan, limits, make_from, make_of
from cod_bench.spec import RunSpec
from cod_bench.store import lock, set_aside, usable_home

RERUN = ("failed", "all", "mismatched")
"""What `--rerun` may name besides the missing runs, which are always done."""

PARTIAL_AFTER = 270.0
"""Seconds after which a first partial table is rendered, if no seed was complete before."""


WORTH_WAITING = 30.0
"""Seconds left below which the finished table is worth waiting for."""


@dataclass(slots=True)
class Tally:
    """How a `run` is going, for whoever shows it."""

    total: int
    stages: dict[str, list[int]]
    """Stage -> [done, of]."""
    expected: Mapping[RunSpec, float]
    workers: int
    before: float = 0.0
    """Seconds that the plan expects teachers and searches to take before the first run."""
    started: float = field(default_factory=time.monotonic)
    done: int = 0
    failed: int = 0
    blocked: int = 0
    """Runs that were not tried, since their teacher or counterfactuals were not had; they stay missing."""
    earlier: int = 0
    """Runs of the plan that failed before and were not asked for again."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Core-seconds by stage."""

    @property
    def settled(self) -> int:
        """Runs that nothing more will become of now."""
        return self.done + self.failed + self.blocked

    @property
    def unfinished(self) -> int:
        """Runs of the plan that are not done now."""
        return self.failed + self.blocked + self.earlier

    def left(self) -> float:
        """Seconds left by the pace of the runs so far; before the first run, by what the plan expects."""
        if self.done == 0:
            return (
                max(0.0, self.before - (time.monotonic() - self.started)) + sum(self.expected.values()) / self.workers
            )
        return (self.total - self.settled) * self.seconds.get("run", 0.0) / self.done / self.workers


Listener = Callable[[Outcome, Tally], None]
Maker = Callable[[Sequence[Summary], Sequence[BadFile]], Plan]
"""What lies in a results folder -> what is to be done there; called again when a task's rows were pinned."""


def run_all(
    suite: Suite,
    filters: Filters,
    results: Results,
    *,
    workers: int,
    rerun: str = "",
    executor: str = "local",
    options: Mapping[str, Any] | None = None,
    fail_fast: bool = False,
    timeout: float = 0.0,
    on_plan: Callable[[Plan, Tally], None],
    listen: Listener,
    partial: Callable[[], None],
) -> Tally:
    """Do what is missing of a suite after filters, one `run` at a time per results folder.

    Args:
        workers: 0 for the executor's own choice: all cores of this machine, or all of a cluster.
        rerun: empty for the missing runs, or one of RERUN.
        options: of the executor, by the names of its parameters.
        timeout: seconds after which a run counts as hanging and has failed; 0 for `plan.limits`.
        on_plan: called with the plan and the tally of what is to be done before the first job.
        listen: called after every job.
        partial: called when a first table can be shown and after every complete seed.

    Raises:
        UsageError: a user's mistake: nothing to run, another `run` at work here, records of another teacher.
        RunError: with `fail_fast`, the first failure. InterruptionError: no room on the disk.
    """

    def make(records: Sequence[Summary], bad: Sequence[BadFile]) -> Plan:
        tracks.pin(suite.choose_track(filters.track))  # which weights these are is part of every run id
        if text := suites.text(suite.family):
            results.keep_suite(suite.family, text)
        return make_from(suite, filters, results, records, bad)

    return _run(make, results, workers, rerun, executor, options or {}, fail_fast, timeout, on_plan, listen, partial)


def run_these(
    specs: Sequence[RunSpec],
    results: Results,
    *,
    workers: int,
    rerun: str = "",
    executor: str = "local",
    options: Mapping[str, Any] | None = None,
    fail_fast: bool = False,
    timeout: float = 0.0,
    on_plan: Callable[[Plan, Tally], None],
    listen: Listener,
) -> Tally:
    """Do what is missing of exactly these runs, in their order, whether a suite declares them or not.

    Args and errors as `run_all`.
    """

    def make(records: Sequence[Summary], bad: Sequence[BadFile]) -> Plan:
        for track in sorted({spec.track for spec in specs}):
            tracks.pin(track)
        return make_of(specs, results, records, bad)

    return _run(
        make, results, workers, rerun, executor, options or {}, fail_fast, timeout, on_plan, listen, lambda: None
    )


def _run(
    make: Maker, results: Results, workers: int, rerun: str, executor: str, options: Mapping[str, Any],
    fail_fast: bool, timeout: float,
    on_plan: Callable[[Plan, Tally], None], listen: Listener, partial: Callable[[], None],
) -> Tally:  # fmt: skip
    """What the two have in common: one at a time in a folder."""
    from filelock import Timeout

    if rerun and rerun not in RERUN:
        raise unknown("--rerun", rerun, RERUN)
    execute, workers = choose_executor(executor, workers, options)  # a wrong name makes no folder
    try:
        with lock(results.lock_path(), timeout=0):
            return _run_locked(make, results, workers, rerun, execute, fail_fast, timeout, on_plan, listen, partial)
    except Timeout:
        raise UsageError(
            f"--results {results.root}: another `cod-bench run` is at work there; wait for it or name another folder"
        ) from None


def choose_executor(name: str, workers: int, options: Mapping[str, Any]) -> tuple[Callable[..., Any], int]:
    """An executor with its options, and how many workers it is asked for.

    Raises:
        UsageError: an unknown name, or an option that it does not have.
    """
    execute = registry.load("executor", name)
    parameters = inspect.signature(execute).parameters
    for option in options:
        if option not in parameters:
            flag = f"--{option.replace('_', '-')}"
            raise UsageError(f"{flag} {options[option]}: executor {name!r} has no such option; leave it out")
    return partial_of(execute, **options), workers or (0 if "address" in parameters else cores())


def _run_locked(
    make: Maker, results: Results, workers: int, rerun: str, execute: Callable[..., Any], fail_fast: bool,
    timeout: float, on_plan: Callable[[Plan, Tally], None], listen: Listener, partial: Callable[[], None],
) -> Tally:  # fmt: skip
    results.sweep()
    records, bad = results.glance()
    plan = make(records, bad)
    if plan.todo(rerun):
        usable_home()
    _ready([planned.spec for planned in plan.todo(rerun)])
    # before the first job, so that a task without rows is one sentence; what this pins is in the ids
    if origin.ready(sorted({planned.spec.task for planned in plan.todo(rerun)})):
        plan = make(records, bad)
    _put_aside(plan, bad, results)
    todo = [planned.spec for planned in plan.todo(rerun)]
    ids = {planned.spec: planned.run_id for planned in plan.runs if planned.run_id}
    facts = provenance()
    records = [r for r in records if ids.get(r.spec, r.run_id) == r.run_id]  # others of these runs count nowhere
    known = _teachers(records)
    if rerun == "mismatched":
        found = _ensure_teachers(plan, execute, workers)
        stale = {
            record.spec
            for record in records
            if record.spec in ids and not _fits(record, found[record.spec.track, record.spec.task])
        }
        wanted = stale.union(todo)
        todo = [spec for spec in ids if spec in wanted]
        known = {spec: value for spec, value in known.items() if spec not in stale}
    elif rerun == "all":
        known = {spec: value for spec, value in known.items() if spec not in ids}
    _refuse_other_device(todo, known, facts["environment"], results)
    _ready(todo)
    jobs = jobs_for(todo, facts, limits(todo, records, plan.seconds, timeout), timeout)
    planned = {job.key for job in jobs}
    there = {(track, task) for track, task, _ in results.references()}
    jobs = [
        *(teacher_job(*pair) for pair in _pairs(plan) if pair not in there and teacher_key(*pair) not in planned),
        *jobs,
    ]
    stages: dict[str, list[int]] = {}
    for job in jobs:
        stages.setdefault(job.stage, [0, 0])[1] += 1
    tally = Tally(len(todo), stages, {spec: plan.seconds.get(spec, 0.0) for spec in todo}, workers or cores())
    tally.before = 3600 * plan.first_hours(tally.workers)
    chosen = {*todo}
    tally.earlier = sum(planned.state == "failed" and planned.spec not in chosen for planned in plan.runs)
    on_plan(plan, tally)
    waiting = Counter(spec.seed for spec in todo)
    shown = False
    with closing(execute(jobs, workers=workers, plugins=registry.plugin_files())) as outcomes:
        for outcome in outcomes:
            tally.workers = outcome.workers or tally.workers
            if outcome.interrupted:  # so would be whatever is done next; nothing is recorded
                raise InterruptionError(f"{outcome.error}; the same command goes on from here")
            _keep(outcome, results, ids, known, tally, plan.suite.family)
            listen(outcome, tally)
            if outcome.error and fail_fast:
                raise (UsageError if outcome.usage else RunError)(outcome.error)
            if outcome.job.stage != "run":
                continue
            waiting[outcome.job.payload["spec"]["seed"]] -= 1
            early = not shown and time.monotonic() - tally.started > PARTIAL_AFTER
            if early or waiting[outcome.job.payload["spec"]["seed"]] == 0:
                shown = True
                if tally.left() > WORTH_WAITING:
                    partial()
    return tally


def _ready(todo: Sequence[RunSpec]) -> None:
    """Whether the generators of these runs can answer for their tasks at all; reads neither data nor weights.

    Raises:
        UsageError: one cannot.
    """
    for name in sorted({spec.generator for spec in todo} - {""}):
        registry.load("generator", name).ready({spec.task for spec in todo if spec.generator == name})


def _keep(
    outcome: Outcome, results: Results, ids: Mapping[RunSpec, str],
    known: Mapping[RunSpec, tuple[str, Mapping[str, str]]], tally: Tally, suite: str,
) -> None:  # fmt: skip
    """Write what an outcome brings and count it."""
    stage, payload = outcome.job.stage, outcome.job.payload
    if outcome.result is not None:
        tally.seconds[stage] = tally.seconds.get(stage, 0.0) + float(outcome.result["seconds"])
        tally.stages[stage][0] += 1
    if stage == "teacher" and outcome.result is not None:
        made = reference_from_json(outcome.result["reference"])
        _refuse_other_teacher(payload["track"], payload["task"], made.teacher_hash, known, results)
        results.write_reference(made)
    if stage != "run":
        return
    spec = RunSpec(**payload["spec"])
    if outcome.blocked:
        tally.blocked += 1
        return
    if outcome.result is None:
        tally.failed += 1
        results.write_failure(spec, ids[spec], _failure(spec, outcome, suite))
        return
    record = record_from_json(outcome.result["record"])
    if record.run_id != ids[spec]:
        raise RunError(f"{spec.label}: a worker made run {record.run_id} instead of {ids[spec]}; did the code change?")
    results.write(record)
    tally.done += 1


def _failure(spec: RunSpec, outcome: Outcome, suite: str) -> dict[str, Any]:
    """What stands in a failure file; a plugin or a results folder of the user's has to be named again."""
    if suite not in suites.every():
        # runs named one by one, or a suite that a script made: the command line knows them only by a suite of its own
        suite = next((name for name, known in suites.every().items() if known.declares(spec)), "")
    if not suite:
        return {
            "run": spec.label, "reason": outcome.error, "traceback": list(outcome.trace),
            "retry": f"cod_bench.run(cod_bench.{spec!r}, rerun='failed')",
        }  # fmt: skip
    retry = (
        f"cod-bench run --rerun failed --suite {shlex.quote(suites.option(suite))} --protocol {spec.protocol} "
        f"--track {spec.track} --task {spec.task} --method {spec.method} --condition {spec.condition} --k {spec.k} "
        f"--seed {spec.seed}"
    )
    if spec.generator:
        retry += f" --generator {spec.generator}"
    return {"run": spec.label, "reason": outcome.error, "traceback": list(outcome.trace), "retry": retry}


def _teachers(records: Sequence[Summary]) -> dict[RunSpec, tuple[str, Mapping[str, str]]]:
    """Spec -> (teacher hash, environment) of what lies in the folder."""
    return {r.spec: (r.teacher_hash, r.environment or {}) for r in records}


def _fits(record: Summary, teacher: str) -> bool:
    """Whether a record is of this teacher, this machine's environment and the task's rows as they are pinned now."""
    rows = origin.find(record.spec.task).has_rows(record.train_hash, record.eval_hash)
    return rows and record.teacher_hash == teacher and record.environment == environment()


def _refuse_other_teacher(
    track: str, task: str, found: str, known: Mapping[RunSpec, tuple[str, Mapping[str, str]]], results: Results
) -> None:
    others = {teacher for spec, (teacher, _) in known.items() if (spec.track, spec.task) == (track, task)} - {found}
    if others:
        raise UsageError(
            f"--results {results.root}: holds records of {task} on {track} by teacher {min(others)}, and the teacher "
            f"here is {found}; add --rerun mismatched to replace them or name another folder"
        )


def _refuse_other_device(
    todo: Sequence[RunSpec], known: Mapping[RunSpec, tuple[str, Mapping[str, str]]], here: Mapping[str, str],
    results: Results,
) -> None:  # fmt: skip
    """No device is part of a run id, so that a table could otherwise be filled by two without anybody noticing."""
    wanted, own = {(spec.track, spec.task) for spec in todo}, _device(here)
    for spec, (_, made_in) in known.items():
        if (spec.track, spec.task) in wanted and made_in and _device(made_in) != own:
            raise UsageError(
                f"--results {results.root}: holds records of {spec.task} on {spec.track} made on "
                f"{_device(made_in)}, and this run computes on {own}; choose by --device, name another folder or "
                "add --rerun mismatched to replace them"
            )


def _device(made_in: Mapping[str, str]) -> str:
    return made_in.get("gpu") or made_in.get("device", "cpu")


def _ensure_teachers(plan: Plan, execute: Callable[..., Any], workers: int) -> dict[tuple[str, str], str]:
    """(track, task) -> hash of the teacher here, fitted now where it is not in the cache."""
    jobs = [teacher_job(*pair) for pair in _pairs(plan)]
    found = {}
    with closing(execute(jobs, workers=workers, plugins=registry.plugin_files())) as outcomes:
        for outcome in outcomes:
            if outcome.result is None:
                raise (UsageError if outcome.usage else RunError)(outcome.error)
            found[outcome.job.payload["track"], outcome.job.payload["task"]] = str(outcome.result["teacher_hash"])
    return found


def _pairs(plan: Plan) -> list[tuple[str, str]]:
    """Every (track, task) of a plan."""
    return sorted({(planned.spec.track, planned.spec.task) for planned in plan.runs if planned.run_id})


def _put_aside(plan: Plan, bad: Sequence[BadFile], results: Results) -> None:
    """A corrupt file where a run of this plan belongs is told, kept under another name, and the run is done again.

    So are corrupt reference files, which teachers write anew.
    """
    own = {results.path(planned.spec, planned.run_id) for planned in plan.runs if planned.run_id}
    for file in bad:
        if file.path in own:
            set_aside(file.path, "record", file.reason)
    for file in results.bad_references():
        set_aside(file.path, "reference file", file.reason)
