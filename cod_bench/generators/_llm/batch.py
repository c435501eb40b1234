"""Requests -> replies through the Batch API: half the price, up to a day, taken up again by any later command.

A batch is noted on disk before it exists and carries the note's name as metadata, so that no death of this process can
leave one behind that is paid for and forgotten. The note goes when every answer stands in the ledger.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cod_bench.errors import RunError, UsageError
from cod_bench.generators._llm.endpoint import as_answer, failure
from cod_bench.generators._llm.ledger import Request
from cod_bench.spec import canonical, digest
from cod_bench.store import lock, write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from openai import OpenAI

    from cod_bench.generators._llm.endpoint import Endpoint
    from cod_bench.generators._llm.ledger import Ledger
    from cod_bench.generators._llm.prices import Budget

MOST = 50_000
"""Requests in one batch; the API takes no more."""
TAG = "cod-bench"
"""Metadata key by which a batch is found again."""
ENDED = ("completed", "expired", "cancelled", "failed")


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
            for note in _notes(notes, ledger.path.stem):
                _take_up(note, client, ledger, None, poll, tell)
            missing = [request for request in requests if ledger.find(request.key) is None]
            for start in range(0, len(missing), MOST):
                _send(missing[start : start + MOST], notes, client, ledger, budget, poll, tell)
    except Timeout:
        raise UsageError(
            f"--batch: another command waits for batches of {ledger.path.stem}; let it finish or stop it"
        ) from None
    except openai.OpenAIError as error:
        raise failure(error, client, ledger.path.stem) from None  # the client's own error may quote the key


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
            affordable[request.key] = budget.reserve(request.characters, request.body["parameters"]["max_tokens"])
        except RunError as error:
            over = error
            break
    chosen = [request for request in requests if request.key in affordable]
    if chosen:
        tag = digest([sorted(affordable), time.time_ns()], 16)
        note = notes / f"{ledger.path.stem}-{tag}.json"
        _write(note, {"tag": tag, "id": None, "requests": [[dict(r.body), dict(r.of)] for r in chosen]})
        lines = "".join(canonical(_line(request)) + "\n" for request in chosen)
        file = client.files.create(file=(f"{tag}.jsonl", lines.encode()), purpose="batch")
        _create(client, file.id, tag, note)
        _take_up(note, client, ledger, (budget, affordable), poll, tell)
    if over is not None:
        raise over


def _line(request: Request) -> dict[str, Any]:
    body = {"model": request.body["model"], "messages": request.body["messages"], **request.body["parameters"]}
    return {"custom_id": request.key, "method": "POST", "url": "/v1/chat/completions", "body": body}


def _create(client: OpenAI, file: str, tag: str, note: Path) -> None:
    once = client.with_options(max_retries=0)  # a second try after a lost reply would be a second batch
    made = once.batches.create(
        input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h", metadata={TAG: tag}
    )
    _write(note, {**json.loads(note.read_text(encoding="utf-8")), "id": made.id})


def _take_up(
    note: Path, client: OpenAI, ledger: Ledger, paid: tuple[Budget, dict[str, float]] | None, poll: float,
    tell: Callable[[str], None],
) -> None:  # fmt: skip
    """Wait for a batch, keep what it brought, forget it.

    Raises:
        UsageError: this key and address do not know it.
        RunError: it failed, or some of its requests did or were never answered.
    """
    import openai

    known = json.loads(note.read_text(encoding="utf-8"))
    requests = {request.key: request for request in (Request(body, of) for body, of in known["requests"])}
    batch_id = known["id"] or _find(client, known["tag"])
    if batch_id is None:
        note.unlink()  # it never came to be
        return
    told = ""
    while True:
        try:
            batch = client.batches.retrieve(batch_id)
        except openai.NotFoundError:
            raise UsageError(
                f"--batch: batch {batch_id} of {note} is unknown to this key and address; use those it was sent with, "
                "or delete that file to give its answers up"
            ) from None
        counts = batch.request_counts
        done = f", {counts.completed + counts.failed} of {counts.total} done" if counts else ""
        state = f"batch {batch_id}: {batch.status}{done}"
        if state != told:
            told = state
            tell(state)
        if batch.status in ENDED:
            break
        time.sleep(poll)
    faults = []
    for file in (batch.output_file_id, batch.error_file_id):
        for line in _lines(client, file):
            request = requests.get(str(line.get("custom_id")))
            if request is None or ledger.find(request.key) is not None:
                continue
            try:
                answer = as_answer(line["response"]["body"])
            except (LookupError, TypeError, AttributeError):
                faults.append(_reason(line))
                continue
            reply = ledger.add(request, {**answer, "batch": batch_id, "seconds": 0.0, "retries": 0})
            if paid:
                paid[0].settle(paid[1].pop(request.key), reply.prompt_tokens, reply.completion_tokens)
    if paid:
        for reserved in paid[1].values():
            paid[0].release(reserved)
    note.unlink()
    if batch.status == "failed":
        errors = batch.errors.data if batch.errors and batch.errors.data else []
        faults += [str(error.message) for error in errors]
    unanswered = sum(ledger.find(key) is None for key in requests)
    if unanswered and not faults:  # else the caller would send, and pay for, the same requests again for ever
        faults = [f"the batch is {batch.status} and says nothing of them"] * unanswered
    if faults:
        why = " ".join(faults[0].replace(client.api_key, "[key]").split())[:200]
        raise RunError(
            f"batch {batch_id}: {max(len(faults), 1)} of {len(requests)} requests failed ({why}); do what it says, "
            "then run again: answers so far are kept"
        )


def _find(client: OpenAI, tag: str) -> str | None:
    """The batch that carries a note's name."""
    return next((batch.id for batch in client.batches.list(limit=100) if (batch.metadata or {}).get(TAG) == tag), None)


def _lines(client: OpenAI, file: str | None) -> Iterator[dict[str, Any]]:
    if file is None:
        return
    for line in client.files.content(file).text.split(
        "\n"
    ):  # as JSONL has it; splitlines also cuts at U+2028 inside a text
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError:
            found = {}
        if isinstance(found, dict):
            yield found


def _reason(line: dict[str, Any]) -> str:
    """What an answer that is none says of itself."""
    response = line.get("response") or {}
    body = response.get("body") if isinstance(response, dict) else None
    error = line.get("error") or (body or {}).get("error") or {}
    return str(error.get("message") if isinstance(error, dict) else error) or "no chat completion"


def _write(note: Path, value: dict[str, Any]) -> None:
    write_atomic(note, json.dumps(value, sort_keys=True) + "\n")
