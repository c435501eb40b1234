"""A finished run <-> one JSON file in canonical text, and a file -> what is wrong with it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any

from cod_bench.errors import plain
from cod_bench.records.fields import CFE_COUNTS as CFE_COUNTS
from cod_bench.records.fields import CFE_MEANS as CFE_MEANS
from cod_bench.records.fields import (
    DIGITS,
    are_probabilities,
    contradiction,
    is_name,
    odd_numbers,
    of_cfe,
    of_history,
    of_identity,
    of_provenance,
    of_rests_on,
    of_rows,
    short,
)
from cod_bench.records.fields import LARGEST as LARGEST
from cod_bench.records.fields import SCALE as SCALE
from cod_bench.registry import NAME
from cod_bench.spec import PROTOCOLS, RunSpec, canonical, digest
from cod_bench.spec import parsed as parsed

SCHEMA = 1
"""Of records and reference files of two classes: their probabilities are p(class 1)."""
MANY = 2
"""Of those of more classes: their probabilities are every class's, row by row."""
LARGEST_FILE = 4_000_000
"""Bytes of a record or reference file that is read; a record of 10,000 evaluation rows has a tenth of it."""


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
    """p(class 1) per evaluation row in 1/10,000, clipped to 1..9,999; of more than two classes every class's, row by
    row."""
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
    rests_on: Mapping[str, Any] | None = None
    """Digests of what the run was made from - teacher, pool blocks, generator state - so that two machines can tell
    where they part; words, or words by name. None in records that are older than this field."""
    digest: str = field(default="", compare=False)
    """Sha256 of the rest, against accidents; empty in records that are older than this field. It follows from the
    others, so that records are equal without it."""

    def comparable(self) -> dict[str, Any]:
        """The record without `cost`, `provenance` and `digest`: equal whatever the workers, order or resumption."""
        value = to_dict(self)
        return {name: item for name, item in value.items() if name not in ("cost", "provenance", "digest")}


def agree(one: Record, other: Record) -> bool:
    """Whether two records of one run say the same; one that is too old to say what it rests on may rest on anything."""
    if one.rests_on is None or other.rests_on is None:
        one, other = replace(one, rests_on=None), replace(other, rests_on=None)
    return one.comparable() == other.comparable()


def sealed(record: Record) -> Record:
    """The record with the digest of what it says now."""
    return replace(record, digest=_digest(to_dict(record)))


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical({k: v for k, v in value.items() if k != "digest"}).encode()).hexdigest()


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
    """As `Record.probabilities`."""
    teacher_metrics: Mapping[str, float]
    teacher_cost: Mapping[str, float]
    strata: str = ""
    """One digit per evaluation row, of tasks whose texts are of several strata; empty for all others."""


def schema_of(classes: int) -> int:
    """The schema of records and reference files of a task with so many classes."""
    return SCHEMA if classes == 2 else MANY


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
    """Plain JSON values; of a record's later fields those that it has."""
    own = asdict(value)
    absent = [f.name for f in fields(value) if f.default is not MISSING and own[f.name] == f.default]
    result: dict[str, Any] = json.loads(canonical({k: v for k, v in own.items() if k not in absent}))
    return result


def to_json(value: Record | Reference) -> str:
    """Canonical text: sorted keys, one top-level field a line, trailing newline."""
    lines = [f"{json.dumps(key)}:{canonical(item)}" for key, item in sorted(to_dict(value).items())]
    return "{\n" + ",\n".join(lines) + "\n}\n"


_WHOLE = tuple(range(SCALE))


def record_from_json(text: str, *, judged: bool = False) -> Record:
    """The record in `text`.

    Args:
        judged: whether this very text was found sound before, so that nothing needs to be looked at again.

    Raises:
        ValueError: not JSON, not a record, or another schema; the sentence names the field.
    """
    if judged:
        value = json.loads(text)
        found = Record(**{**value, "spec": RunSpec(**value["spec"])})
        return replace(found, probabilities=[_WHOLE[p] for p in found.probabilities])
    value = _object(text, Record)
    if "digest" in value and value["digest"] != _digest(value):
        raise ValueError("digest: the record is not what was written; restore it or delete it and run again")
    record = Record(**{**value, "spec": _spec(value["spec"])})
    if wrong := problems(record):
        raise ValueError(wrong[0])
    # one object a value instead of one a row: thousands of records then fit into memory
    return replace(record, probabilities=[_WHOLE[p] for p in record.probabilities])


def reference_from_json(text: str) -> Reference:
    """The reference file in `text`; raises ValueError as `record_from_json` does."""
    reference = Reference(**_object(text, Reference))
    found = reference_problems(reference)
    if found:
        raise ValueError(found[0])
    return reference


def problems(record: Record) -> list[str]:
    """What is wrong with a record by itself; empty when nothing is.

    Raises:
        ValueError: the identity has no canonical text, such as one with NaN.
    """
    found = []
    spec = record.spec
    if spec.protocol not in PROTOCOLS:
        found.append(f"spec.protocol: unknown value {short(spec.protocol)}")
    if not NAME.fullmatch(spec.condition):
        found.append(f"spec.condition: {short(spec.condition)} is no name")
    if record.run_id != digest(record.identity):
        found.append(f"run_id: {short(record.run_id)} is not the digest of identity ({digest(record.identity)})")
    found += [
        f"identity.{key}: {short(record.identity.get(key))} is not spec.{key} {short(getattr(spec, key))}"
        for key in ("protocol", "condition", "k", "seed")
        if record.identity.get(key) != getattr(spec, key)
    ]
    for key in ("track", "task", "method"):
        part = record.identity.get(key)
        if not isinstance(part, Mapping) or part.get("name") != getattr(spec, key):
            found.append(f"identity.{key}: does not name spec.{key} {short(getattr(spec, key))}")
    generator = record.identity.get("generator")
    if (generator is None) != (not spec.generator):
        found.append(f"identity.generator: {short(generator)} does not fit condition {spec.condition!r}")
    found += of_identity(record.identity)
    found += _unfit_words(record, "reference", "eval_hash", "train_hash", "teacher_hash")
    rows, values = len(record.predictions), len(record.probabilities)
    classes = 2 if record.schema == SCHEMA else values // rows if rows else 0
    if values != (rows if classes == 2 and record.schema == SCHEMA else rows * classes) or classes < record.schema + 1:
        found.append(f"probabilities: {values} entries for {rows} predictions")
    if not set(record.predictions) <= DIGITS or not record.predictions:
        found.append("predictions: must be one digit a row")
    if not are_probabilities(record.probabilities):
        found.append(f"probabilities: must be integers in 1..{SCALE - 1}")
    elif record.schema == SCHEMA or not found:
        found += contradiction("predictions", record.predictions, record.probabilities, classes)
    found += odd_numbers("metrics", record.metrics, least=-LARGEST)
    found += of_cfe(record.cfe, spec.condition, bare=not spec.generator)
    found += ["cost.seconds: is missing"] if "seconds" not in record.cost else odd_numbers("cost", record.cost)
    found += [*of_history(record.history), *of_rows(record.rows)]
    return [*found, *of_provenance(record.provenance), *of_rests_on(record.rests_on or {})]


def _unfit_words(value: Record | Reference, *names: str) -> list[str]:
    """Fields that name something, in paths and on terminals, and cannot."""
    return [f"{name}: {short(getattr(value, name))} is no name" for name in names if not is_name(getattr(value, name))]


def reference_problems(reference: Reference) -> list[str]:
    """What is wrong with a reference file by itself; empty when nothing is."""
    found = _unfit_words(reference, "track", "task", "teacher_hash", "eval_hash")
    rows = len(reference.row_ids)
    for name in ("row_ids", "classes"):
        words = getattr(reference, name)
        if not words or not all(is_name(word) for word in words) or len(set(words)) < len(words):
            found.append(f"{name}: must be words, each once")
    later = ("strata",) if reference.strata else ()
    classes = len(reference.classes)
    if reference.schema == MANY and classes < 3:
        found.append(f"schema: {MANY} is for more than two classes, not {classes}")
    for name in ("gold", "teacher_predictions", "teacher_probabilities", *later):
        values = getattr(reference, name)
        each = classes if name == "teacher_probabilities" and reference.schema == MANY else 1
        if len(values) != rows * each:
            found.append(
                f"{name}: has {len(values)} entries for {rows} rows{f' of {each} classes' if each > 1 else ''}"
            )
        elif name != "teacher_probabilities" and not set(values) <= DIGITS:
            found.append(f"{name}: must be one digit a row")
    p = reference.teacher_probabilities
    if not are_probabilities(p):
        found.append(f"teacher_probabilities: must be integers in 1..{SCALE - 1}")
    elif reference.schema == SCHEMA or not found:
        found += contradiction("teacher_predictions", reference.teacher_predictions, p, classes)
    found += odd_numbers("teacher_metrics", reference.teacher_metrics, least=-LARGEST)
    return found + odd_numbers("teacher_cost", reference.teacher_cost)


_RECORD_TYPES: Mapping[str, Any] = {
    "run_id": str, "identity": dict, "metrics": dict, "history": dict, "predictions": str, "probabilities": list,
    "reference": str, "eval_hash": str, "train_hash": str, "teacher_hash": str, "rows": dict, "cfe": (dict, type(None)),
    "cost": dict, "provenance": dict, "rests_on": dict, "digest": str,
}  # fmt: skip
_REFERENCE_TYPES: Mapping[str, Any] = {
    "track": str, "task": str, "teacher_hash": str, "eval_hash": str, "classes": list, "row_ids": list, "gold": str,
    "teacher_predictions": str, "teacher_probabilities": list, "teacher_metrics": dict, "teacher_cost": dict,
    "strata": str,
}  # fmt: skip


def _object(text: str, kind: type[Record] | type[Reference]) -> dict[str, Any]:
    value = parsed(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one kind of error for every broken file
    if type(value.get("schema")) is not int or value["schema"] not in (SCHEMA, MANY):
        raise ValueError(f"schema: {short(value.get('schema'))} is not {SCHEMA}")
    names = {f.name for f in fields(kind)}
    needed = {f.name for f in fields(kind) if f.default is MISSING}
    if off := sorted({*(set(value) - names), *(needed - set(value))}):
        raise ValueError(f"{plain(off[0])[:40]}: field is {'missing' if off[0] in names else 'unknown'}")
    for name, types in (_RECORD_TYPES if kind is Record else _REFERENCE_TYPES).items():
        if name in value and not isinstance(value[name], types):
            raise ValueError(f"{name}: is a {type(value[name]).__name__}")
    return value


def _spec(spec: Any) -> RunSpec:
    if not isinstance(spec, dict) or set(spec) != set(RunSpec.__slots__):
        raise ValueError("spec: must have exactly the fields " + ", ".join(RunSpec.__slots__))
    for name, value in spec.items():
        if name not in ("k", "seed"):
            if not is_name(value):
                raise ValueError(f"spec.{name}: {short(value)} is no name")
        elif type(value) is not int or not 0 <= value <= LARGEST:
            raise ValueError(f"spec.{name}: {short(value)} is no whole number from 0 to {LARGEST}")
    return RunSpec(**spec)
