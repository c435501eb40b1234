"""Request -> reply of an OpenAI-compatible endpoint: the client, its errors as sentences, many requests at once."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cod_bench.errors import RunError, UsageError, plain
from cod_bench.generators._llm.answer import Secrets, as_answer, now
from cod_bench.generators._llm.tries import CONNECT, Manner, TriedError, attempt, seconds_asked
from cod_bench.generators._llm.wire import PLAIN, BoundsError, bounded, stoppable

if TYPE_CHECKING:
    from openai import OpenAI

    from cod_bench.generators._llm.ledger import Ledger, Reply, Request
    from cod_bench.generators._llm.prices import Budget

MAX_RETRIES, TIMEOUT = 8, 60.0
"""Tries after the first of a request that may still be answered; seconds a try, unless its user says otherwise."""
GRACE = 3.0
"""Seconds after Ctrl-C for answers that are under way."""
log = logging.getLogger(__name__)
_ADDRESS = re.compile(r"https?://(?:[^/@\s]+@)?(?:[\w.-]+|\[[\da-f:]+\])(?::\d{1,5})?(?:/\S*)?")
ONE_TEXT = (400, 422)
"""Refusals that may be about one text alone: the other requests go on."""
FILTERED = "content_filter"
"""Error code of a prompt that a provider's filter refuses: about this text for good, unlike any other 400."""
STRANGE = (BoundsError, ValueError, AttributeError, TypeError, LookupError, RecursionError)
"""What a response raises, besides the client's own errors, that is beyond bounds or none at all."""
CLIENTS = ("openai", "httpx", "httpx2", "httpcore", "httpcore2")
"""Loggers that quote headers and addresses below a warning, in which a key may stand that a server sends back."""


class Endpoint:
    """The client for the environment's endpoint and key, made when it is first needed."""

    def __init__(self) -> None:
        self._client: tuple[tuple[str, str | None], OpenAI] | None = None
        self._mutex = threading.Lock()

    def client(self) -> OpenAI:
        """The client.

        Raises:
            UsageError: the key is missing or odd, or the address is none.
        """
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        base = os.environ.get("COD_BENCH_LLM_BASE_URL") or os.environ.get("OPENAI_BASE_URL") or None
        if not key.isascii() or not key.isprintable() or not key:
            raise UsageError("OPENAI_API_KEY is empty or has odd characters; set it (any word for a keyless server)")
        if base and not _is_address(base):
            raise UsageError(
                "--base-url (COD_BENCH_LLM_BASE_URL) is no address; write it as http://HOST:PORT/v1"
            )  # which may hold a password and is not quoted
        with self._mutex:
            if self._client is None or self._client[0] != (key, base):
                from openai import OpenAI

                for name in CLIENTS:
                    logging.getLogger(name).setLevel(logging.WARNING)
                made = OpenAI(
                    api_key=key, base_url=base, max_retries=MAX_RETRIES, timeout=TIMEOUT, http_client=bounded(),
                    default_headers=PLAIN,
                )  # fmt: skip
                self._client = (key, base), made
            return self._client[1]

    def ask(
        self, request: Request, ledger: Ledger, budget: Budget | None = None, *,
        tell: Callable[[str], None] = log.warning, stop: threading.Event | None = None,
        over: threading.Event | None = None,
    ) -> Reply:  # fmt: skip
        """The reply to one request: from the ledger, or bought now and on disk before it is returned.

        Args:
            tell: called with a line for each try that timed out.
            stop: set when nothing new may be sent.
            over: set when what is under way is given up.

        Raises:
            UsageError: no or a wrong key, an unknown model. RunError: no answer, or the budget is used up.
        """
        with ledger.asking(request.key):
            kept = ledger.find(request.key)
            if kept is not None:
                return kept
            if stop is not None and stop.is_set():
                raise RunError("requests are stopped; run again: answers so far are kept")
            manner = Manner(MAX_RETRIES, seconds_a_try(), tell, over or threading.Event())
            reserved = budget.reserve(request.characters, request.most_tokens) if budget else 0.0
            try:
                answer = self._send(request, manner)
            except BaseException:
                if budget:
                    budget.release(reserved)
                raise
            reply = ledger.add(request, answer)
        if budget:
            budget.settle(reserved, reply.prompt_tokens, reply.completion_tokens, answer["retries"])
        return reply

    def ask_all(
        self, requests: Sequence[Request], ledger: Ledger, budget: Budget, *, concurrency: int,
        per_minute: float | None, tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Ask many at once. After a failure no new one is sent, and those under way are waited for and kept; so they
        are after Ctrl-C, for GRACE seconds.

        Raises:
            as `ask`; KeyboardInterrupt.
        """
        from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait

        pace, failures = Pace(per_minute), list[Exception]()
        stop, over = threading.Event(), threading.Event()

        def one(request: Request) -> None:
            pace.wait(stop)
            if stop.is_set():
                return
            try:
                self.ask(request, ledger, budget, tell=tell, stop=stop, over=over)
            except (UsageError, RunError) as error:
                failures.append(error)
                if not (isinstance(error, RefusedError) and error.status in ONE_TEXT):
                    stop.set()

        futures = list[Future[None]]()
        pool = ThreadPoolExecutor(max(1, min(concurrency, len(requests))))
        try:
            futures = [pool.submit(one, request) for request in requests]
            for done, future in enumerate(as_completed(futures), 1):
                future.result()
                if done % 50 == 0:
                    tell(f"{done} of {len(requests)} requests answered")
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            tell(f"stopping; answers that come within {GRACE:g} seconds are kept (Ctrl-C again gives them up)")
            wait(futures, GRACE)
            raise
        finally:
            over.set()
            pool.shutdown(wait=True, cancel_futures=True)
        if failures:
            raise failures[0]

    def _send(self, request: Request, manner: Manner) -> dict[str, Any]:
        import openai

        client, body, begun = self.client(), request.body, time.monotonic()
        once = client.with_options(
            max_retries=0, timeout=openai.Timeout(manner.seconds, connect=min(CONNECT, manner.seconds))
        )
        host = client.base_url.netloc.decode()

        def call() -> Any:
            with stoppable(manner.over, manner.seconds + 1 if manner.seconds > TIMEOUT else 0.0):
                return once.chat.completions.with_raw_response.create(
                    model=body["model"], messages=body["messages"], **body["parameters"]
                )

        what = f"{host}: text {request.of['text']} of {request.of['task'] or 'no task'}"
        try:
            raw, retries = attempt(call, manner, what)
            # not `parse`: of other shapes the client warns in words that quote them
            found = json.loads(raw.http_response.content)
            answer = as_answer(found, Secrets.of(client), body["parameters"]["max_tokens"], request.samples)
        except TriedError as tried:
            if not (isinstance(tried.cause, openai.BadRequestError) and tried.cause.code == FILTERED):
                raise failure(tried.cause, client, body["model"], tried.tries, manner.seconds) from None
            # An answer like any other: asked again it would be the same, and every run with this text would fail.
            answer = {"text": "", "finish_reason": FILTERED, "served": body["model"], "usage": None, "time": now()}
            retries = tried.tries - 1
        except (openai.OpenAIError, *STRANGE) as error:
            raise failure(error, client, body["model"]) from None  # the client's own error may quote the key
        return {**answer, "seconds": round(time.monotonic() - begun, 3), "retries": retries}


def seconds_a_try() -> float:
    """As its user says, or TIMEOUT."""
    return seconds_asked(os.environ.get("COD_BENCH_LLM_TIMEOUT", ""), TIMEOUT)


class Pace:
    """Starts at most so many a minute, evenly spaced; safe for threads."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next, self._mutex = 0.0, threading.Lock()

    def wait(self, stop: threading.Event) -> None:
        """Return when it is one's turn, or at once after `stop`."""
        with self._mutex:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._gap
        stop.wait(turn - now)


def _is_address(base: str) -> bool:
    try:
        return bool(_ADDRESS.fullmatch(base)) and urlsplit(base).port != 0
    except ValueError:  # a port above 65535
        return False


class RefusedError(RunError):
    """A status that may be about one text alone."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def failure(error: Exception, client: OpenAI, model: str, tries: int = 1, seconds: float = TIMEOUT) -> Exception:
    """The sentence for what the client raised; nothing of a 401 is quoted, and secrets are cut from the rest."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    host = client.base_url.netloc.decode()  # without a password that the address may hold
    status = error.status_code if isinstance(error, APIStatusError) else 0
    if status == 401:
        return UsageError(f"OPENAI_API_KEY is not accepted by {host} (401); set the key of this endpoint")
    if status == 404:
        path = "or correct the path of --base-url (most end in /v1)"
        return UsageError(f"--model {model!r} is unknown to {host} (404); name one that it has, {path}")
    if 300 <= status < 400:
        return UsageError(
            f"--base-url: {host} sends requests on to another address ({status}), which would get key and texts and is "
            "not followed; name the address that answers"
        )
    what = "gave something else than a chat completion; check --base-url"
    if isinstance(error, BoundsError):
        what = f"{error}; check --base-url"
    elif isinstance(error, APITimeoutError):
        what = (
            f"did not answer in {tries} tries of {seconds:g} seconds; give it more by --timeout or correct --base-url"
        )
    elif isinstance(error, APIConnectionError):
        what = f"did not answer in {tries} tries; start the server or correct --base-url"
    elif isinstance(error, APIStatusError):
        said = quoted(error.message, client)
        what = f"refused ({said}); " + ("wait, or raise your limit or credit" if status == 429 else "do what it says")
    return RefusedError(f"{host} {what}, then run again: answers so far are kept", status)


def quoted(said: object, client: OpenAI) -> str:
    """What a server says, as part of a sentence: no secrets, one line, nothing that steers a terminal."""
    return plain(" ".join(Secrets.of(client).tidy(str(said)).split()))[:200]


def unique(requests: Iterator[Request]) -> list[Request]:
    """Requests of different bodies, in order."""
    return list({request.key: request for request in requests}.values())
