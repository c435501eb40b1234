"""The verbs of contributors and maintainers -> one function each, its lines printed. Added by app.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cod_bench import device as devices
from cod_bench import registry
from cod_bench.cli import given
from cod_bench.cli.options import DEFAULT_RESULTS, DataOption, DeviceOption, PluginOption, ResultsOption, TrackOption
from cod_bench.cli.terminal import say
from cod_bench.data import checkpoints as sources
from cod_bench.data import locks, origin
from cod_bench.design import suites, tracks
from cod_bench.errors import UsageError, unknown
from cod_bench.records import declarations, provenance
from cod_bench.records.results import Results
from cod_bench.spec import PROTOCOLS

PUBLISHED_DECLARED = Path("results") / declarations.FOLDER
WorkersOption = Annotated[int, typer.Option("--workers", min=1, help="Processes, one thread each.")]


def new(
    kind: Annotated[str, typer.Argument(help="method, condition, task or generator.")],
    name: Annotated[str, typer.Argument(help="Its name on the leaderboard: small letters, digits and _.")],
    out: Annotated[Path | None, typer.Option("--out", help="File to write instead of NAME.py here.")] = None,
) -> None:
    """Write a method, condition, task or generator that passes `check` as it is; nothing is overwritten."""
    from cod_bench.cli import new as news

    path = news.write(kind, name, out)
    say(f"wrote {path}; change it, then: cod-bench check {path}")


def check(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE|DIR...", help="Plugin files, or a folder of records.")],
    base: Annotated[str, typer.Option("--base", help="Of a folder: git ref that nothing may be removed from.")] = "",
    suite: Annotated[str, typer.Option("--suite", help="Of a folder: FILE.toml of a suite that it may hold.")] = "",
    data: DataOption = None,
    plugin: PluginOption = None,
) -> None:
    """Whether a plugin file or a folder of records is fit to be submitted. Runs the files you name, and no others."""
    from cod_bench.checks import plugin as plugins
    from cod_bench.checks import records as check_records

    given.plugins(plugin, data)
    if base and not any(path.is_dir() for path in paths):
        raise UsageError(f"--base {base}: belongs to a folder of records; leave it out")
    if suite:
        suites.suite(suite)
    failed = 0
    for path in paths:
        results = check_records.check(path, base=base) if path.is_dir() else plugins.check(path)
        say(path)
        for result in results:
            say(f"  {result.line}")
        failed += sum(result.state == "FAILED" for result in results)
    raise typer.Exit(1 if failed else 0)


def declare(
    suite: Annotated[str, typer.Argument(help="Suite that is going to be run; see `cod-bench list`.")],
    track: TrackOption = "",
    protocol: Annotated[str, typer.Option("--protocol", help="One of last, dev and paper.")] = "last",
    out: Annotated[Path, typer.Option("--out", help="Folder _declared of the results folder.")] = PUBLISHED_DECLARED,
    plugin: PluginOption = None,
) -> None:
    """Write what a suite is going to compare, to be committed before its first run: else its tables are exploratory."""
    from cod_bench.analysis import declare as declaring

    for file in plugin or ():
        registry.add_plugin(file)
    chosen = suites.suite(suite)
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    if out.name != declarations.FOLDER or (out.exists() and not out.is_dir()):
        raise UsageError(f"--out {out}: readers look in {declarations.FOLDER} of a results folder; name that folder")
    code = provenance.git()
    if code is None or code["dirty"]:
        what = "is in no git checkout" if code is None else "has changes that are in no commit"
        raise UsageError(f"declare {suite}: the code {what}, so nobody could tell what was declared; commit it first")
    track = chosen.choose_track(track)
    if chosen.placed(track) != track:
        raise UsageError(
            f"--track {track}: suite {suite!r} averages over its teachers, so a part of them cannot be declared; name "
            f"{chosen.placed(track)}"
        )
    if not tracks.track(track).pinned:
        raise UsageError(f"track {track!r}: its models are not pinned yet; run it once, then `cod-bench lock`")
    if loose := [name for name in chosen.tasks if not origin.find(name).pinned]:
        raise UsageError(f"task {loose[0]!r}: its rows are not pinned yet; load it once and commit the lock file")
    made = declaring.declaration(
        chosen, track=track, protocol=protocol, date=provenance.today(), version=provenance.version_of_code(),
        commit=code["commit"],
    )  # fmt: skip
    path = out / made.name
    if declarations.put(path, made):
        say(f"wrote {path}: {made.grid['runs']} runs, {len(made.families)} families of comparisons")
        say("commit it, then run: records that are older than that commit make the tables exploratory")
    else:
        say(f"{path} says the same already, since {declarations.read(path).date}; nothing was written")
    records, _ = Results(out.resolve().parent).glance()
    runs = {*chosen.expand(track=track, protocol=protocol)}
    if there := [one for one in records if one.spec in runs]:
        say(f"{len(there)} of its runs have records already; where these count, the tables stay exploratory")


def lock() -> None:
    """Write the hub models and learning rates that this machine took into tasks.lock.json here, to be committed."""
    taken: dict[str, dict[str, Any]] = {"models": sources.seen(), "rates": dict(tracks.rates(own=True))}
    for part, entries in taken.items():
        for name in locks.add(part, entries):
            value = entries[name]
            say(f"{part}: {name} {value if part == 'rates' else value['revision']}")
        for name, own in entries.items():
            if locks.committed(part)[name] != own:
                say(f"{part}: {name} stays as {locks.LOCK} has it, not as here; delete the entry to replace it")
    kept = {part: len(locks.committed(part)) for part in ("tasks", "models", "rates")}
    if not any(kept.values()):
        raise UsageError("lock: no hub task, hub model or learning rate was taken on this machine yet; run them first")
    say(f"{locks.LOCK}: {', '.join(f'{count} {part}' for part, count in kept.items())}; commit it")


def reproduce(
    share: Annotated[float, typer.Option("--sample", help="Share of every method's records to run again.")] = 0.05,
    results: Annotated[Path, typer.Option("--results", help="Folder of records.")] = Path("results"),
    method: Annotated[str, typer.Option("--method", help="Only these methods, separated by commas.")] = "",
    task: Annotated[str, typer.Option("--task", help="Only these tasks, separated by commas; else all at hand.")] = "",
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Of the sample; that of the commit at HEAD if left out.")
    ] = None,
    workers: WorkersOption = devices.cores(),
    executor: Annotated[str, typer.Option("--executor", help="How jobs are spread.")] = "local",
    device: DeviceOption = "cpu",
    data: Annotated[list[str] | None, typer.Option("--data", help="Folder with <task>/train.* and test.*.")] = None,
    plugin: PluginOption = None,
) -> None:  # fmt: skip
    """For maintainers: run random records again and write results/reproduced.json."""
    from cod_bench.records.verdicts import CONTRADICTED, TOLERANCE
    from cod_bench.runner import reproduce as again

    for file in plugin or ():
        registry.add_plugin(file)
    origin.choose(data)
    devices.ask(device)
    found = again.reproduce(
        given.results_folder(results, there=True),
        share=share, methods=_words(method), tasks=_words(task), seed=seed, workers=workers, executor=executor,
        say=say,
        listen=lambda spec, cell: say(f"  {spec.label}: {cell.verdict}, {cell.agreement:.1%} of the rows alike"),
    )  # fmt: skip
    for verdict in found:
        how = f"generator {verdict.generator}" if verdict.generator else "without generator"
        where = f"{verdict.task}, track {verdict.track}, protocol {verdict.protocol}"
        say(f"{verdict.method}, {how}, on {where}: {verdict.state}")
    drawn = f"of commit {found[0].commit}" if found[0].commit else "of no commit, which the verdicts tell"
    say(
        f"one result: the same class predicted on at least {TOLERANCE:.1%} of the rows (1 in 1,000 for a logit's"
        f" last bits); sample of seed {found[0].seed}, {drawn}"
    )
    raise typer.Exit(1 if any(verdict.state == CONTRADICTED for verdict in found) else 0)


def _words(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def merge(
    folders: Annotated[list[Path], typer.Argument(help="Results folders of shards.")],
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Bring the results folders of shards together in one; refuses records that do not belong together."""
    from cod_bench.records import merge as merges

    target = given.results_folder(results)
    done = merges.merge([Results(folder.resolve()) for folder in folders], target)
    failed = f", {done.failures} failures" if done.failures else ""
    say(f"{done.records} records copied, {done.there} were there already{failed}: {target.root}")
    say(f"whether the suite is whole: cod-bench plan --results {results}")
    say(f"tables: cod-bench leaderboard --results {results}")


VERBS = (new, check, declare, lock, reproduce, merge)
"""Registered by app.py under their own names."""
