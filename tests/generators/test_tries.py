"""Tries of one request: told where they time out, paused as the server asks, and stopped by Ctrl-C on real sockets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import takewhile

import pytest

from cod_bench.errors import RunError, UsageError
from cod_bench.generator import Ask, Terms
from cod_bench.generators._llm import endpoint as _endpoint
from cod_bench.generators._llm import tries
from cod_bench.generators._llm.tries import Manner, attempt
from cod_bench.generators._llm.wire import BoundsError
from cod_bench.generators.llm import Llm
from tests import ROOT
from tests.endpoint import FLIP, QUERY, Linear, Server, kept, refusal


class Silent:
    """Its port, and what came there."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.host = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.taken: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self.taken.append(self.listener.accept()[0])


@pytest.fixture
def silent() -> Iterator[Silent]:
    """A server that takes every connection and never says a word."""
    found = Silent()
    yield found
    found.listener.close()
    for connection in found.taken:
        connection.close()


def test_each_try_that_timed_out_is_a_line_and_there_are_three(
    server: Server, silent: Silent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COD_BENCH_LLM_BASE_URL", f"http://{silent.host}/v1")
    monkeypatch.setenv("COD_BENCH_LLM_TIMEOUT", "1")
    monkeypatch.setattr(_endpoint, "MAX_RETRIES", 8)
    told: list[str] = []
    with pytest.raises(RunError, match=r"did not answer in 3 tries of 1 seconds; give it more by --timeout or correct"):
        Llm().gather([Ask(QUERY)], Linear(), Terms(tell=told.append))
    lines = [line for line in told if "no answer" in line]
    assert lines == [f"llm: {silent.host}: text a of toy: no answer within 1 s (try {i} of 3)" for i in (1, 2, 3)]


def test_a_slow_answer_within_the_timeout_is_an_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_endpoint, "TIMEOUT", 0.2)
    monkeypatch.setenv("COD_BENCH_LLM_TIMEOUT", "20")
    server.delay = 1.5  # some looks of a wait long
    assert server.answer(FLIP).attempts == (FLIP,)
    assert len(server.sent) == 1


@pytest.mark.parametrize("named", ["0", "-1", "x", "nan", "1e9", "inf"])
def test_an_odd_timeout_is_told(server: Server, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_LLM_TIMEOUT", named)
    with pytest.raises(UsageError, match=r"--timeout \(COD_BENCH_LLM_TIMEOUT\) .*: write the seconds"):
        server.answer(FLIP)
    assert server.sent == []


INTERRUPTED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start background jobs deaf to Ctrl-C
from cod_bench.generator import Terms
from cod_bench.generators.llm import Llm
from tests.endpoint import Linear
from tests.generators.test_endpoint import queries
try:
    Llm().gather(queries(30), Linear(), Terms(concurrency=8, tell=lambda line: print(line, flush=True)))
except KeyboardInterrupt:
    print("ended", flush=True)
    raise
"""


@pytest.mark.parametrize("where", ["silent", "between two tries"])
def test_ctrl_c_ends_stalled_requests_within_ten_seconds(
    server: Server, silent: Silent, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "silent":
        monkeypatch.setenv("COD_BENCH_LLM_BASE_URL", f"http://{silent.host}/v1")
    else:
        server.script = [refusal(429, "slow", **{"Retry-After": "100"}) for _ in range(40)]
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], cwd=ROOT, env=dict(os.environ), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith("llm: round 1: 30 requests")
        while (len(silent.taken) if where == "silent" else len(server.sent)) < 8:  # they take long to get ready
            assert process.poll() is None
            time.sleep(0.1)
        time.sleep(1)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        said = list(takewhile(lambda line: line != "ended\n", process.stdout))
        assert time.monotonic() - begun < 10
        _, trace = process.communicate(timeout=60)  # what an interpreter takes to go is a busy machine's affair
    assert "stopping; answers that come within 3 seconds are kept" in said[-1]
    assert trace.strip().endswith("KeyboardInterrupt")
    assert not kept().exists()


def refused(status: int, **headers: str) -> Exception:
    import httpx2
    import openai

    response = httpx2.Response(status, headers=headers, request=httpx2.Request("POST", "http://127.0.0.1/v1"))
    return openai.APIStatusError("no", response=response, body=None)


@pytest.mark.parametrize(
    ("error", "tried"),
    [
        (refused(429), 4), (refused(500), 4), (refused(408), 4), (refused(409), 4), (refused(503), 4),
        (refused(400), 1),
        (refused(404), 1), (refused(422), 1), (refused(500, **{"x-should-retry": "false"}), 1),
        (refused(400, **{"x-should-retry": "true"}), 4), (refused(429, **{"retry-after": "121"}), 1),
        (refused(429, **{"retry-after": "Fri, 31 Dec 2999 23:59:59 GMT"}), 1),
        (refused(429, **{"retry-after": "soon"}), 4), (refused(429, **{"retry-after": "nan"}), 4),
    ],
)  # fmt: skip
def test_what_is_tried_again(error: Exception, tried: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "PAUSES", (0.001, 0.002))
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        raise error

    with pytest.raises(tries.TriedError) as caught:
        attempt(call, Manner(3, 60.0, lambda line: None, threading.Event()), "x")
    assert (len(calls), caught.value.tries, caught.value.cause) == (tried, tried, error)


def test_a_server_is_left_alone_for_as_long_as_it_asks_unless_all_is_over() -> None:
    over, calls = threading.Event(), list[float]()

    def call() -> str:
        calls.append(time.monotonic())
        if len(calls) == 1:
            raise refused(429, **{"retry-after-ms": "700"})
        return "answer"

    assert attempt(call, Manner(3, 60.0, lambda line: None, over), "x") == ("answer", 1)
    assert calls[1] - calls[0] >= 0.7
    over.set()
    calls.clear()
    with pytest.raises(BoundsError, match="was given up"):
        attempt(call, Manner(3, 60.0, lambda line: None, over), "x")
    assert len(calls) == 1
