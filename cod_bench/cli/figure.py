"""The verb `figure`: records -> files of the paper's figures, named one by one. Added to the command line by app.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cod_bench.cli import given
from cod_bench.cli.options import (
    ConditionOption,
    DataOption,
    MethodOption,
    PluginOption,
    ReadingOption,
    SuiteOption,
    TaskOption,
)
from cod_bench.cli.read import ProtocolOption, TrackOption
from cod_bench.cli.terminal import say
from cod_bench.design import suites
from cod_bench.errors import UsageError, unknown

IDLE = {"curves": ("axis",), "gains": ("task", "mean", "axis"), "frontier": ("task", "mean")}
"""Figure -> options that change nothing of it."""


def figure(
    out: Annotated[
        Path, typer.Option("--out", help="A file ending in .pdf, .svg or .png; or a folder for NAME.pdf.")
    ],
    name: Annotated[
        str, typer.Argument(help="curves, gains or frontier; all three, into a folder, when none is named.")
    ] = "",
    suite: SuiteOption = suites.DEFAULT_SUITE, results: ReadingOption = None, track: TrackOption = "",
    protocol: ProtocolOption = "", task: TaskOption = None, method: MethodOption = None,
    condition: ConditionOption = None,
    form: Annotated[str, typer.Option("--format", help="pdf (default), svg or png.")] = "",
    width: Annotated[str, typer.Option("--width", help="column (3.25 inches), page (6.75), or inches.")] = "page",
    mean: Annotated[bool, typer.Option("--mean", help="Curves of the mean over tasks, not a row a task.")] = False,
    axis: Annotated[
        str, typer.Option("--axis", help="Cost of the frontier: labels, queries, dollars or seconds.")
    ] = "queries",
    data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """Figures for a paper: learning curves, gains as a forest plot, accuracy against cost; fonts embedded, no date."""
    # it brings the reading side along: `--help` is faster without
    from cod_bench.reports.figures import axes as figures

    given.plugins(plugin, data)
    if name and name not in figures.NAMES:
        raise unknown("figure", name, figures.NAMES)
    given.only(f"with {name}", *IDLE.get(name, ()))
    paths = _paths(name, out, form)
    try:
        figures.inches(width)
    except UsageError as error:
        raise UsageError(f"--{error}") from error
    grid = figures.read(given.reading(results), suite, track, protocol)
    tasks, methods = given.words("task", task), given.words("method", method)
    conditions = given.words("condition", condition)
    drawn = {}
    for one, path in paths.items():
        try:
            drawn[path] = figures.sheet(
                one, grid, width=width, task=tasks, method=methods, condition=conditions, mean=mean, cost=axis
            )
        except figures.NothingError as error:
            if name:
                raise
            say(f"no {one}: {error}", err=True)
        else:
            if one == "frontier" and (left := figures.uncounted(grid, axis)):
                say(f"left out of the frontier: {left}")
            if one == "gains" and (left := figures.undrawn(grid)):
                say(f"left out of the gains, since they are no gains in accuracy: {left}")
    for path, found in drawn.items():
        figures.save(found, path)
        size = " x ".join(f"{inches:.2f}" for inches in found.get_size_inches())
        say(f"wrote {path}, {size} inches")


def _paths(name: str, out: Path, form: str) -> dict[str, Path]:
    """Each figure's file; nothing is made yet.

    Raises:
        UsageError: an unknown format or ending, both and not the same, several figures for one file, or a place that
            cannot be written.
    """
    from cod_bench.reports.figures import axes as figures

    if form and form not in figures.FORMATS:
        raise unknown("format", form, figures.FORMATS)
    ending = out.suffix.removeprefix(".").lower()
    if out.is_dir() or not ending:
        given.out_folder("--out", out)
        return {one: out / f"{one}.{form or figures.FORMATS[0]}" for one in ([name] if name else figures.NAMES)}
    if ending not in figures.FORMATS:
        known = ", ".join(f".{known}" for known in figures.FORMATS)
        raise UsageError(f"--out {out}: no figure ends in .{ending}; name a file that ends in {known}, or a folder")
    if form and form != ending:
        raise UsageError(f"--format {form}: --out {out} ends in .{ending}; leave one of them out")
    if not name:
        raise UsageError(f"--out {out}: a file holds one figure; name {', '.join(figures.NAMES)}, or a folder")
    return {name: given.out_file("--out", out)}


VERBS = (figure,)
"""Registered by app.py under their own names."""
