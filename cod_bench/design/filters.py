"""Suite, what a user wants of it -> the runs to do. No data, no torch."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from cod_bench import registry
from cod_bench.condition import condition
from cod_bench.data import origin
from cod_bench.design import suites, tracks
from cod_bench.design.shard import Shard, cut
from cod_bench.design.suite import BESIDE, Suite
from cod_bench.errors import UsageError, unknown
from cod_bench.spec import PROTOCOLS, RunSpec, base_name
from cod_bench.split import check_budget
from cod_bench.track import of_teacher

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a user wants of a suite; an empty tuple is everything."""

    protocol: tuple[str, ...] = ()
    track: str = ""
    task: tuple[str, ...] = ()
    method: tuple[str, ...] = ()
    condition: tuple[str, ...] = ()
    k: tuple[int, ...] = ()
    seed: tuple[int, ...] = ()
    generator: str = ""
    """Instead of the suite's own."""
    shard: Shard | None = None
    """A part of what the other filters leave; it may be empty."""

    @property
    def empty(self) -> bool:
        """Whether nothing is filtered; a shard is a part of everything."""
        return not (self.protocol or self.task or self.method or self.condition or self.k or self.seed)


def parts(named: str | Suite, filters: Filters) -> list[tuple[Suite, Filters]]:
    """What a user means, divided so that each part has tables of its own: `suite_for` of each.

    Methods that the suite declares and methods that nobody does are apart, and so is each task of one's own.

    Raises:
        UsageError: as `suite_for`.
    """
    suite = suites.suite(named) if isinstance(named, str) else named
    _check_names(filters)
    new = [method for method in filters.method if _undeclared(suite, method)]
    methods = [tuple(method for method in filters.method if method not in new), tuple(new)]
    own = suites.own_tasks(filters.task, suite)
    tasks = [tuple(task for task in filters.task if task not in own), *((task,) for task in own)]
    divided = [
        replace(filters, method=method, task=task)
        for task in (list(filter(None, tasks)) or [()])
        for method in (list(filter(None, methods)) or [()])
    ]
    return [(suite_for(suite, one), one) for one in divided]


def _undeclared(suite: Suite, method: str) -> bool:
    """Whether no suite declares a method, this one included."""
    return not any(method in one.methods for one in (suite, *suites.SUITES.values()))


def suite_for(named: str | Suite, filters: Filters) -> Suite:
    """The suite a user means: the named one, or a variant for what it does not declare itself.

    A submission is a family of its own (protocol.md, "What may be said"), and tables are conditional on one generator:
    a variant has tables of its own under the name `<suite>+<what is different>`.

    Raises:
        UsageError: an unknown name, declared and other methods at once, or a task of one's own and others.
    """
    suite = suites.suite(named) if isinstance(named, str) else named
    _check_names(filters)
    # of a method of another suite `select` says which methods this one has
    others = tuple(method for method in filters.method if _undeclared(suite, method))
    if others and len(others) < len(filters.method):
        raise UsageError(
            f"--method {','.join(filters.method)}: suite {suite.name!r} declares some of these; run them apart"
        )
    known = {*suites.CONDITIONS, *suite.conditions}
    tried = tuple(condition for condition in filters.condition if condition not in known)
    if len(tried) > 1 or (tried and not set(filters.condition) <= {*BESIDE, *tried}):
        raise UsageError(
            f"--condition {','.join(filters.condition)}: no suite declares {', '.join(tried)}, which stands beside "
            f"{' and '.join(BESIDE)} alone; run one such condition at a time"
        )
    made = suite.variant(submitted=others, tried=tried, generator=filters.generator)
    if own := suites.own_tasks(filters.task, suite):
        if len(filters.task) > 1:
            raise UsageError(
                f"--task {','.join(filters.task)}: no suite declares {', '.join(own)}, and each such task has tables "
                "of its own; run one at a time"
            )
        return made.on_task(origin.named(own[0]))
    there = set(map(base_name, suite.tasks))
    if not filters.task and (idle := [name for name in origin.own_names() if name not in there]):
        log.warning("task %s of --data is not of suite %s: name it by --task to run it", ", ".join(idle), suite.name)
    return made.with_tasks([origin.named(task) for task in suite.tasks])


def select(suite: Suite, filters: Filters) -> list[RunSpec]:
    """The suite's runs after filters, seed by seed and within a seed method by method; none in an empty shard.

    Raises:
        UsageError: an unknown name, a k that cannot be balanced, nothing is left, or a shard of no certain track.
    """
    if filters.shard and not filters.track and len(suite.tracks) > 1:
        raise UsageError(
            f"--shard {filters.shard}: suite {suite.name!r} runs on the first track that a machine supports; name one "
            f"of {', '.join(suite.tracks)} by --track, so that all shards take the same"
        )
    track = suite.choose_track(filters.track)
    _check_names(filters)
    protocols = filters.protocol or suite.protocols
    declared = found = [spec for protocol in protocols for spec in suite.expand(track=track, protocol=protocol)]
    for name, values in (
        ("task", filters.task), ("method", filters.method), ("condition", filters.condition),
        ("k", filters.k), ("seed", filters.seed),
    ):  # fmt: skip
        if not values:
            continue
        offered = sorted({getattr(spec, name) for spec in declared})
        # a task's plain name means its local slice too
        called = {value: {value, base_name(value)} if name == "task" else {value} for value in offered}
        absent = [value for value in values if not any(value in names for names in called.values())]
        found = [spec for spec in found if called[getattr(spec, name)].intersection(values)]
        if absent or not found:
            named = ",".join(map(str, absent or values))
            after = "" if absent else " after the other filters"
            raise UsageError(
                f"--{name} {named}: suite {suite.name!r} has only {', '.join(map(str, offered))}{after}; choose among "
                "these or another --suite"
            )
    for task in dict.fromkeys(spec.task for spec in found):
        if (several := len(origin.find(task).classes)) > 2:  # k is known to be one for two classes
            for k in sorted({spec.k for spec in found if spec.task == task} - {0}):
                check_budget(k, several)
    order = suite.methods
    found = sorted(
        found, key=lambda s: (protocols.index(s.protocol), of_teacher(s.track)[1], s.seed, order.index(s.method), s.k)
    )
    return cut(found, filters.shard)


def exactly(specs: Iterable[RunSpec]) -> list[RunSpec]:
    """Runs that were named one by one, each once and in their order.

    Raises:
        UsageError: an unknown name, or a k that cannot be balanced.
    """
    found = list(dict.fromkeys(specs))
    for track in sorted({spec.track for spec in found}):
        tracks.track(track)
    for spec in found:
        _check_names(
            Filters(
                protocol=(spec.protocol,), task=(spec.task,), method=(spec.method,), condition=(spec.condition,),
                k=(spec.k,), generator=spec.generator,
            )
        )  # fmt: skip
    return found


def _check_names(filters: Filters) -> None:
    for value in filters.task:
        if not origin.known(value):
            raise UsageError(
                f"{unknown('task', value, registry.names('task'))}; one of your own is named by --data or --plugin too"
            )
    for field_name, values, known in (
        ("protocol", filters.protocol, PROTOCOLS),
        ("method", filters.method, registry.names("baseline")),
        ("condition", filters.condition, registry.names("condition")),
        ("generator", (filters.generator,) if filters.generator else (), registry.names("generator")),
    ):
        for value in values:
            if value not in known:
                own = "" if field_name == "protocol" else "; one of your own is named by its --plugin too"
                raise UsageError(f"{unknown(field_name, value, known)}{own}")
    whole = not filters.condition or any(condition(name).whole_pool for name in filters.condition)
    for k in filters.k:
        if k or not whole:  # 0 is the budget of what takes the whole training pool
            check_budget(k, 2)
