"""Counted records -> nothing, or the refusal to compare those that differ in more than their condition. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cod_bench.errors import UsageError
from cod_bench.records.record import Record


def refuse_mixtures(records: Iterable[Record]) -> None:
    """Refuse runs that a table would compare although something besides the condition differs.

    Within a (task, track): teacher; within a task: evaluation rows, training pool, versions and what stands behind each
    generator's name (captions say "conditional on one teacher and one generator per task", or on how many teachers).
    Within a (task, track, method, k, seed): the method and the environment too.

    Raises:
        UsageError: names both runs, the field and both values.
    """
    first: dict[tuple[Any, ...], tuple[Record, Any]] = {}
    for record in records:
        spec, identity = record.spec, record.identity
        task, on = (spec.task,), (spec.task, spec.track)
        pair = (*on, spec.method, spec.k, spec.seed)
        facts: list[tuple[tuple[Any, ...], str, Any]] = [
            (task, "schema", record.schema),
            (on, "teacher_hash", record.teacher_hash),
            (task, "eval_hash", record.eval_hash),
            (task, "train_hash", record.train_hash),
            (pair, "environment", record.provenance.get("environment")),
        ]
        facts += [(task, f"identity.{key}", identity.get(key)) for key in ("identity_version", "task")]
        facts += [(pair, f"identity.{key}", identity.get(key)) for key in ("track", "method")]
        if identity.get("generator") is not None:
            # a suite may declare conditions of a generator with other parameters: another name, and one value of each
            facts.append(((*task, spec.generator), "identity.generator", identity["generator"]))
        for scope, name, value in facts:
            other, known = first.setdefault((*scope, name), (record, value))
            if known != value:
                here, there = _apart(known, value)
                raise UsageError(
                    f"{name} differs: {here!r} in {other.run_id} ({other.spec.label}), {there!r} in {record.run_id} "
                    f"({spec.label}); these cannot be compared: repeat one side with `run --rerun mismatched`"
                )


def _apart(one: Any, other: Any) -> tuple[Any, Any]:
    """Two values cut down to what differs, where both have named parts."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return one, other
    names = [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]
    return {name: one.get(name) for name in names}, {name: other.get(name) for name in names}
