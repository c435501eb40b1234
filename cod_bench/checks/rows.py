"""Records -> whether what they say of their training rows, steps and costs can be: equal k, equal originals. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from cod_bench import registry
from cod_bench.condition import Condition, Told, ask, condition, version_of
from cod_bench.counterfactuals import spent
from cod_bench.data import origin
from cod_bench.design import tracks
from cod_bench.distiller import asks_teacher, reads_no_row
from cod_bench.records.record import LARGEST, SCALE, Record
from cod_bench.spec import digest

HASH = re.compile(r"[0-9a-f]{12}")
ROUNDED = 0.01
"""Seconds by which rounded parts may exceed their sum."""
PARTS = ("rows_seconds", "prepare_seconds", "train_seconds", "evaluate_seconds")
"""Costs that `cost.seconds` is made of."""
COSTS = frozenset({
    "seconds", "cpu_seconds", *PARTS, "steps", "prepare_steps", "teacher_passes", "unlabelled_texts", "human_labels",
    "teacher_queries", "llm_requests", "llm_prompt_tokens", "llm_completion_tokens", "dollars", "pool_seconds",
    "pool_cpu_seconds", "kwh", "cpu_kwh", "gpu_kwh", "ram_kwh",
})  # fmt: skip
"""Every cost that a run tells, and what `--energy` adds."""
LEAST_PARTS = 0.05
"""Share of `cost.seconds` that its parts must tell: 88 to 100 % in the published 1,040 records, 89 % on the toy task.

The rest is the teacher reading the training rows, which may take longer than the training where it is large.
"""
ROLES = frozenset("opsu")
"""First letters of an original, a partner, a substitute, an unlabelled text."""
FIELDS = frozenset({"hash", "sources", "balance", "labels", "roles", "substituted", "passed_over"})


def alone(record: Record) -> str:
    """Why a record's `rows` cannot be those of its condition and k, or cannot cost what it says; empty if they can.

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
        or _drawn(own, sources, labels, roles, classes) or _spent(record, own, told)
    )  # fmt: skip


def _slots(record: Record, own: Condition) -> str:
    """Whether the counterfactuals that are told of are those of these slots."""
    cfe, taken, k = record.cfe, record.rows["roles"].count("s"), record.spec.k
    if cfe is None:
        return f"rows.roles: {taken} substitutes, and the condition needs none" if taken else ""
    if cfe["slots"] != (slots := ask(own, "entries_at", k)):
        return f"cfe.slots: {cfe['slots']}, and k={k} gives {slots}"
    lacking = cfe["slots"] - cfe["valid"] + cfe["exhausted"]
    fewest, most = ask(own, "substitutes", k, lacking)
    if not fewest <= taken <= most:
        return f"rows.roles: {taken} substitutes, and cfe tells of {lacking} slots without a text"
    return ""


def _spent(record: Record, own: Condition, told: Sequence[Told]) -> str:
    """Whether rows of these sources can have cost what the record tells of labels, texts and queries."""
    spec, own_fit = record.spec, _recipe(record).get("steps") is None
    unknown = spec.method not in registry.names("baseline")
    habits = spent.Habits(
        blind=reads_no_row(spec.method) or (own_fit and unknown and not record.cost.get("human_labels")),
        soft_labels=asks_teacher(registry.load("baseline", spec.method)) if not unknown else not own_fit,
        judges=not tracks.keeps_wrong(spec.protocol, spec.track),
    )  # fmt: skip
    return spent.faults(own, told, habits, record.cost)


def _drawn(own: Condition, sources: Sequence[str], labels: str, roles: str, classes: int) -> str:
    """Whether rows that were drawn are drawn once, and originals alternate between the classes."""
    by_hand = made(own, sources, roles)
    drawn = [source for source, own_text in zip(sources, by_hand, strict=True) if not own_text]
    if len(set(drawn)) < len(drawn):
        return f"rows.sources: {Counter(drawn).most_common(1)[0][0]} is drawn twice"
    originals = [label for label, role in zip(labels, roles, strict=True) if role == "o"]
    if originals != [str(slot % classes) for slot in range(len(originals))]:
        return "rows.labels: the originals' classes must alternate"
    return ""


def made(own: Condition, sources: Sequence[str], roles: str) -> list[bool]:
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


def history(record: Record) -> str:
    """Why a record's `history` and `cost` cannot be those of its recipe; empty if they can."""
    for name, values in record.history.items():
        if not isinstance(values, list) or not all(
            type(value) in (int, float) and -LARGEST <= value <= LARGEST for value in values
        ):
            return f"history.{name}: must be a list of numbers"
    losses, cost, asked = len(record.history.get("loss", ())), record.cost, _recipe(record).get("steps")
    if asked is None:  # the method brings its own fit
        if not record.history and cost.get("steps") == 0:
            return _cost(cost)
        return f"history: {len(record.history)} lists, cost.steps {cost.get('steps')!r}, and hparams name no steps"
    if not losses or losses != cost.get("steps"):
        return f"history.loss: {losses} values, and cost.steps is {cost.get('steps')!r}"
    # the training loop takes as many as are asked for, whatever the protocol selects
    if type(asked) not in (int, float) or not losses <= asked < losses + 1:
        return f"history.loss: {losses} values, and identity.method.hparams.steps is {str(asked)[:40]}; run it again"
    return _cost(cost)


def _recipe(record: Record) -> Mapping[str, Any]:
    method = record.identity.get("method")
    told = method.get("hparams") if isinstance(method, Mapping) else None
    return told if isinstance(told, Mapping) else {}


def _cost(cost: Mapping[str, float]) -> str:
    """Why costs are not those of a run: what it takes has parts, which are most of it."""
    if odd := sorted(set(cost) - COSTS):
        return f"cost.{odd[0][:40]}: nobody knows this cost; remove it"
    if lacking := [name for name in (*PARTS, "cpu_seconds", "prepare_steps", "teacher_passes") if name not in cost]:
        return f"cost.{lacking[0]}: is missing; run it again"
    seconds, parts = cost["seconds"], sum(cost[name] for name in PARTS)
    if not seconds > 0 or parts > seconds + ROUNDED:
        return f"cost.seconds: {seconds!r}, and its parts are {parts:.3f}"
    if parts < LEAST_PARTS * seconds or (cost["steps"] and not cost["train_seconds"] > 0):  # a fit may take no time
        return f"cost.seconds: {seconds!r}, of which its parts tell only {parts:.3f}; run it again"
    if not cost["cpu_seconds"] > 0:
        return f"cost.cpu_seconds: {cost['cpu_seconds']!r}, and no training takes none; run it again"
    if cost["prepare_steps"] > 0 and not cost["prepare_seconds"] > 0:
        return f"cost.prepare_steps: {cost['prepare_steps']!r} steps in no time; run it again"
    return ""


TIES = 0.1
"""Share of rows whose probability may be one half, where either class may stand; published records have few."""


def undecided(record: Record) -> str:
    """Why a record's probabilities leave its classes open; empty if they do not."""
    open_ = list(record.probabilities).count(SCALE // 2)
    if open_ > TIES * len(record.probabilities):
        return f"probabilities: {open_} of {len(record.probabilities)} rows at one half, where either class may stand"
    return ""
