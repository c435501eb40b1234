"""A `run` -> what a terminal shows of it: a bar or a line a run, partial tables, the closing figure."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cod_bench import device, registry
from cod_bench.analysis import grids
from cod_bench.cli.beat import Beat
from cod_bench.cli.terminal import say
from cod_bench.counterfactuals import purchase as cfe
from cod_bench.design.filters import select
from cod_bench.errors import UsageError, plain
from cod_bench.executor import Outcome
from cod_bench.reports import leaderboard, render
from cod_bench.runner import plan
from cod_bench.runner import run as runs
from cod_bench.runner.run import Tally
from cod_bench.spec import RunSpec

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
        if not tally.total:
            self._line("nothing to run")
        elif not self._console.is_terminal:
            self._line(f"steps: {_stages(tally)}; what is in the cache folder is not made again")
            self._beat = Beat(
                self._line, lambda: f"at work for {_minutes(time.monotonic() - tally.started)}: {_stages(tally)}"
            )
        else:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            self._bar = Progress(
                TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                TextColumn("{task.fields[left]}", markup=False), console=self._console, transient=True,
            )  # fmt: skip
            self._task = self._bar.add_task("teachers", total=tally.total, left="")
            self._bar.start()

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


def run(
    suite: Suite, filters: Filters, results: Results, *, workers: int, rerun: str, executor: str, fail_fast: bool,
    plan_line: Callable[[Plan, int], str], options: Mapping[str, Any] | None = None, timeout: float = 0.0,
) -> int:  # fmt: skip
    """Run and render; returns how many runs of the plan are not done at its end.

    Raises:
        UsageError, RunError: as `run_all`.
    """
    from rich.console import Console

    started = time.monotonic()
    console = Console(file=sys.stderr)
    show = Show(console, plan_line, workers or device.cores())
    track, protocol = suite.choose_track(filters.track), (filters.protocol or suite.protocols)[0]
    select(suite, filters)  # a mistake in the filters is told before anything else
    out = render.out_folder(results)

    def partial() -> None:
        try:
            leaderboard.write(out, render.files(results, [suite], figures=False))
        except UsageError as error:  # the runs go on; the same sentence ends the command if it still holds then
            show.say(f"no partial table: {error}")
            return
        show.say(f"partial table after {_minutes(time.monotonic() - started)}: {out / suite.name / 'README.md'}")
        for line in render.main_figure(results, suite, track=track, protocol=protocol):
            show.say(f"  {line}")

    try:
        tally = runs.run_all(
            suite, filters, results, workers=workers, rerun=rerun, executor=executor, options=options,
            fail_fast=fail_fast, timeout=timeout, on_plan=show.plan, listen=show.note, partial=partial,
        )  # fmt: skip
    finally:
        show.close()
    results.glance()  # an index for the next `status`
    if results.record_paths():
        shown = grids.suites_with_records(results)
        leaderboard.write(out, render.files(results, [*shown, *([suite] if suite not in shown else [])]))
    took = ", ".join(f"{name} {seconds:.0f}" for name, seconds in tally.seconds.items())
    cores = f" (core-seconds: {took})" if took else ""
    blocked = f", {tally.blocked} not tried since what they need was not had" if tally.blocked else ""
    earlier = f", {tally.earlier} had failed before" if tally.earlier else ""
    took = f"in {_minutes(time.monotonic() - started)}{cores}"
    show.say(f"{tally.done} runs done, {tally.failed} failed{blocked}{earlier} {took}")
    if tally.failed or tally.earlier:
        named = _named(suite, filters, results)
        show.say(f"why: cod-bench status{named}; again: cod-bench run --rerun failed with the same options")
    if tally.blocked:
        show.say("the same command tries them again")
    if filters.shard is not None:
        show.say(_together(plan.make(suite, replace(filters, shard=None), results)))
    for title, lines in (
        ("this folder", render.main_figure(results, suite, track=track, protocol=protocol)),
        ("published", render.published_figure(suite)),
    ):
        for line in lines:
            say(f"{title}: {line}")
    show.say(f"leaderboard: {out / 'README.md'}")
    return tally.unfinished


def _named(suite: Suite, filters: Filters, results: Results) -> str:
    """The options by which `status` shows the same runs."""
    given = {
        "suite": (suite.family,), "task": filters.task, "method": filters.method, "condition": filters.condition,
        "generator": (filters.generator,), "track": (filters.track,), "protocol": filters.protocol,
        "results": (shlex.quote(str(results.root)),),
    }  # fmt: skip
    named = "".join(f" --{name} {','.join(values)}" for name, values in given.items() if any(values))
    return named + "".join(f" --plugin {shlex.quote(path)}" for path in registry.plugin_files())


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


def _left(tally: Tally) -> str:
    seconds = tally.left()
    return f"about {f'{seconds:.0f} s' if seconds < 90 else f'{seconds / 60:.0f} min'} left"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def plan_line(made: Plan, workers: int, where: Path | None = None) -> str:
    """How many runs of a plan are in which state, in which folder, and about how long the missing ones take."""
    done, missing, failed = (made.count(state) for state in ("done", "missing", "failed"))
    hours = made.hours(workers)
    # the estimate is good to a factor of two: no decimals
    rest = f"{round(hours):,} h" if hours >= 1.5 else f"{max(1, round(hours * 60))} min"
    tail = f"; about {rest} with {workers} workers to go" if missing else ""
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


def bills(made: Plan) -> list[str]:
    """What `plan` says of paid counterfactuals: a line a generator."""
    missing = [planned.spec for planned in made.runs if planned.state != "done"]
    found = cfe.forecast(missing)
    return [f"counterfactuals by {name} if none were bought yet: {cfe.told(bill)}" for name, bill in found.items()]
