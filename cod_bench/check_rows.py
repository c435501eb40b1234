"""Records -> whether what they say of their training rows, steps and making can be: equal k, equal originals. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cod_bench import origin
from cod_bench.errors import RunError, UsageError
from cod_bench.record import LARGEST, Record
from cod_bench.spec import PARTNERS, RunSpec

HASH = re.compile(r"[0-9a-f]{12}")
COMMIT = re.compile(r"[0-9a-f]{40}")
COUNTS = ("substituted", "passed_over")


def alone(record: Record) -> str:
    """Why a record's `rows` cannot be those of its condition and k; empty if they can."""
    spec, rows = record.spec, record.rows
    slots = spec.k // 2
    wanted = slots if spec.condition == "half" else 2 * slots
    sources, labels, roles = (rows.get(name) for name in ("sources", "labels", "roles"))
    if not isinstance(sources, list) or not all(isinstance(one, str) and HASH.fullmatch(one) for one in sources):
        return "rows.sources: must be hashes of training rows"
    if not isinstance(labels, str) or not re.fullmatch(r"[0-9]*", labels):
        return "rows.labels: must be one digit a row"
    if not isinstance(roles, str) or not re.fullmatch(r"o*" if spec.condition == "half" else r"(o[ps])*", roles):
        return "rows.roles: must be an original and, but for `half`, its partner or substitute in turn"
    for name, found in (("sources", sources), ("labels", labels), ("roles", roles)):
        if len(found) != wanted:
            return f"rows.{name}: {len(found)} entries, and k={spec.k} gives {wanted}"
    if rows.get("balance") != [labels.count(label) for label in sorted(set(labels))]:
        return f"rows.balance: {rows.get('balance')!r} is not what rows.labels says"
    if any(type(rows.get(name)) is not int or not 0 <= rows[name] <= LARGEST for name in COUNTS):
        return f"rows: {' and '.join(COUNTS)} must be counts"
    if rows["substituted"] != roles.count("s"):
        return f"rows.substituted: {rows['substituted']}, and rows.roles has {roles.count('s')}"
    if record.cfe is not None and record.cfe["slots"] != slots:
        return f"cfe.slots: {record.cfe['slots']}, and k={spec.k} gives {slots}"
    if not isinstance(rows.get("hash"), str) or not HASH.fullmatch(rows["hash"]):
        return "rows.hash: must be a hash"
    return _partners(spec, sources, labels, roles)


def _partners(spec: RunSpec, sources: Sequence[str], labels: str, roles: str) -> str:
    """Whether every partner is made from its original and labelled as the condition has it."""
    if spec.condition == "half":
        return ""
    for i in range(0, len(roles), 2):
        if roles[i + 1] == "s":
            continue
        same, turned = sources[i] == sources[i + 1], labels[i] != labels[i + 1]
        made, flips = (True, PARTNERS[spec.condition][1]) if spec.condition in PARTNERS else (False, True)
        if same != made:
            return f"rows.sources: the partner in slot {i // 2} is {'' if same else 'not '}made from its original"
        if turned != flips:
            return f"rows.labels: the partner in slot {i // 2} has {'another' if turned else 'the same'} label"
    return ""


def together(records: Mapping[str, Record]) -> dict[str, str]:
    """Runs whose rows are not those of their partners, by path: pairs are of the same originals, or they are none.

    Within a (protocol, track, task, teacher, k, seed) every condition has the same originals, and every method the same
    rows; a training row has one label wherever it is an original, and where the prepared task is at hand, that one.
    """
    first: dict[tuple[Any, ...], tuple[str, Any]] = {}
    known: dict[tuple[str, str], Mapping[str, int] | None] = {}
    reasons = {}
    for path, record in records.items():
        for where, name, value in _shared(record):
            other, before = first.setdefault((*where, name), (record.run_id, value))
            if before != value:
                reasons[path] = f"rows: {name} are not those of run {other}, which it is paired with"
        task, pool = record.spec.task, record.train_hash
        if (task, pool) not in known:
            known[task, pool] = _training(task, pool)
        if told := _strangers(record, known[task, pool]):
            reasons[path] = told
    return reasons


def _shared(record: Record) -> Iterator[tuple[tuple[Any, ...], str, Any]]:
    """(what it is shared within, its name, value)."""
    spec, rows = record.spec, record.rows
    draw = (spec.protocol, spec.track, spec.task, record.teacher_hash, spec.k, spec.seed)
    places = [i for i, role in enumerate(rows["roles"]) if role == "o"]
    yield draw, "originals", [(rows["sources"][i], rows["labels"][i]) for i in places]
    yield (*draw, spec.condition, spec.generator), "rows", [rows[name] for name in ("hash", "sources", "labels")]


def _training(task: str, pool: str) -> Mapping[str, int] | None:
    try:
        corpus = origin.at_hand(task)
    except (UsageError, RunError):
        return None
    if corpus is None or corpus.pool_sha256[:12] != pool:
        return None
    return {row.id: row.label for row in corpus.train}


def _strangers(record: Record, known: Mapping[str, int] | None) -> str:
    rows = record.rows
    if known is None:
        return ""
    made = record.spec.condition in PARTNERS
    for source, label, role in zip(rows["sources"], rows["labels"], rows["roles"], strict=True):
        if source not in known:
            return f"rows.sources: {source} is no row of the training pool"
        if not (made and role == "p") and known[source] != int(label):
            return f"rows.labels: {label} for row {source}, which the training pool labels {known[source]}"
    return ""


def history(record: Record) -> str:
    """Why a record's `history` cannot be one; empty if it can."""
    for name, values in record.history.items():
        if not isinstance(values, list) or not all(map(_finite, values)):
            return f"history.{name}: must be a list of numbers"
    if not record.history.get("loss"):
        return "history.loss: is missing"
    return ""


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and -LARGEST <= value <= LARGEST


def provenance(record: Record) -> str:
    """Why a record's `provenance` does not tell a run of committed code; empty if it does."""
    told = record.provenance
    if "git" not in told:
        return "provenance.git: is missing; run it again"
    git = told["git"]  # null where the installed package is of no checkout
    if git is not None:
        if not isinstance(git, Mapping) or not COMMIT.fullmatch(str(git.get("commit"))):
            return "provenance.git.commit: must be a commit; run it again"
        if git.get("dirty") is not False:
            return "provenance.git.dirty: made by changed code; commit it and run again"
    try:
        dt.date.fromisoformat(told.get("date", ""))
    except (ValueError, TypeError):
        return f"provenance.date: {told.get('date')!r} is no date; run it again"
    if not isinstance(told.get("cod_bench"), str) or not told.get("environment"):
        return "provenance: version and environment must be told; run it again"
    return ""


def each(find: Callable[[Record], str], records: Mapping[str, Record]) -> dict[str, str]:
    """Reasons by path of all records that have one."""
    return {path: reason for path, record in records.items() if (reason := find(record))}


def rows(records: Mapping[str, Record]) -> dict[str, str]:
    """`alone`, and `together` for those that pass it."""
    wrong = each(alone, records)
    return wrong | together({path: record for path, record in records.items() if path not in wrong})
