"""A finished run as one JSON file: values in, canonical text out, and what is wrong with a file. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from cod_bench.spec import CONDITIONS, PROTOCOLS, WITHOUT_GENERATOR, RunSpec, canonical, digest

SCHEMA = 1
SCALE = 10_000
"""Probabilities are stored as integers in 1/SCALE, clipped to 1..SCALE-1."""


CFE_FIELDS = frozenset(
    (
        "slots",
        "valid",
        "first_flips",
        "edit_fraction",
        "margin_before",
        "margin_after",
        "redraws",
        "exhausted",
        "refused",
    )
)
"""What a record says of its counterfactuals; readers need every one."""


@dataclass(frozen=True, slots=True)
class Record:
    """One run. Everything a reader sees is computed from these and the reference file alone."""

    schema: int
    run_id: str
    spec: RunSpec
    identity: Mapping[str, Any]
    """What run_id is the digest of: versions, hyperparameters and hashes of everything the run depends on."""
    metrics: Mapping[str, float | bool]
    """As recomputed by `evaluate.metrics` from `predictions`, `probabilities` and the reference file."""
    history: Mapping[str, Sequence[float]]
    """Training loss and its parts per optimiser step; selection scores per epoch where the protocol selects."""
    predictions: str
    """One digit (class) per evaluation row, in the reference file's row order."""
    probabilities: Sequence[int]
    """p(class 1) per evaluation row in 1/10,000, clipped to 1..9,999."""
    reference: str
    """Stem of the reference file: `<task>-<teacher_hash>`."""
    eval_hash: str
    train_hash: str
    """Of the training pool (with dev) that rows, teacher and generator draw from."""
    teacher_hash: str
    rows: Mapping[str, Any]
    """The k training rows: hash, source ids, labels, roles, passed-over originals; no text."""
    cfe: Mapping[str, Any] | None
    """Quality of the counterfactuals in these slots (validity, edit fraction, teacher margin); None without any."""
    cost: Mapping[str, float]
    provenance: Mapping[str, Any]

    def comparable(self) -> dict[str, Any]:
        """The record without `cost` and `provenance`: equal whatever the worker count, order or resumption."""
        value = to_dict(self)
        del value["cost"], value["provenance"]
        return value


@dataclass(frozen=True, slots=True)
class Summary:
    """What plans need to know of a record; a hundred thousand of them fit in memory."""

    spec: RunSpec
    run_id: str
    teacher_hash: str
    train_hash: str
    eval_hash: str
    cpu_seconds: float
    environment: Mapping[str, str] | None
    """From the provenance; None if it has none."""


def summary(record: Record) -> Summary:
    """The summary of a record."""
    return Summary(
        record.spec, record.run_id, record.teacher_hash, record.train_hash, record.eval_hash,
        float(record.cost.get("cpu_seconds", 0.0)), record.provenance.get("environment"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reference:
    """Row ids, gold labels and the teacher's own values for one (track, task, teacher); no text."""

    schema: int
    track: str
    task: str
    teacher_hash: str
    eval_hash: str
    classes: Sequence[str]
    row_ids: Sequence[str]
    gold: str
    """One digit per evaluation row."""
    teacher_predictions: str
    teacher_probabilities: Sequence[int]
    """p(class 1) in 1/10,000, clipped to 1..9,999."""
    teacher_metrics: Mapping[str, float]
    teacher_cost: Mapping[str, float]


def quantise(p: float) -> int:
    """A probability as a stored integer."""
    return min(max(round(p * SCALE), 1), SCALE - 1)


def rounded(value: Any, digits: int = 6) -> Any:
    """`value` with every float rounded, for stable and short files."""
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, Mapping):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item, digits) for item in value]
    return value


def to_dict(value: Record | Reference) -> dict[str, Any]:
    """Plain JSON values."""
    result: dict[str, Any] = json.loads(canonical(asdict(value)))
    return result


def to_json(value: Record | Reference) -> str:
    """Canonical text: sorted keys, one top-level field a line, trailing newline."""
    lines = [f"{json.dumps(key)}:{canonical(item)}" for key, item in sorted(to_dict(value).items())]
    return "{\n" + ",\n".join(lines) + "\n}\n"


_WHOLE = tuple(range(SCALE))


def record_from_json(text: str) -> Record:
    """The record in `text`.

    Raises:
        ValueError: not JSON, not a record, or another schema; the sentence names the field.
    """
    value = _object(text, Record)
    value["spec"] = RunSpec(**value["spec"])
    record = Record(**value)
    found = problems(record)
    if found:
        raise ValueError(found[0])
    # one object a value instead of one a row: thousands of records then fit into memory
    return replace(record, probabilities=[_WHOLE[p] for p in record.probabilities])


def reference_from_json(text: str) -> Reference:
    """The reference file in `text`; raises ValueError as `record_from_json` does."""
    reference = Reference(**_object(text, Reference))
    rows = len(reference.row_ids)
    for name in ("gold", "teacher_predictions", "teacher_probabilities"):
        if len(getattr(reference, name)) != rows:
            raise ValueError(f"{name}: has {len(getattr(reference, name))} entries for {rows} rows")
    return reference


def problems(record: Record) -> list[str]:
    """What is wrong with a record by itself; empty when nothing is. Never raises."""
    found = []
    spec = record.spec
    if spec.protocol not in PROTOCOLS:
        found.append(f"spec.protocol: unknown value {spec.protocol!r}")
    if spec.condition not in CONDITIONS:
        found.append(f"spec.condition: unknown value {spec.condition!r}")
    if record.run_id != digest(record.identity):
        found.append(f"run_id: {record.run_id} is not the digest of identity ({digest(record.identity)})")
    found += [
        f"identity.{key}: {record.identity.get(key)!r} is not spec.{key} {getattr(spec, key)!r}"
        for key in ("protocol", "condition", "k", "seed")
        if record.identity.get(key) != getattr(spec, key)
    ]
    for key in ("track", "task", "method"):
        part = record.identity.get(key)
        if not isinstance(part, Mapping) or part.get("name") != getattr(spec, key):
            found.append(f"identity.{key}: does not name spec.{key} {getattr(spec, key)!r}")
    generator = record.identity.get("generator")
    if (generator is None) != (spec.condition in WITHOUT_GENERATOR):
        found.append(f"identity.generator: {generator!r} does not fit condition {spec.condition!r}")
    if len(record.predictions) != len(record.probabilities):
        found.append(f"probabilities: {len(record.probabilities)} entries for {len(record.predictions)} predictions")
    if not set(record.predictions) <= set("0123456789") or not record.predictions:
        found.append("predictions: must be one digit a row")
    p = record.probabilities
    if not set(map(type, p)) <= {int} or (p and not 1 <= min(p) <= max(p) < SCALE):
        found.append(f"probabilities: must be integers in 1..{SCALE - 1}")
    if record.cfe is not None and (lacking := sorted(CFE_FIELDS - set(record.cfe))):
        found.append(f"cfe.{lacking[0]}: is missing")
    if any(isinstance(v, float) and not math.isfinite(v) for v in record.metrics.values()):
        found.append("metrics: must be finite")
    return found


_RECORD_TYPES: Mapping[str, Any] = {
    "run_id": str, "identity": dict, "metrics": dict, "history": dict, "predictions": str, "probabilities": list,
    "reference": str, "eval_hash": str, "train_hash": str, "teacher_hash": str, "rows": dict, "cfe": (dict, type(None)),
    "cost": dict, "provenance": dict,
}  # fmt: skip
_REFERENCE_TYPES: Mapping[str, Any] = {
    "track": str, "task": str, "teacher_hash": str, "eval_hash": str, "classes": list, "row_ids": list, "gold": str,
    "teacher_predictions": str, "teacher_probabilities": list, "teacher_metrics": dict, "teacher_cost": dict,
}  # fmt: skip


def _object(text: str, kind: type[Record] | type[Reference]) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at line {error.lineno}") from error
    except RecursionError:
        raise ValueError("not JSON: nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one kind of error for every broken file
    if value.get("schema") != SCHEMA:
        raise ValueError(f"schema: {value.get('schema')!r} is not {SCHEMA}")
    names = {f.name for f in fields(kind)}
    if set(value) != names:
        off = sorted(set(value) ^ names)
        raise ValueError(f"{off[0]}: field is {'missing' if off[0] in names else 'unknown'}")
    for name, types in (_RECORD_TYPES if kind is Record else _REFERENCE_TYPES).items():
        if not isinstance(value[name], types):
            raise ValueError(f"{name}: is a {type(value[name]).__name__}")  # noqa: TRY004 - as above
    numbers = value["metrics"] if kind is Record else value["teacher_metrics"]
    if not all(isinstance(number, (int, float)) for number in numbers.values()):
        raise ValueError("metrics: must be numbers")
    if kind is Record and (not isinstance(value["spec"], dict) or set(value["spec"]) != set(RunSpec.__slots__)):
        raise ValueError("spec: must have exactly the fields " + ", ".join(RunSpec.__slots__))
    return value
