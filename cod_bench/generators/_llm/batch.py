"""Requests -> replies through the Batch API: half the price, up to a day, taken up again by any later command.

A batch is noted on disk before it exists and carries the note's name as metadata, so that no death of this process can
leave one behind that is paid for and forgotten. The note goes when every answer stands in the ledger.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from cod_bench.errors import RunError, UsageError
from cod_bench.generators._llm.answer import Secrets, as_answer
from cod_bench.generators._llm.endpoint import STRANGE, failure, quoted
from cod_bench.generators._llm.ledger import Request
from cod_bench.generators._llm.rows import BODY
from cod_bench.generators._llm.wire import MOST_BYTES, allowing
from cod_bench.spec import canonical, digest
from cod_bench.store import lock, read_text, seal, set_aside, unseal, write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from openai import OpenAI
    from openai.types import Batch

    from cod_bench.generators._llm.endpoint import Endpoint
    from cod_bench.generators._llm.ledger import Ledger
    from cod_bench.generators._llm.prices import Budget

MOST = 50_000
"""Requests in one batch; the API takes no more."""
TAG = "cod-bench"
"""Metadata key by which a batch is found again."""
ENDED = ("completed", "expired", "cancelled", "failed")
LONGEST_WAIT = 26 * 3600.0
"""Seconds that a command waits for a batch, which the API promises to end within 24 hours."""
PER_ANSWER, PER_FILE = 20_000, 3600.0
"""Bytes for each request that the file of answers may have, and seconds that sending or reading a file may take."""
LISTED = 10_000
"""Batches that are looked through for a note's."""
MOST_NOTE = 1 << 30
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")


@dataclass(frozen=True)
class Note:
    """What is on disk of a batch before it exists."""

    path: Path
    tag: str
    id: str | None
    """None until the API has told it."""
    requests: tuple[Request, ...]

    @classmethod
    def read(cls, path: Path) -> Note:
        """The note at a path, sealed, or as an older version wrote it.

        Raises:
            ValueError: it is not what was written there. OSError: it cannot be read.
        """
        content = read_text(path, MOST_NOTE)
        try:
            whole = json.loads(content)
        except (ValueError, RecursionError):
            whole = None
        old = isinstance(whole, dict) and whole.keys() == {"tag", "id", "requests"}  # no seal, and it is paid for
        try:
            known = whole if old else json.loads(unseal(content, path.stem))
            tag, batch_id, pairs = known["tag"], known["id"], known["requests"]
            requests = tuple(Request(body, of) for body, of in pairs if body.keys() == set(BODY) and of.keys())
            keys = [request.key for request in requests]
            fit = path.stem.endswith(f"-{tag}") and (batch_id is None or bool(_ID.fullmatch(batch_id)))
            fit = fit and len(requests) == len(pairs) and known.get("keys", keys if old else None) == keys
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"is no note of a batch: {type(error).__name__}") from error
        if not fit:
            raise ValueError("is no note of this batch: its name, its id or a request's key is another one")
        return cls(path, tag, batch_id, requests)

    def write(self) -> None:
        """Seal it and put it there, with the key of each request.

        Raises:
            UsageError: the folder cannot be written. InterruptionError: there is no room.
        """
        value = {
            "tag": self.tag, "id": self.id, "requests": [[dict(r.body), dict(r.of)] for r in self.requests],
            "keys": [request.key for request in self.requests],
        }  # fmt: skip
        write_atomic(self.path, seal(json.dumps(value, sort_keys=True), self.path.stem))


def ask_all(
    requests: Sequence[Request], endpoint: Endpoint, ledger: Ledger, budget: Budget, *, poll: float,
    tell: Callable[[str], None],
) -> None:  # fmt: skip
    """Finish the batches of earlier commands, then send what is still missing and wait for it.

    Raises:
        UsageError: no or a wrong key, another command waits for batches of this model.
        RunError: a batch failed, some of its requests did, or the budget is used up.
    """
    import openai
    from filelock import Timeout

    notes, client = ledger.path.parent / "batches", endpoint.client()
    try:
        with lock(notes / f".{ledger.path.stem}.lock", timeout=0):
            for path in _notes(notes, ledger.path.stem):
                if (note := _sound(path)) is not None:
                    _take_up(note, client, ledger, None, poll, tell)
            missing = [request for request in requests if ledger.find(request.key) is None]
            for start in range(0, len(missing), MOST):
                _send(missing[start : start + MOST], notes, client, ledger, budget, poll, tell)
    except Timeout:
        raise UsageError(
            f"--batch: another command waits for batches of {ledger.path.stem}; let it finish or stop it"
        ) from None
    except (UsageError, RunError):
        raise
    except (openai.OpenAIError, *STRANGE) as error:
        raise failure(error, client, ledger.path.stem) from None  # the client's own error may quote the key


def faults(folder: Path) -> list[str]:
    """What is wrong with the notes in a folder of batches, one sentence each; reads only."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            Note.read(path)
        except (OSError, ValueError) as error:
            found.append(f"batch note {path}: {getattr(error, 'strerror', None) or error}")
    return found


def _sound(path: Path) -> Note | None:
    """A note, or None where it is not what was written there: told, set aside and not followed."""
    try:
        return Note.read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"batch note {path}: {error.strerror}; allow it to be read or move it away") from error
    except ValueError as error:
        tag = path.stem.rpartition("-")[2]
        set_aside(path, "batch note", f"{error}; if its batch was sent, the provider has it under {TAG}={tag}", then="")
        return None


def _notes(folder: Path, stem: str) -> list[Path]:
    """The notes of one ledger; another model's name may begin with this one's, so only the whole name counts."""
    named = re.compile(re.escape(stem) + r"-[0-9a-f]{16}\.json")
    return sorted(path for path in folder.glob("*.json") if named.fullmatch(path.name))


def _send(
    requests: Sequence[Request], notes: Path, client: OpenAI, ledger: Ledger, budget: Budget, poll: float,
    tell: Callable[[str], None],
) -> None:  # fmt: skip
    affordable: dict[str, float] = {}
    over: RunError | None = None
    for request in requests:
        try:
            affordable[request.key] = budget.reserve(request.characters, request.most_tokens)
        except RunError as error:
            over = error
            break
    chosen = tuple(request for request in requests if request.key in affordable)
    if chosen:
        tag = digest([sorted(affordable), time.time_ns()], 16)
        note = Note(notes / f"{ledger.path.stem}-{tag}.json", tag, None, chosen)
        note.write()
        lines = "".join(canonical(_line(request)) + "\n" for request in chosen)
        with allowing(MOST_BYTES, PER_FILE):
            file = client.files.create(file=(f"{tag}.jsonl", lines.encode()), purpose="batch")
        note = _create(client, _name(file.id, client), note)
        _take_up(note, client, ledger, (budget, affordable), poll, tell)
    if over is not None:
        raise over


def _line(request: Request) -> dict[str, Any]:
    body = {"model": request.body["model"], "messages": request.body["messages"], **request.body["parameters"]}
    return {"custom_id": request.key, "method": "POST", "url": "/v1/chat/completions", "body": body}


def _name(value: object, client: OpenAI) -> str:
    """An id as the API gave it, which becomes part of an address and of rows.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str) or not _ID.fullmatch(value) or Secrets.of(client).cut(value) != value:
        raise ValueError("an id that is none")
    return value


def _create(client: OpenAI, file: str, note: Note) -> Note:
    once = client.with_options(max_retries=0)  # a second try after a lost reply would be a second batch
    made = once.batches.create(
        input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h", metadata={TAG: note.tag}
    )
    known = Note(note.path, note.tag, _name(made.id, client), note.requests)
    known.write()
    return known


def _take_up(
    note: Note, client: OpenAI, ledger: Ledger, paid: tuple[Budget, dict[str, float]] | None, poll: float,
    tell: Callable[[str], None],
) -> None:  # fmt: skip
    """Wait for a batch, keep what it brought, forget it.

    Raises:
        UsageError: this key and address do not know it.
        RunError: it failed, some of its requests did or were never answered, or it does not end.
    """
    requests = {request.key: request for request in note.requests}
    batch_id = note.id or _find(client, note.tag)
    if batch_id is None:
        note.path.unlink(missing_ok=True)  # it never came to be
        return
    batch = _wait(batch_id, note, client, poll, tell)
    faults = []
    for file in (batch.output_file_id, batch.error_file_id):
        for line in _lines(client, file, len(requests)):
            request = requests.get(str(line.get("custom_id")))
            if request is None or ledger.find(request.key) is not None:
                continue
            try:
                most = request.body["parameters"]["max_tokens"]
                answer = as_answer(line["response"]["body"], Secrets.of(client), most, request.samples)
            except (LookupError, TypeError, AttributeError):
                faults.append(_reason(line))
                continue
            reply = ledger.add(request, {**answer, "batch": batch_id, "seconds": 0.0, "retries": 0})
            if paid:
                paid[0].settle(paid[1].pop(request.key), reply.prompt_tokens, reply.completion_tokens)
    if paid:
        for reserved in paid[1].values():
            paid[0].release(reserved)
    note.path.unlink(missing_ok=True)
    if batch.status == "failed":
        errors = batch.errors.data if batch.errors and batch.errors.data else []
        faults += [str(error.message) for error in errors]
    unanswered = sum(ledger.find(key) is None for key in requests)
    if unanswered and not faults:  # else the caller would send, and pay for, the same requests again for ever
        faults = [f"the batch is {batch.status} and says nothing of them"] * unanswered
    if faults:
        raise RunError(
            f"batch {batch_id}: {max(len(faults), 1)} of {len(requests)} requests failed "
            f"({quoted(faults[0], client)}); do what it says, then run again: answers so far are kept"
        )


def _wait(batch_id: str, note: Note, client: OpenAI, poll: float, tell: Callable[[str], None]) -> Batch:
    """A batch when it has ended; raises as `_take_up`."""
    import openai

    told, until = "", time.monotonic() + LONGEST_WAIT
    while True:
        try:
            batch = client.batches.retrieve(batch_id)
        except openai.NotFoundError:
            raise UsageError(
                f"--batch: batch {batch_id} of {note.path} is unknown to this key and address; use those it was sent "
                "with, or delete that file to give its answers up"
            ) from None
        counts = batch.request_counts
        done = f", {counts.completed + counts.failed} of {counts.total} done" if counts else ""
        state = quoted(f"batch {batch_id}: {batch.status}{done}", client)
        if state != told:
            told = state
            tell(state)
        if batch.status in ENDED:
            return batch
        if time.monotonic() > until:
            raise RunError(f"{state}, after {LONGEST_WAIT / 3600:g} hours; run again later, its note is kept")
        time.sleep(poll)


def _find(client: OpenAI, tag: str) -> str | None:
    """The batch that carries a note's name."""
    listed = islice(client.batches.list(limit=100), LISTED)
    found = next((batch.id for batch in listed if (batch.metadata or {}).get(TAG) == tag), None)
    return None if found is None else _name(found, client)


def _lines(client: OpenAI, file: str | None, requests: int) -> Iterator[dict[str, Any]]:
    if file is None:
        return
    with allowing(MOST_BYTES + PER_ANSWER * requests, PER_FILE):
        content = client.files.content(_name(file, client)).content
    for line in content.split(b"\n"):  # as JSONL has it; splitlines of a text also cuts at U+2028 inside one
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = {}
        if isinstance(found, dict):
            yield found


def _reason(line: dict[str, Any]) -> str:
    """What an answer that is none says of itself."""
    response = line.get("response")
    body = response.get("body") if isinstance(response, dict) else None
    error = line.get("error") or (body.get("error") if isinstance(body, dict) else None) or {}
    return str(error.get("message") if isinstance(error, dict) else error) or "no chat completion"
