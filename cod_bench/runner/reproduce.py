"""Records -> random cells re-run on this machine -> verdicts: how `submitted` becomes `reproduced`."""

from __future__ import annotations

import datetime as dt
import secrets
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from cod_bench import registry
from cod_bench.condition import outdated
from cod_bench.data import origin
from cod_bench.design.identity import run_id
from cod_bench.errors import RunError, UsageError, unknown
from cod_bench.records import verdicts
from cod_bench.records.provenance import ask_git, environment, provenance
from cod_bench.records.record import Record, record_from_json
from cod_bench.records.results import DEPTH, REFERENCE, Results
from cod_bench.records.verdicts import Cell, Part, Verdict
from cod_bench.runner.jobs import jobs_for
from cod_bench.spec import RunSpec, base_name
from cod_bench.store import usable_home, write_atomic

Listener = Callable[[RunSpec, Cell], None]
Parts = dict[Part, list[Record]]


def groups(records: Sequence[Record], methods: Sequence[str] = (), tasks: Sequence[str] = ()) -> Parts:
    """Records by part, of these methods and tasks or of all; a task's plain name means its local slices too.

    Raises:
        UsageError: a method or task without a record.
    """
    found: Parts = {}
    for record in records:
        spec = record.spec
        if (not methods or spec.method in methods) and (not tasks or _named(spec.task, tasks)):
            found.setdefault(verdicts.part(spec), []).append(record)
    for method in methods:
        if not any(record.spec.method == method for record in records):
            raise unknown("method with records", method, {record.spec.method for record in records})
    for task in tasks:
        if not any(_named(record.spec.task, [task]) for record in records):
            raise unknown("task with records", task, {record.spec.task for record in records})
    return dict(sorted(found.items()))


def _named(task: str, tasks: Sequence[str]) -> bool:
    return task in tasks or base_name(task) in tasks


def at_hand(found: Parts, methods: Sequence[str], tasks: Sequence[str], say: Callable[[str], None]) -> Parts:
    """The parts that can be re-run here; says a line for each method and task that is left out.

    Raises:
        UsageError: what is named cannot be had, or nothing is left.
        RunError: rows that are here are not those that the task pins.
    """
    strange = "is not installed here; read its file and name it by --plugin"
    absent: dict[tuple[str, str], str] = {}
    for method in sorted({part[3] for part in found}.difference(registry.names("baseline"))):
        absent["method", method] = strange
    for task in sorted({part[2] for part in found}):
        if not origin.known(task):
            absent["task", task] = strange
        elif _named(task, tasks):
            origin.ready([task])  # what is named is fetched
        elif not origin.packaged([task]) and origin.at_hand(task) is None:
            absent["task", task] = "its rows are not at hand; name it by --task, or the folder of its files by --data"
    for (what, name), why in absent.items():
        if name in methods if what == "method" else _named(name, tasks):
            raise UsageError(f"{what} {name!r}: {why}")
    for (what, name), why in absent.items():
        say(f"left out: {what} {name!r}: {why}")
    left = {p: own for p, own in found.items() if ("task", p[2]) not in absent and ("method", p[3]) not in absent}
    if not left:
        raise UsageError("reproduce: nothing is left of these records; name what is left out by --plugin or --data")
    return left


def head(results: Results) -> str:
    """The merge commit that holds exactly the records of the folder; empty where HEAD is none, or no repository is.

    Raises:
        UsageError: the records differ from that commit.
    """
    try:
        commit = ask_git(results.root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip()
        inside = ask_git(results.root, "rev-parse", "--show-prefix").strip()
        told = ask_git(
            results.root, "status", "--porcelain", "-z", "--untracked-files=all", "--ignored=traditional",
            "--no-renames", "--", ".",
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""
    for entry in filter(None, told.split("\0")):
        name = entry[3:].removeprefix(inside)
        parts = name.split("/")
        if name.endswith("/") or (name.endswith(".json") and (parts[0] == REFERENCE or len(parts) == DEPTH)):
            raise UsageError(
                f"--results {results.root}: {name} is not as HEAD has it, and records from after it would know their "
                "seed; commit them first, or name a --seed that the verdicts then tell"
            )
    parents = ask_git(results.root, "rev-list", "--parents", "--max-count=1", commit).split()[1:]
    return commit if len(parents) > 1 else ""  # any other commit's hash may be one that its author looked for


def reproduce(
    results: Results,
    *,
    share: float,
    methods: Sequence[str] = (),
    tasks: Sequence[str] = (),
    seed: int | None = None,
    workers: int = 1,
    executor: str = "local",
    listen: Listener,
    say: Callable[[str], None] = lambda _: None,
) -> list[Verdict]:
    """Re-run random cells of every method and task at hand (or of those named), write and return what became of them.

    Nothing is written where a run fails. A submission must not know which of its cells will be looked at: the seed of
    the sample is the hash of the commit that holds the records, unless one is given or no repository holds them.

    Args:
        say: gets a line for each method and task that is left out because it is not at hand.

    Raises:
        UsageError: no records, a record that other code made, records that are not committed, or an unfit value.
        RunError: a run failed.
    """
    usable_home()
    if not 0 < share <= 1:
        raise UsageError(f"--sample {share}: choose a share above 0 and up to 1, such as 0.05")
    if seed is not None and not 0 <= seed < verdicts.SEEDS:
        raise UsageError(f"--seed {seed}: choose a whole number from 0 to {verdicts.SEEDS - 1}")
    records, bad = results.scan()
    if bad:
        raise UsageError(f"record {bad[0].path} is corrupt ({bad[0].reason}); see `cod-bench check {results.root}`")
    records = [record for record in records if not outdated(record.spec.condition, record.identity)]
    if not records:
        raise UsageError(f"--results {results.root}: has no records to re-run, or only of earlier versions")
    others = results.verdicts()  # before any work: a corrupt file would be told after it
    named = groups(records, methods, tasks)
    commit = head(results) if seed is None else ""
    drawn = verdicts.seed_of(commit) if commit else secrets.randbelow(10**9) if seed is None else seed
    own = at_hand(named, methods, tasks, say)
    chosen = {key: verdicts.sample(found, share, drawn) for key, found in own.items()}
    for record in (record for found in chosen.values() for record in found):
        if run_id(record.spec) != record.run_id:
            raise UsageError(
                f"record {record.run_id} ({record.spec.label}): made by other code or settings, which give run "
                f"{run_id(record.spec)} here; check out the version that made it"
            )
    again = _run({r.spec: r for found in chosen.values() for r in found}, workers, executor, listen)
    today = dt.datetime.now(dt.UTC).date().isoformat()
    made = [
        Verdict(
            *part, tuple(sorted(record.run_id for record in own[part])), verdicts.records_digest(own[part]),
            verdicts.TOLERANCE, share, drawn, commit, environment(), today,
            tuple(again[record.spec] for record in found),
        )
        for part, found in chosen.items()
    ]  # fmt: skip
    kept = [v for v in others if v.part not in chosen]
    write_atomic(results.reproduced_path(), verdicts.to_json([*kept, *made]))
    return made


def _run(stored: dict[RunSpec, Record], workers: int, executor: str, listen: Listener) -> dict[RunSpec, Cell]:
    execute = registry.load("executor", executor)
    jobs = jobs_for(list(stored), provenance())
    cells: dict[RunSpec, Cell] = {}
    with closing(execute(jobs, workers=workers, plugins=registry.plugin_files())) as outcomes:
        for outcome in outcomes:
            if outcome.result is None:
                raise (UsageError if outcome.usage else RunError)(f"{outcome.job.key}: {outcome.error}")
            if outcome.job.stage != "run":
                continue
            value: Any = outcome.result["record"]
            record = record_from_json(value)
            cells[record.spec] = verdicts.settle(stored[record.spec], record)
            listen(record.spec, cells[record.spec])
    return cells
