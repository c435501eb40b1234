"""Row of a ledger -> line with a digest -> the same row again, or one reason why the line is none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cod_bench.spec import canonical

BODY = ("model", "messages", "sample", "parameters")
"""Fields that are the request; their sha256 is the row's key."""
WRITTEN = frozenset({*BODY, "key", "of", "text", "finish_reason", "served", "usage", "time", "seconds", "retries"})
"""What every row has besides its digest; a batch's has `batch` as well."""
DIGEST = "sha256"
LONGEST = 16 << 20
"""Bytes of one line; a prompt of a million characters and its answer need less."""


class UnsealedError(ValueError):
    """A line as it was written before lines had digests: whole as far as anybody can tell."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        super().__init__("was written without a digest and cannot be verified")
        self.row = row


def key_of(body: Mapping[str, Any]) -> str:
    """sha256 of the canonical body of a request."""
    return hashlib.sha256(canonical(dict(body)).encode()).hexdigest()


def line_of(row: Mapping[str, Any]) -> bytes:
    """A row as it is written: with its digest, canonical, ended.

    Raises:
        ValueError: it holds a number that JSON does not have.
    """
    return canonical({**row, DIGEST: _digest(row)}).encode() + b"\n"


def row_of(line: bytes) -> dict[str, Any]:
    """The row of a line, with or without its end.

    Raises:
        UnsealedError: an older version wrote it. ValueError: it is not what was written; the text says in what.
    """
    if len(line) > LONGEST:
        raise ValueError(f"is longer than {LONGEST:,} bytes")
    try:
        row = json.loads(line)
        same = canonical(row).encode() == line.rstrip(b"\n")
    except (ValueError, RecursionError):
        raise ValueError("is cut short or no JSON") from None
    if not isinstance(row, dict) or not all(name in row for name in BODY):
        raise ValueError("holds no request")
    if row.get("key") != key_of({name: row[name] for name in BODY}):
        raise ValueError("has a key that is not the sha256 of its request")
    if DIGEST not in row and row.keys() - {"batch"} == WRITTEN:
        raise UnsealedError(row)
    if not same or row.get(DIGEST) != _digest(row):
        raise ValueError("is not what was written there: its digest is another one")
    return row


def torn(line: bytes) -> bool:
    """Whether a last line that is no row may be one that is still being written: nothing makes one of a whole value."""
    try:
        json.JSONDecoder().raw_decode(line.decode())
    except (ValueError, RecursionError):
        return line.startswith(b"{")
    return False


def _digest(row: Mapping[str, Any]) -> str:
    rest = canonical({name: value for name, value in row.items() if name not in (DIGEST, "key")})
    return hashlib.sha256(f"{row['key']}\0{rest}".encode()).hexdigest()
