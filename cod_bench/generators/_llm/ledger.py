"""Requests and answers of one model -> one sealed JSON line each on disk: bought once, found by any process.

The file only grows. What does not agree with its digest or its request is told, copied aside and not used: it cost
money, and is asked for again only with leave.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from cod_bench.errors import RunError, UsageError
from cod_bench.generators._llm import lines as _lines
from cod_bench.generators._llm.answer import whole
from cod_bench.generators._llm.rows import LONGEST, UnsealedError, key_of, line_of, row_of, torn
from cod_bench.store import home, lock, write_atomic

log = logging.getLogger(__name__)

TOLD = 20
"""Bad lines of a ledger that a process tells of one by one; it may have a hundred thousand."""
UNSEALED = (
    "were written by a version without digests and cannot be verified, so that their answers are not used; "
    "`cod-bench doctor --fix` takes them over as they are"
)
NONE = (ValueError, KeyError, TypeError, AttributeError, OverflowError)
"""What reading a row raises that is none."""


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
        return key_of(self.body)

    @property
    def characters(self) -> int:
        """Length of what is sent."""
        return sum(len(message["content"]) for message in self.body["messages"])

    @property
    def samples(self) -> int:
        """Answers that are asked for at once."""
        return int(self.body["parameters"].get("n", 1))

    @property
    def most_tokens(self) -> int:
        """Of all of them."""
        return int(self.body["parameters"]["max_tokens"]) * self.samples


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
    more: tuple[tuple[str, str | None], ...] = ()
    """Text and finish reason of each further answer to one request."""

    @property
    def samples(self) -> list[tuple[str, str | None]]:
        """Text and finish reason of every answer."""
        return [(self.text, self.finish_reason), *self.more]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Reply:
        """The reply of a row; raises KeyError, TypeError, ValueError, AttributeError or OverflowError for none."""
        usage, text = row.get("usage") or {}, whole(str(row["text"]))
        more = tuple((whole(str(one["text"])), one["finish_reason"]) for one in row.get("more", ()))
        tokens = int(usage.get("completion_tokens", 0))
        if row.get("counted_first"):  # the others' by their length
            tokens = round(tokens * sum(len(one) for one, _ in ((text, None), *more)) / max(1, len(text)))
        return cls(
            text=text,
            finish_reason=row["finish_reason"],
            more=more,
            prompt_tokens=int(usage.get("prompt_tokens", 0)),
            completion_tokens=tokens,
            seconds=float(row.get("seconds", 0.0)),
            batch="batch" in row,
        )


class Ledger:
    """The rows of one model; safe for any number of threads and processes. The first row of a key counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.RLock()
        self._seen = 0, 0, 0  # device, number and size of the file at the last look
        self._forget()

    def _forget(self) -> None:
        """Begin again at the first line."""
        self._read, self._line, self._unsealed = 0, 0, 0
        self._replies: dict[str, Reply] = {}
        self._kinds: Counter[tuple[str, str]] = Counter()  # (generator, kind)
        self._took: dict[str, tuple[float, int]] = {}  # generator -> seconds, requests
        self._tasks: dict[str, set[str]] = {}

    @classmethod
    def of(cls, model: str) -> Ledger:
        """The ledger of a model in the cache folder: `generations/<model>.jsonl`."""
        return cls(home() / "generations" / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', model)[:100]}.jsonl")

    def find(self, key: str) -> Reply | None:
        """The kept reply; lines that others have added since the last look are read first.

        Raises:
            UsageError: what lies there is no ledger or cannot be read. So do `tasks`, `add` and what counts rows.
        """
        with self._mutex:
            if key not in self._replies:
                self._catch_up()
            return self._replies.get(key)

    def requests_per_text(self, least: int, generator: str) -> float | None:
        """Requests bought per counterfactual that a generator asked for; None below `least` first answers."""
        with self._mutex:
            self._catch_up()
            first, edits = self._kinds[generator, "edit first"], self._kinds[generator, "edit"]
        return edits / first if first >= least else None

    def seconds_per_request(self, least: int, generator: str) -> float | None:
        """Seconds that a request of a generator took, on average; None below `least` that were sent one by one."""
        with self._mutex:
            self._catch_up()
            seconds, requests = self._took.get(generator, (0.0, 0))
        return seconds / requests if requests >= least else None

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

        A second answer to a request is kept aside: with two, the order of lines would say which one counts.

        Raises:
            UsageError: the folder cannot be written. InterruptionError: there is no room.
            RunError: what was written is not what can be read there.
        """
        line = line_of({"key": request.key, **request.body, "of": dict(request.of), **answer})
        with _writing(self.path):
            if (kept := self.find(request.key)) is not None:
                _lines.keep_aside(self.path, [line])
                return kept
            _lines.append(self.path, line)
        reply = self.find(request.key)
        if reply is None:
            raise RunError(f"ledger {self.path}: the line just written is not read back as it was; look at the disk")
        return reply

    def _catch_up(self) -> None:
        try:
            handle, found = _lines.opened(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return
        bad: list[tuple[int, bytes, str]] = []
        try:
            now = found.st_dev, found.st_ino, found.st_size
            if now == self._seen:
                return
            if now[:2] != self._seen[:2] or found.st_size < self._read:  # written anew, as a whole
                self._forget()
            before = self._unsealed
            with os.fdopen(handle, "rb", closefd=False) as file:
                file.seek(self._read)
                while line := file.readline(LONGEST + 1):
                    self._take(line, file, bad)
            self._seen = now
        finally:
            os.close(handle)
        if self._unsealed > before:
            _tell_once(self.path, "", f"ledger {self.path}: {self._unsealed} lines {UNSEALED}")
        if bad:
            self._refuse(bad)

    def _take(self, line: bytes, file: BinaryIO, bad: list[tuple[int, bytes, str]]) -> None:
        """Note a line, or put it to the bad ones with its number and the reason."""
        ended, size = line.endswith(b"\n"), len(line)
        try:
            row = row_of(line)
            reply, of = Reply.of(row), dict(row["of"])
        except UnsealedError:
            self._unsealed += ended
        except NONE as error:
            if size > LONGEST:  # the rest of it is part of it
                rest = b"" if ended else line
                while rest and not rest.endswith(b"\n"):
                    rest = file.readline(LONGEST)
                    size += len(rest)
                ended = True
            if line.strip() and (ended or not torn(line)):
                bad.append((self._line + 1, line, str(error)))
        else:
            self._note(row["key"], reply, of)
        if ended:  # one without its end may still grow
            self._read += size
            self._line += 1

    def _refuse(self, bad: Sequence[tuple[int, bytes, str]]) -> None:
        aside = _lines.keep_aside(self.path, [line for _, line, _ in bad])
        for number, line, reason in bad:
            _tell_once(
                self.path, hashlib.sha256(line.rstrip(b"\n")).hexdigest(),
                f"ledger {self.path}: line {number} {reason}; it is not used{aside and f', kept in {aside}'}, and its "
                "request is sent again only with leave (--yes or `cod-bench cfe generate`)",
            )  # fmt: skip

    def _note(self, key: str, reply: Reply, of: Mapping[str, Any]) -> None:
        if key in self._replies:
            return
        self._replies[key] = reply
        kind, generator = str(of.get("kind")), str(of.get("generator"))
        if not reply.batch:
            seconds, requests = self._took.get(generator, (0.0, 0))
            self._took[generator] = seconds + reply.seconds, requests + 1
        if kind == "edit":
            self._tasks.setdefault(str(of.get("prompt")), set()).add(str(of.get("task")))
        kinds = [kind, f"{kind} first"] if of.get("attempt") == 0 else [kind]
        self._kinds.update((generator, one) for one in kinds)


def faults(path: Path) -> list[str]:
    """What is wrong with a ledger, one sentence a bad line and one for all lines without digests; reads only."""
    try:
        lines = _lines.read(path)
    except FileNotFoundError:
        return []
    except UsageError as error:
        return [str(error)]
    found, unsealed = list[str](), 0
    for number, line in enumerate(lines, 1):
        try:
            Reply.of(row_of(line))
        except UnsealedError:
            unsealed += 1
        except NONE as error:
            if line.strip() and (line.endswith(b"\n") or not torn(line)):
                found.append(f"ledger {path}: line {number} {error}; its answer is not used")
    return [*found, *([f"ledger {path}: {unsealed} lines {UNSEALED}"] if unsealed else [])]


def adopt(path: Path) -> int:
    """Seal the lines that an older version wrote, as they are; every line stays. Returns how many it were.

    Raises:
        UsageError: it is no ledger, or cannot be read or written. InterruptionError: there is no room.
    """

    def sealed(line: bytes) -> bytes:
        try:
            row_of(line)
        except UnsealedError as old:
            return line_of(old.row)
        except ValueError:
            pass
        return line

    return _rewrite(path, sealed)


def put_aside(path: Path) -> int:
    """Move lines that are none from a ledger into its `.aside`, where they are kept. Returns how many it were.

    Raises:
        as `adopt`.
    """

    def good(line: bytes) -> bytes:
        try:
            row_of(line)
        except UnsealedError:
            pass
        except ValueError:
            # the last line without an end may be growing; what is too long for the file beside it stays
            if line.endswith(b"\n") and line.strip() and len(line) <= LONGEST and _lines.keep_aside(path, [line]):
                return b""
        return line

    return _rewrite(path, good)


def _rewrite(path: Path, change: Callable[[bytes], bytes]) -> int:
    """Write a ledger whole with changed lines; how many changed."""
    with _writing(path):
        try:
            lines = _lines.read(path)
        except FileNotFoundError:
            return 0
        after = [change(line) for line in lines]
        if after != lines:
            write_atomic(path, b"".join(after))
        return sum(old != new for old, new in zip(lines, after, strict=True))


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    with lock(path.parent / f".{path.name}.lock"):
        yield


_told: dict[Path, set[str]] = {}
_telling = threading.Lock()


def _tell_once(path: Path, what: str, sentence: str) -> None:
    """Warn of a thing of one file once in this process, and of so many things; the unnamed one always."""
    with _telling:
        told = _told.setdefault(path, set())
        if what in told or (what and len(told) > TOLD):
            return
        told.add(what)
        if what and len(told) > TOLD:
            sentence = f"ledger {path}: more lines are not what was written there; `cod-bench doctor` names them all"
    log.warning("%s", sentence)
