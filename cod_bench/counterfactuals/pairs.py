"""A JSONL file of (original, counterfactual) pairs, published or human -> pairs, and a task's rows made of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cod_bench.errors import UsageError, plain
from cod_bench.spec import parsed
from cod_bench.store import UNFIT, read_bytes, write_atomic
from cod_bench.task import normalise

LARGEST = 256_000_000
"""Bytes of a file of pairs that is read; a hundred thousand pairs of long reviews have about that."""
LABELS = range(10)
"""Numbers of classes: a record writes each with one digit."""
NAMES = {
    "original": ("original", "text"),
    "label": ("original_label", "label"),
    "counterfactual": ("counterfactual", "cfe"),
    "target": ("counterfactual_label", "target"),
    "preserving": ("preserving",),
}
"""Field -> names that a line may give it; labels are numbers of classes. `label` and `preserving` may be missing."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One counterfactual; texts are normalised as a task's are."""

    original: str
    counterfactual: str
    target: int
    label: int | None = None
    """Class of the original."""
    preserving: str | None = None
    """A rewrite with about as many edits that keeps the class."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """A file of pairs in its order, and the sha256 of its bytes."""

    pairs: tuple[Pair, ...]
    sha256: str


def read(path: Path) -> Pairs:
    """The pairs of a file.

    Raises:
        UsageError: it cannot be read, a line is no pair, or there is none.
    """
    try:
        data = read_bytes(path, LARGEST)
    except OSError as error:
        raise UsageError(plain(f"--pairs {path}: {error.strerror}; name a JSONL file of pairs")) from error
    except ValueError as error:
        raise UsageError(plain(f"--pairs {path}: {error}; name a JSONL file of pairs")) from error
    found = []
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                found.append(_pair(parsed(line.decode("utf-8-sig"), strict=False)))
            except UNFIT as error:
                told = str(error).removeprefix("is ") if isinstance(error, ValueError) else "not one JSON object"
                raise UsageError(
                    plain(f"--pairs {path}, line {number}: is no pair ({told}); write one ")
                    + "{original, original_label, counterfactual, counterfactual_label} a line, labels as numbers of "
                    "classes"
                ) from error
    if not found:
        raise UsageError(plain(f"--pairs {path}: holds no pair; name another file"))
    return Pairs(tuple(found), hashlib.sha256(data).hexdigest())


def write(path: Path, pairs: Iterable[Pair]) -> int:
    """Write pairs in the form that `read` takes; returns how many."""
    rows = [
        {
            "original": pair.original, "original_label": pair.label, "counterfactual": pair.counterfactual,
            "counterfactual_label": pair.target, "preserving": pair.preserving,
        }
        for pair in pairs
    ]  # fmt: skip
    lines = (
        json.dumps({name: value for name, value in row.items() if value is not None}, ensure_ascii=False)
        for row in rows
    )
    write_atomic(path, "".join(line + "\n" for line in lines))
    return len(rows)


def write_originals(path: Path, pairs: Iterable[Pair], longest: int | None = None) -> int:
    """Write the distinct originals as a local task's `train.jsonl` ({text, label} a line); returns how many.

    Args:
        longest: leave out originals of more characters.

    Raises:
        UsageError: a pair does not say the class of its original.
    """
    rows: dict[str, int] = {}
    for pair in pairs:
        if pair.label is None:
            raise UsageError("--pairs: a line has no original_label; a task's rows need it")
        if longest is None or len(pair.original) <= longest:
            rows.setdefault(pair.original, pair.label)
    lines = (json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in rows.items())
    write_atomic(path, "".join(line + "\n" for line in lines))
    return len(rows)


def _pair(row: Any) -> Pair:
    values: dict[str, Any] = {
        field: next((row[name] for name in names if name in row), None) for field, names in NAMES.items()
    }
    texts, labels = ("original", "counterfactual"), ("target", "label")
    sound = all(isinstance(values[name], str) and normalise(values[name]) for name in texts)
    sound = sound and type(values["target"]) is int and type(values["label"]) in (int, type(None))
    if not sound or values["label"] == values["target"] or not all((values[name] or 0) in LABELS for name in labels):
        raise ValueError("a field is missing or of the wrong kind")
    preserving = values["preserving"]
    if not isinstance(preserving, (str, type(None))):
        raise TypeError("preserving is no text")
    return Pair(
        normalise(values["original"]), normalise(values["counterfactual"]), values["target"], values["label"],
        normalise(preserving or "") or None,
    )  # fmt: skip
