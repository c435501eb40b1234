"""The verbs `bench` and `lab`: experiments beside the suites -> lines and files. Added to the command by app.py."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from cod_bench import device as devices
from cod_bench.benchmarks import report as bench
from cod_bench.cli import given
from cod_bench.cli.terminal import say
from cod_bench.errors import UsageError, unknown


def bench_(
    only: Annotated[str, typer.Option("--only", help="Only these parts, separated by commas; see --parts.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Fewer steps and rows: rougher figures.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the figures as JSON here.")] = None,
    compare: Annotated[
        Path | None, typer.Option("--compare", help="An earlier file to set the figures against.")
    ] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="Only the CUDA device: runs an hour at real sizes.")] = False,
    workers_per_device: Annotated[int, typer.Option("--workers-per-device", min=1, help="Of --gpu.")] = 4,
    parts: Annotated[bool, typer.Option("--parts", help="Name the parts and stop.")] = False,
) -> None:
    """How fast it is on this machine against the plain loop of benchmarks/, same weights, texts and steps."""
    from cod_bench.benchmarks import gpu as gpus
    from cod_bench.benchmarks import parts as timed

    if parts:
        given.only(
            "with --parts, which measures nothing", "only", "quick", "out", "compare", "gpu", "workers_per_device"
        )
        for name, about in timed.ABOUT.items():
            say(f"  {name:12} {about}")
        return
    if gpu:
        given.only("with --gpu, which is one part of its own", "only")
    else:
        given.only("without --gpu", "workers_per_device")
    if gpu and not devices.visible():
        raise UsageError("--gpu: torch sees no CUDA device here; leave it out to measure the CPU")
    if gpu:
        devices.ask("cuda")
    chosen = given.words("only", only or None) or list(timed.PARTS)
    for name in chosen:
        if name not in timed.PARTS:
            raise unknown("--only", name, timed.PARTS)
    before = None if compare is None else bench.read(compare)
    if out is not None:
        given.out_file("--out", out)
    say(bench.heading(bench.machine()))
    say("seconds of CPU (wall), ratios in CPU time (wall)", "")
    lines: list[bench.Line] = []
    asked: list[Callable[[bool], Iterable[bench.Line]]]
    asked = [timed.PARTS[name] for name in chosen]
    if gpu:
        asked = [lambda quick: gpus.bench(quick, workers_per_device)]
    for part in asked:
        for line in part(quick):
            lines.append(line)
            say(bench.row(line))
            sys.stdout.flush()
    made = bench.report(lines, quick=quick)
    if before is not None:
        say("", *bench.comparison(made, before))
    if out is not None:
        from cod_bench.store import write_atomic

        write_atomic(out, bench.to_json(made))
        say("", f"wrote {out}")


LABS = ("moons", "fisher")


def lab(
    name: Annotated[str, typer.Argument(help="moons or fisher; both, when none is named.")] = "",
    out: Annotated[Path, typer.Option("--out", help="Folder for rows, tables and figures.")] = Path("lab"),
    seeds: Annotated[int, typer.Option("--seeds", min=4, help="Of moons: worlds, each with a teacher.")] = 60,
    draws: Annotated[int, typer.Option("--draws", min=2, help="Of fisher: samples of rows a setting.")] = 1000,
    read_only: Annotated[bool, typer.Option("--read", help="Only tables and figures, from the rows there.")] = False,
) -> None:
    """The paper's picture and theorems in numbers: boundaries over two moons, Fisher information and its estimates."""
    from cod_bench.reports.lab import page

    if name and name not in LABS:
        raise unknown("lab", name, LABS)
    given.only("with fisher", *(("seeds",) if name == "fisher" else ()))
    given.only("with moons", *(("draws",) if name == "moons" else ()))
    if read_only:
        given.only("with --read, which runs nothing", "seeds", "draws")
    given.out_folder("--out", out)
    for one in [name] if name else LABS:
        if not read_only:
            from cod_bench.lab import files

            if one == "moons":
                files.moons_to(out, range(seeds), lambda said: say(f"moons: {said}", err=True))
            else:
                files.fisher_to(out, draws, lambda said: say(f"fisher: {said}", err=True))
        for finding in page.write_moons(out) if one == "moons" else page.write_fisher(out):
            say(f"- {finding}")
        say(f"wrote {out / f'{one}.md'}, its rows and figures")


bench_.__name__ = "bench"
VERBS = (bench_, lab)
