"""What goes wrong at an endpoint, on real sockets: nothing paid for is lost, and one sentence says what to do."""

from __future__ import annotations

import time
import traceback

import pytest
from werkzeug import Response

from cod_bench.errors import RunError, UsageError
from cod_bench.generators import _endpoint
from tests.endpoint import FLIP, KEY, MISS, Server, kept, refusal, rows


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


@pytest.mark.parametrize("address", ["localhost:8000/v1", "http://", "http://host:port/v1", "ftp://host/v1"])
def test_an_address_that_is_none_is_told(server: Server, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_LLM_BASE_URL", address)
    with pytest.raises(UsageError, match=r"COD_BENCH_LLM_BASE_URL\) is no address; write it as http"):
        server.answer(FLIP)
