"""The verbs of contributors and maintainers -> one function each, its lines printed. Added by app.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cod_bench import device as devices
from cod_bench import registry
from cod_bench.cli import given
from cod_bench.cli.options import DEFAULT_RESULTS, DeviceOption, PluginOption, ResultsOption
from cod_bench.cli.terminal import say
from cod_bench.data import checkpoints as sources
from cod_bench.data import locks, origin
from cod_bench.design import tracks
from cod_bench.errors import UsageError
from cod_bench.records.results import Results

WorkersOption = Annotated[int, typer.Option("--workers", min=1, help="Processes, one thread each.")]


def new(
    kind: Annotated[str, typer.Argument(help="baseline, condition, task or generator.")],
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
    plugin: PluginOption = None,
) -> None:
    """Whether a plugin file or a folder of records is fit to be submitted. Runs the files you name, and no others."""
    from cod_bench.checks import plugin as plugins
    from cod_bench.checks import records as check_records

    for file in plugin or ():
        registry.add_plugin(file)
    if base and not any(path.is_dir() for path in paths):
        raise UsageError(f"--base {base}: belongs to a folder of records; leave it out")
    failed = 0
    for path in paths:
        results = check_records.check(path, base=base) if path.is_dir() else plugins.check(path)
        say(path)
        for result in results:
            say(f"  {result.line}")
        failed += sum(result.state == "FAILED" for result in results)
    raise typer.Exit(1 if failed else 0)


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


VERBS = (new, check, lock, reproduce, merge)
"""Registered by app.py under their own names."""
