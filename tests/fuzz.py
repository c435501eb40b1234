"""Sound inputs -> thousands of unsound ones, drawn from a seed; a reader -> what it does with them that it may not."""

from __future__ import annotations

import json
import random
import resource
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cod_bench.errors import plain

SEED = 14
SECONDS = 1.0
MEGABYTES = 200
MARK = "\ue000"
"""Stands in a value for what no JSON writer writes; letters of the private area occur in no sound input."""
RAW = (
    "null", "true", "false", "0", "-1", "1", "0.5", "-0.0", "1e308", "1e999", "-1e999", "NaN", "Infinity", "-Infinity",
    "9" * 30, "9" * 5000, '""', '" "', '"x"', '"../../x"', '"\\ud800"', '"\\u0000\\u001b[31m\\n"', '"\\u202e\\u2028"',
    '"' + "x" * 100_000 + '"', "[]", "{}", "[null]", "[[1]]", '{"a":1}', '["a","b"]', "[" * 65 + "]" * 65,
    "[" * 900 + "]" * 900, "[" * 100_000, "[" * 200_000 + "]" * 200_000, '{"a":' * 5000 + "1" + "}" * 5000,
    "[" + "[]," * 50_000 + "[]]", '"\\uff11"', '"2026-13-99"',
)  # fmt: skip
"""What is put in the place of a value."""
NAMES = ("", " ", "x", "\x1b[31m", "a\nb", "\u202e", "x" * 5000, "__class__", "schema", "\ud800", "../x")
"""What a key is renamed to."""


@dataclass(frozen=True)
class Target:
    """Something that reads, and what it may raise."""

    name: str
    sound: Sequence[bytes]
    """Inputs that it must accept."""
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    seal: Callable[[bytes], bytes] = bytes
    """What is done to a changed input, so that more than its digest is looked at; to every second one."""


def of(target: Target, number: int) -> bytes:
    """The input of that number: a function of seed, target and number."""
    rng = random.Random(f"{SEED}/{target.name}/{number}")
    data = rng.choice(target.sound)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice((_flipped, _cut, _spliced, _values, _values, _values, _values))(rng, data, target.sound)
    return target.seal(data) if number % 2 else data


def faults(target: Target, count: int) -> list[str]:
    """What a reader does wrong with `count` inputs; every kind of fault once, with what repeats it."""
    for data in target.sound:
        target.read(data)
    found: dict[str, str] = {}
    before = _peak()
    for number in range(count):
        told = fault(target, of(target, number))
        if not told and _peak() - before > MEGABYTES:
            told, before = f"more than {MEGABYTES} MB", _peak()
        if told:
            found.setdefault(told.partition(" | ")[0], f"{target.name} seed={SEED} number={number}: {told}")
    return list(found.values())


def fault(target: Target, data: bytes) -> str:
    """What a reader does wrong with one input; empty if nothing. Kind of fault | details."""
    for _ in range(4):  # a machine that is busy is no fault of the reader
        start = time.perf_counter()
        try:
            target.read(data)
            told = ""
        except target.refusals as error:
            told = _no_sentence(str(error))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - which is what is looked for
            last = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{type(error).__name__} at {last.filename.rpartition('/')[2]}:{last.lineno} | {str(error)[:200]!r}"
        took = time.perf_counter() - start
        if told or took <= SECONDS:
            return told
    return f"slow | {took:.1f} seconds"


def _no_sentence(told: str) -> str:
    if not told.strip():
        return "refused without a word"
    if plain(told) != told:
        return f"a sentence with control characters | {told[:200]!r}"
    return f"a sentence of {len(told)} characters | {told[:200]!r}" if len(told) > 1500 else ""


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _flipped(rng: random.Random, data: bytes, sound: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(rng: random.Random, data: bytes, sound: Sequence[bytes]) -> bytes:
    start, end = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    return rng.choice((data[:start], data[end:], data[:start] + data[end:], data[:end] + data[start:], b""))


def _spliced(rng: random.Random, data: bytes, sound: Sequence[bytes]) -> bytes:
    other = rng.choice(sound)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _values(rng: random.Random, data: bytes, sound: Sequence[bytes]) -> bytes:
    """One value of the JSON in an input - in all of it or in one of its lines - replaced, renamed, doubled, removed."""
    try:
        return _changed(rng, data)
    except (ValueError, RecursionError):
        lines = data.split(b"\n")
    for place in rng.sample(range(len(lines)), min(len(lines), 4)):
        try:
            lines[place] = _changed(rng, lines[place])
        except (ValueError, RecursionError):
            continue
        return b"\n".join(lines)
    return _cells(rng, data)


def _cells(rng: random.Random, data: bytes) -> bytes:
    """The same for what is no JSON: the text between two marks replaced."""
    parts = data.split(b",")
    parts[rng.randrange(len(parts))] = rng.choice(RAW).encode("utf-8", "replace")
    return b",".join(parts)


def _changed(rng: random.Random, data: bytes) -> bytes:
    value = json.loads(data)
    if not isinstance(value, (dict, list)):
        raise ValueError(data[:20])  # noqa: TRY004 - as for what is no JSON
    raw = rng.choice(RAW)
    holder, key = _place(rng, value)
    if holder is None:
        return raw.encode("utf-8", "surrogatepass")
    what = rng.choice(("put", "put", "put", "drop", "double", "rename", "turn", "move"))
    if what == "put":
        holder[key] = MARK
    elif what == "drop":
        del holder[key]
    elif what == "turn":
        holder[key] = _turned(holder[key])
    elif what == "move":
        other, at = _place(rng, value)
        holder[key] = MARK if other is None else json.loads(json.dumps(other[at]))
    elif isinstance(holder, list):
        holder.extend([holder[key]] * rng.choice((1, 1, 50)))
    else:
        name = rng.choice((*NAMES, rng.choice(list(holder))))
        holder[MARK + json.dumps(name)[1:-1] if what == "double" else name] = holder[key]
        if what == "rename" and name != key:
            del holder[key]
    text = json.dumps(value, ensure_ascii=False)
    return text.replace(f'"{MARK}"', raw).replace(MARK, "").encode("utf-8", "surrogatepass")


def _place(rng: random.Random, value: Any) -> tuple[Any, Any]:
    """A container and a key or index in it, deep ones as likely as others; (None, None) for the whole."""
    holder, key = None, None
    while isinstance(value, (dict, list)) and value and (holder is None or rng.random() < 0.7):
        if holder is None and rng.random() < 0.02:
            return None, None
        holder, key = value, rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
        value = holder[key]
    return holder, key


def _turned(value: Any) -> Any:
    """The same as another type."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list):
        return {str(place): item for place, item in enumerate(value)}
    return (
        [value] if isinstance(value, bool) or value is None else float(value) if isinstance(value, int) else str(value)
    )
