"""Records, suites -> grids: the one way in which every reader builds them. Loads no data, asks no generator's files.

Which records count is decided by comparing their identities with the installed code. What a generator got from its
user - a file of pairs, a language model - is in no code: it is taken from the records, one value in a grid.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cod_bench import registry
from cod_bench.analysis import aggregate
from cod_bench.analysis.aggregate import About, AboutCondition, Grid, References
from cod_bench.analysis.files import akin, of_files, whole_name
from cod_bench.condition import Condition, ask, condition, outdated, version_of
from cod_bench.design import suites, tracks
from cod_bench.design.identity import excluded, expected, has_recipe, identify, not_applicable
from cod_bench.design.suite import Block, Suite
from cod_bench.design.suite_file import END
from cod_bench.errors import UsageError
from cod_bench.records.record import Record
from cod_bench.records.results import Results
from cod_bench.spec import LOCAL, PROTOCOLS, RunSpec, base_name, canonical, digest, generator_for
from cod_bench.track import of_teacher

log = logging.getLogger(__name__)


def of(suite: Suite, *, records: Sequence[Record], references: References) -> list[Grid]:
    """The suite's grids that have any record, counted or stale; the main one first.

    Raises:
        UsageError: as `aggregate.collect`.
    """
    places = {(track, r.spec.protocol) for r in records if (track := suite.placed(r.spec.track)) in suite.tracks}
    specs = [spec for track, protocol in sorted(places) for spec in suite.expand(track=track, protocol=protocol)]
    return sections(
        suite,
        records=records,
        references=references,
        expected=ids_that_count(specs, records),
        about={task: about(task) for task in suite.tasks},
        conditions_about=conditions_about(suite),
        excluded=excluded(specs),
    )


def named(
    asked: str | Suite, results: Results, *, track: str = "", protocol: str = "", family: bool = False
) -> list[Grid]:
    """A suite's grids with counted runs in a folder, the main one first; of a `family` those of its variants too.

    Raises:
        UsageError: nobody has that name, or as `aggregate.collect`.
    """
    records, _ = results.scan()
    chosen = [r for r in records if track in ("", r.spec.track, of_teacher(r.spec.track)[0])]
    chosen = [r for r in chosen if protocol in ("", r.spec.protocol)]
    if isinstance(asked, Suite):
        wanted = [asked]
    else:
        asked = suites.suite(asked).name if asked.endswith(END) else asked
        # by the name a table has: a suite on local slices or with another generator is a variant of its own
        there = {suite.name: suite for suite in suites_with_records(results)} if records else {}
        asked = whole_name(asked, there)
        declared = there.get(asked) or suites.declared(asked)
        wanted = [declared] if asked == declared.name else []
        if family:
            wanted += [suite for _, suite in sorted(there.items()) if akin(suite, asked, there.get(asked))]
    found: list[Grid] = []
    for suite in (suite.on_tracks({r.spec.track for r in chosen}) for suite in wanted):
        found += of(suite, records=chosen, references=results.references())
    return [grid for grid in found if grid.runs]


def one(asked: str | Suite, results: Results, *, track: str = "", protocol: str = "") -> Grid:
    """The main one of `named`.

    Raises:
        UsageError: there is none, or as `named`.
    """
    found = named(asked, results, track=track, protocol=protocol)
    if not found:
        name = asked if isinstance(asked, str) else asked.name
        where = "".join(f" on {what} {value}" for what, value in (("track", track), ("protocol", protocol)) if value)
        own = "+" in name  # of a variant no name alone makes the runs
        raise UsageError(
            f"--results {results.root}: has no run of suite {name!r}{where}; "
            + ("name its --results, --data and --plugin" if own else f"first run `cod-bench run --suite {name} --all`")
        )
    return found[0]


def every(results: Results) -> list[Grid]:
    """All grids with counted runs in a folder: of every suite with records, then of the runs that no suite declares.

    A run of several suites is in the grid of each.

    Raises:
        UsageError: as `aggregate.collect`.
    """
    references = results.references()
    records = _made_by_what_is_here(results.scan()[0])
    found = [
        grid for suite in suites_with_records(results) for grid in of(suite, records=records, references=references)
    ]
    declared = {spec for grid in found for spec in (*grid.declared, *(stale.spec for stale in grid.stale))}
    apart: dict[tuple[str, str, str, int], list[Record]] = {}
    for record in records:
        spec = record.spec
        if spec not in declared:
            apart.setdefault((spec.track, spec.task, spec.generator, spec.seed), []).append(record)
    for (track, task, generator, seed), own in apart.items():
        blocks = tuple(Block((r.spec.method,), (r.spec.condition,), (r.spec.k,)) for r in own)
        alone = Suite("", "runs that no suite declares", (track,), (task,), (seed,), (), blocks, generator)
        found += of(alone, records=own, references=references)
    return [grid for grid in found if grid.runs]


def _made_by_what_is_here(records: Sequence[Record]) -> list[Record]:
    """Records whose plugins and track are installed; `suites_with_records` tells of the others."""
    there = {track for track in {record.spec.track for record in records} if tracks.exists(track)}
    tasks, methods, conditions, generators = (
        {*registry.names(kind)} for kind in ("task", "baseline", "condition", "generator")
    )
    return [
        record
        for record in records
        if record.spec.track in there and base_name(record.spec.task) in tasks
        and record.spec.method in methods and record.spec.condition in conditions
        and (not record.spec.generator or record.spec.generator in generators)
    ]  # fmt: skip


def about(name: str) -> About:
    """What tables need to know of a task; its rows are not needed."""
    task = registry.load("task", base_name(name))
    return About(task.metric, task.ranked)


def conditions_about(suite: Suite) -> dict[str, AboutCondition]:
    """What tables need to know of a suite's conditions; of those that are installed here.

    Raises:
        UsageError: a condition says of itself what cannot be.
    """
    known = registry.names("condition")
    found = {name: condition(name) for name in suite.conditions if name in known}
    return {
        name: AboutCondition(f"{one.meaning}{_texts(one, suite)}", one.equal_k, one.version, one.text)
        for name, one in found.items()
    }


def _texts(one: Condition, suite: Suite) -> str:
    """How many unlabelled texts a condition takes, as it stands behind its meaning; empty where it takes none."""
    if one.needs != "texts":
        return ""
    ks = sorted({k for block in suite.blocks if one.name in block.conditions for k in block.ks})
    counts = [ask(one, "texts_at", k) for k in ks]
    several = len(set(counts)) > 1
    told = [f"{count} at k={k}" for count, k in zip(counts, ks, strict=True)] if several else map(str, counts[:1])
    return f"; the teacher is asked about unlabelled texts: {', '.join(told)}"


def ids_that_count(specs: Iterable[RunSpec], records: Iterable[Record]) -> dict[RunSpec, str]:
    """Spec -> the run id that counts, for the runs of one suite: `identity.expected`, but for what users gave.
    Where records of one (protocol, track, generator) hold several parameters, those of most records count and the
    others are stale; `one_value` says so in a sentence.
    """
    specs = list(specs)
    given = {spec.generator: carries_data(spec) for spec in {spec.generator: spec for spec in specs}.values()}
    carried = {spec for spec in specs if given[spec.generator]}
    found = expected(spec for spec in specs if spec not in carried)
    values: dict[tuple[str, str, str], Counter[str]] = {}
    there: dict[RunSpec, dict[str, Mapping[str, Any]]] = {}
    for record in records:
        if record.spec in carried and _can_run(record.spec):
            text = canonical(params(record))
            values.setdefault(_scope(record.spec), Counter())[text] += 1
            there.setdefault(record.spec, {})[text] = params(record)
    most = {scope: min(count, key=lambda text: (-count[text], text)) for scope, count in values.items()}
    for spec, own in there.items():
        chosen = own.get(most[_scope(spec)])
        if chosen is not None:
            found[spec] = digest(identify(spec, params=chosen))
    return found


def one_value(records: Iterable[Record]) -> None:
    """Refuse records of one grid that were made with several values of what a generator got from its user.

    Raises:
        UsageError: names two runs and what differs.
    """
    first: dict[tuple[str, str, str], Record] = {}
    for record in records:
        if not carries_data(record.spec):
            continue
        other = first.setdefault(_scope(record.spec), record)
        here, there = params(other), params(record)
        apart = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
        if apart:
            raise UsageError(
                f"generator {record.spec.generator!r}: {apart[0]} is {here.get(apart[0])!r} in {other.run_id} "
                f"({other.spec.label}) and {there.get(apart[0])!r} in {record.run_id} ({record.spec.label}); tables "
                "are conditional on one: put one of them under a generator file with a name of its own"
            )


def identity_of(record: Record) -> dict[str, Any]:
    """The identity that the installed code gives a record's run.

    What a generator got from its user is the record's, and so is an earlier version of its condition.

    Raises:
        UsageError: a plugin is not installed here.
    """
    version = version_of(record.identity) if outdated(record.spec.condition, record.identity) else None
    return identify(record.spec, params=params(record) if carries_data(record.spec) else None, version=version)


def carries_data(spec: RunSpec) -> bool:
    """Whether a run depends on a generator whose parameters its user gave."""
    return bool(spec.generator and registry.load("generator", spec.generator).carries_data)


def params(record: Record) -> Mapping[str, Any]:
    """The generator's parameters as a record tells them; empty where it tells none."""
    generator = record.identity.get("generator")
    found = generator.get("params") if isinstance(generator, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _scope(spec: RunSpec) -> tuple[str, str, str]:
    return spec.protocol, spec.track, spec.generator


def _can_run(spec: RunSpec) -> bool:
    return has_recipe(spec.track, spec.method) and not not_applicable(spec.track, spec.method, spec.task)


Excluded = Mapping[tuple[str, str], str]
"""(track, method) -> why the method cannot run on the track."""


def sections(
    suite: Suite, *, records: Sequence[Record], references: References, expected: Mapping[RunSpec, str],
    about: Mapping[str, About] | None = None, conditions_about: Mapping[str, AboutCondition] | None = None,
    excluded: Excluded | None = None,
) -> list[Grid]:  # fmt: skip
    """The suite's grids that have any record, counted or stale; the main one first.

    Protocols stand in their order; in each, the suite's main track comes first if it has a counted run, else the track
    with most of them: what somebody submits on another track takes no headline, however many runs it has.

    Args:
        records, references, expected, about, conditions_about: as `aggregate.collect` takes them.
        excluded: (track, method) -> why that method cannot run there; shown in place of its numbers.

    Raises:
        UsageError: as `aggregate.collect`.
    """
    order = list(PROTOCOLS)
    found = []
    pairs = {(r.spec.protocol, suite.placed(r.spec.track)) for r in records}
    for protocol, track in sorted(pairs, key=lambda pair: (order.index(pair[0]), pair[1])):
        if track in suite.tracks:
            chosen = [r for r in records if (r.spec.protocol, suite.placed(r.spec.track)) == (protocol, track)]
            out = {method: why for (where, method), why in (excluded or {}).items() if suite.placed(where) == track}
            grid = aggregate.collect(
                suite, protocol=protocol, track=track, records=chosen, references=references, expected=expected,
                about=about, conditions_about=conditions_about, excluded=out,
            )  # fmt: skip
            if grid.runs or grid.stale:
                found.append(grid)
    # Sorting keeps the order of equals, so the first track by name wins a tie.
    return sorted(
        found,
        key=lambda grid: (
            order.index(grid.protocol), not (grid.track == suite.main and grid.runs), -len(grid.runs),
        ),
    )  # fmt: skip


def suites_with_records(results: Results) -> list[Suite]:
    """Suites to show for a folder: the main job and then the smallest first, a larger one only if it has records of its
    own.

    Tasks, methods and conditions that no suite declares and generators other than a suite's own make variants of the
    suites.
    """
    specs = {summary.spec for summary in results.glance()[0]}
    there, protocols = _known_tracks({s.track for s in specs}), {s.protocol for s in specs}
    declared = {method for suite in suites.SUITES.values() for method in suite.methods}
    files = of_files(results)
    others = _installed("baseline", "method", {s.method for s in specs} - declared)
    submitted = [(), *((method,) for method in others)]
    conditions = _installed("condition", "condition", {s.condition for s in specs} - set(suites.CONDITIONS))
    tried = [(), *((condition,) for condition in conditions)]
    chosen_by_suites = {s.generator for s in specs if not generator_for(s.condition, "")}
    generators = ["", *_installed("generator", "generator", chosen_by_suites - {""})]
    _installed("task", "task", {base_name(task) for task in suites.own_tasks(s.task for s in specs)})
    known = {
        made.name: made
        for generator in generators
        for own in tried
        for methods in submitted
        for suite in (declared_suite.on_tracks(there) for declared_suite in (*files.values(), *suites.SUITES.values()))
        if {*map(suite.placed, there)} & {*suite.tracks}
        if not {*methods} & {*suite.methods} and not {*own} & {*suite.conditions}  # of a file, it declares these itself
        for variant in (suite.variant(submitted=methods, tried=own, generator=generator),)
        for made in (variant, *on_other_tasks(variant, specs))
    }
    chosen: set[str] = set()
    covered: set[RunSpec] = set()
    sizes = {name: sum(1 for _ in suite.expand(track=suite.tracks[0])) for name, suite in known.items()}
    # what a user declared first, then the main job, whatever its size: a part of it is a part of it, and no smaller
    # suite that shares the runs
    order = sorted(known, key=lambda name: (name not in files, name != suites.DEFAULT_SUITE, sizes[name]))
    for name, suite in ((name, known[name]) for name in order):
        own = {
            spec
            for track in {*map(suite.placed, there)} & {*suite.tracks}
            for protocol in protocols
            for spec in suite.expand(track=track, protocol=protocol)
        }
        fresh = (own & specs) - covered
        # a variant is smaller than its suite and holds its runs too: it counts only for runs that it was made for
        if any(
            (not suite.tried or spec.condition in suite.tried)
            and (not suite.submitted or spec.method in suite.submitted)
            for spec in fresh
        ):
            chosen.add(name)
            covered |= own
    return [suite for name, suite in known.items() if name in chosen]


def _known_tracks(names: set[str]) -> set[str]:
    """Those of the names that are known here; the records of others are told and left out of the tables."""
    known = set(filter(tracks.exists, names))
    for name in sorted(names - known):
        log.warning("records on track %r are left out of the tables: make it here with --teacher and --student", name)
    return known


def on_other_tasks(suite: Suite, specs: set[RunSpec]) -> list[Suite]:
    """The suite on tasks that have records and that it does not declare: local slices of its own, those of no suite.

    One variant takes the slice of each task with most runs; any other slice is shown alone, in a table of its own, and
    so is a task of one's own.
    """
    if suite.family not in suites.SUITES:  # of a file: it names the rows that it is about
        return []
    runs = Counter(spec.task for spec in specs if LOCAL in spec.task and spec.task not in suite.tasks)
    slices: dict[str, list[str]] = {}
    for task in sorted(runs, key=lambda task: (-runs[task], task)):
        slices.setdefault(base_name(task), []).append(task)
    tasks = [slices.get(base_name(task), [task])[0] for task in suite.tasks]
    others = [
        suite.departing(task, title="on another local slice", tasks=(task,))
        for name in map(base_name, suite.tasks)
        for task in slices.get(name, [])[1:]
    ]
    installed = registry.names("task")
    own = [task for task in suites.own_tasks(spec.task for spec in specs) if base_name(task) in installed]
    others += [suite.on_task(task) for task in own]
    return [made for made in (suite.with_tasks(tasks), *others) if made is not suite]


def _installed(kind: str, word: str, names: set[str]) -> list[str]:
    """Those of the names that are known here; the records of others are told and left out of the tables."""
    for name in sorted(names.difference(registry.names(kind))):
        log.warning(
            "records of %s %r are left out of the tables: it is not installed here, name its --plugin%s",
            word,
            name,
            " or --data" if kind == "task" else "",
        )
    return sorted(names.intersection(registry.names(kind)))
