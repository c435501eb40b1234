"""Records -> which suites they make up, what belongs to none that is there whole, and which were declared before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from cod_bench import registry
from cod_bench.analysis import declare, mixtures
from cod_bench.analysis.grids import on_other_tasks, one_value
from cod_bench.checks.merge_base import lacking
from cod_bench.condition import outdated
from cod_bench.design import suites
from cod_bench.design.identity import not_applicable
from cod_bench.design.suite import Suite
from cod_bench.errors import UsageError
from cod_bench.records import declarations
from cod_bench.records.declarations import Declaration
from cod_bench.records.provenance import today
from cod_bench.records.record import Record
from cod_bench.reports.tables import counted
from cod_bench.spec import LOCAL, RunSpec, generator_for
from cod_bench.track import of_teacher


def complete(records: Mapping[str, Record], more: Sequence[Suite] = ()) -> Mapping[str, str]:
    """Records that belong to no suite, or variant of one for their method and generator, that is there whole."""
    reasons = {}
    for (protocol, track), here in places(records).items():
        wanted = {suite.name: set(declared_runs(suite, track, protocol)) for suite in suites_of(here, track, more)}
        covered: set[RunSpec] = set().union(*(runs for runs in wanted.values() if runs <= here))
        for method in sorted({spec.method for spec in here - covered}):
            left = [spec for spec in here - covered if spec.method == method]
            near = max(wanted, key=lambda name: (len(wanted[name] & set(left)), -len(wanted[name])), default="")
            lacks = sorted(wanted.get(near, set()) - here)
            told = f"; suite {near} lacks {len(lacks)} runs such as {lacks[0].label}" if lacks else ""
            reasons[f"{protocol}/{track}/*/{method}"] = f"{len(left)} records belong to no complete suite{told}"
    return reasons


def mixed(records: Mapping[str, Record], more: Sequence[Suite] = ()) -> dict[str, str]:
    """Suites whose tables would compare what cannot be compared; records that share no table may differ in anything."""
    known: dict[RunSpec, list[Record]] = {}
    for record in records.values():
        if not outdated(record.spec.condition, record.identity):
            known.setdefault(record.spec, []).append(record)
    reasons = {}
    for (protocol, track), here in places(records).items():
        for suite in suites_of(here, track, more):
            own = [record for spec in declared_runs(suite, track, protocol) for record in known.get(spec, ())]
            try:
                mixtures.refuse_mixtures(own)
                one_value(own)
            except UsageError as error:
                reasons[f"{protocol}/{track}, suite {suite.name}"] = str(error)
    return reasons


def whole(records: Mapping[str, Record], more: Sequence[Suite] = ()) -> str:
    """The suites that are there whole, and which of them are on local slices: never a table of the canonical data."""
    told = []
    for (protocol, track), here in places(records).items():
        for suite in suites_of(here, track, more):
            runs = set(declared_runs(suite, track, protocol))
            if runs <= here:
                slices = sum(LOCAL in task for task in suite.tasks)
                marked = f" ({counted(slices, 'local slice')}, not the canonical data: an analogue)" if slices else ""
                told.append(f"{suite.name} on {track}, protocol {protocol}{marked}")
    return "; ".join(told)


def places(records: Mapping[str, Record]) -> dict[tuple[str, str], set[RunSpec]]:
    """(protocol, track) -> the runs there; those of an earlier version of their condition count nowhere.

    Runs with the teacher of another seed are at the track without it too, since a suite may average over them.
    """
    found: dict[tuple[str, str], set[RunSpec]] = {}
    for record in records.values():
        if not outdated(record.spec.condition, record.identity):
            for track in {record.spec.track, of_teacher(record.spec.track)[0]}:
                found.setdefault((record.spec.protocol, track), set()).add(record.spec)
    return found


def suites_of(specs: set[RunSpec], track: str, more: Sequence[Suite] = ()) -> list[Suite]:
    """The declared suites on that track, with the records' generators, variants for submitted methods, local slices.

    Args:
        more: suites of files, which nobody else declares.
    """
    declared = {method for suite in suites.SUITES.values() for method in suite.methods}
    submitted = [(), *((method,) for method in sorted({spec.method for spec in specs} - declared))]
    tried = [(), *((condition,) for condition in sorted({spec.condition for spec in specs} - set(suites.CONDITIONS)))]
    own = {spec.generator for spec in specs if not generator_for(spec.condition, "")}
    generators = ["", *sorted(own - {""})]
    made = [
        sliced
        for suite in (*more, *suites.SUITES.values())
        if suite.admits(track)
        for methods in submitted
        for generator in generators
        for own in tried
        if not {*methods} & {*suite.methods} and not {*own} & {*suite.conditions}  # of a file, it declares these itself
        for variant in (suite.variant(submitted=methods, tried=own, generator=generator),)
        for sliced in (variant, *on_other_tasks(variant, specs))
    ]
    return list({suite.name: suite for suite in made}.values())


def declared_runs(suite: Suite, track: str, protocol: str) -> Iterable[RunSpec]:
    """What a suite declares there, without methods that cannot run on the track."""
    known = registry.names("baseline")
    for spec in suite.expand(track=track, protocol=protocol):
        if spec.method not in known or not not_applicable(track, spec.method, spec.task):
            yield spec


def undeclarable(root: Path, declared: Mapping[str, Declaration], new: Collection[str]) -> dict[str, str]:
    """Declarations, by path, that nobody can have written; of new ones the commit of the code must be there."""
    reasons = {}
    for path, one in declared.items():
        if one.date > today():
            reasons[path] = f"date: {one.date} is to come; declare it again"
        elif path in new and lacking(root, [one.code["commit"]]):
            reasons[path] = f"code.commit: {one.code['commit']} is not in this repository; declare by committed code"
    return reasons


def as_declared(root: Path, declared: Mapping[str, Declaration], records: Iterable[Record]) -> str:
    """Of each declaration, whether the records there keep it; where they do not, their tables are exploratory."""
    told, own = [], list(records)
    for path, one in declared.items():
        name = f"{one.suite} on {one.track}, protocol {one.protocol}"
        if one.suite not in suites.SUITES:
            told.append(f"{name}: exploratory: no such suite here")
            continue
        kept = declare.kept(one, suites.suite(one.suite), own)
        if kept.departs:
            told.append(f"{name}: exploratory: {kept.departs}")
        elif not kept.records:
            told.append(f"{name}: declared on {one.date}, and no record yet")
        else:
            told.append(f"{name}: declared on {one.date}{_untold(root, path, own)}")
    return "; ".join(told)


def contradicted(root: Path, declared: Mapping[str, Declaration], records: Iterable[Record]) -> dict[str, str]:
    """Declarations, by path, whose records keep them by what the files tell, and not by this repository's history."""
    reasons, own = {}, list(records)
    for path, one in declared.items():
        if one.suite not in suites.SUITES:
            continue
        where, there = declarations.committed(root / path), _there(root, own)
        if where is not None and there is not None:
            reasons[path] = declare.contradicted(one, suites.suite(one.suite), own, where, there)
    return {path: reason for path, reason in reasons.items() if reason}


def _there(root: Path, records: Iterable[Record]) -> set[str] | None:
    """The commits of these records that the repository has; None where none of this package is there to tell, where it
    is shallow, or where its history begins anew, so that it has none of them."""
    named = declare.commits(records)
    absent = lacking(root, sorted(named))
    there = None if absent is None else named - set(absent)
    return there if there or not named else None


def _untold(root: Path, path: str, records: Iterable[Record]) -> str:
    """That no history is there to say whether a declaration came first; empty where there is one."""
    told = declarations.committed(root / path) is not None and _there(root, records) is not None
    return "" if told else ", by dates and commits in the files; no whole repository of these commits to ask"


def unfit(record: Record) -> str:
    """Why a method's name and what it says of itself are unfit, installed or not."""
    name, own = record.spec.method, record.identity["method"]
    installed = registry.names("baseline")
    if registry.unfit_name(name) or (name not in installed and name.lower() in map(str.lower, installed)):
        return (
            f"method {name!r}: must be letters, digits, _ or -, no device of Windows, and differ from others in more "
            "than capitals; rename it"
        )
    if type(own.get("version")) is not int or not isinstance(own.get("hparams"), Mapping):
        return f"identity.method: method {name!r} must tell version and hparams; run it again"
    return ""


def unknown(record: Record) -> str:
    """That condition and generator of a published record are installed: its rows and tables rest on them."""
    for kind, name in (("condition", record.spec.condition), ("generator", record.spec.generator)):
        if name and name not in registry.names(kind):
            return f"{kind} {name!r} is not installed here; submit its file first"
    return ""
