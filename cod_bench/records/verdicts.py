"""A re-run beside a stored record -> was it found again; results/reproduced.json as values. Pure.

A method's records are `submitted` until a maintainer's `cod-bench reproduce` has re-run random cells of them. Verdicts
are given part by part - a method's records of one task and generator - so that records of another task or generator
leave them as they were.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from cod_bench.records.record import Record, parsed
from cod_bench.spec import RunSpec, digest

SCHEMA = 2
TOLERANCE = 0.999
"""Two runs are one result when they predict the same class on at least this share of the evaluation rows.

Of 1,000 rows one may turn over, which is room for the last bits of a logit beside a tie and for nothing else: on one
machine re-runs have so far been equal in every row, and so were 120 runs on two kinds of CPU. Of some 55,000 pairs of
different published runs one agrees as much (two methods with one seed, which share rows, order and initialisation, on
600 rows); a test holds this. An agreement below it tells something only with the same teacher and environment.
"""

SUBMITTED = "submitted"
REPRODUCED = "reproduced"
ELSEWHERE = "another teacher or environment"
"""The re-run had a teacher of its own or other libraries or instructions, and predicts otherwise: tells nothing."""
CONTRADICTED = "another result"
"""Same teacher, same environment, other predictions."""

Part = tuple[str, str, str, str, str]
"""(protocol, track, task, method, generator): records that are sampled, and judged, together."""


def part(spec: RunSpec) -> Part:
    """The part that a run's record belongs to."""
    return spec.protocol, spec.track, spec.task, spec.method, spec.generator


@dataclass(frozen=True, slots=True)
class Cell:
    """One re-run record."""

    run_id: str
    verdict: str
    agreement: float
    """Share of evaluation rows with the same predicted class."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the re-run of one part: a method's records of one task and generator on one (protocol, track)."""

    protocol: str
    track: str
    task: str
    method: str
    generator: str
    """Empty for the conditions that never depend on one; they are a part of their own."""
    records: str
    """Digest of all records of the part: the verdict holds for these and no others."""
    of: int
    """How many records these are."""
    tolerance: float
    sample: float
    seed: int
    environment: Mapping[str, str]
    date: str
    cells: tuple[Cell, ...]

    @property
    def state(self) -> str:
        """The cells' common verdict: one other result contradicts, one that tells nothing leaves it open."""
        return _worst(cell.verdict for cell in self.cells)

    @property
    def part(self) -> Part:
        """What the verdict is about."""
        return self.protocol, self.track, self.task, self.method, self.generator


def settle(stored: Record, again: Record) -> Cell:
    """What a re-run says of a record of the same run id."""
    rows = len(stored.predictions)
    same = sum(a == b for a, b in zip(stored.predictions, again.predictions, strict=False))
    agreement = same / rows if rows == len(again.predictions) else 0.0
    other_teacher = stored.teacher_hash != again.teacher_hash
    other_machine = stored.provenance.get("environment") != again.provenance.get("environment")
    if other_teacher or (agreement < TOLERANCE and other_machine):
        verdict = ELSEWHERE
    else:
        verdict = REPRODUCED if agreement >= TOLERANCE else CONTRADICTED
    return Cell(stored.run_id, verdict, round(agreement, 6))


def records_digest(records: Iterable[Record]) -> str:
    """Digest of a set of records' results, whatever their order."""
    return digest(sorted([r.run_id, r.teacher_hash, r.predictions, digest(list(r.probabilities))] for r in records))


def standing(verdicts: Iterable[Verdict], records: Sequence[Record]) -> Verdict | None:
    """The verdict on these records of one part; one on other records does not count."""
    parts = {part(r.spec) for r in records}
    own = [v for v in verdicts if {v.part} == parts]
    known = records_digest(records) if own else ""  # most records have no verdict, and digests take long
    return next((v for v in reversed(own) if v.records == known), None)


def told(verdicts: Sequence[Verdict], records: Iterable[Record]) -> str:
    """The state of one method's records, as tables print it: `submitted` while any part of them was never re-run."""
    parts: dict[Part, list[Record]] = {}
    for record in records:
        parts.setdefault(part(record.spec), []).append(record)
    found = [v for own in parts.values() if (v := standing(verdicts, own)) is not None]
    if not found:
        return SUBMITTED
    cells = [cell for v in found for cell in v.cells]
    state = _worst(cell.verdict for cell in cells)
    if len(found) < len(parts) and state != CONTRADICTED:
        state = SUBMITTED
    same = sum(cell.verdict == REPRODUCED for cell in cells)
    of, total = sum(v.of for v in found), sum(map(len, parts.values()))
    among = f"{of} of the {total} records" if of < total else str(of)
    dates = dict.fromkeys((min(v.date for v in found), max(v.date for v in found)))
    return f"{state} ({same} of {len(cells)} re-run cells found again, of {among}; {' to '.join(dates)})"


def _worst(states: Iterable[str]) -> str:
    found = set(states)
    return next((state for state in (CONTRADICTED, ELSEWHERE) if state in found), REPRODUCED)


def to_json(verdicts: Iterable[Verdict]) -> str:
    """Canonical text, one verdict a line."""
    ordered = sorted(verdicts, key=lambda v: v.part)
    lines = ",\n".join(json.dumps(asdict(v), sort_keys=True) for v in ordered)
    return f'{{"schema": {SCHEMA}, "verdicts": [\n{lines}\n]}}\n'


def from_json(text: str) -> tuple[Verdict, ...]:
    """The verdicts in `text`.

    Raises:
        ValueError: not JSON, another schema, or a field that is missing, unknown or odd; the sentence names it.
    """
    value = parsed(text)
    if not isinstance(value, dict) or value.get("schema") != SCHEMA or not isinstance(value.get("verdicts"), list):
        raise ValueError(f"schema: must be {SCHEMA}, with a list of verdicts by task and generator")
    found = tuple(_verdict(entry) for entry in value["verdicts"])
    if len({one.part for one in found}) < len(found):
        raise ValueError("verdicts: two on one part; only `cod-bench reproduce` writes them")
    return found


_TYPES: Mapping[str, Any] = {
    "protocol": str, "track": str, "task": str, "method": str, "generator": str, "records": str, "of": int,
    "tolerance": float, "sample": float, "seed": int, "environment": dict, "date": str, "cells": list,
}  # fmt: skip


def _verdict(entry: Any) -> Verdict:
    _demand(entry, Verdict, _TYPES)
    for cell in entry["cells"]:
        _demand(cell, Cell, {"run_id": str, "verdict": str, "agreement": float})
        if cell["verdict"] not in (REPRODUCED, ELSEWHERE, CONTRADICTED):
            raise ValueError(f"cells.verdict: unknown value {cell['verdict']!r}")
        # a re-run by another teacher is ELSEWHERE whatever it predicts
        fits = cell["verdict"] == (REPRODUCED if cell["agreement"] >= entry["tolerance"] else CONTRADICTED)
        if not 0 <= cell["agreement"] <= 1 or not (fits or cell["verdict"] == ELSEWHERE):
            raise ValueError(f"cells.agreement: {cell['agreement']!r} is not {cell['verdict']!r}")
    if not 0 < len({cell["run_id"] for cell in entry["cells"]}) == len(entry["cells"]) <= entry["of"]:
        raise ValueError("cells: must be at least one and at most `of`, each once")
    if not (0 < entry["tolerance"] <= 1 and 0 < entry["sample"] <= 1 and entry["seed"] >= 0):
        raise ValueError("tolerance, sample, seed: must be shares and a seed")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", entry["date"]):
        raise ValueError(f"date: {entry['date'][:40]!r} is no date")
    return Verdict(**{**entry, "cells": tuple(Cell(**cell) for cell in entry["cells"])})


def _demand(entry: Any, kind: type[Verdict] | type[Cell], types: Mapping[str, Any]) -> None:
    names = {f.name for f in fields(kind)}
    if not isinstance(entry, dict) or set(entry) != names:
        off = sorted(set(entry) ^ names)[0] if isinstance(entry, dict) else kind.__name__
        raise ValueError(f"{off}: field is missing or unknown")
    for name, wanted in types.items():
        if type(entry[name]) is not wanted and not (wanted is float and type(entry[name]) is int):
            raise ValueError(f"{name}: is a {type(entry[name]).__name__}")
