"""Summaries of records <-> one file that spares reading records that have not changed. Pure; never a source of truth.

An entry holds only for a file of the very size and times that the record had when it was read, and the whole index
only for the code that judged the records. Whatever does not fit is read again, so that deleting the index changes
nothing but the time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from os import stat_result
from pathlib import Path
from stat import S_ISREG
from typing import Any

from cod_bench import spec as specs
from cod_bench.records import fields
from cod_bench.records import record as records
from cod_bench.records.fields import LARGEST, is_name
from cod_bench.records.record import Record, Summary, summary
from cod_bench.spec import RunSpec, parsed
from cod_bench.store import UNFIT

VERSION = 1
SETTLED = 2 * 10**9
"""Nanoseconds that a file must have lain unchanged before its entry is kept: clocks tick too slowly to tell a second
write at once after the first."""

_NAME = re.compile(r"k([0-9]+)-seed([0-9]+)-([^/]+)\.json")

Stamp = tuple[int, int, int]
Facts = tuple[str, str, str, float, Mapping[str, str] | None]
"""Of a summary what its path does not tell: hashes of teacher, training pool and evaluation rows, seconds, environment.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of the record that has this stamp."""

    stamp: Stamp
    summary: Summary


def stamp(stat: stat_result) -> Stamp:
    """Size in bytes and the times of the last change of content and of anything, in nanoseconds.

    Raises:
        ValueError: it is no file; reading a pipe would wait for ever.
    """
    if not S_ISREG(stat.st_mode):
        raise ValueError("is no file; remove it")
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def facts(record: Record) -> Facts:
    """What an entry needs of a sound record, besides its path."""
    s = summary(record)
    return s.teacher_hash, s.train_hash, s.eval_hash, s.cpu_seconds, s.environment


def encode(entries: Mapping[str, Entry], now: int) -> str:
    """The index of these records, by their path under the results folder.

    Args:
        now: nanoseconds of the clock before the first of them was read; what changed just then is left out.
    """
    environments: dict[str, int] = {}
    rows: dict[str, list[Any]] = {}
    for path, entry in entries.items():
        if max(entry.stamp[1:]) > now - SETTLED:
            continue
        s = entry.summary
        text = json.dumps(s.environment, sort_keys=True)
        rows[path] = [
            *entry.stamp, s.teacher_hash, s.train_hash, s.eval_hash, s.cpu_seconds,
            environments.setdefault(text, len(environments)),
        ]  # fmt: skip
    body = json.dumps({"environments": [json.loads(text) for text in environments], "records": rows})
    head = {"index": VERSION, "judge": _judge(), "sha256": hashlib.sha256(body.encode()).hexdigest()}
    return json.dumps(head) + "\n" + body + "\n"


def decode(text: str) -> dict[str, Entry]:
    """The entries of an index; none if it is corrupt or of other code, whose verdict on records may differ."""
    head_text, _, body = text.partition("\n")
    body = body.removesuffix("\n")
    try:
        head = parsed(head_text)
        whole = head["sha256"] == hashlib.sha256(body.encode()).hexdigest()
        if not whole or (head["index"], head["judge"]) != (VERSION, _judge()):
            return {}
        found = parsed(body)
        environments, rows = found["environments"], found["records"]
        words = {word for row in rows.values() for word in row[3:6]}  # the same few in every row
        words |= {word for one in environments if one is not None for word in (*one, *one.values())}
        if not all(map(is_name, words)):
            return {}
        return {
            path: entry(path, (row[0], row[1], row[2]), (*row[3:6], _seconds(row[6]), environments[row[7]]))
            for path, row in rows.items()
        }
    except UNFIT:
        return {}


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= LARGEST:
        raise ValueError(value)
    return float(value)


def entry(path: str, stamp: Stamp, found: Facts) -> Entry:
    """The entry of a record that was read and lay where its content belongs.

    Raises:
        ValueError: the path is no record's.
    """
    protocol, track, task, method, variant, name = path.split("/")
    condition, _, generator = variant.partition("+")
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(path)
    # The path says what the content said: it was compared when the record was read.
    spec = RunSpec(protocol, track, task, method, condition, generator, int(match[1]), int(match[2]))
    return Entry(stamp, Summary(spec, match[3], *found))


@cache
def _judge() -> str:
    """Digest of the code that decides what a sound record is."""
    code = b"".join(Path(str(module.__file__)).read_bytes() for module in (fields, records, specs))
    return hashlib.sha256(code).hexdigest()[:12]
