"""The verbs `bench`, `lab`, `report`: what stands beside the suites -> lines and files. Added by app.py."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from cod_bench import device as devices
from cod_bench.benchmarks import report as bench
from cod_bench.cli import given
from cod_bench.cli.options import ReadingOption
from cod_bench.cli.terminal import say
from cod_bench.errors import RunError, UsageError, unknown


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
"""Experiments that are run when none is named."""
TEXT, WORDS = "text", "words"


def lab(
    name: Annotated[str, typer.Argument(help="moons, fisher, text or words; the first two, when none is named.")] = "",
    out: Annotated[Path, typer.Option("--out", help="Folder for rows, tables and figures.")] = Path("lab"),
    seeds: Annotated[int, typer.Option("--seeds", min=4, help="Of moons: worlds, each with a teacher.")] = 60,
    draws: Annotated[int, typer.Option("--draws", min=2, help="Of fisher: samples of rows a setting.")] = 1000,
    foreign: Annotated[
        list[str] | None, typer.Option("--foreign", help="Of text: TASK=FILE of pairs that others wrote, JSONL.")
    ] = None,
    track: Annotated[str, typer.Option("--track", help="Of text: instead of minilm.")] = "",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Of text: processes.")] = devices.cores(),
    read_only: Annotated[bool, typer.Option("--read", help="Only tables and figures, from the rows there.")] = False,
) -> None:
    """The paper's picture and theorems in numbers: boundaries over two moons, Fisher information and its estimates."""
    from cod_bench.reports.lab import page

    if name and name not in page.WRITERS:
        raise unknown("lab", name, page.WRITERS)
    chosen = (name,) if name else LABS
    given.only(
        f"with {' and '.join(chosen)}",
        *(own for kind, options in OPTIONS.items() if kind not in chosen for own in options),
    )
    if read_only:
        given.only("with --read, which runs nothing", *(option for own in OPTIONS.values() for option in own))
    given.out_folder("--out", out)
    for one in chosen:
        if not read_only:
            _run(one, out, seeds, draws, _files(foreign), track, workers)
        for finding in page.WRITERS[one](out):
            say(f"- {finding}")
        say(f"wrote {out / f'{one}.md'}, its rows and figures")


OPTIONS = {"moons": ("seeds",), "fisher": ("draws",), TEXT: ("foreign", "track", "workers")}
"""Experiment -> options that are of it alone."""


def _run(name: str, out: Path, seeds: int, draws: int, foreign: dict[str, Path], track: str, workers: int) -> None:
    from cod_bench.lab import files

    def listen(said: str) -> None:
        say(f"{name}: {said}", err=True)

    if name == TEXT:
        files.text_to(out, foreign, track, workers, listen)
    elif name == WORDS:
        files.words_to(out, listen=listen)
    elif name == "moons":
        files.moons_to(out, range(seeds), listen)
    else:
        files.fisher_to(out, draws, listen)


def _files(foreign: list[str] | None) -> dict[str, Path]:
    """TASK=FILE words -> task -> file.

    Raises:
        UsageError: a word that is none, or a task twice.
    """
    found: dict[str, Path] = {}
    for word in foreign or ():
        task, _, path = word.partition("=")
        if not task or not path or task in found:
            raise UsageError(f"--foreign {word}: write TASK=FILE, each task once")
        found[task] = Path(path)
    return found


LAB_FOLDERS = (Path("lab"), Path("docs/lab"))
"""Where the lab's rows are looked for: one's own, then the published ones."""


def report(
    results: ReadingOption = None,
    lab: Annotated[
        Path | None, typer.Option("--lab", help="Folder of the lab; `lab` if there is one, else `docs/lab`.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to; beside the results' tables.")] = None,
    only: Annotated[str, typer.Option("--only", help="Only these sections, by their files' names.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if it is stale or missing.")] = False,
) -> None:
    """Every question with what the records say to it: report.md and report.html, each number by a query beside it."""
    from cod_bench.reports import render
    from cod_bench.reports.findings import page, sections, tables
    from cod_bench.store import write_atomic

    folder = given.results_folder(given.reading(results), there=True)
    asked = {section.name: section for section in sections.sections()}
    for name in given.words("only", only or None) or ():
        if name not in asked:
            raise unknown("--only", name, asked)
    chosen = [asked[name] for name in given.words("only", only or None) or asked]
    if only and out is None and not check:
        raise UsageError("--only: a part would take the whole report's place; name a folder of its own by --out DIR")
    if lab is not None and not lab.is_dir():
        raise UsageError(f"--lab {lab}: is not there; run `cod-bench lab --out {lab}` first")
    target = out or render.out_folder(folder)
    if not check:
        given.out_folder("--out", target)
    place = lab or next((one for one in LAB_FOLDERS if one.is_dir()), LAB_FOLDERS[0])
    queries = [query for section in chosen for query, _ in section.asked]
    answers = sections.answers(chosen, tables.gather(folder, place, queries))
    places = {"leaderboard": render.out_folder(folder), "lab": place}
    files = {page.MARKDOWN: page.markdown(answers, places, target), page.HTML: page.html(answers, places)}
    if check:
        for name, told in files.items():
            path = target / name
            if not path.is_file() or path.read_bytes() != told.encode():
                raise RunError(f"{path}: is not what the records say; write it again without --check")
        say(f"{target / page.MARKDOWN} and {page.HTML}: {len(answers)} sections are what the records say")
        return
    for name, told in files.items():
        write_atomic(target / name, told)
    for answer in answers:
        say(f"- {answer.section.title} {', '.join(page.verdicts(answer))}")
    say(f"wrote {target / page.MARKDOWN} and {page.HTML}")


bench_.__name__ = "bench"
VERBS = (bench_, lab, report)
