"""The verbs that look after what a machine has -> one function each, its lines printed. Added by app.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cod_bench import device as devices
from cod_bench.cli import given
from cod_bench.cli.options import DataOption, DeviceOption, PluginOption
from cod_bench.cli.terminal import say


def doctor(
    results: Annotated[Path | None, typer.Option("--results", help="Also look at this folder of records.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend it. Nothing that is good is deleted.")] = False,
    plugin: PluginOption = None,
) -> None:
    """What is wrong with caches, locks, assets, settings and records here, and how to mend it."""
    from cod_bench.runner import doctor as doctors

    given.plugins(plugin)
    folder = None if results is None else given.results_folder(results, there=True)
    wrong = 0
    for finding in doctors.examine(folder, fix=fix):
        told = f": {finding.told}" if finding.told else ""
        say(f"{finding.state:6} {finding.place}{told}")
        wrong += finding.state == "wrong"
    if wrong:
        remedy = "do what they say" if fix else "do what they say, or add --fix"
        say(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong; {remedy}", err=True)
    raise typer.Exit(1 if wrong else 0)


def verify(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="A record's file in a results folder.")],
    device: DeviceOption = "cpu", data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """Do one record's run again and say where the two part: rows, teacher, pool, training or evaluation."""
    from cod_bench.runner import verify as again

    stored = again.read(record)
    given.plugins(plugin, data)
    devices.ask(device)
    say(f"{stored.spec.label}, run {stored.run_id}")
    made = again.again(stored, listen=lambda stage: say(f"  {stage} done", err=True))
    stages = again.compare(stored, made)
    for stage in stages:
        say(f"  {stage.state:8} {stage.name}{f': {stage.told}' if stage.told else ''}")
    parted = [stage.name for stage in stages if stage.state == "departs" and stage.name != "environment"]
    say(f"the two part at: {parted[0]}" if parted else "found again: the same to the last digit")
    raise typer.Exit(1 if parted else 0)


VERBS = (doctor, verify)
"""Registered by app.py under their own names."""
