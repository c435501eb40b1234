"""Records, suites -> grids: the one way in which every reader builds them. Loads no data, asks no generator's files.

Which records count is decided by comparing their identities with the installed code. What a generator got from its
user - a file of pairs, a language model - is in no code: it is taken from the records, one value in a grid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cod_bench import leaderboard, plan, registry, tracks
from cod_bench.aggregate import About, Grid, References
from cod_bench.errors import UsageError
from cod_bench.record import Record
from cod_bench.spec import RunSpec, Suite, base_name, canonical, digest


def of(suite: Suite, *, records: Sequence[Record], references: References) -> list[Grid]:
    """The suite's grids that have any record, counted or stale; the main one first.

    Raises:
        UsageError: as `aggregate.collect`.
    """
    places = {(record.spec.track, record.spec.protocol) for record in records if record.spec.track in suite.tracks}
    specs = [spec for track, protocol in sorted(places) for spec in suite.expand(track=track, protocol=protocol)]
    return leaderboard.sections(
        suite,
        records=records,
        references=references,
        expected=expected(specs, records),
        about={task: about(task) for task in suite.tasks},
        excluded=plan.excluded(specs),
    )


def about(name: str) -> About:
    """What tables need to know of a task; its rows are not needed."""
    task = registry.load("task", base_name(name))
    return About(task.metric, task.ranked)


def expected(specs: Iterable[RunSpec], records: Iterable[Record]) -> dict[RunSpec, str]:
    """Spec -> the run id that counts, for the runs of one suite: `plan.expected`, without asking for what users gave.

    Where records of one (protocol, track, generator) hold several parameters, those of most records count and the
    others are stale; `one_value` says so in a sentence.
    """
    specs = list(specs)
    given = {spec.generator: carries_data(spec) for spec in {spec.generator: spec for spec in specs}.values()}
    carried = {spec for spec in specs if given[spec.generator]}
    found = plan.expected(spec for spec in specs if spec not in carried)
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
            found[spec] = digest(plan.identify(spec, params=chosen))
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


def identity(record: Record) -> dict[str, Any]:
    """The identity that the installed code gives a record's run; what a generator got from its user is the record's.

    Raises:
        UsageError: a plugin is not installed here.
    """
    return plan.identify(record.spec, params=params(record) if carries_data(record.spec) else None)


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
    chosen = tracks.track(spec.track).recipe_for(spec.method).learning_rate is not None
    return chosen and not plan.not_applicable(spec.track, spec.method)
