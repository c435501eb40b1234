"""A real loopback endpoint with a script, a teacher that counts words, and texts, for tests of language models."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cod_bench import registry
from cod_bench.generator import Answer, Ask, Query, Terms
from cod_bench.generators.llm import Llm
from cod_bench.task import Example

KEY = "sk-test-9f8e7d6c5b4a"
TOY = registry.load("task", "toy")
OPINIONS: Any = vars(sys.modules[TOY.read.__module__])["_OPINIONS"]
TEXT = "the film at home was dull and weak today"
QUERY = Query(Example("a", TEXT, 0), 1, TOY)
FLIP = "the film at home was great and fresh today"
CLOSER = "the film at home was superb and weak today"
MISS = "the film at home was dull and poor today"
GOOD, BAD = {"great", "fresh", "superb"}, {"dull", "weak", "poor"}

Scripted = str | Response


class Linear:
    """A teacher that counts opinion words, good ones twice, notes what it is asked and how many rows are kept."""

    hash = "linear"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.kept: list[int] = []

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        self.kept.append(kept().read_bytes().count(b"\n"))
        counts = [[w * len(words & set(text.split())) for w, words in ((1, BAD), (2, GOOD))] for text in texts]
        return np.asarray(counts, dtype=np.float32)

    def guide(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.logits(texts)

    def word_vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        return np.zeros((len(words), 2), dtype=np.float32)


def completion(text: str | None, finish: str = "stop") -> Response:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "served", "choices": [choice]}
    return Response(json.dumps(body | {"usage": usage}), content_type="application/json")


def refusal(status: int, message: str = "no", **headers: str) -> Response:
    body = json.dumps({"error": {"message": message, "type": "error"}})
    return Response(body, status=status, content_type="application/json", headers=headers)


class Server:
    """An endpoint that gives its script's next reply, and keeps what it was sent."""

    def __init__(self, http: HTTPServer) -> None:
        self.script: list[Scripted] = []
        self.make: Callable[[str], str] | None = None
        self.sent: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.delay = 0.0
        http.expect_request("/v1/chat/completions", method="POST").respond_with_handler(self.reply)

    def reply(self, request: Request) -> Response:
        self.sent.append(json.loads(request.data))
        self.keys.add(request.headers.get("Authorization"))
        time.sleep(self.delay)
        if self.make is not None:
            return completion(self.make(self.sent[-1]["messages"][0]["content"]))
        reply = self.script.pop(0) if self.script else refusal(400, "the script is over")
        return completion(reply) if isinstance(reply, str) else reply

    def answer(self, *script: Scripted, oracle: Linear | None = None) -> Answer:
        self.script = list(script)
        return Llm().answer(QUERY, oracle or Linear(), {})

    def prompts(self) -> list[str]:
        return [sent["messages"][0]["content"] for sent in self.sent]


def kept() -> Path:
    return Path(os.environ["COD_BENCH_HOME"]) / "generations" / "maker-tiny.jsonl"


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in kept().read_text().splitlines()]


class Batches:
    """Files and batches; a batch is done at the second look, and `answers` says what its lines hold."""

    def __init__(self, http: HTTPServer) -> None:
        self.files: dict[str, str] = {}
        self.made: list[dict[str, Any]] = []
        self.looks = 0
        self.ending, self.lost_reply, self.fail_lines = "completed", False, set[int]()
        self.silent = self.raw_separators = False
        self.twist: Callable[[dict[str, Any]], object] = lambda found: found
        self.line: Callable[[dict[str, Any]], object] = lambda found: found
        http.expect_request("/v1/files", method="POST").respond_with_handler(self.upload)
        http.expect_request("/v1/batches", method="POST").respond_with_handler(self.create)
        http.expect_request("/v1/batches", method="GET").respond_with_handler(self.listing)
        for i in range(9):
            http.expect_request(f"/v1/batches/b{i}").respond_with_handler(self.retrieve)
            http.expect_request(f"/v1/files/out{i}/content").respond_with_handler(self.content)

    def upload(self, request: Request) -> Response:
        assert request.form["purpose"] == "batch"
        name = f"in{len(self.files)}"
        self.files[name] = request.files["file"].read().decode()
        return as_json({"id": name, "object": "file", "bytes": 1, "created_at": 1, "filename": "x", "purpose": "batch"})

    def create(self, request: Request) -> Response:
        asked = json.loads(request.data)
        assert asked["endpoint"] == "/v1/chat/completions"
        self.made.append(asked)
        return Response(status=500) if self.lost_reply else as_json(self.batch(len(self.made) - 1, "validating"))

    def batch(self, number: int, status: str) -> dict[str, Any]:
        lines = self.files[self.made[number]["input_file_id"]].splitlines()
        return {
            "id": f"b{number}", "object": "batch", "endpoint": "/v1/chat/completions", "status": status,
            "input_file_id": self.made[number]["input_file_id"], "completion_window": "24h", "created_at": 1,
            "metadata": self.made[number]["metadata"],
            "output_file_id": f"out{number}" if status != "in_progress" else None,
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
            "errors": {"data": [{"message": "quota"}]} if status == "failed" else None,
        }  # fmt: skip

    def listing(self, request: Request) -> Response:
        found = [self.batch(i, "in_progress") for i in range(len(self.made))]
        return as_json({"object": "list", "data": found, "has_more": False})

    def retrieve(self, request: Request) -> Response:
        self.looks += 1
        found = self.batch(int(request.path[-1]), self.ending if self.looks % 2 == 0 else "in_progress")
        return as_json(self.twist(found) or found)

    def content(self, request: Request) -> Response:
        number = int(request.path.split("/")[-2][3:])
        if self.ending == "failed" or self.silent:
            return Response("")
        lines = []
        for i, line in enumerate(self.files[self.made[number]["input_file_id"]].splitlines()):
            asked = json.loads(line)
            prompt = asked["body"]["messages"][0]["content"]
            text = prompt.rsplit("Text: ", 1)[1].split("\n")[0].replace("dull", "great")
            body: dict[str, Any] = {
                "model": "served", "choices": [{"finish_reason": "stop", "message": {"content": text}}],
                "usage": {"prompt_tokens": 7, "completion_tokens": 3},
            }  # fmt: skip
            if i in self.fail_lines:
                body = {"error": {"message": "policy"}}
            line_ = {"custom_id": asked["custom_id"], "response": {"status_code": 200, "body": body}}
            lines.append(json.dumps(self.line(line_) or line_, ensure_ascii=not self.raw_separators))
        return Response("\n".join(lines))


def as_json(value: Any) -> Response:
    return Response(json.dumps(value), content_type="application/json")


def asks(count: int) -> list[Ask]:
    return [Ask(Query(Example(str(i), f"{TEXT} {i}", 0), 1, TOY)) for i in range(count)]


def terms(**more: Any) -> Terms:
    return Terms(batch=True, poll=0.01, **more)


def notes() -> list[Path]:
    return sorted((kept().parent / "batches").glob("*.json"))
