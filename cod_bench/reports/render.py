"""Results folder -> leaderboard files, and what a terminal shows of them. No torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from cod_bench import registry
from cod_bench.analysis import declare, frame, grids
from cod_bench.analysis.aggregate import Grid
from cod_bench.design import suites
from cod_bench.design.suite import Suite
from cod_bench.errors import UsageError, plain
from cod_bench.records import declarations, verdicts
from cod_bench.records.record import Record
from cod_bench.records.results import UNREADABLE, Results
from cod_bench.reports import leaderboard
from cod_bench.reports.site import page as site
from cod_bench.spec import RunSpec
from cod_bench.store import write_atomic


def out_folder(results: Results) -> Path:
    """Where the leaderboard of a results folder goes unless told otherwise: beside the published one, else inside."""
    return (results.root.parent if results.published else results.root) / "leaderboard"


def files(results: Results, chosen: Sequence[Suite], *, figures: bool = True) -> dict[str, str]:
    """Every leaderboard file of the chosen suites by its name under the output folder."""
    records, bad = results.scan()
    references, there = results.references(), {record.spec.track for record in records}
    first = sorted(chosen, key=lambda suite: suite.name != suites.DEFAULT_SUITE)  # records of others' never come first
    found = [
        (suite, [as_declared(results, grid) for grid in grids.of(suite, records=records, references=references)])
        for suite in (suite.on_tracks(there) for suite in first)
    ]
    return leaderboard.render(found, bad=bad, figures=figures, states=states(results, records))


def states(results: Results, records: Sequence[Record]) -> Callable[[Grid], Mapping[str, str]]:
    """Grid -> method -> the state of its records, of every method that has some: whose it is makes no difference.

    Raises:
        UsageError: the verdicts are corrupt.
    """
    held = verdicts.holding(results.verdicts(), records)

    def of(grid: Grid) -> Mapping[str, str]:
        own: dict[str, list[Record]] = {}
        for run in grid.runs.values():
            own.setdefault(run.record.spec.method, []).append(run.record)
        return {method: verdicts.told(held, found) for method, found in own.items()}

    return of


def as_declared(results: Results, grid: Grid) -> Grid:
    """The grid with what its declaration says of it, where the folder has one.

    Raises:
        UsageError: the declaration is corrupt.
    """
    path = results.declaration_path(grid.suite.name, grid.track, grid.protocol)
    try:
        found = declarations.read(path)
    except FileNotFoundError:
        return grid
    except UNREADABLE as error:
        told = f"declaration {path} is corrupt ({error}); take it from version control again"
        raise UsageError(plain(told)) from error
    own = [run.record for run in grid.runs.values()]
    return replace(grid, declared_as=declare.kept(found, grid.suite, own))


def main_figure(
    results: Results, suite: Suite, *, track: str, protocol: str, methods: Sequence[str] = (),
    asked: Sequence[RunSpec] = (),
) -> list[str]:  # fmt: skip
    """Lines for the terminal: what `cod` gains over `standard` in this folder.

    Args:
        methods: these alone; all if empty.
        asked: the runs that a user asked for, where they are a part of the suite: their means instead.
    """
    records, _ = results.scan()
    there = {track, *suite.on_teachers(track)}
    own = [record for record in records if record.spec.track in there and record.spec.protocol == protocol]
    found = grids.of(suite.on_tracks([track]), records=own, references=results.references())
    if not found:
        return []
    if asked:
        return [*leaderboard.asked_figure(found[0], asked), *leaderboard.footing(found[0])]
    told = leaderboard.main_figure(replace(found[0], states=states(results, own)(found[0])), methods=methods)
    return [*told, *leaderboard.footing(found[0])]


def published_figure(suite: Suite) -> list[str]:
    """The same lines of the published leaderboard that comes with this package; empty if there is none."""
    found = resources.files("cod_bench.published").joinpath(suite.name, leaderboard.MAIN)
    return found.read_text(encoding="utf-8").splitlines() if found.is_file() else []


PAGE = "index.html"
DOWNLOADS = {"runs.csv": "All runs as CSV", "runs.parquet": "as parquet"}
"""What lies beside the page: file -> the words of its link."""
DOCS = "docs/index.html"
"""The documentation, where it was built beside the page."""


def build(
    results: Results, out: Path, *, examples: Callable[[Sequence[Record]], Sequence[Any]] | None = None,
    published: Sequence[Any] = (), repository: str = "",
) -> Path:  # fmt: skip
    """Write the page of a results folder and its runs as CSV and parquet beside it; returns the page's path.

    Args:
        examples: records -> `examples.Shown` of the local cache folder, to be shown too: corpora's texts, not to be
            published.
        published: `tried.Tried`, texts of our own, shown to every visitor.
        repository: address of the repository, for links; that of the installed package where empty.

    Raises:
        UsageError: no counted run, a folder that cannot be written, or what `examples` raises.
    """
    records, bad = results.scan()
    references = results.references()
    found: list[Grid] = []
    for suite in sorted(grids.suites_with_records(results), key=lambda suite: suite.name != suites.DEFAULT_SUITE):
        own = grids.of(suite, records=records, references=references)
        found += [as_declared(results, grid) for grid in own if grid.runs]
    if not found:
        raise UsageError(f"--results {results.root}: has no counted run; run `cod-bench run --all` first")
    # what can be tested speaks first, the main job before all
    found.sort(key=lambda grid: (grid.suite.name != suites.DEFAULT_SUITE, not grid.tested))
    shown: Sequence[Any] = ()
    if examples is not None:
        # of each grid the first seed's largest budget first: its slots are those of every smaller one
        first = [sorted(grid.runs.items(), key=lambda item: (item[0].seed, -item[0].k)) for grid in found]
        shown = examples([run.record for runs in first for _, run in runs])
    told = states(results, records)
    found = [replace(grid, states=told(grid)) for grid in found]
    about = {name: _about(name) for name in dict.fromkeys(name for grid in found for name in grid.methods)}
    table = frame.frame(found)
    for name in DOWNLOADS:
        frame.write(table, out / name)
    beside = [site.Beside(name, what, (out / name).stat().st_size) for name, what in DOWNLOADS.items()]
    address = (repository or _repository()) if results.published else ""
    docs = DOCS if (out / DOCS).is_file() else f"{address}/tree/HEAD/docs" if address else ""
    text = site.page(
        found, about=about, examples=shown, published=published, bad=bad, repository=address,
        records=results.root.name, docs=docs, beside=beside,
    )  # fmt: skip
    write_atomic(out / PAGE, text)
    return out / PAGE


def _about(name: str) -> str:
    """A method's summary and its class's own docstring, not one that it inherits."""
    method = registry.load("baseline", name)
    return f"{method.summary}\n\n{inspect.cleandoc(vars(method).get('__doc__') or '')}"


def _repository() -> str:
    """The address that the installed package names as its repository; empty if it names none."""
    try:
        named = metadata("cod-bench").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    found = dict(str(line).split(", ", 1) for line in named)
    return found.get("Repository", "").rstrip("/")
