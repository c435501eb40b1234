"""What goes wrong at an endpoint, on real sockets: nothing paid for is lost, and one sentence says what to do."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cod_bench.errors import RunError, UsageError
from cod_bench.generator import Ask, Query, Terms
from cod_bench.generators._llm import endpoint as _endpoint
from cod_bench.generators._llm.endpoint import Pace
from cod_bench.generators.llm import Llm
from cod_bench.task import Example
from tests import ROOT
from tests.endpoint import FLIP, KEY, MISS, QUERY, TEXT, TOY, Linear, Server, completion, kept, refusal, rows


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_waited_for(server: Server, status: int) -> None:
    begun, wait = time.perf_counter(), {"Retry-After": "0.6"}  # the client's own first wait is at most 0.5 s
    assert server.answer(refusal(status, **wait), refusal(status, **{"Retry-After": "0.05"}), FLIP).attempts == (FLIP,)
    assert time.perf_counter() - begun > 0.6
    assert (len(server.sent), len(rows())) == (3, 1)


NO_CHAT = "something else than a chat completion; check --base-url, then run"
JSON = "application/json"


@pytest.mark.parametrize(
    ("reply", "kind", "sentence"),
    [
        (refusal(401, f"wrong: {KEY}"), UsageError, r"OPENAI_API_KEY is not accepted .*\(401\); set"),
        (refusal(404, f"none, {KEY}"), UsageError, r"--model 'maker/tiny' is unknown .*\(404\); name"),
        (refusal(400, f"hot! {KEY}"), RunError, r"refused \(.*hot! \[key\].*\); do what it says, then run again"),
        (refusal(429, f"quota {KEY}"), RunError, r"refused \(.*429.*\); wait, or raise your limit or credit, then run"),
        (refusal(500, f"broken {KEY}"), RunError, r"refused \(.*500.*\); do what it says, then run again"),
        (Response("{bad", content_type=JSON), RunError, NO_CHAT),
        (Response(f"<p>{KEY}", content_type="text/html"), RunError, NO_CHAT),
        (Response('{"choices": []}', content_type=JSON), RunError, NO_CHAT),
        (Response("[1]", content_type=JSON), RunError, NO_CHAT),
    ],
    ids=["401", "404", "400", "429", "500", "bad-json", "html", "no-choice", "list"],
)
def test_a_lasting_failure_is_one_sentence_without_the_key_and_loses_no_answer(
    server: Server, reply: Response, kind: type[Exception], sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    reply.headers["Retry-After"] = "0.02"
    with pytest.raises(kind, match=sentence) as caught:
        server.answer(MISS, reply, reply, reply)
    assert "\n" not in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert not any(KEY.encode() in p.read_bytes() for p in kept().parent.parent.rglob("*") if p.is_file())
    assert KEY not in caplog.text
    assert [row["text"] for row in rows()] == [MISS]
    before = len(server.sent)
    assert server.answer(FLIP).attempts == (FLIP, MISS)
    assert len(server.sent) == before + 1


def test_a_refused_connection_names_no_password(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_endpoint, "MAX_RETRIES", 0)
    monkeypatch.setenv("COD_BENCH_LLM_BASE_URL", "http://me:hidden@127.0.0.1:9/v1")
    with pytest.raises(RunError, match=r"^127\.0\.0\.1:9 did not answer in 1 tries; start the server or") as caught:
        server.answer()
    assert "hidden" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("key", [None, "", "  ", "sk-\u00e9", "sk-a\nb"])
def test_a_missing_or_odd_key_is_told(server: Server, key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY") if key is None else monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UsageError, match="OPENAI_API_KEY is empty or has odd characters; set it"):
        server.answer(FLIP)
    assert server.sent == []


@pytest.mark.parametrize(
    "address", ["localhost:8000/v1", "http://", "http://host:port/v1", "ftp://host/v1", "http://host:99999/v1"]
)
def test_an_address_that_is_none_is_told(server: Server, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_LLM_BASE_URL", address)
    with pytest.raises(UsageError, match=r"COD_BENCH_LLM_BASE_URL\) is no address; write it as http"):
        server.answer(FLIP)


def queries(count: int) -> list[Ask]:
    return [Ask(Query(Example(str(i), f"{TEXT} {i}", 0), 1, TOY)) for i in range(count)]


def flipped(prompt: str) -> str:
    return prompt.rsplit("Text: ", 1)[1].split("\n")[0].replace("dull", "great")


def test_a_dropped_connection_is_tried_again_and_then_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="the script is over"):
        server.answer(MISS)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken: list[int] = []

        def drop() -> None:
            for number in range(3):
                connection, _ = listener.accept()
                connection.recv(100)
                connection.close()
                taken.append(number)

        thread = threading.Thread(target=drop)
        thread.start()
        monkeypatch.setenv("COD_BENCH_LLM_BASE_URL", f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        with pytest.raises(RunError, match="did not answer in 3 tries; start the server or correct --base-url"):
            Llm().gather([Ask(QUERY)], Linear(), Terms())
        thread.join()
    assert taken == [0, 1, 2]
    assert [row["text"] for row in rows()] == [MISS]


def test_a_server_that_is_silent_for_too_long_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_endpoint, "TIMEOUT", 0.2)
    monkeypatch.setattr(_endpoint, "MAX_RETRIES", 0)
    server.delay = 0.6
    with pytest.raises(RunError, match="did not answer in 1 tries"):
        server.answer(FLIP)
    time.sleep(0.6)


def test_a_model_that_vanishes_ends_it_and_what_came_before_is_kept(server: Server) -> None:
    server.script = [f"{TEXT} great {i}" for i in range(3)] + [refusal(404)] * 9
    with pytest.raises(UsageError, match=r"--model 'maker/tiny' is unknown .*\(404\)"):
        Llm().gather(queries(9), Linear(), Terms(concurrency=1))
    assert (len(rows()), len(server.sent)) == (3, 4)
    server.make = flipped
    Llm().gather(queries(9), Linear(), Terms())
    assert len({row["key"] for row in rows()}) == len(rows())


def test_a_refusal_of_one_text_does_not_keep_the_others_waiting(server: Server) -> None:
    server.script = [refusal(400, "this text")] + [f"{TEXT} great {i}" for i in range(5)]
    with pytest.raises(RunError, match="this text"):
        Llm().gather(queries(6), Linear(), Terms(concurrency=1))
    assert len(rows()) == 5


def test_a_budget_of_requests_is_never_exceeded(server: Server) -> None:
    server.make = flipped
    with pytest.raises(RunError, match="--budget of 4 requests is used up after 4 requests; raise it and run again"):
        Llm().gather(queries(9), Linear(), Terms(concurrency=3, requests=4))
    assert len(server.sent) == len(rows()) == 4
    Llm().gather(queries(9), Linear(), Terms(requests=5))
    assert len(server.sent) == 9


def test_a_budget_in_dollars_reckons_with_the_dearest_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_LLM_MODEL", "gpt-4o-2024-11-20")
    server.make = flipped
    one = (400 / 2 * 2.5 + (len(TEXT) + 64) * 10) / 1e6
    with pytest.raises(RunError, match=r"--budget of \$0\.0\d+ is used up after \d+ requests and \$0\.0"):
        Llm().gather(queries(300), Linear(), Terms(dollars=3 * one))
    spent = len(server.sent) * (7 * 2.5 + 3 * 10) / 1e6  # what the scripted usage says
    assert 0 < spent < 3 * one
    monkeypatch.setenv("COD_BENCH_LLM_MODEL", "maker/tiny")
    with pytest.raises(UsageError, match=r"has no price of 'maker/tiny'; add it there .* or give"):
        Llm().gather(queries(1), Linear(), Terms(dollars=1.0))


KILLED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start background jobs deaf to Ctrl-C
from cod_bench.generator import Terms
from cod_bench.generators.llm import Llm
from tests.endpoint import Linear
from tests.generators.test_endpoint import queries
Llm().gather(queries(30), Linear(), Terms(concurrency=2, tell=lambda line: print(line, flush=True)))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_process_loses_no_answer_and_the_next_buys_the_rest(server: Server, how: signal.Signals) -> None:
    server.make, server.delay = flipped, 0.1
    root = ROOT
    with subprocess.Popen([sys.executable, "-c", KILLED], cwd=root, stderr=subprocess.DEVNULL) as process:
        while not (kept().exists() and len(kept().read_bytes().splitlines()) >= 4):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(how)
        process.wait(20)
    time.sleep(0.3)  # for what was under way to reach the server
    before, sent = len(rows()), len(server.sent)
    assert 4 <= before < 30
    assert sent - before <= (2 if how == signal.SIGKILL else 0)  # those under way when it was killed
    server.delay = 0.0
    Llm().gather(queries(30), Linear(), Terms())
    assert len(server.sent) - sent == 30 - before
    assert len(rows()) == 30


def test_the_pace_spaces_starts_evenly() -> None:
    pace, begun = Pace(600), time.monotonic()
    for _ in range(4):
        pace.wait(threading.Event())
    assert time.monotonic() - begun >= 0.3
    stop = threading.Event()
    stop.set()
    slow = Pace(1)
    slow.wait(stop)
    begun = time.monotonic()
    slow.wait(stop)
    assert time.monotonic() - begun < 30, "a minute if it did not stop"


def test_requests_are_under_way_together(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way, most, mutex = 0, 0, threading.Lock()

    def answer(request: Request) -> Response:
        nonlocal under_way, most
        with mutex:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.2)
        with mutex:
            under_way -= 1
        return completion(flipped(json.loads(request.data)["messages"][0]["content"]))

    with HTTPServer(threaded=True) as http:
        http.expect_request("/v1/chat/completions").respond_with_handler(answer)
        monkeypatch.setenv("COD_BENCH_LLM_BASE_URL", http.url_for("/v1"))
        Llm().gather(queries(8), Linear(), Terms(concurrency=4))
    assert 2 <= most <= 4
    assert len(rows()) == 8


def test_a_prompt_that_the_filter_refuses_is_kept_as_an_empty_answer(server: Server) -> None:
    refused = Response(
        json.dumps({"error": {"message": "filtered", "type": "invalid_request_error", "code": "content_filter"}}),
        status=400, content_type=JSON,
    )  # fmt: skip
    answer = server.answer(refused, FLIP)
    assert (answer.first, answer.attempts) == ("", (FLIP,))
    assert rows()[0]["finish_reason"] == "content_filter"
    assert server.answer() == answer  # nothing is sent again
    assert len(server.sent) == 2
