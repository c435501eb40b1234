"""A re-run beside a stored record -> was it found again; results/reproduced.json as values. Pure.

A method's records are `submitted` until a maintainer's `cod-bench reproduce` has re-run random cells of them. Verdicts
are given part by part - a method's records of one task and generator - so that records of another task or generator
leave them as they were. What a file of verdicts says is held to what this code would have written (`odd`).
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from cod_bench.records.record import Record, parsed
from cod_bench.spec import RunSpec, digest, stream

SCHEMA = 3
TOLERANCE = 0.999
"""Two runs are one result when they predict the same class on at least this share of the evaluation rows.

Of 1,000 rows one may turn over, which is room for the last bits of a logit beside a tie and for nothing else: on one
machine re-runs have so far been equal in every row, and so were 120 runs on two kinds of CPU. Of some 55,000 pairs of
different published runs one agrees as much (two methods with one seed, which share rows, order and initialisation, on
600 rows); a test holds this. At least as much is the same result wherever it was found: on another machine it counts
more. Less tells something only with the same teacher and environment.
"""
SEEDS = 2**32
"""Seeds of samples are smaller: the first 8 hex digits of a commit, or as many random bits."""

SUBMITTED = "submitted"
REPRODUCED = "reproduced"
ELSEWHERE = "another teacher or environment"
"""Predicts otherwise, and had a teacher of its own or other libraries or instructions: tells nothing."""
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
    runs: tuple[str, ...]
    """Run ids of the records that it is about: all that the part had. Those that come later are in no verdict."""
    records: str
    """Digest of these records: the verdict holds while all of them are there and say what they said."""
    tolerance: float
    sample: float
    seed: int
    commit: str
    """Of the repository with exactly these records, whose hash gave the seed; empty where somebody chose or drew it."""
    environment: Mapping[str, str]
    """Of the re-run."""
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
    agreement = round(same / rows, 6) if rows and rows == len(again.predictions) else 0.0
    alike = stored.teacher_hash == again.teacher_hash and _environment(stored) == _environment(again)
    verdict = REPRODUCED if agreement >= TOLERANCE else CONTRADICTED if alike else ELSEWHERE
    return Cell(stored.run_id, verdict, agreement)


def _environment(record: Record) -> Any:
    return record.provenance.get("environment")


def sample(records: Sequence[Record], share: float, seed: int) -> list[Record]:
    """Random cells of one part's records: that share of them, at least one, in the order of runs."""
    own = sorted(records, key=lambda r: (r.spec, r.run_id))
    spec = own[0].spec
    order = stream("reproduce", spec.method, spec.task, spec.generator, seed).permutation(len(own))
    return [own[int(i)] for i in sorted(order[: max(1, math.ceil(share * len(own)))])]


def seed_of(commit: str) -> int:
    """The seed of the sample that a commit's hash gives."""
    return int(commit[:8], 16)


def records_digest(records: Iterable[Record]) -> str:
    """Digest of a set of records' results, whatever their order."""
    return digest(sorted([r.run_id, r.teacher_hash, r.predictions, digest(list(r.probabilities))] for r in records))


def holding(verdicts: Iterable[Verdict], records: Iterable[Record]) -> dict[str, Verdict]:
    """Run id -> the verdict that holds for it: one whose records are all there and say what they said.

    Args:
        records: all of a folder; others than a verdict's own do not touch it.
    """
    there = {record.run_id: record for record in records}
    found: dict[str, Verdict] = {}
    for verdict in verdicts:
        own = [there[run] for run in verdict.runs if run in there]
        of_it = len(own) == len(verdict.runs) and {part(record.spec) for record in own} == {verdict.part}
        if of_it and records_digest(own) == verdict.records:
            found |= dict.fromkeys(verdict.runs, verdict)
    return found


def told(held: Mapping[str, Verdict], records: Iterable[Record]) -> str:
    """The state of one method's records, as tables print it: `submitted` while any of them is in no verdict.

    Args:
        held: as `holding` gives it.
    """
    own = list(records)
    found = list({id(v): v for record in own if (v := held.get(record.run_id)) is not None}.values())
    if not found:
        return SUBMITTED
    cells = [cell for v in found for cell in v.cells]
    state = _worst(cell.verdict for cell in cells)
    of = sum(record.run_id in held for record in own)
    if of < len(own) and state != CONTRADICTED:
        state = SUBMITTED
    same = sum(cell.verdict == REPRODUCED for cell in cells)
    among = f"{of} of the {len(own)} records" if of < len(own) else f"{of} records"
    where = " and ".join(sorted({place for v in found for place in _places(v, own)}))
    chosen = "" if all(v.commit for v in found) else "cells not chosen by a commit"
    days = sorted({v.date for v in found})
    dates = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    how = ", ".join(filter(None, (f"{same} of {len(cells)} re-run cells found again", f"of {among}", where, chosen)))
    return f"{state} ({how}; {dates})"


def _places(verdict: Verdict, records: Iterable[Record]) -> set[str]:
    """Where the cells were re-run, seen from where they had been made."""
    ids = {cell.run_id for cell in verdict.cells}
    return {_place(verdict.environment, _environment(record)) for record in records if record.run_id in ids}


def _place(here: Mapping[str, str], there: Any) -> str:
    there = there if isinstance(there, Mapping) else {}
    apart = {name for name in {*here, *there} if here.get(name) != there.get(name)}
    if not apart:
        return "on the same kind of machine"
    if apart & {"device", "gpu", "capability", "cuda"}:
        return f"on another device ({here.get('gpu') or here.get('device', 'not told')})"
    if apart & {"machine", "instructions"}:
        return f"on another kind of CPU ({here.get('instructions', 'not told')})"
    name = min(apart)
    return f"with other libraries ({name} {here.get(name, 'not told')})"


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
    try:
        value = parsed(text)
    except ValueError as error:
        if str(error).startswith("not JSON"):
            raise
        raise ValueError("not JSON: a number has too many digits") from error
    if not isinstance(value, dict) or value.get("schema") != SCHEMA or not isinstance(value.get("verdicts"), list):
        raise ValueError(f"schema: must be {SCHEMA}, with a list of verdicts by task and generator")
    found = tuple(_verdict(entry) for entry in value["verdicts"])
    if len({one.part for one in found}) < len(found):
        raise ValueError("verdicts: two on one part; only `cod-bench reproduce` writes them")
    return found


def odd(verdict: Verdict, records: Sequence[Record], today: str) -> str:
    """What `reproduce` would not have written about these records of the part; empty if nothing.

    Args:
        records: all of the part's that are of the present version.
        today: date that no verdict may come after.
    """
    if verdict.date > today:
        return f"date: {verdict.date} of {verdict.method!r} is to come; run `cod-bench reproduce` again"
    there = {record.run_id: record for record in records}
    for cell in verdict.cells:
        if cell.run_id not in there:
            return f"cell {cell.run_id} of {verdict.method!r} is no record of its; run `cod-bench reproduce` again"
        record = there[cell.run_id]
        rows = len(record.predictions)
        if not rows or round(round(cell.agreement * rows) / rows, 6) != cell.agreement:
            return f"cells.agreement: {cell.agreement} is no share of the {rows} rows of cell {cell.run_id}"
        if cell.verdict == CONTRADICTED and verdict.environment != _environment(record):
            return f"cells.verdict: {CONTRADICTED!r} of cell {cell.run_id} needs the environment of its record"
    own = [there[run] for run in verdict.runs if run in there]
    if len(own) < len(verdict.runs) or verdict.records != records_digest(own):
        return f"records of {verdict.method!r}: are not those that it is about; run `cod-bench reproduce` again"
    newest = max(str(record.provenance.get("date", "")) for record in own)
    if verdict.date < newest:
        return f"date: {verdict.date} of {verdict.method!r} is before its records, of which one is of {newest[:40]!r}"
    drawn = {record.run_id for record in sample(own, verdict.sample, verdict.seed)}
    if drawn != {cell.run_id for cell in verdict.cells}:
        return f"cells: of {verdict.method!r} are not those that seed {verdict.seed} draws; run `cod-bench reproduce`"
    return ""


_TYPES: Mapping[str, Any] = {
    "protocol": str, "track": str, "task": str, "method": str, "generator": str, "runs": list,
    "records": str,
    "tolerance": float, "sample": float, "seed": int, "commit": str, "environment": dict, "date": str, "cells": list,
}  # fmt: skip
_WORDS = re.compile(r"[A-Za-z0-9._+:/@=~ -]{0,100}")
"""What any of the strings may be: they are printed in tables."""


def _verdict(entry: Any) -> Verdict:
    _demand(entry, Verdict, _TYPES)
    for cell in entry["cells"]:
        _demand(cell, Cell, {"run_id": str, "verdict": str, "agreement": float})
        if cell["verdict"] not in (REPRODUCED, ELSEWHERE, CONTRADICTED):
            raise ValueError(f"cells.verdict: unknown value {_short(cell['verdict'])}")
        fits = (cell["verdict"] == REPRODUCED) == (cell["agreement"] >= TOLERANCE)
        if not 0 <= cell["agreement"] <= 1 or not fits:
            raise ValueError(f"cells.agreement: {_short(cell['agreement'])} is not {cell['verdict']!r}")
    runs, cells = entry["runs"], [cell["run_id"] for cell in entry["cells"]]
    if not all(isinstance(run, str) for run in runs) or len({*runs}) < len(runs):
        raise ValueError("runs: must be run ids, each once")
    if not cells or len({*cells}) < len(cells) or not {*cells} <= {*runs}:
        raise ValueError("cells: must be at least one of its runs, each once")
    if entry["tolerance"] != TOLERANCE:
        raise ValueError(f"tolerance: must be {TOLERANCE}, and is {_short(entry['tolerance'])}")
    if not (0 < entry["sample"] <= 1 and 0 <= entry["seed"] < SEEDS):
        raise ValueError(f"sample, seed: must be a share and a seed below {SEEDS}")
    if not re.fullmatch(r"([0-9a-f]{40})?", entry["commit"]):
        raise ValueError(f"commit: {_short(entry['commit'])} is not the 40 hex digits of one")
    if entry["commit"] and entry["seed"] != seed_of(entry["commit"]):
        raise ValueError(f"seed: must be {seed_of(entry['commit'])}, of the first 8 digits of its commit")
    for name, said in entry["environment"].items():
        if not isinstance(said, str) or not _WORDS.fullmatch(name) or not _WORDS.fullmatch(said):
            raise ValueError(f"environment: {_short(name)}: {_short(said)} is not a name and a few words")
    if not _is_date(entry["date"]):
        raise ValueError(f"date: {_short(entry['date'])} is no date")
    return Verdict(**{**entry, "runs": tuple(runs), "cells": tuple(Cell(**cell) for cell in entry["cells"])})


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _short(value: object) -> str:
    """A value in a sentence; of a list or an object its kind, since it may be deep."""
    return repr(value)[:40] if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"


def _demand(entry: Any, kind: type[Verdict] | type[Cell], types: Mapping[str, Any]) -> None:
    names = {f.name for f in fields(kind)}
    if not isinstance(entry, dict) or set(entry) != names:
        off = min(set(entry) ^ names) if isinstance(entry, dict) else kind.__name__
        raise ValueError(f"{off if _WORDS.fullmatch(off) else _short(off)}: field is missing or unknown")
    for name, wanted in types.items():
        if type(entry[name]) is not wanted and not (wanted is float and type(entry[name]) is int):
            raise ValueError(f"{name}: is a {type(entry[name]).__name__}")
        if wanted is str and not _WORDS.fullmatch(entry[name]):
            raise ValueError(f"{name}: {_short(entry[name])} is not a few words")
