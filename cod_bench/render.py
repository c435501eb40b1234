"""Results folder -> leaderboard files, and what a terminal shows of them. No torch."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

from cod_bench import grids, leaderboard, plan, registry, suites, tracks, verdicts
from cod_bench.aggregate import Grid
from cod_bench.record import Record
from cod_bench.spec import LOCAL, RunSpec, Suite, base_name
from cod_bench.store import Results

log = logging.getLogger(__name__)

PUBLISHED = "results"
"""The folder name that means publishing: its leaderboard lies beside it, every other folder's inside it."""


def out_folder(results: Results) -> Path:
    """Where the leaderboard of a results folder goes unless told otherwise."""
    inside = results.root.name != PUBLISHED
    return results.root / "leaderboard" if inside else results.root.parent / "leaderboard"


def files(results: Results, chosen: Sequence[Suite], *, figures: bool = True) -> dict[str, str]:
    """Every leaderboard file of the chosen suites by its name under the output folder."""
    records, bad = results.scan()
    references, there = results.references(), {record.spec.track for record in records}
    found = [
        (suite, grids.of(suite, records=records, references=references))
        for suite in (plan.on_tracks(suite, there) for suite in chosen)
    ]
    return leaderboard.render(found, bad=bad, figures=figures, states=states(results, records))


def states(
    results: Results, records: Sequence[Record], *, everyone: bool = False
) -> Callable[[Grid], Mapping[str, str]]:
    """Grid -> method -> the state of its records, for submitted methods and, once somebody re-ran any, for all.

    Args:
        everyone: also for declared methods that nobody has re-run yet.

    Raises:
        UsageError: the verdicts are corrupt.
    """
    known = results.verdicts()
    declared = {method for suite in suites.SUITES.values() for method in plan.methods(suite)}
    by_part: dict[verdicts.Part, list[Record]] = {}
    for record in records:
        by_part.setdefault(verdicts.part(record.spec), []).append(record)

    def of(grid: Grid) -> Mapping[str, str]:
        own: dict[str, list[Record]] = {method: [] for method in grid.methods}
        for part in dict.fromkeys(map(verdicts.part, grid.declared)):
            own[part[3]] += by_part.get(part, ())
        return {
            method: verdicts.told(known, found)
            for method, found in own.items()
            if found and (everyone or known or method not in declared)
        }

    return of


def main_figure(results: Results, suite: Suite, *, track: str, protocol: str) -> list[str]:
    """Lines for the terminal: what `cod` gains over `standard` in this folder."""
    records, _ = results.scan()
    own = [record for record in records if (record.spec.track, record.spec.protocol) == (track, protocol)]
    found = grids.of(plan.on_tracks(suite, [track]), records=own, references=results.references())
    return leaderboard.main_figure(found[0]) if found else []


def published_figure(suite: Suite) -> list[str]:
    """The same lines of the published leaderboard that comes with this package; empty if there is none."""
    found = resources.files("cod_bench.published").joinpath(suite.name, leaderboard.MAIN)
    return found.read_text(encoding="utf-8").splitlines() if found.is_file() else []


def suites_with_records(results: Results) -> list[Suite]:
    """Suites to show for a folder: the smallest first, and a larger one only if it has records of its own.

    Methods that no suite declares and generators other than a suite's own make variants of the suites.
    """
    records, _ = results.scan()
    specs = {record.spec for record in records}
    there, protocols = _known_tracks({s.track for s in specs}), {s.protocol for s in specs}
    declared = {method for suite in suites.SUITES.values() for method in plan.methods(suite)}
    others = _installed("baseline", "method", {s.method for s in specs} - declared)
    submitted = [(), *((method,) for method in others)]
    generators = ["", *_installed("generator", "generator", {s.generator for s in specs} - {""})]
    known = {
        (made := plan.variant(sliced, submitted=methods, generator=generator)).name: made
        for generator in generators
        for methods in submitted
        for suite in (plan.on_tracks(declared_suite, there) for declared_suite in suites.SUITES.values())
        if there.intersection(suite.tracks)
        for sliced in (suite, *on_slices(suite, specs))
    }
    chosen: set[str] = set()
    covered: set[RunSpec] = set()
    for name, suite in sorted(known.items(), key=lambda item: sum(1 for _ in item[1].expand(track=item[1].tracks[0]))):
        own = {
            spec
            for track in there.intersection(suite.tracks)
            for protocol in protocols
            for spec in suite.expand(track=track, protocol=protocol)
        }
        if (own & specs) - covered:
            chosen.add(name)
            covered |= own
    return [suite for name, suite in known.items() if name in chosen]


def _known_tracks(names: set[str]) -> set[str]:
    """Those of the names that are known here; the records of others are told and left out of the tables."""
    known = set(filter(tracks.exists, names))
    for name in sorted(names - known):
        log.warning("records on track %r are left out of the tables: make it here with --teacher and --student", name)
    return known


def on_slices(suite: Suite, specs: set[RunSpec]) -> list[Suite]:
    """The suite on those local slices of its tasks that have records and that it does not declare.

    One variant takes the slice of each task with most runs; any other slice is shown alone, in a table of its own.
    """
    runs = Counter(spec.task for spec in specs if LOCAL in spec.task and spec.task not in suite.tasks)
    slices: dict[str, list[str]] = {}
    for task in sorted(runs, key=lambda task: (-runs[task], task)):
        slices.setdefault(base_name(task), []).append(task)
    tasks = [slices.get(base_name(task), [task])[0] for task in suite.tasks]
    others = [
        replace(suite, name=f"{suite.name}+{task}", title=f"{suite.title}; on another local slice", tasks=(task,))
        for name in map(base_name, suite.tasks)
        for task in slices.get(name, [])[1:]
    ]
    return [made for made in (plan.with_tasks(suite, tasks), *others) if made is not suite]


def _installed(kind: str, word: str, names: set[str]) -> list[str]:
    """Those of the names that are known here; the records of others are told and left out of the tables."""
    for name in sorted(names.difference(registry.names(kind))):
        log.warning(
            "records of %s %r are left out of the tables: it is not installed here, name its --plugin", word, name
        )
    return sorted(names.intersection(registry.names(kind)))
