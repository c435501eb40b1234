"""Folder of records -> may it be published: checks as data. Runs and imports nothing that the folder brings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from cod_bench import registry
from cod_bench.analysis import aggregate, files, grids
from cod_bench.checks import copies, prepared, rows
from cod_bench.checks import suites as check_suites
from cod_bench.checks.merge_base import LARGEST, Changes, changes, lacking, provenance, uncommitted
from cod_bench.checks.report import Check, Result, first, judge
from cod_bench.checks.texts import colliding, text_in, unfit_path
from cod_bench.condition import outdated
from cod_bench.data import origin
from cod_bench.design import suites
from cod_bench.errors import UsageError, plain
from cod_bench.records import declarations, evaluate, verdicts
from cod_bench.records.record import Record, Reference, record_from_json, reference_from_json
from cod_bench.records.results import (
    FAILURES,
    INDEX,
    LARGEST_VERDICTS,
    PLUGINS,
    REFERENCE,
    REPRODUCED,
    SUITES,
    UNREADABLE,
    Results,
)
from cod_bench.spec import PROTOCOLS, digest
from cod_bench.store import read_text

LARGEST_INDEX = 1 << 26
"""Bytes of an index that is read, which has some hundreds a record."""
Looked = TypeVar("Looked")
TEACHER_METRICS = ("accuracy", "auroc", "ece", "macro_f1", "mcc")
"""What a reference file tells of its teacher."""


@dataclass(slots=True)
class Folder:
    """A folder of records as far as it can be read."""

    results: Results
    records: dict[str, Record] = field(default_factory=dict)
    """By path below the folder."""
    references: dict[tuple[str, str, str], Reference] = field(default_factory=dict)
    by_path: dict[str, Reference] = field(default_factory=dict)
    """The same by path below the folder."""
    verdicts: tuple[verdicts.Verdict, ...] = ()
    declared: dict[str, declarations.Declaration] = field(default_factory=dict)
    """By path below the folder."""
    broken: dict[str, str] = field(default_factory=dict)
    misplaced: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    """Paths of all files."""
    changes: Changes | None = None
    """Against the merge base; None where none was named."""
    known: dict[str, Any] = field(default_factory=dict)
    """What took long to find out and two lines tell of."""
    suites: tuple[Any, ...] = ()  # those of files, which its user named or ran there


def check(root: Path, *, base: str = "") -> list[Result]:
    """Every check of a folder of records, in order.

    Args:
        base: git ref against whose merge base nothing may have been removed or changed.

    Raises:
        UsageError: no such folder, no record in it, or no such ref.
    """
    if not root.is_dir():
        raise UsageError(f"check {root}: no such folder; name a plugin file or a folder of records")
    plugins = sorted(root.glob("*.py"))
    if plugins:
        raise UsageError(f"check {root}: holds code, and only a file that you name is run; name {plain(plugins[0])}")
    found = read(root.resolve())
    if not (found.records or found.broken or found.declared):
        raise UsageError(f"check {root}: has no records; name a plugin file or a folder of records")
    if base:
        found.changes = changes(root, base, REFERENCE)
    return judge(CHECKS, found)


def read(root: Path) -> Folder:
    """Read what is there; what cannot be read is told by the checks."""
    found = Folder(Results(root), suites=tuple(files.of_files(Results(root)).values()))
    for path in sorted(root.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        name = path.relative_to(root).as_posix()
        found.names.append(name)
        if told := unfit_path(name):
            found.misplaced[name] = told
        try:
            _read(found, path, name)
        except UNREADABLE as error:
            found.broken[name] = (error.strerror if isinstance(error, OSError) else "") or str(error)
    return found


def _read(found: Folder, path: Path, name: str) -> None:
    parts = name.split("/")
    if name in (".lock", INDEX, PLUGINS):
        lines = read_text(path, LARGEST_INDEX).splitlines()
        if told := next(filter(None, map(text_in, filter(None, lines))), ""):
            found.texts[name] = f"{told} reads like a text; remove the file"
        return
    if parts[0] in ("leaderboard", SUITES) and not found.results.published:
        return  # `run` and `status` leave these in a folder of their own
    if path.suffix != ".json" or parts[0] == FAILURES:
        raise ValueError("is no record; remove it")
    most = {REPRODUCED: LARGEST_VERDICTS, declarations.FOLDER: declarations.LARGEST_FILE}.get(parts[0], LARGEST)
    text = read_text(path, most)
    if told := text_in(text):
        found.texts[name] = f"{told} reads like a text; records hold none"
    if name == REPRODUCED:
        found.verdicts = verdicts.from_json(text)
        return
    if parts[0] == REFERENCE:
        reference = reference_from_json(text)
        found.references[reference.track, reference.task, reference.teacher_hash] = reference
        found.by_path[name] = reference
        place = found.results.reference_path(reference.track, reference.task, reference.teacher_hash)
    elif parts[0] == declarations.FOLDER:
        found.declared[name] = declaration = declarations.from_json(text)
        place = declarations.path_of(found.results.root, declaration.suite, declaration.track, declaration.protocol)
    else:
        record = record_from_json(text)
        found.records[name] = record
        place = found.results.path(record.spec, record.run_id)
    if place != path:
        found.misplaced[name] = "its content belongs elsewhere; do not move or rename records"


def _each(found: Folder, find: Callable[[Record], str]) -> dict[str, str]:
    """Reasons of all records that have one; a user's mistake while looking is a reason too."""
    reasons = {}
    for name, record in found.records.items():
        try:
            reason = find(record)
        except UsageError as error:
            reason = str(error)
        if reason:
            reasons[name] = reason
    return reasons


def _identity(record: Record) -> str:
    """Everything but the method of a submission is what the installed code says; its digest is the run id."""
    spec = record.spec
    if told := check_suites.unfit(record):
        return told
    if spec.method in registry.names("baseline"):
        expected = grids.identity_of(record)
    else:
        stranger = replace(record, spec=replace(spec, method=suites.suite(suites.DEFAULT_SUITE).methods[0]))
        expected = {**grids.identity_of(stranger), "method": record.identity["method"]}
    if digest(expected) == record.run_id:
        return ""
    off = [key for key in expected if expected[key] != record.identity.get(key)]
    return f"identity.{(off or ['?'])[0]} is not what this version gives; run it again with it"


def _rows(record: Record) -> str:
    task = origin.find(record.spec.task)
    if not task.pinned:
        return f"task {task.name!r} has no pinned rows here; load it once"
    if not task.has_rows(record.train_hash, record.eval_hash):
        return f"eval_hash={record.eval_hash!r}, train_hash={record.train_hash!r} are not the task's rows"
    return ""


def _metrics(found: Folder) -> Mapping[str, str]:
    def differs(record: Record) -> str:
        spec = record.spec
        reference = found.references.get((spec.track, spec.task, record.teacher_hash))
        if reference is None or record.reference != f"{spec.task}-{record.teacher_hash}":
            return f"reference {record.reference!r} is not there; copy the {REFERENCE} folder along"
        if reference.eval_hash != record.eval_hash:
            return f"eval_hash={record.eval_hash!r} and its reference file has {reference.eval_hash!r}"
        given = evaluate.metrics(record.predictions, record.probabilities, reference)
        return _apart(record.metrics, given, sorted({*given, *record.metrics}))

    return _each(found, differs) | _each(found, rows.undecided) | _teachers(found)


def _teachers(found: Folder) -> dict[str, str]:
    """What reference files say of their teacher and its own values do not give."""
    used = {(record.spec.track, record.spec.task, record.teacher_hash) for record in found.records.values()}
    reasons = {}
    for path, reference in found.by_path.items():
        try:
            given = evaluate.metrics(reference.teacher_predictions, reference.teacher_probabilities, reference)
            reason = _apart(reference.teacher_metrics, given, sorted({*TEACHER_METRICS, *reference.teacher_metrics}))
            if not reason and (reference.track, reference.task, reference.teacher_hash) not in used:
                reasons[path] = "no record rests on it; remove it"
        except UsageError as error:
            reason = str(error)
        if reason:
            reasons[path] = f"teacher_{reason}"
    return reasons


def _apart(told: Mapping[str, float], given: Mapping[str, float], names: Iterable[str]) -> str:
    for name in names:
        said, value = told.get(name), given.get(name)
        if said is None or value is None or not abs(float(said) - float(value)) <= aggregate.TOLERANCE:
            return f"metrics.{name} is {said!r} and the predictions give {value!r}"
    return ""


def _mixed(found: Folder) -> Mapping[str, str]:
    sound = {path: one for path, one in found.records.items() if not check_suites.unknown(one)}
    return check_suites.mixed(sound, found.suites)


def _gold(found: Folder) -> Mapping[str, str] | None:
    """Wrong gold labels; those that nobody can verify are told, and are a reason too where a merge base is named."""
    judged = _judge_gold(found)
    if judged.wrong or not judged.unknown:
        return judged.wrong
    return None if found.changes is None else judged.unknown


def _judge_gold(found: Folder) -> prepared.Judged:
    before = {} if found.changes is None else found.changes.before
    trusted = []
    for text in before.values():
        with suppress(ValueError):  # what else the merge base has there vouches for nothing
            trusted.append(reference_from_json(text))
    return prepared.compare(found.by_path, trusted)


def _once(find: Callable[[Folder], Looked]) -> Callable[[Folder], Looked]:
    """What took a while to find out is kept, for the lines that also tell of it."""

    def look(found: Folder) -> Looked:
        if find.__name__ not in found.known:
            found.known[find.__name__] = find(found)
        known: Looked = found.known[find.__name__]
        return known

    return look


def _drawn(found: Folder) -> Mapping[str, str]:
    return _alone(found) | rows.together(_sound(found)) | _strangers(found)[0]


@_once
def _alone(found: Folder) -> dict[str, str]:
    return _each(found, rows.alone)


def _sound(found: Folder) -> dict[str, Record]:
    wrong = _alone(found)
    return {path: record for path, record in found.records.items() if path not in wrong}


@_once
def _strangers(found: Folder) -> tuple[dict[str, str], set[str]]:
    return prepared.strangers(_sound(found))


@_once
def _copies(found: Folder) -> copies.Copies:
    return copies.copies(found.records)


@_once
def _uncommitted(found: Folder) -> dict[str, str] | None:
    if found.changes is None:
        return uncommitted(found.results.root, found.records)
    new = {path: found.records[path] for path in found.changes.added if path in found.records}
    return uncommitted(found.results.root, new, new=True)


def _clean(found: Folder) -> Mapping[str, str]:
    """Records that no committed code of this repository made, as far as that can be told."""
    return {**(_uncommitted(found) or {}), **_each(found, provenance)}


def _misplaced(found: Folder) -> Mapping[str, str]:
    before = () if found.changes is None else found.changes.there
    return {**found.misplaced, **colliding(found.names, before)}


def _not_looked_up(found: Folder) -> str:
    """The tasks whose training pools are not at hand, so that nobody has looked whether their rows are in them."""
    absent = sorted(_strangers(found)[1])
    return f"rows not looked up in the training pools of {', '.join(absent)}, which are not at hand" if absent else ""


def _ranked(record: Record) -> str:
    protocol = record.spec.protocol
    return "" if PROTOCOLS[protocol].ranked else f"protocol {protocol!r} is not ranked; publish `last`"


def _kept(found: Folder) -> Mapping[str, str] | None:
    if found.changes is None:
        return None
    told = dict.fromkeys(found.changes.removed, "was removed") | dict.fromkeys(found.changes.changed, "was changed")
    stay = {
        name: "declarations" if name.startswith(f"{declarations.FOLDER}/") else "published records" for name in told
    }
    return {name: f"{what}; {stay[name]} stay" for name, what in told.items() if name != REPRODUCED}


def _declared(found: Folder) -> Mapping[str, str]:
    new = () if found.changes is None else found.changes.added
    root = found.results.root
    odd = check_suites.undeclarable(root, found.declared, new)
    return check_suites.contradicted(root, found.declared, found.records.values()) | odd


def _as_declared(found: Folder) -> str:
    return check_suites.as_declared(found.results.root, found.declared, found.records.values())


def _judged(found: Folder) -> Mapping[str, str]:
    """Verdicts are a maintainer's, on records that are merged: no pull request brings, changes or removes one."""
    diff = found.changes
    ways = {} if diff is None else {"added": diff.added, "changed": diff.changed, "removed": diff.removed}
    for way, names in ways.items():
        if REPRODUCED in names:
            return {REPRODUCED: f"was {way}; only a maintainer's `cod-bench reproduce` on the merged records writes it"}
    today = dt.datetime.now(dt.UTC).date().isoformat()
    own: dict[verdicts.Part, list[Record]] = {verdict.part: [] for verdict in found.verdicts}
    for record in found.records.values():
        part = verdicts.part(record.spec)
        if part in own and not outdated(record.spec.condition, record.identity):
            own[part].append(record)
    told = next(filter(None, (verdicts.odd(verdict, own[verdict.part], today) for verdict in found.verdicts)), "")
    if not told and (
        absent := lacking(found.results.root, dict.fromkeys(v.commit for v in found.verdicts if v.commit))
    ):
        told = f"commit: {absent[0]} is not in this repository; run `cod-bench reproduce` again"
    return {REPRODUCED: told} if told else {}


def _by_record(find: Callable[[Record], str]) -> Callable[[Folder], Mapping[str, str]]:
    return lambda found: _each(found, find)


def _told(name: str) -> Callable[[Folder], Any]:
    return lambda found: getattr(found, name)


_COMPARE = "name --base REF to compare with"

CHECKS: tuple[Check[Folder], ...] = (
    Check("schema", "every file is a record, a reference file, a declaration or the verdicts", _told("broken")),
    Check("path equals content", "every file lies where its content belongs, on every system", _misplaced),
    Check("no text", "no corpus text stands in a file", _told("texts")),
    Check("condition and generator known", "both are installed here", _by_record(check_suites.unknown)),
    Check("identity", "run ids are those that this version gives", _by_record(_identity)),
    Check("evaluation rows", "evaluation rows and training pool are the task's", _by_record(_rows)),
    Check(
        "gold labels",
        "rows and gold of reference files are those of the merge base, else of the prepared task",
        _gold,
        untold=lambda found: first(_judge_gold(found).unknown),
    ),
    Check("metrics recompute", "metrics follow from predictions and reference file", _metrics),
    Check("one teacher", "one teacher, data and environment wherever runs are compared", _mixed),
    Check("training rows", "k rows, the same originals on both sides of every pair", _drawn, _not_looked_up),
    Check(
        "no copies",
        "no run ends as one that was trained on other rows",
        lambda found: _copies(found).wrong,
        lambda found: _copies(found).told,
    ),
    Check("history", "losses and costs are those of the recipe's steps", _by_record(rows.history)),
    Check(
        "clean code",
        "made by committed code",
        _clean,
        lambda found: "commits not looked up: no whole repository" if _uncommitted(found) is None else "",
    ),
    Check("ranked protocol", "no protocol that only replicates", _by_record(_ranked)),
    Check(
        "grid complete",
        "every record belongs to a suite that is there whole",
        lambda f: check_suites.complete(f.records, f.suites),
        lambda f: check_suites.whole(f.records, f.suites),
    ),
    Check("nothing removed", "no record of the merge base is removed or changed", _kept, untold=lambda _: _COMPARE),
    Check("declarations", "by committed code, on a day that has come, before its records", _declared, _as_declared),
    Check("verdicts", "reproduced.json is sound, and a maintainer's", _judged),
)
"""In the order in which they are told."""
