"""Records -> whether what they say of their training rows, steps and making can be: equal k, equal originals. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence

from cod_bench.condition import Condition, Partnered, ask, condition, version_of
from cod_bench.data import origin
from cod_bench.errors import RunError, UsageError
from cod_bench.records.record import LARGEST, SCALE, Record
from cod_bench.spec import digest

HASH = re.compile(r"[0-9a-f]{12}")
COMMIT = re.compile(r"[0-9a-f]{40}")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
ROUNDED = 0.01
"""Seconds by which rounded parts may exceed their sum."""
ROLES = frozenset("opsu")
"""First letters of an original, a partner, a substitute, an unlabelled text."""
FIELDS = frozenset({"hash", "sources", "balance", "labels", "roles", "substituted", "passed_over"})


def alone(record: Record) -> str:
    """Why a record's `rows` cannot be those of its condition and k; empty if they can.

    Raises:
        UsageError: nobody here knows the task.
    """
    spec, rows, own = record.spec, record.rows, condition(record.spec.condition)
    if set(rows) != FIELDS:
        return f"rows.{min(set(rows) ^ FIELDS)}: field is {'missing' if set(rows) < FIELDS else 'missing or unknown'}"
    sources, labels, roles = (rows[name] for name in ("sources", "labels", "roles"))
    if not isinstance(sources, list) or not all(isinstance(one, str) and HASH.fullmatch(one) for one in sources):
        return "rows.sources: must be hashes of training rows"
    classes = len(origin.find(spec.task).classes)
    if not isinstance(labels, str) or not set(labels) <= set("0123456789"[:classes]):
        return f"rows.labels: must be one of {classes} classes a row"
    if not isinstance(roles, str) or not set(roles) <= ROLES:
        return f"rows.roles: must be of the letters {', '.join(sorted(ROLES))}"
    for name, found in (("labels", labels), ("roles", roles)):
        if len(found) != len(sources):
            return f"rows.{name}: {len(found)} entries, and rows.sources has {len(sources)}"
    if rows["balance"] != [labels.count(label) for label in sorted(set(labels))]:
        return f"rows.balance: {str(rows['balance'])[:40]} is not what rows.labels says"
    for name in ("substituted", "passed_over"):
        if type(rows[name]) is not int or not 0 <= rows[name] <= LARGEST:
            return f"rows.{name}: must be a count"
    if rows["substituted"] != roles.count("s"):
        return f"rows.substituted: {rows['substituted']}, and rows.roles has {roles.count('s')}"
    if not isinstance(rows["hash"], str) or not HASH.fullmatch(rows["hash"]):
        return "rows.hash: must be a hash"
    if own.equal_k and (len(sources) > spec.k or "u" in roles):
        return f"rows.roles: {len(sources)} rows, and {spec.condition} trains on at most k={spec.k} labelled ones"
    told = list(zip(sources, labels, roles, strict=True))
    return (
        str(ask(own, "faults", told, spec.k, version_of(record.identity))) or _slots(record, own)
        or _drawn(own, sources, labels, roles, classes)
    )  # fmt: skip


def _slots(record: Record, own: Condition) -> str:
    """Whether the counterfactuals that are told of are those of these slots."""
    cfe, taken, k = record.cfe, record.rows["roles"].count("s"), record.spec.k
    if cfe is None:
        return f"rows.roles: {taken} substitutes, and the condition needs none" if taken else ""
    if cfe["slots"] != (slots := ask(own, "entries_at", k)):
        return f"cfe.slots: {cfe['slots']}, and k={k} gives {slots}"
    lacking = cfe["slots"] - cfe["valid"] + cfe["exhausted"]
    if taken != lacking and isinstance(own, Partnered):
        return f"rows.roles: {taken} substitutes, and cfe tells of {lacking} slots without a text"
    return ""


def _drawn(own: Condition, sources: Sequence[str], labels: str, roles: str, classes: int) -> str:
    """Whether rows that were drawn are drawn once, and originals alternate between the classes."""
    made = _made(own, sources, roles)
    drawn = [source for source, by_hand in zip(sources, made, strict=True) if not by_hand]
    if len(set(drawn)) < len(drawn):
        return f"rows.sources: {Counter(drawn).most_common(1)[0][0]} is drawn twice"
    originals = [label for label, role in zip(labels, roles, strict=True) if role == "o"]
    if originals != [str(slot % classes) for slot in range(len(originals))]:
        return "rows.labels: the originals' classes must alternate"
    return ""


def _made(own: Condition, sources: Sequence[str], roles: str) -> list[bool]:
    """Of each row whether it may be made of its source rather than be it: a partner by a generator, or of an original.

    Which conditions may have such partners they say themselves (`Condition.faults`).
    """
    originals = {source for source, role in zip(sources, roles, strict=True) if role == "o"}
    return [
        role == "p" and (own.needs == "entries" or source in originals)
        for source, role in zip(sources, roles, strict=True)
    ]


def together(records: Mapping[str, Record]) -> dict[str, str]:
    """Runs whose rows are not those of their partners, by path: pairs are of the same originals, or they are none.

    Within a (protocol, track, task, teacher, seed) the originals of every run are the first of one list, whatever the
    condition, the method and k; with the same generator on the same kind of machine, methods have the same rows. Where
    they differ, those are told that most others contradict, or all of them.
    """
    groups: dict[Hashable, dict[Hashable, list[str]]] = {}
    for path, record in records.items():
        for where, value in _shared(record):
            groups.setdefault(where, {}).setdefault(value, []).append(path)
    reasons: dict[str, str] = {}
    for found in groups.values():
        if len(found) < 2:
            continue
        first, second, *_ = sorted(map(len, found.values()), reverse=True)
        for paths in found.values():
            if len(paths) < first or first == second:
                other = next(path for own in found.values() if own is not paths for path in own)
                told = f"rows are not those of run {records[other].run_id}, which is of the same draw"
                reasons |= dict.fromkeys(paths, told)
    return reasons


def _shared(record: Record) -> Iterator[tuple[Hashable, Hashable]]:
    """(what it is shared within, value)."""
    spec, rows, identity = record.spec, record.rows, record.identity
    draw = (spec.protocol, spec.track, spec.task, record.train_hash, record.teacher_hash, spec.seed)
    originals = [i for i, role in enumerate(rows["roles"]) if role == "o"]
    for slot, i in enumerate(originals):
        yield (*draw, "slot", slot), (rows["sources"][i], rows["labels"][i])
    yield (*draw, spec.k, "passed over"), rows["passed_over"]
    made = digest([identity.get("generator"), record.provenance.get("environment")])  # other CPUs, other texts
    same = (rows["hash"], tuple(rows["sources"]), rows["labels"], rows["roles"])
    how = (spec.condition, version_of(identity), made)
    yield (*draw, spec.k, *how), same
    if record.cfe is not None:
        told = {name: value for name, value in record.cfe.items() if name != "teacher_passes"}
        yield (*draw, spec.k, *how, "cfe"), digest(told)
    own = tuple(rows["sources"][i] for i in originals)
    if own:
        yield (*draw[:-1], spec.k, "seed of", own), spec.seed


def strangers(records: Mapping[str, Record]) -> tuple[dict[str, str], set[str]]:
    """Rows that no training pool has or that it labels otherwise, by path; and the tasks whose pool is not at hand."""
    pools: dict[tuple[str, str], Mapping[str, int] | None] = {}
    reasons = {}
    for path, record in records.items():
        key = record.spec.task, record.train_hash
        if key not in pools:
            pools[key] = _training(*key)
        known = pools[key]
        if known is not None and (told := _strange(record, known)):
            reasons[path] = told
    return reasons, {task for (task, _), known in pools.items() if known is None}


def _training(task: str, pool: str) -> Mapping[str, int] | None:
    try:
        corpus = origin.at_hand(task)
    except (UsageError, RunError):
        return None  # told as not looked up
    if corpus is None or corpus.pool_sha256[:12] != pool:
        return None
    return {row.id: row.label for row in corpus.train}


def _strange(record: Record, known: Mapping[str, int]) -> str:
    rows = record.rows
    made = _made(condition(record.spec.condition), rows["sources"], rows["roles"])
    for source, label, role, by_hand in zip(rows["sources"], rows["labels"], rows["roles"], made, strict=True):
        if source not in known:
            return f"rows.sources: {source} is no row of the training pool"
        if role != "u" and not by_hand and known[source] != int(label):
            return f"rows.labels: {label} for row {source}, which the training pool labels {known[source]}"
    return ""


def history(record: Record) -> str:
    """Why a record's `history` cannot be one; empty if it can."""
    for name, values in record.history.items():
        if not isinstance(values, list) or not all(
            type(value) in (int, float) and -LARGEST <= value <= LARGEST for value in values
        ):
            return f"history.{name}: must be a list of numbers"
    losses, cost = len(record.history.get("loss", ())), record.cost
    if not losses or losses != cost.get("steps"):
        return f"history.loss: {losses} values, and cost.steps is {cost.get('steps')!r}"
    parts = sum(
        cost.get(name, 0.0) for name in ("rows_seconds", "prepare_seconds", "train_seconds", "evaluate_seconds")
    )
    if not cost["seconds"] > 0 or parts > cost["seconds"] + ROUNDED:
        return f"cost.seconds: {cost['seconds']!r}, and its parts are {parts:.3f}"
    return ""


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
    date = told.get("date")
    try:
        sound = isinstance(date, str) and bool(DAY.fullmatch(date)) and bool(dt.date.fromisoformat(date))
    except ValueError:
        sound = False
    if not sound:
        return f"provenance.date: {str(date)[:40]!r} is no date; run it again"
    if not isinstance(told.get("cod_bench"), str) or not told.get("environment"):
        return "provenance: version and environment must be told; run it again"
    return ""


TIES = 0.1
"""Share of rows whose probability may be one half, where either class may stand; published records have few."""


def copies(records: Mapping[str, Record]) -> dict[str, str]:
    """Runs with the predictions and probabilities, or with the losses, of a run on other rows, by path.

    Equal rows may give equal outcomes: a submitted method may do what another does, and where all first answers are
    valid `unvalidated` is `cod`.
    """
    first: dict[tuple[str, ...], tuple[str, str]] = {}
    reasons = {}
    for path, record in records.items():
        spec, rows = record.spec, str(record.rows.get("hash"))
        place = (spec.track, spec.task, record.teacher_hash)
        outcome = digest([record.predictions, list(record.probabilities)])
        losses = digest(list(record.history.get("loss", ())))
        for what, value in (("predictions", outcome), ("losses", losses)):
            other, own = first.setdefault((*place, what, value), (record.run_id, rows))
            if own != rows:
                reasons[path] = f"{what}: those of run {other} to the last digit, which was trained on other rows"
    return reasons


def undecided(record: Record) -> str:
    """Why a record's probabilities leave its classes open; empty if they do not."""
    open_ = list(record.probabilities).count(SCALE // 2)
    if open_ > TIES * len(record.probabilities):
        return f"probabilities: {open_} of {len(record.probabilities)} rows at one half, where either class may stand"
    return ""
