"""A finished run <-> one JSON file in canonical text, and a file -> what is wrong with it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any

from cod_bench.errors import plain
from cod_bench.registry import NAME
from cod_bench.spec import PROTOCOLS, RunSpec, canonical, digest

SCHEMA = 1
SCALE = 10_000
"""Probabilities are stored as integers in 1/SCALE, clipped to 1..SCALE-1."""


CFE_COUNTS = ("slots", "valid", "first_flips", "redraws", "exhausted", "refused")
"""Whole numbers that a record tells of its counterfactuals; readers need every one."""
CFE_MEANS = ("edit_fraction", "margin_before", "margin_after")
"""Means over the same slots; None where no slot has one."""
LARGEST = 10**12
"""No number in a record is larger; whole numbers of hundreds of digits cannot be computed with."""


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
DIGITS = frozenset("0123456789")


def record_from_json(text: str) -> Record:
    """The record in `text`.

    Raises:
        ValueError: not JSON, not a record, or another schema; the sentence names the field.
    """
    value = _object(text, Record)
    if "digest" in value and value["digest"] != _digest(value):
        raise ValueError("digest: the record is not what was written; restore it or delete it and run again")
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
        found.append(f"spec.protocol: unknown value {spec.protocol!r}")
    if not NAME.fullmatch(spec.condition):
        found.append(f"spec.condition: {_short(spec.condition)} is no name")
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
    if (generator is None) != (not spec.generator):
        found.append(f"identity.generator: {generator!r} does not fit condition {spec.condition!r}")
    if len(record.predictions) != len(record.probabilities):
        found.append(f"probabilities: {len(record.probabilities)} entries for {len(record.predictions)} predictions")
    if not set(record.predictions) <= DIGITS or not record.predictions:
        found.append("predictions: must be one digit a row")
    if not _are_probabilities(record.probabilities):
        found.append(f"probabilities: must be integers in 1..{SCALE - 1}")
    else:
        found += _contradiction("predictions", record.predictions, record.probabilities)
    found += _odd_numbers("metrics", record.metrics, least=-LARGEST)
    found += _cfe_problems(record)
    found += ["cost.seconds: is missing"] if "seconds" not in record.cost else _odd_numbers("cost", record.cost)
    environment = record.provenance.get("environment", {})
    if not isinstance(environment, Mapping) or not all(isinstance(value, str) for value in environment.values()):
        found.append("provenance.environment: must be words by name")
    if record.rests_on is not None and (odd := [name for name, of in record.rests_on.items() if not _words(of)]):
        found.append(f"rests_on.{odd[0]}: must be a word, or words by name")
    return found


def _words(value: Any) -> bool:
    return all(isinstance(word, str) for word in (value.values() if isinstance(value, Mapping) else [value]))


def _cfe_problems(record: Record) -> list[str]:
    """What a record tells of its counterfactuals: numbers that can be summed up, in every record that has any."""
    cfe, bare = record.cfe, not record.spec.generator
    if cfe is None or bare:
        told = "is missing" if cfe is None else "is told"
        return [] if (cfe is None) == bare else [f"cfe: {told}, and the condition is {record.spec.condition!r}"]
    lacking = [name for name in (*CFE_COUNTS, *CFE_MEANS) if name not in cfe]
    if lacking:
        return [f"cfe.{lacking[0]}: is missing"]
    odd = [name for name in CFE_COUNTS if type(cfe[name]) is not int]
    if odd:
        return [f"cfe.{odd[0]}: {_short(cfe[odd[0]])} is no whole number"]
    found = _odd_numbers("cfe", {name: value for name, value in cfe.items() if name not in CFE_MEANS})
    found += _odd_numbers("cfe", {name: cfe[name] for name in CFE_MEANS if cfe[name] is not None}, least=-LARGEST)
    if found:
        return found
    means = {name: cfe[name] for name in CFE_MEANS if cfe[name] is not None}
    if any(abs(value) > 1 for name, value in means.items() if name != "edit_fraction"):
        found.append("cfe: margins are differences of probabilities, from -1 to 1")
    if means.get("edit_fraction", 0) < 0 or (record.spec.condition == "cod" and means.get("margin_after", 1) <= 0):
        found.append("cfe: a share edited below 0, or counterfactuals that on the mean do not flip the teacher")
    if len(means) < len(CFE_MEANS) and cfe["valid"] > cfe["exhausted"]:
        found.append("cfe: means are missing although there are texts")
    parts = [name for name in ("valid", "first_flips", "exhausted") if cfe[name] > cfe["slots"]]
    found += [f"cfe.{name}: {cfe[name]} of {cfe['slots']} slots" for name in parts]
    return found


def reference_problems(reference: Reference) -> list[str]:
    """What is wrong with a reference file by itself; empty when nothing is."""
    found = []
    rows = len(reference.row_ids)
    for name in ("row_ids", "classes"):
        words = getattr(reference, name)
        if not words or not all(isinstance(word, str) for word in words) or len(set(words)) < len(words):
            found.append(f"{name}: must be words, each once")
    for name in ("gold", "teacher_predictions", "teacher_probabilities"):
        values = getattr(reference, name)
        if len(values) != rows:
            found.append(f"{name}: has {len(values)} entries for {rows} rows")
        elif name != "teacher_probabilities" and not set(values) <= DIGITS:
            found.append(f"{name}: must be one digit a row")
    p = reference.teacher_probabilities
    if not _are_probabilities(p):
        found.append(f"teacher_probabilities: must be integers in 1..{SCALE - 1}")
    else:
        found += _contradiction("teacher_predictions", reference.teacher_predictions, p)
    found += _odd_numbers("teacher_metrics", reference.teacher_metrics, least=-LARGEST)
    return found + _odd_numbers("teacher_cost", reference.teacher_cost)


_SAID = "0" * (SCALE // 2) + "?" + "1" * (SCALE // 2)
"""The class of two by p(class 1); at one half it may be either."""


def _contradiction(field: str, predicted: str, p: Sequence[int]) -> list[str]:
    """The first row whose class is not the one that its probability says; where there are two classes."""
    said = "".join([_SAID[value] for value in p])
    if said == predicted or len(said) != len(predicted) or not set(predicted) <= {"0", "1"}:
        return []
    off = [row for row, pair in enumerate(zip(predicted, said, strict=True)) if pair in (("0", "1"), ("1", "0"))]
    told = f"{field}: class {{}} in row {{}}, and the probability of class 1 there is {{}} in {SCALE}"
    return [told.format(predicted[off[0]], off[0], p[off[0]])] if off else []


def _are_probabilities(values: Sequence[int]) -> bool:
    return set(map(type, values)) <= {int} and (not values or 1 <= min(values) <= max(values) < SCALE)


def _odd_numbers(field: str, values: Mapping[str, Any], least: int = 0) -> list[str]:
    """Values that are no number from `least` to LARGEST. NaN is none; true and false are 1 and 0 in metrics alone."""
    kinds = (int, float, bool) if field == "metrics" else (int, float)
    odd = [name for name, value in values.items() if type(value) not in kinds or not least <= value <= LARGEST]
    return [f"{field}.{odd[0]}: {_short(values[odd[0]])} is no number from {least} to {LARGEST}"] if odd else []


def _short(value: Any) -> str:
    if type(value) is int and abs(value) > LARGEST:
        return "a whole number of many digits"  # which Python may refuse to write out
    told = repr(value) if isinstance(value, (str, int, float, type(None))) else f"a {type(value).__name__}"
    return told[:40]


_RECORD_TYPES: Mapping[str, Any] = {
    "run_id": str, "identity": dict, "metrics": dict, "history": dict, "predictions": str, "probabilities": list,
    "reference": str, "eval_hash": str, "train_hash": str, "teacher_hash": str, "rows": dict, "cfe": (dict, type(None)),
    "cost": dict, "provenance": dict, "rests_on": dict, "digest": str,
}  # fmt: skip
_REFERENCE_TYPES: Mapping[str, Any] = {
    "track": str, "task": str, "teacher_hash": str, "eval_hash": str, "classes": list, "row_ids": list, "gold": str,
    "teacher_predictions": str, "teacher_probabilities": list, "teacher_metrics": dict, "teacher_cost": dict,
}  # fmt: skip


def parsed(text: str) -> Any:
    """The JSON value in `text`, which must be one that can be written again.

    Raises:
        ValueError: not JSON, nested too deeply, NaN or infinity, or half of a character.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at line {error.lineno}") from error
    except RecursionError:
        raise ValueError("not JSON: nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("not JSON: an escape is half of a character") from None
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"not JSON: {name} is no number")


def _object(text: str, kind: type[Record] | type[Reference]) -> dict[str, Any]:
    value = parsed(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one kind of error for every broken file
    if type(value.get("schema")) is not int or value["schema"] != SCHEMA:
        raise ValueError(f"schema: {_short(value.get('schema'))} is not {SCHEMA}")
    names = {f.name for f in fields(kind)}
    needed = {f.name for f in fields(kind) if f.default is MISSING}
    if off := sorted({*(set(value) - names), *(needed - set(value))}):
        raise ValueError(f"{plain(off[0])[:40]}: field is {'missing' if off[0] in names else 'unknown'}")
    for name, types in (_RECORD_TYPES if kind is Record else _REFERENCE_TYPES).items():
        if name in value and not isinstance(value[name], types):
            raise ValueError(f"{name}: is a {type(value[name]).__name__}")
    if kind is Record:
        _demand_spec(value["spec"])
    return value


def _demand_spec(spec: Any) -> None:
    if not isinstance(spec, dict) or set(spec) != set(RunSpec.__slots__):
        raise ValueError("spec: must have exactly the fields " + ", ".join(RunSpec.__slots__))
    for name, value in spec.items():
        if name not in ("k", "seed"):
            if not isinstance(value, str):
                raise ValueError(f"spec.{name}: {_short(value)} is no word")
        elif type(value) is not int or not 0 <= value <= LARGEST:
            raise ValueError(f"spec.{name}: {_short(value)} is no whole number from 0 to {LARGEST}")
