"""Requests and answers of one model on disk, one JSON line each: bought once, found by any process, never rewritten."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cod_bench.errors import UsageError
from cod_bench.spec import canonical
from cod_bench.store import home, lock

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What is sent, `body` (model, messages, parameters, sample index), and what it is for, `of`.

    Only the body makes two requests the same: what a second teacher, task or prompt variant asks in the same words is
    not bought again. Verdicts stand in the body of later attempts, so these differ wherever teachers do.
    """

    body: Mapping[str, Any]
    of: Mapping[str, Any]
    """kind (edit | keep), task, text (id), generator, prompt hash, attempt; `teacher` of all but first answers."""

    @cached_property
    def key(self) -> str:
        """sha256 of the canonical body."""
        return hashlib.sha256(canonical(dict(self.body)).encode()).hexdigest()

    @property
    def characters(self) -> int:
        """Length of what is sent."""
        return sum(len(message["content"]) for message in self.body["messages"])


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, as far as anybody asks; tokens are 0 where the endpoint did not count them."""

    text: str
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    """Waiting for this answer; 0 for a batch."""
    batch: bool

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Reply:
        """The reply of a row; raises KeyError or TypeError for what is none."""
        usage = row.get("usage") or {}
        return cls(
            text=str(row["text"]),
            finish_reason=row["finish_reason"],
            prompt_tokens=int(usage.get("prompt_tokens", 0)),
            completion_tokens=int(usage.get("completion_tokens", 0)),
            seconds=float(row.get("seconds", 0.0)),
            batch="batch" in row,
        )


class Ledger:
    """The rows of one model; safe for any number of threads and processes. The first row of a key counts."""

    def __init__(self, path: Path) -> None:
        self.path, self._read = path, 0
        self._replies: dict[str, Reply] = {}
        self._kinds: Counter[str] = Counter()
        self._tasks: dict[str, set[str]] = {}
        self._mutex = threading.RLock()

    @classmethod
    def of(cls, model: str) -> Ledger:
        """The ledger of a model in the cache folder: `generations/<model>.jsonl`."""
        return cls(home() / "generations" / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', model)[:100]}.jsonl")

    def find(self, key: str) -> Reply | None:
        """The kept reply; lines that others have added since the last look are read first."""
        with self._mutex:
            if key not in self._replies:
                self._catch_up()
            return self._replies.get(key)

    def requests_per_text(self, least: int) -> float | None:
        """Requests bought per counterfactual asked for, so far; None below `least` first answers."""
        with self._mutex:
            self._catch_up()
            first, edits = self._kinds["edit first"], self._kinds["edit"]
        return edits / first if first >= least else None

    def tasks(self, prompt: str) -> set[str]:
        """Tasks of whose texts a prompt, named by its hash, was asked for counterfactuals."""
        with self._mutex:
            self._catch_up()
            return set(self._tasks.get(prompt, ()))

    @contextmanager
    def asking(self, key: str) -> Iterator[None]:
        """Whoever asks for a key holds this lock, so that a second asker waits for the answer instead of buying it."""
        with lock(self.path.parent / f".{self.path.name}-{key[:2]}.lock"):
            yield

    def add(self, request: Request, answer: Mapping[str, Any]) -> Reply:
        """Append a row and wait until it is on disk; a reply may be used only after this.

        Raises:
            UsageError: the folder cannot be written.
        """
        row = {"key": request.key, **request.body, "of": dict(request.of), **answer}
        with lock(self.path.parent / f".{self.path.name}.lock"):
            try:
                with self.path.open("ab+") as file:
                    file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
                    torn = file.read(1) not in (b"", b"\n")  # its writer died: end the line, start another
                    file.write((b"\n" if torn else b"") + canonical(row).encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise UsageError(f"cannot write {self.path}: {error.strerror}; make room, then run again") from error
        with self._mutex:
            self._catch_up()
            return self._replies[request.key]

    def _catch_up(self) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                try:
                    row = json.loads(line)
                    self._note(row["key"], Reply.of(row), row.get("of") or {})
                except (ValueError, KeyError, TypeError, AttributeError):
                    log.debug("%s: an incomplete line at byte %d is ignored", self.path.name, self._read)
                self._read += len(line) if line.endswith(b"\n") else 0  # a line without its end may still grow

    def _note(self, key: str, reply: Reply, of: Mapping[str, Any]) -> None:
        if key in self._replies:
            return
        self._replies[key] = reply
        kind = str(of.get("kind"))
        if kind == "edit":
            self._tasks.setdefault(str(of.get("prompt")), set()).add(str(of.get("task")))
        self._kinds.update([kind, f"{kind} first"] if of.get("attempt") == 0 else [kind])
