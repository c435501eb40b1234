"""A server that misbehaves in every way we could think of: an answer or one sentence, in time, and the key nowhere."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cod_bench.errors import RunError, UsageError
from cod_bench.generator import Ask, Terms
from cod_bench.generators._llm import endpoint as _endpoint
from cod_bench.generators._llm import wire
from cod_bench.generators._llm.answer import LONGEST, Secrets
from cod_bench.generators._llm.ledger import faults
from cod_bench.generators.llm import Llm
from tests import ROOT
from tests.endpoint import FLIP, QUERY, Linear, kept, rows

KEY = 'sk-canary/7f+3e=9d&2c"b1'
HALF = "\ud800"
SECONDS = 0.6
"""What one try may take in these tests."""


@dataclass
class Caller:
    """One connection: what was sent, and ways to answer it."""

    wire: socket.socket
    turn: int
    """How many came before."""
    head: str
    port: int

    @property
    def path(self) -> str:
        return self.head.split(" ")[1]

    @property
    def authorization(self) -> str:
        return next(line[15:] for line in self.head.split("\r\n") if line.lower().startswith("authorization: "))

    def raw(self, data: bytes) -> None:
        self.wire.sendall(data)

    def answer(self, body: Any, status: str = "200 OK", kind: str = "application/json", **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        said = {"Content-Type": kind, "Content-Length": str(len(data)), "Connection": "close"}
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        self.raw(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + data)

    def complete(self, text: Any = FLIP, **more: Any) -> None:
        self.answer(completion(text, **more))

    def error(self, status: str, said: str, **headers: str) -> None:
        self.answer({"error": {"message": said, "type": "error"}}, status, **headers)

    def reset(self) -> None:
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wire.close()


def completion(text: Any = FLIP, *, finish: Any = "stop", model: Any = "served", usage: Any = None) -> dict[str, Any]:
    usage = usage if usage is not None else {"prompt_tokens": 7, "completion_tokens": 3}
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
    return {"id": "x", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}


Way = Callable[[Caller], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Hostile:
    """A loopback server whose every connection is handled by one way."""

    def __init__(self, way: Way) -> None:
        self.way, self.came = way, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._handle, args=(connection, self.came), daemon=True).start()
                self.came += 1

    def _handle(self, connection: socket.socket, turn: int) -> None:
        connection.settimeout(10)
        with suppress(OSError), connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            length = int(next(re.finditer(rb"content-length: (\d+)", head, re.IGNORECASE)).group(1))
            while len(body) < length:
                body += connection.recv(65536)
            self.way(Caller(connection, turn, head.decode("latin-1"), self.port))

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@dataclass(frozen=True)
class Case:
    """What a server does, and what becomes of it: an answer with this ending, or a sentence."""

    way: Way
    finish: str | None = None
    kind: type[Exception] | None = None
    says: str = ""
    tries: int | None = None
    """Connections it may take at most; 2 where a retry is right."""
    text: str | None = field(default=FLIP)


def told(way: Way, says: str, kind: type[Exception] = RunError, tries: int = 2) -> Case:
    return Case(way, kind=kind, says=says, tries=tries)


def once(bad: Way) -> Way:
    """The first caller gets this, the second a good answer."""
    return lambda caller: bad(caller) if caller.turn == 0 else caller.complete()


def body(value: Any) -> Case:
    return told(lambda c: c.answer(value), NO_CHAT, tries=1)


def refused(status: str, said: Callable[[Caller], str], **headers: str) -> Way:
    return lambda c: c.error(status, said(c), **headers)


NO_CHAT = "gave something else than a chat completion; check --base-url"
SILENT = r"did not answer in 2 tries; start the server or correct --base-url"
LATE = rf"had not sent all of its answer after {SECONDS} seconds; check --base-url"
MUCH = r"sent more than 8,388,608 bytes for one answer; check --base-url"
ELSEWHERE = r"--base-url: 127\.0\.0\.1:\d+ sends requests on to another address \(30\d\)"
BOMB = gzip.compress(bytes(50_000_000))
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def endless(data: bytes, head: bytes = b"", gap: float = 0.0) -> Way:
    """A head, and then the same bytes as long as anybody listens."""

    def way(caller: Caller) -> None:
        caller.raw(head)
        while True:
            caller.raw(data)
            time.sleep(gap)

    return way


def cut_by_reset(caller: Caller) -> None:
    caller.raw(HEAD + b"Content-Length: 900\r\n\r\n{")
    caller.reset()


def odd_counts(caller: Caller) -> None:
    usage = {"prompt_tokens": -9, "completion_tokens": "x", "n": None, "d": {"e": {"f": 1}}}
    caller.answer(json.dumps(completion(usage=usage)).replace('"x"', "NaN").encode())


def key_in_headers(caller: Caller) -> None:
    caller.answer(completion(), f"200 {KEY}", x_request_id=KEY, Set_Cookie=f"a={KEY}", X_Echo=KEY)


def elsewhere(caller: Caller) -> None:
    caller.answer({}, "307 Temporary Redirect", Location=f"http://localhost:{caller.port}/v1/other?{KEY}")


CASES: dict[str, Case] = {
    "reset": told(Caller.reset, SILENT),
    "reset once": Case(once(Caller.reset)),
    "hangs up": told(lambda c: None, SILENT),
    "says nothing": told(lambda c: time.sleep(3), LATE, tries=1),
    "no http": told(lambda c: c.raw(b"SSH-2.0-OpenSSH_9.6\r\n" * 50), SILENT),
    "empty": body(b""),
    "no content": told(lambda c: c.raw(b"HTTP/1.1 204 No Content\r\n\r\n"), NO_CHAT, tries=1),
    "cut": told(lambda c: c.raw(HEAD + b'Content-Length: 900\r\n\r\n{"choices": [{"mess'), SILENT),
    "cut once": Case(once(lambda c: c.raw(HEAD + b"Content-Length: 900\r\n\r\n{"))),
    "reset in the body": told(cut_by_reset, SILENT),
    "bad chunk": told(lambda c: c.raw(HEAD + CHUNKED + b"zz\r\n{}\r\n"), SILENT),
    "two lengths": told(lambda c: c.raw(HEAD + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}"), SILENT),
    "negative length": told(lambda c: c.raw(HEAD + b"Content-Length: -5\r\n\r\n{}"), SILENT),
    "drips its first line": told(endless(b"H", gap=0.05), LATE, tries=1),
    "drips its head": told(endless(b"X-A: b\r\n", HEAD, 0.05), LATE, tries=1),
    "endless head": told(endless(b"X-A: " + b"b" * 5000 + b"\r\n", HEAD), f"{SILENT}|{MUCH}"),
    "continues for ever": told(endless(b"HTTP/1.1 100 Continue\r\n\r\n", gap=0.02), LATE, tries=1),
    "drips": told(endless(b"1\r\n \r\n", HEAD + CHUNKED, 0.05), LATE, tries=1),
    "drips an error": told(endless(b"1\r\n \r\n", b"HTTP/1.1 500 No\r\n" + CHUNKED, 0.05), LATE, tries=1),
    "endless": told(endless(b"ffff\r\n" + b" " * 65535 + b"\r\n", HEAD + CHUNKED), MUCH, tries=1),
    "endless without a length": told(endless(b" " * 65535, HEAD + b"\r\n"), MUCH, tries=1),
    "announces 10 GB": told(endless(b" " * 65535, HEAD + b"Content-Length: 10000000000\r\n\r\n"), MUCH, tries=1),
    "a bomb": told(lambda c: c.answer(BOMB, Content_Encoding="gzip"), "sent a compressed answer", tries=1),
    "ten million characters": told(lambda c: c.complete("a" * 10_000_000), MUCH, tries=1),
    "a million characters": Case(lambda c: c.complete("a" * 1_000_000), "length", text=None),
    "a hundred thousand quotation marks": Case(lambda c: c.complete('"' * 200_000), "length", text=None),
    "redirect to another host": told(elsewhere, ELSEWHERE, UsageError, 1),
    "redirect to itself": told(lambda c: c.answer({}, "302 Found", Location=c.path), ELSEWHERE, UsageError, 1),
    "redirect to nowhere": told(lambda c: c.answer({}, "301 Moved"), ELSEWHERE, UsageError, 1),
    "429": told(refused("429 No", lambda c: "slow"), "refused .*429.*; wait, or raise your limit or credit"),
    "429 once": Case(once(refused("429 No", lambda c: "slow", Retry_After="0.1"))),
    **{
        f"429 with Retry-After {value}": told(refused("429 No", lambda c: "slow", Retry_After=value), "429.*; wait")
        for value in ("1000000000", "Fri, 31 Dec 2999 23:59:59 GMT", "soon", "-1e999", "nan", "9" * 5000)
    },
    "500": told(refused("500 No", lambda c: "broken"), "refused .*500.*; do what it says"),
    "500 once": Case(once(refused("500 No", lambda c: "broken"))),
    "502 in a page": told(lambda c: c.answer(b"<h1>Bad gateway</h1>", "502 Bad", "text/html"), "refused .*502"),
    "status 799": told(lambda c: c.answer(completion(), "799 What"), "refused"),
    "status 100 alone": told(lambda c: c.raw(b"HTTP/1.1 100 Continue\r\n\r\n"), SILENT),
    "a page": told(lambda c: c.answer(f"<p>{c.authorization}".encode(), kind="text/html"), NO_CHAT, tries=1),
    "an answer as text": Case(lambda c: c.answer(completion(), kind="text/plain")),
    "an answer in UTF-16": Case(lambda c: c.answer(json.dumps(completion()).encode("utf-16"))),
    "no UTF-8": body(b'{"choices": [{"message": {"content": "\xff\xfe\xfa"}}]}'),
    "bad json": body(b"{bad"),
    "a number": body(b"7"),
    "null": body(b"null"),
    "a list": body([1]),
    "no choices": body({"choices": []}),
    "choices of text": body({"choices": "abc"}),
    "no message": body({"choices": [{"message": None}]}),
    "content of parts": body(completion([{"type": "text", "text": FLIP}])),
    "content of number": body(completion(5)),
    "deep": body(b"[" * 200_000),
    "a long number": body(b'{"choices": ' + b"9" * 50_000 + b"}"),
    "no text": Case(lambda c: c.complete(None), "stop", text=""),
    "half a character": Case(
        lambda c: c.complete(f"{FLIP} {HALF}", model=HALF, usage={HALF: 1}), "stop", text=f"{FLIP} \ufffd"
    ),
    "odd counts": Case(odd_counts),
    "counts beyond counting": Case(lambda c: c.complete(usage={"prompt_tokens": 10**400, "completion_tokens": True})),
    "counts of list": Case(lambda c: c.complete(usage=[1, 2])),
    "odd names": Case(lambda c: c.complete(finish={"a": 1}, model=[7])),
    "steers the terminal": told(
        refused("403 No", lambda c: "\x1b[2J\x07 \u202e red\r\nfine"), r"\\x1b\[2J\\x07 \\u202e red fine"
    ),
    "key in text": Case(lambda c: c.complete(f"{FLIP} {c.authorization}"), "stop", text=f"{FLIP} Bearer [key]"),
    "key in names": Case(
        lambda c: c.complete(finish=KEY, model=c.authorization, usage={KEY: 3, "d": {KEY: 1}}), "[key]"
    ),
    "key in an address": Case(lambda c: c.complete(f"{FLIP} {quote(KEY, safe='')}"), text=f"{FLIP} [key]"),
    "key in base64": Case(lambda c: c.complete(base64.b64encode(c.authorization.encode()).decode()), text=None),
    "key in basic": Case(lambda c: c.complete(base64.b64encode(f"ab:{KEY}:z".encode()).decode()), text=None),
    "key in hexadecimal": Case(lambda c: c.complete(KEY.encode().hex()), text="[key]"),
    "key in headers": Case(key_in_headers),
    "key behind half a character": Case(lambda c: c.complete(f"{HALF}{KEY}{HALF}"), text="\ufffd[key]\ufffd"),
    **{
        f"key in a {status}": told(refused(f"{status} {KEY}", lambda c: f"you sent {c.authorization}"), says, kind)
        for status, says, kind in (
            (400, r"you sent Bearer \[key\]", RunError), (401, "OPENAI_API_KEY is not accepted", UsageError),
            (403, r"you sent Bearer \[key\]", RunError), (404, "--model 'maker/tiny' is unknown", UsageError),
            (429, r"you sent Bearer \[key\]", RunError), (500, r"you sent Bearer \[key\]", RunError),
        )
    },
}  # fmt: skip


def forms() -> list[bytes]:
    """The key in the ways in which a server may have written it."""
    plain = [KEY, quote(KEY, safe=""), KEY.encode().hex(), json.dumps(KEY)[1:-1]]
    coded = [base64.b64encode(b"\0" * n + KEY.encode())[4:-4] for n in range(3)]
    return [*(form.encode() for form in plain), *coded]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COD_BENCH_LLM_MODEL", "maker/tiny")
    monkeypatch.setenv("COD_BENCH_LLM_ATTEMPTS", "1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("COD_BENCH_LLM_YES", "1")
    monkeypatch.setattr(_endpoint, "MAX_RETRIES", 1)
    return tmp_path / "home"


@pytest.fixture
def hostile(home: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    found = Hostile(request.param)
    monkeypatch.setenv("COD_BENCH_LLM_BASE_URL", f"http://127.0.0.1:{found.port}/v1")
    yield found
    found.close()


@pytest.mark.parametrize(
    ("hostile", "case"), [(case.way, case) for case in CASES.values()], ids=list(CASES), indirect=["hostile"]
)
def test_whatever_a_server_does_gives_an_answer_or_a_sentence_and_the_key_nowhere(
    hostile: Hostile,
    case: Case,
    home: Path,
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    if case.says == LATE:  # the others have time: a busy machine is no hostile one
        monkeypatch.setattr(wire, "MOST_SECONDS", SECONDS)
    begun, trace = time.monotonic(), ""
    if case.kind is None:
        Llm().gather([Ask(QUERY)], Linear(), Terms())
    else:
        with pytest.raises(case.kind, match=case.says) as caught:
            Llm().gather([Ask(QUERY)], Linear(), Terms())
        assert str(caught.value).isprintable()
        trace = "".join(traceback.format_exception(caught.value))
    assert time.monotonic() - begun < 30
    assert hostile.came <= (case.tries or 2)
    written = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    said = (trace + caplog.text + "".join(str(warning.message) for warning in recwarn)).encode()
    assert not [(path, form) for path, data in {**written, home: said}.items() for form in forms() if form in data]
    assert not [w.message for w in recwarn if not issubclass(w.category, ResourceWarning)]  # sockets of earlier tests
    if case.kind is None:
        (row,) = rows()
        assert len(row["text"]) <= LONGEST
        assert case.text is None or row["text"] == case.text
        assert case.finish is None or row["finish_reason"] == case.finish
        assert faults(kept()) == []
        Llm().answer(QUERY, Linear(), {})  # as the next start reads it
        assert hostile.came <= (case.tries or 2)
    else:
        assert not kept().exists()


def test_there_are_twenty_ways_at_least() -> None:
    assert len(CASES) >= 20


@pytest.mark.parametrize("hostile", [lambda c: c.complete(f"the film {HALF} at home {HALF} was great")], indirect=True)
def test_half_a_character_does_not_stop_the_next_start(hostile: Hostile) -> None:
    first = Llm().answer(QUERY, Linear(), {})
    script = (
        "from tests.endpoint import QUERY, Linear\nfrom cod_bench.generators import llm\n"
        "print(ascii(llm.GENERATOR.answer(QUERY, Linear(), {})))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == ascii(first)
    assert first.first.encode() == "the film \ufffd at home \ufffd was great".encode()
    assert hostile.came == 1


@pytest.mark.parametrize("hostile", [endless(b"HTTP/1.1 100 Continue\r\n\r\n", gap=0.02)], indirect=True)
def test_a_proxy_of_the_environment_is_used_and_bounded_as_well(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MOST_SECONDS", SECONDS)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{hostile.port}")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("COD_BENCH_LLM_BASE_URL", "http://model.invalid/v1")
    with pytest.raises(RunError, match=rf"^model\.invalid {LATE}"):
        Llm().answer(QUERY, Linear(), {})
    assert hostile.came == 1


def test_a_word_for_a_keyless_server_is_no_secret_and_stays_in_texts() -> None:
    for word in ("none", "EMPTY", "unsupported", "x"):
        assert Secrets(word).cut(f"{word} of the films was {word}") == f"{word} of the films was {word}"
        assert Secrets(word).cut(f"Authorization: bearer {word}") == "Authorization: [key]"
    assert Secrets("").cut("the film") == "the film"
    assert Secrets("token-12", "").cut("a token-12") == "a [key]"


def test_every_form_of_a_key_is_cut_wherever_base64_puts_it() -> None:
    secrets = Secrets(KEY)
    for before in range(7):
        for after in range(4):
            text = b"u" * before + KEY.encode() + b"v" * after
            for coded in (base64.b64encode(text).decode(), base64.urlsafe_b64encode(text).decode()):
                assert "[key]" in secrets.cut(coded)
                assert len(secrets.cut(coded)) <= len("[key]") + 4 * (before + after + 3)
