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
from cod_bench.generator import Answer, Query
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
