"""A `run` -> what a terminal shows of it: a bar or a line a run, partial tables, the closing figure."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cod_bench import device, registry
from cod_bench.analysis import grids
from cod_bench.cli import given
from cod_bench.cli.beat import Beat
from cod_bench.cli.terminal import say
from cod_bench.counterfactuals import purchase as cfe
from cod_bench.data import origin, progress
from cod_bench.design import suites, tracks
from cod_bench.design.filters import select
from cod_bench.errors import UsageError, plain
from cod_bench.executor import Outcome
from cod_bench.records import plugins
from cod_bench.reports import leaderboard, render, rendered
from cod_bench.runner import plan
from cod_bench.runner import run as runs
from cod_bench.runner.run import Tally
from cod_bench.spec import LOCAL, RunSpec, base_name
from cod_bench.track import of_teacher

if TYPE_CHECKING:
    from cod_bench.design.filters import Filters
    from cod_bench.design.suite import Suite
    from cod_bench.records.results import Results
    from cod_bench.runner.plan import Plan


STAGES = {"teacher": "teachers", "pool": "blocks of counterfactuals", "run": "runs"}


class Show:
    """Lines and a bar on standard error; nothing but the closing figure on standard output."""

    def __init__(self, console: Any, plan_line: Callable[[Plan, int], str], workers: int) -> None:
        self._console, self._plan_line, self._workers = console, plan_line, workers
        self._bar: Any = None
        self._task: Any = None
        self._beat: Beat | None = None

    def plan(self, made: Plan, tally: Tally) -> None:
        """Say what there is to do and start the bar on a terminal, the heartbeat on a log."""
        self._line(self._plan_line(made, self._workers))
        for note in origin.brought(dict.fromkeys(planned.spec.task for planned in made.todo())):
            self._line(note)
        if not tally.total:
            self._line("nothing to run")
        elif not self._console.is_terminal:
            self._line(f"steps: {_stages(tally)}; what is in the cache folder is not made again")
            self._beat = Beat(
                self._line,
                lambda: f"at work for {_minutes(time.monotonic() - tally.started)}: {_stages(tally)}{_steps()}",
            )
        else:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            self._bar = Progress(
                TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                TextColumn("{task.fields[left]}", markup=False), console=self._console, transient=True,
            )  # fmt: skip
            self._task = self._bar.add_task("teachers", total=tally.total, left="")
            self._bar.start()
            self._beat = Beat(
                lambda text: self._bar.update(self._task, left=text), lambda: _steps("") or _left(tally), every=2.0
            )

    def note(self, outcome: Outcome, tally: Tally) -> None:
        """Tell one outcome."""
        if self._bar is not None:
            stages = ", ".join(f"{name} {done}/{of}" for name, (done, of) in tally.stages.items() if done < of)
            failed = f", {tally.failed} failed" if tally.failed else ""
            self._bar.update(
                self._task, completed=tally.settled, description=f"{stages or 'runs'}{failed}", left=_left(tally)
            )
            if not outcome.error:
                return
        self._line(_line(outcome, tally))

    def say(self, text: str) -> None:
        """A line above the bar."""
        self._line(text)

    def close(self) -> None:
        """Take the bar away and end the heartbeat."""
        if self._beat is not None:
            self._beat.stop()
        if self._bar is not None:
            self._bar.stop()

    def _line(self, text: str) -> None:
        if self._beat is not None:
            self._beat.heard()
        self._console.print(plain(text), highlight=False, markup=False, soft_wrap=True)


Part = tuple["Suite", "Filters"]
"""What has tables of its own, and what was asked of it."""


def run(
    parts: Sequence[Part], results: Results, *, workers: int, rerun: str, executor: str, fail_fast: bool,
    options: Mapping[str, Any] | None = None, timeout: float = 0.0,
) -> int:  # fmt: skip
    """Run each part and render; returns how many runs of the plans are not done at the end.

    Raises:
        UsageError, RunError: as `run_all`.
    """
    from rich.console import Console

    started = time.monotonic()
    console, out = Console(file=sys.stderr), render.out_folder(results)
    for suite, filters in parts:
        select(suite, filters)  # a mistake in the filters is told before anything else
    tallies: list[Tally] = []
    for note in (*_other_rows(parts, results), *plugins.changed(results)):
        say(note, err=True)
    for suite, filters in parts:
        show = Show(console, plan_line, workers or device.cores())

        def partial(suite: Suite = suite, filters: Filters = filters, show: Show = show) -> None:
            _partial(suite, filters, results, out, show, started)

        try:
            tallies.append(
                runs.run_all(
                    suite, filters, results, workers=workers, rerun=rerun, executor=executor, options=options,
                    fail_fast=fail_fast, timeout=timeout, on_plan=show.plan, listen=show.note, partial=partial,
                )
            )  # fmt: skip
        finally:
            show.close()
    plugins.keep(results)
    tell = Show(console, plan_line, workers or device.cores()).say
    lines = _rendered(parts, results, out)
    tell(f"{_counts(tallies)} in {_minutes(time.monotonic() - started)}{_core_seconds(tallies)}")
    for (suite, filters), tally in zip(parts, tallies, strict=True):
        if tally.failed or tally.earlier:
            named = _named(suite, filters, results)
            tell(f"why: cod-bench status{named}; again: cod-bench run --rerun failed with the same options")
        if filters.shard is not None:
            tell(_together(plan.make(suite, replace(filters, shard=None), results)))
    if any(tally.blocked for tally in tallies):
        tell("the same command tries them again")
    say(*lines)
    if (out / "README.md").is_file():
        tell(f"leaderboard: {out / 'README.md'}")
    return sum(tally.unfinished for tally in tallies)


def _other_rows(parts: Sequence[Part], results: Results) -> list[str]:
    """That a folder holds runs of other rows under the name of a task: a changed file is another task."""
    there: dict[str, dict[str, int]] = {}
    for record in results.glance()[0]:
        own = there.setdefault(base_name(record.spec.task), {})
        own[record.spec.task] = own.get(record.spec.task, 0) + 1
    return [
        f"task {task}: this folder also has {count} runs of {other}, other rows under the same name with tables of "
        "their own; is the file of --data another one now?"
        for task in dict.fromkeys(task for suite, _ in parts for task in suite.tasks if LOCAL in task)
        for other, count in there.get(base_name(task), {}).items()
        if other != task
    ]


def _partial(suite: Suite, filters: Filters, results: Results, out: Path, show: Show, started: float) -> None:
    """Render what is there of one suite, and say where."""
    try:
        leaderboard.write(out, render.files(results, [suite], figures=False))
    except UsageError as error:  # the runs go on; the same sentence ends the command if it still holds then
        show.say(f"no partial table: {error}")
        return
    if not results.record_paths():
        return
    show.say(f"partial table after {_minutes(time.monotonic() - started)}: {out / suite.name / 'README.md'}")
    for line in _figure(suite, filters, results):
        show.say(f"  {line}")


def _figure(suite: Suite, filters: Filters, results: Results) -> list[str]:
    """What a part's closing lines say of this folder: of what was asked for and of nothing else."""
    track, protocol = suite.choose_track(filters.track), (filters.protocol or suite.protocols)[0]
    whole = replace(filters, method=(), task=(), track=track, protocol=(), shard=None, generator="").empty
    tasks = len(suite.tasks) if filters.task == () else len(filters.task)
    asked = [] if whole and tasks == len(suite.tasks) else select(suite, replace(filters, shard=None))
    return render.main_figure(results, suite, track=track, protocol=protocol, methods=filters.method, asked=asked)


def _rendered(parts: Sequence[Part], results: Results, out: Path) -> list[str]:
    """Bring the leaderboard up to date, and the closing lines; nothing is rendered again that is as it was."""
    if not results.record_paths():
        return []
    results.glance()  # an index for whoever reads next
    shown = grids.suites_with_records(results)
    chosen = [*shown, *(suite for suite in dict.fromkeys(suite for suite, _ in parts) if suite not in shown)]
    of = rendered.inputs(results, [suite.name for suite in chosen], *given.rendering())
    known = rendered.read(out, of)
    if known is None:
        files = render.files(results, chosen)
        leaderboard.write(out, files)
        known = rendered.keep(out, of, files, {})
    lines: list[str] = []
    for suite, filters in parts:
        key = repr((suite.name, replace(filters, shard=None)))
        own = known.lines.get(key)
        if own is None:
            own = [f"this folder: {line}" for line in _figure(suite, filters, results)]
            known = rendered.add(out, known, key, own)
        lines += own
        if filters.empty:
            lines += [f"published: {line}" for line in render.published_figure(suite)]
    return lines


def _counts(tallies: Sequence[Tally]) -> str:
    done, failed, blocked, earlier = (
        sum(getattr(tally, name) for tally in tallies) for name in ("done", "failed", "blocked", "earlier")
    )
    told = f", {blocked} not tried since what they need was not had" if blocked else ""
    return f"{done} runs done, {failed} failed{told}" + (f", {earlier} had failed before" if earlier else "")


def _core_seconds(tallies: Sequence[Tally]) -> str:
    seconds: dict[str, float] = {}
    for tally in tallies:
        for name, value in tally.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + value
    told = ", ".join(f"{name} {value:.0f}" for name, value in seconds.items())
    return f" (core-seconds: {told})" if told else ""


def _named(suite: Suite, filters: Filters, results: Results) -> str:
    """The options by which `status` shows the same runs."""
    given = {
        "suite": (shlex.quote(suites.option(suite.family)),),
        "task": filters.task, "method": filters.method, "condition": filters.condition,
        "generator": (filters.generator,), "track": (filters.track,), "protocol": filters.protocol,
        "results": (shlex.quote(str(results.root)),),
    }  # fmt: skip
    named = "".join(f" --{name} {','.join(values)}" for name, values in given.items() if any(values))
    plugins = "".join(f" --plugin {shlex.quote(path)}" for path in registry.plugin_files())
    return named + origin.options() + plugins


def _together(whole: Plan) -> str:
    """How much of the undivided suite a folder holds after one of its shards has run there."""
    done, of = whole.count("done"), len(whole.runs) - whole.count("not applicable")
    if done == of:
        return f"all {of} runs of the undivided command are in this folder"
    return (
        f"this folder holds {done} of the {of} runs of the undivided command and its tables are partial; bring the "
        "shards' folders together by: cod-bench merge FOLDER ... --results runs"
    )


def _line(outcome: Outcome, tally: Tally) -> str:
    """One line of a run's outcome, with the tally."""
    payload = outcome.job.payload
    what = f"{payload['task']} {outcome.job.stage}" if "task" in payload else RunSpec(**payload["spec"]).label
    if outcome.job.stage == "pool":
        what += f" seed={payload['seed']} slots {payload['start']}-{payload['end']}"
    if outcome.result is None:
        return f"{'not tried' if outcome.blocked else 'FAILED'} {what}: {outcome.error}"
    result = outcome.result
    if outcome.job.stage == "pool":
        told = f"{result['valid']}/{result['entries']} counterfactuals valid"
    else:
        told = f"accuracy {result['accuracy']:.3f}"
    count = f"[{tally.settled}/{tally.total}] "
    return f"{count}{what}: {told}, {result['seconds']:.1f} s; {_left(tally)}"


def _stages(tally: Tally) -> str:
    """How much of each stage is done."""
    there = [(STAGES[name], *tally.stages[name]) for name in STAGES if name in tally.stages]
    return ", ".join(f"{name} {done}/{of}" for name, done, of in there)


def _steps(mark: str = "; ") -> str:
    """How far the long steps of the workers are."""
    told = "; ".join(step.line for step in progress.told())
    return f"{mark}{told}" if told else ""


def _left(tally: Tally) -> str:
    seconds = tally.left()
    return f"about {f'{seconds:.0f} s' if seconds < 90 else f'{seconds / 60:.0f} min'} left"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def state(made: Plan) -> list[str]:
    """A line a (task, method, condition) of a plan: how many of its runs are in which state; and what cannot run."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for planned in made.runs:
        spec = planned.spec
        groups.setdefault((spec.task, spec.method, spec.condition), []).append(planned.state)
    lines = []
    for (task, method, condition), states in groups.items():
        counts = ", ".join(f"{states.count(one)} {one}" for one in dict.fromkeys(sorted(states)))
        lines.append(f"  {task:14} {method:10} {condition:16} {counts}")
    apart = {planned.spec.method: planned.reason for planned in made.runs if planned.reason}
    return [*lines, *(f"not applicable on {made.track}: {method} {reason}" for method, reason in apart.items())]


def plan_line(made: Plan, workers: int, where: Path | None = None) -> str:
    """How many runs of a plan are in which state, in which folder, and about how long the missing ones take."""
    done, missing, failed = (made.count(state) for state in ("done", "missing", "failed"))
    hours = made.hours(workers)
    before = made.first_hours(workers)
    of_it = f", {_hours(before)} of it for teachers and what they are asked" if before > hours / 4 else ""
    tail = f"; about {_hours(hours)} with {workers} workers to go{of_it}" if missing else ""
    retry = " (again with --rerun failed)" if failed else ""
    apart = made.count("not applicable")
    corrupt = f", {apart} not applicable" if apart else ""
    corrupt += f", {len(made.bad)} corrupt files" if made.bad else ""
    folder = "" if where is None else f" in {where}"
    part = f"shard {made.shard} of " if made.shard else ""
    return (
        f"{part}suite {made.suite.name} on track {made.track}: {len(made.runs)} runs: {done} done, {missing} missing, "
        f"{failed} failed{retry}{corrupt}{folder}{tail}"
    )


def _hours(hours: float) -> str:
    """An estimate that is good to a factor of two: no decimals."""
    return f"{round(hours):,} h" if hours >= 1.5 else f"{max(1, round(hours * 60))} min"


def spent(made: Plan) -> list[str]:
    """What the teachers of a track of one's own take their time for, and how they would take less."""
    lines, groups = [], dict[tuple[str, str], dict[int, float]]()
    for (name, task), seconds in made.first.items():
        base, seed = of_teacher(name)
        groups.setdefault((base, task), {})[seed] = seconds
    for (name, task), own in groups.items():
        track = tracks.track(name)
        if track.sizes is not None:
            size, epochs = track.sizes[0] / 1e6, track.teacher.epochs
            which = f"teachers of {task} (seeds {', '.join(map(str, own))})" if len(own) > 1 else f"teacher of {task}"
            each = " each" if len(own) > 1 else ""
            lines.append(
                f"{which}: {size:,.0f} million parameters, {epochs} x the training pool, about "
                f"{_hours(max(own.values()) / 3600)}{each} on one core"
                + ("; --teacher-epochs 1 or --recipe embedded takes less" if epochs > 1 else "")
            )
    return lines


def bills(made: Plan) -> list[str]:
    """What `plan` says of paid counterfactuals: a line a generator, and one where it cannot answer as things are."""
    missing = [planned.spec for planned in made.runs if planned.state != "done"]
    found = cfe.forecast(missing)
    lines = [f"counterfactuals by {name} if none were bought yet: {cfe.told(bill)}" for name, bill in found.items()]
    for name in found:
        try:
            registry.load("generator", name).ready({spec.task for spec in missing if spec.generator == name})
        except UsageError as unready:
            lines.append(f"run would end at once: {plain(unready)}")
    return lines
