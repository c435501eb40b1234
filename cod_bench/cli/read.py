"""The verbs that only read records -> one function each, its lines printed. Added to the command line by app.py."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cod_bench.cli import given
from cod_bench.cli.options import DataOption, PluginOption, ReadingOption, SuiteOption
from cod_bench.cli.terminal import page, say
from cod_bench.design import suites, tracks
from cod_bench.errors import UsageError, unknown
from cod_bench.reports import captions, standing
from cod_bench.reports.tables import interval, p_value, points
from cod_bench.spec import PROTOCOLS

if TYPE_CHECKING:
    from cod_bench.analysis.aggregate import Grid
    from cod_bench.records.results import Results

TrackOption = Annotated[str, typer.Option("--track", help="Only this track.")]
ProtocolOption = Annotated[str, typer.Option("--protocol", help="Only this protocol.")]


def table(
    number: Annotated[int, typer.Argument(help="Of the paper's tables, 1 to 9.")],
    suite: Annotated[str, typer.Option("--suite", help="Another suite beside it, as an analogue.")] = "",
    results: ReadingOption = None, track: TrackOption = "", protocol: ProtocolOption = "",
    out: Annotated[Path | None, typer.Option("--out", help="Also write table-N.md, .csv and .tex here.")] = None,
) -> None:  # fmt: skip
    """One of the paper's tables with ours beside it, cell by cell."""
    from cod_bench.reports.paper import page as paper_page
    from cod_bench.reports.paper import tables as paper
    from cod_bench.store import write_atomic

    shown = paper.table(number)
    _known(track, protocol)
    if out is not None:
        given.out_folder("--out", out)
    folder = given.reading(results)
    name = suite or (shown.suite if shown.suite in suites.SUITES else "")
    grids = _grids(name, folder, track, protocol, family=shown.kind in ("prompts", "soft labels")) if name else []
    _alone(grids)
    rows = paper.rows(number, grids)
    told = paper_page.markdown_text(shown, rows, grids)
    page(told)
    if out is not None:
        write_atomic(out / f"table-{number}.md", told)
        write_atomic(out / f"table-{number}.csv", paper_page.csv_of(rows))
        write_atomic(out / f"table-{number}.tex", paper_page.latex(shown, rows, grids))
        say(f"wrote table-{number}.md, .csv and .tex to {out}")


def claims(
    suite: Annotated[str, typer.Option("--suite", help="Another suite, as an analogue of every claim.")] = "",
    results: ReadingOption = None, track: TrackOption = "", protocol: ProtocolOption = "",
    out: Annotated[Path | None, typer.Option("--out", help="Also write claims.md here.")] = None,
) -> None:  # fmt: skip
    """The claims of the paper's text with the verdicts that records of ours allow."""
    from cod_bench.reports.paper import claims as paper_claims
    from cod_bench.reports.paper import page as paper_page
    from cod_bench.store import write_atomic

    if out is not None:
        given.out_folder("--out", out)
    _known(track, protocol)
    folder = given.reading(results)
    listed = paper_claims.claims()
    every = {paper_claims.suite_of(claim, part) for claim in listed for part in claim.parts}
    grids = [grid for name in ([suite] if suite else sorted(every)) for grid in _grids(name, folder, track, protocol)]
    _alone(grids)
    found: list[tuple[paper_claims.Claim, list[paper_claims.Answer]]] = []
    for claim in listed:
        own: list[tuple[Grid | None, ...]] = (
            [(grid,) * len(claim.parts) for grid in grids] if suite else paper_claims.settings(claim, grids)
        )
        for sides in own:
            decides = paper_page.decides(claim, sides)
            found.append((claim, paper_claims.answer(claim, sides, decides=decides)))
        if not own:
            found.append((claim, []))
    told = paper_page.claims_text(found)
    page(told)
    if out is not None:
        write_atomic(out / "claims.md", told)
        say(f"wrote {out / 'claims.md'}")


def compare(
    left: Annotated[str, typer.Argument(help="A method, a condition or a folder of records.")],
    right: Annotated[str, typer.Argument(help="Another of the same kind.")],
    suite: SuiteOption = suites.DEFAULT_SUITE, results: ReadingOption = None, track: TrackOption = "",
    protocol: ProtocolOption = "", data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """Difference of two methods, two conditions or two folders of records, unit by unit. Exploratory."""
    from cod_bench.analysis import compare as compares

    given.plugins(plugin, data)
    if Path(left).is_dir() and Path(right).is_dir():
        first, second = _alike(suite, left, right, track, protocol)
        sides = [((first, left, m, c), (second, right, m, c)) for m in first.methods for c in first.conditions(m)]
    else:
        grid, others = _family(suite, given.reading(results), track, protocol)
        sides = _sides(left, right, [grid, *others])
    if not sides:
        raise UsageError(f"compare: {left} and {right} have no condition in common in suite {suite}; name others")
    grids = {id(side[0]): side[0] for pair in sides for side in pair}.values()
    whole = all(grid.tested for grid in grids)
    shown = "Exploratory, p not adjusted; rows vary in the interval alone, so it may hold 0 beside a small p."
    if not whole:
        counts = " and ".join(f"{len(grid.runs)} of {len(grid.declared)}" for grid in grids if not grid.complete)
        few = " ".join(dict.fromkeys(captions.untested(grid) for grid in grids if grid.complete and not grid.tested))
        shown = f"PARTIAL: {counts} runs; no interval or p before all are there" if counts else few
    say(f"suite {sides[0][0][0].suite.name}: left minus right, accuracy points, mean over tasks. {shown}")
    apart = []
    for a, b in sides:
        ks = sorted(set(a[0].ks_of(a[2], a[3])) & set(b[0].ks_of(b[2], b[3])) & set(a[0].suite.primary_k))
        if not ks:
            continue
        named = [" ".join(filter(None, side[1:])) for side in (a, b)]
        one, other = (compares.side(grid, method, condition, ks) for grid, _, method, condition in (a, b))
        # a part of a suite may lack a budget or a teacher
        if both := {key[2:] for key in one} & {key[2:] for key in other}:
            one, other = ({key: run for key, run in side.items() if key[2:] in both} for side in (one, other))
        found = compares.compare((named[0], one), (named[1], other), test=whole)
        if not found.units:
            apart.append(f"{found.left} - {found.right}")
            continue
        if whole:
            how = f"p = {p_value(found.p)}" if found.paired else "unpaired: other teachers, rows or machines"
            told = f"{points(found.estimate)} {interval(found.low, found.high)}, {how}"
        else:
            told = points(found.estimate) + ("" if found.paired else ", unpaired: other teachers, rows or machines")
        there = dict.fromkeys(key[0] for key in one if any(key[0] == theirs[0] for theirs in other))
        some = "" if len(there) == len(a[0].suite.tasks) else f", on {', '.join(there)} alone"
        ks_told = ", ".join(map(str, found.ks))
        say(f"  {found.left} - {found.right}: {told}, n = {found.units} units, k = {ks_told}{some}")
    if apart:
        say(f"  no common unit: {', '.join(apart)}")
    if any(a[3] != b[3] and "unvalidated" in (a[3], b[3]) for a, b in sides):
        for told in dict.fromkeys(filter(None, map(captions.selection, grids))):
            say(told)
    for words in dict.fromkeys(standing.words(grid) for grid in grids):
        say(f"records: {words}")


def power(
    effect: Annotated[float, typer.Option("--effect", help="True difference as a share: 0.02 is two points.")],
    suite: SuiteOption = suites.DEFAULT_SUITE, results: ReadingOption = None, track: TrackOption = "",
    protocol: ProtocolOption = "", data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """How many seeds a design needs to see a gain of that size, from the spread in records."""
    from cod_bench.analysis import power as powers

    given.plugins(plugin, data)
    grid = _one(suite, given.reading(results), track, protocol)
    for need in powers.needs(grid, effect):
        spread = ", ".join(f"{task} {100 * sd:.1f}" for task, sd in zip(grid.suite.tasks, need.spread, strict=True))
        enough = f"{need.seeds} seeds a task" if need.seeds else f"more than {powers.MOST_SEEDS} seeds a task"
        say(
            f"{need.method}, {need.condition} - {need.over} of {points(effect)} points: {enough} for "
            f"{powers.WANTED:.0%} power after Holm over {need.family}; {len(grid.suite.seeds)} seeds "
            f"have {need.power_now:.0%} (points between seeds: {spread})"
        )
    say(f"records: {standing.words(grid)}")


def frontier(
    suite: SuiteOption = suites.DEFAULT_SUITE,
    axis: Annotated[
        str, typer.Option("--axis", help="labels, queries, dollars or seconds; all in turn when none is named.")
    ] = "",
    results: ReadingOption = None, track: TrackOption = "", protocol: ProtocolOption = "",
    csv: Annotated[Path | None, typer.Option("--csv", help="Also write every point with all its costs here.")] = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="Also draw the axis that --axis names here.")] = None,
    data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """Accuracy against what it costs: labels, teacher queries, dollars, seconds; what is most accurate for how much."""
    from cod_bench.analysis import frontier as frontiers
    from cod_bench.reports import frontier as shown
    from cod_bench.reports.figures import board
    from cod_bench.store import write_atomic

    if axis and axis not in frontiers.AXES:
        raise unknown("axis", axis, frontiers.AXES)
    if svg is not None and not axis:
        raise UsageError(f"--svg {svg}: a figure is of one axis; name it with --axis {', '.join(frontiers.AXES)}")
    for option, file in (("--csv", csv), ("--svg", svg)):
        if file is not None and given.out_file(option, file).suffix != f".{option[2:]}":
            raise UsageError(f"{option} {file}: the name must end in .{option[2:]}")
    given.plugins(plugin, data)
    grid = _one(suite, given.reading(results), track, protocol)
    found, axes = frontiers.of(grid), [frontiers.AXES[axis]] if axis else list(frontiers.AXES.values())
    if svg is not None and not shown.costs_anything(found, axes[0]):
        raise UsageError(f"--svg {svg}: nothing to draw; {shown.sentence(grid, found, axes[0])}")
    say(f"suite {grid.suite.name}, track {grid.track}, protocol {grid.protocol}: accuracy against cost")
    parts = [shown.uncounted(found)]
    if not shown.nothing_counted(found):
        parts = [] if grid.complete else [shown.partial(grid)]
        for one in axes:
            parts.append(shown.sentence(grid, found, one))
            parts += [shown.levels(found, one)] if grid.complete and shown.costs_anything(found, one) else []
        parts += [] if grid.complete else [shown.table(found, axes)]
        parts.append(shown.caption(grid))
    page("\n" + "\n\n".join(parts))
    if csv is not None:
        write_atomic(csv, shown.csv_of(grid, found))
        say("", f"wrote {len(found)} points to {csv}")
    if svg is not None:
        write_atomic(svg, board.frontier(grid, found, axes[0]))
        say("", f"wrote {svg}")


def export(
    out: Annotated[Path, typer.Argument(help="File to write, .csv or .parquet.")],
    suite: SuiteOption = suites.DEFAULT_SUITE, results: ReadingOption = None, track: TrackOption = "",
    protocol: ProtocolOption = "", data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """One row a run with its metrics, for pandas, R or a spreadsheet."""
    from cod_bench import api
    from cod_bench.analysis import frame

    given.plugins(plugin, data)
    frame.check(given.out_file("OUT", out))
    folder = given.reading(results)
    _one(suite, folder, track, protocol)
    table = api.load(folder, suite, track, protocol)
    frame.write(table, out)
    say(f"wrote {len(table)} runs to {out}")


def site(
    out: Annotated[Path, typer.Option("--out", help="Folder to write index.html, runs.csv and runs.parquet to.")],
    results: ReadingOption = None,
    repository: Annotated[
        str, typer.Option("--repository", help="Address of the repository that holds `results`, for links.")
    ] = "",
    examples: Annotated[
        bool, typer.Option("--examples", help="Show counterfactuals from this machine's cache; not to be published.")
    ] = False,
    suite: Annotated[str, typer.Option("--suite", help="FILE.toml of a suite of your own, to be shown too.")] = "",
    data: DataOption = None,
    plugin: PluginOption = None,
) -> None:
    """One self-contained web page of all records: leaderboard, charts, claims, recipes, provenance."""
    from cod_bench.counterfactuals import examples as site_examples
    from cod_bench.counterfactuals import tried
    from cod_bench.reports import render

    given.plugins(plugin, data)
    given.out_folder("--out", out)
    for name in given.words("suite", suite or None):
        suites.suite(name)
    if repository and not re.fullmatch(r"https://[A-Za-z0-9._~:/@%+-]+", repository):
        raise UsageError(f"--repository {repository!r}: write an address such as https://github.com/owner/name")
    path = render.build(
        given.results_folder(given.reading(results), there=True), out,
        examples=site_examples.examples if examples else None,
        published=tried.published(),
        repository=repository.rstrip("/"),
    )  # fmt: skip
    say(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB")


Side = tuple["Grid", str, str, str]
"""Grid, what it is called if it is one of two folders, method, condition."""


def _family(suite: str, folder: Path, track: str, protocol: str) -> tuple[Grid, list[Grid]]:
    """A suite's main grid, and those of its variants on the same track under the same protocol, tasks and generator:
    methods and conditions of one's own have such."""
    found = _grids(suite, folder, track, protocol, family=True)
    own = [grid for grid in found if grid.suite.name == suite or grid.suite.family == grid.suite.name]
    if not found:
        return _one(suite, folder, track, protocol), []
    first = (own or found)[0]
    like = [
        grid
        for grid in found
        if grid is not first
        and (grid.track, grid.protocol, grid.suite.tasks, grid.suite.generator)
        == (first.track, first.protocol, first.suite.tasks, first.suite.generator)
    ]
    return first, like


def _alike(suite: str, left: str, right: str, track: str, protocol: str) -> tuple[Grid, Grid]:
    """A suite's grids of two folders on one track under one protocol: the first of the left one that the right has.

    Raises:
        UsageError: they have none in common.
    """
    _one(suite, Path(left), track, protocol), _one(suite, Path(right), track, protocol)  # none at all is told first
    ours, theirs = (_grids(suite, Path(folder), track, protocol) for folder in (left, right))
    there = {(grid.track, grid.protocol): grid for grid in theirs}
    for grid in ours:
        if (grid.track, grid.protocol) in there:
            return grid, there[grid.track, grid.protocol]
    own, other = (", ".join(f"{grid.track} ({grid.protocol})" for grid in found) for found in (ours, theirs))
    wanted = theirs[0]
    raise UsageError(
        f"compare: {left} has runs on {own} and {right} on {other}, and tracks are not compared; first run "
        f"`cod-bench run --suite {suite} --track {wanted.track} --protocol {wanted.protocol} --results {left} --all`"
    )


def _sides(left: str, right: str, grids: Sequence[Grid]) -> list[tuple[Side, Side]]:
    """What is compared with what: two methods condition by condition, or two conditions method by method.

    Raises:
        UsageError: the two are not of one kind.
    """

    def of_method(name: str) -> dict[str, Grid]:
        """Condition -> the first grid that has it for the method."""
        return {
            c: grid for grid in reversed(grids) if name in (*grid.methods, *grid.floors) for c in grid.conditions(name)
        }

    methods = list(dict.fromkeys(method for grid in grids for method in (*grid.methods, *grid.floors)))
    conditions = dict.fromkeys(c for grid in grids for method in grid.methods for c in grid.conditions(method))
    if left in methods and right in methods:
        one, other = of_method(left), of_method(right)
        return [((one[c], "", left, c), (other[c], "", right, c)) for c in one if c in other]
    if left in conditions and right in conditions:
        return [
            ((of_method(m)[left], "", m, left), (of_method(m)[right], "", m, right))
            for m in dict.fromkeys(method for grid in grids for method in grid.methods)
            if {left, right} <= of_method(m).keys()
        ]
    known = {**dict.fromkeys(methods, "a method"), **dict.fromkeys(conditions, "a condition")}
    kinds = [known.get(side, "a folder" if Path(side).is_dir() else "none of these") for side in (left, right)]
    raise UsageError(
        f"compare: {left!r} is {kinds[0]} and {right!r} is {kinds[1]}; name two methods ({', '.join(methods)}), two "
        f"conditions ({', '.join(conditions)}) or two folders of records"
    )


def _known(track: str, protocol: str) -> None:
    """Refuse names that nobody knows, where records of ours need not be there to miss them."""
    if track:
        tracks.track(track)
    if protocol and protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)


def _grids(name: str, folder: Path, track: str, protocol: str, *, family: bool = False) -> list[Grid]:
    """`grids.named` in a folder; the default one need not be there."""
    from cod_bench.analysis import grids

    results = given.results_folder(folder, there=folder != given.PUBLISHED)
    return _standing(results, grids.named(name, results, track=track, protocol=protocol, family=family))


def _alone(grids: Sequence[Grid]) -> None:
    """That the paper's side has nothing of ours beside it."""
    if not grids:
        say("no run of ours in it, so the paper's side stands alone", err=True)


def _one(name: str, folder: Path, track: str, protocol: str) -> Grid:
    from cod_bench.analysis import grids

    _known(track, protocol)
    results = given.results_folder(folder, there=folder != given.PUBLISHED)
    return _standing(results, [grids.one(name, results, track=track, protocol=protocol)])[0]


def _standing(results: Results, found: Sequence[Grid]) -> list[Grid]:
    """The grids with what is known of their records: whether anybody has re-run them."""
    from cod_bench.reports import render

    if not found:
        return []
    told = render.states(results, results.scan()[0])
    return [replace(grid, states=told(grid)) for grid in found]


VERBS = (table, claims, compare, power, frontier, export, site)
"""Registered by app.py under their own names."""
