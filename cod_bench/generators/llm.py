"""Original -> counterfactual by a language model behind an OpenAI-compatible chat endpoint; every answer is kept."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from cod_bench.counterfactual import Answer, Generator
from cod_bench.errors import RunError, UsageError
from cod_bench.perturb import edits
from cod_bench.spec import canonical, digest
from cod_bench.store import home, lock
from cod_bench.task import normalise

if TYPE_CHECKING:
    from openai import OpenAI

    from cod_bench.counterfactual import Oracle, Query
    from cod_bench.task import Example

log = logging.getLogger(__name__)

MODEL = "gpt-4o-2024-11-20"
MAX_RETRIES, TIMEOUT = 8, 60.0
"""Of the client, which backs off and honours Retry-After: lost connections, 408, 409, 429, 5xx; seconds a try."""
TEMPERATURES, KEEP_TEMPERATURES = (0.0, 0.7, 0.7, 1.0, 1.0), (0.0, 0.7, 1.0)
"""Of the attempts at one counterfactual, and at one label-preserving rewrite."""
VERDICT_FROM = 2
"""The first attempt that is told what became of the earlier ones."""
LONGEST, TOKENS = (1.5, 2), (1, 64)
"""a, b: at most a * n + b words for n words of the original; `max_tokens` a * n + b, ample, for n characters."""
_DATA = "The text at the end is from a text classification data set ({title}). Its class there is '{source}'. "
_ONLY = (
    "Leave every other word, name, number, link and mark of punctuation exactly as it stands. Answer with the "
    "rewritten text alone, on one line: no quotation marks around it, no heading, no comment.\n\n"
)
TEMPLATES = {
    "edit": f"{_DATA}Change as few words as you can so that it reads as '{{target}}' instead. {_ONLY}Text: {{text}}",
    "keep": f"{_DATA}The version before it has a few words changed to make it '{{target}}'. Change the words at the "
    f"same places of the text, about as many, so that it still is '{{source}}'. {_ONLY}"
    "Version: {version}\n\nText: {text}",
    "again": "\n\nEarlier attempts that did not do:\n{remarks}\nMake another one that differs from these.",
    "verdict": "- a classifier reads this one as '{read}': {version}",
    "empty": "- one was empty",
    "unchanged": "- one left the text as it is",
    "chatter": "- one held more than the rewritten text",
    "long": "- one was much longer than the text",
}
_ADDRESS = re.compile(r"https?://(?:[^/@\s]+@)?(?:[\w.-]+|\[[\da-f:]+\])(?::\d{1,5})?(?:/\S*)?")
_QUOTES = {'""', "''", "“”", "‘’", "``"}
_CHATTER = re.compile(  # of a normalised text, in which a backtick is an apostrophe
    r"^(?:(?:sure|certainly|absolutely|of course|okay)[,!.:]|here(?:'s| is| are) [^.:]{0,60}:|as an ai\b"
    r"|(?:i'm|i am) sorry,? (?:but )?i |i can(?:no|')t (?:help|assist|comply|fulfil|rewrite|do that)"
    r"|\W*(?:\w+ ){0,3}(?:text|version|rewrite|rewritten|review|answer|output|sentence|counterfactual)\W*:)"
    r"|'''|\b(?:note|explanation|changes(?: made)?)\s*:",
    re.IGNORECASE,
)


class Llm(Generator):
    """A chat model asked for minimal edits; the endpoint and the model come from the environment."""

    name: ClassVar[str] = "llm"
    version: ClassVar[int] = 1
    card: ClassVar[str] = (
        "Asks a chat model (COD_BENCH_LLM_MODEL at COD_BENCH_LLM_BASE_URL, key in OPENAI_API_KEY) for a minimal edit "
        "that changes the class: up to 5 attempts, told the teacher's verdict from the third on. Texts leave this "
        "machine and requests may cost money; no answer is asked for twice. Weak: one English prompt; edits "
        "are asked, not forced, to be minimal, and label-preserving ones to stay at the counterfactual's positions; an "
        "endpoint can change its model under one name; the model must take a temperature and may know the test sets."
    )

    def __init__(self) -> None:
        self._kept: dict[Path, _Kept] = {}
        self._client: tuple[tuple[str, str | None], OpenAI] | None = None

    def params(self) -> dict[str, Any]:
        """Model, prompt hash and sampling rules; never the key or the endpoint."""
        return {
            "model": os.environ.get("COD_BENCH_LLM_MODEL") or MODEL, "prompt": digest(TEMPLATES),
            "attempts": len(TEMPERATURES), "verdict_from": VERDICT_FROM, "temperatures": list(TEMPERATURES),
            "keep_temperatures": list(KEEP_TEMPERATURES), "longest": list(LONGEST), "tokens": list(TOKENS),
        }  # fmt: skip

    def prepare(self, train: Sequence[Example], oracle: Oracle) -> dict[str, Any]:  # noqa: ARG002
        """Nothing: the model sees no other text of the pool."""
        return {}

    def answer(self, query: Query, oracle: Oracle, state: Mapping[str, Any]) -> Answer:  # noqa: ARG002
        """Ask until an answer flips the teacher; `first` is the first sample, whatever it holds.

        Raises:
            UsageError: no task, no or a wrong key, an unknown model. RunError: the endpoint gave no answer.
        """
        original, replies, remarks = query.example.text, list[str](), list[str]()
        usable: dict[str, int] = {}  # answer -> the teacher's class
        for sample, temperature in enumerate(TEMPERATURES):
            prompt = _prompt("edit", query)
            if sample >= VERDICT_FROM:
                prompt += TEMPLATES["again"].format(remarks="\n".join(dict.fromkeys(remarks)))
            text, fault = self._ask(prompt, original, temperature, sample)
            replies.append(text)
            if not fault and text not in usable:
                usable[text] = int(oracle.logits([text])[0].argmax())
            if not fault and usable[text] == query.target:
                break
            remarks.append(TEMPLATES[fault] if fault else _prompt("verdict", query, version=text, read=usable[text]))
        ranked = sorted(usable, key=lambda text: (usable[text] != query.target, edits(original, text).total))
        return Answer(replies[0], tuple(ranked), len(usable))

    def preserve(self, query: Query, counterfactual: str, oracle: Oracle, state: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """The first of three rewrites that the teacher gives the original's class, or none; errors as `answer`."""
        prompt = _prompt("keep", query, version=counterfactual)
        for sample, temperature in enumerate(KEEP_TEMPERATURES):
            text, fault = self._ask(prompt, query.example.text, temperature, sample)
            if not fault and int(oracle.logits([text])[0].argmax()) == query.example.label:
                return (text,)
        return ()

    def _ask(self, prompt: str, original: str, temperature: float, sample: int) -> tuple[str, str | None]:
        """The answer's text and what is wrong with it: from the kept answers, or from the endpoint and then kept."""
        model, template = (self.params()[name] for name in ("model", "prompt"))
        request = {
            "model": model, "messages": [{"role": "user", "content": prompt}], "sample": sample,
            "parameters": {"temperature": temperature, "max_tokens": TOKENS[0] * len(original) + TOKENS[1]},
        }  # fmt: skip
        key = hashlib.sha256(canonical(request).encode()).hexdigest()
        path = home() / "generations" / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', model)[:100]}.jsonl"
        kept = self._kept.setdefault(path, _Kept(path))
        row = kept.find(key)
        if row is None:
            # who asks holds the key's lock, so that a second process waits for the answer instead of paying for it
            with lock(path.parent / f".{path.name}-{key[:2]}.lock"):
                row = kept.find(key) or kept.add({"key": key, "prompt": template, **self._send(request)})
        text = row["text"].strip()
        while text[:1] + text[1:][-1:] in _QUOTES and normalise(text)[:1] != normalise(original)[:1]:
            text = text[1:-1].strip()
        return normalise(text), _fault(text, original, row["finish_reason"])

    def _send(self, request: Mapping[str, Any]) -> dict[str, Any]:
        import openai

        client, model, messages = self._connect(), request["model"], request["messages"]
        try:
            got = client.chat.completions.create(model=model, messages=messages, **request["parameters"])
            choice, usage = got.choices[0], got.usage
            text, finish, served = choice.message.content or "", choice.finish_reason, got.model
        except (openai.OpenAIError, ValueError, AttributeError, TypeError, IndexError) as error:
            raise _failure(error, client, model) from None  # the client's own error may quote the key
        return {
            **request, "text": text, "finish_reason": finish, "served": served,
            "usage": usage.model_dump(exclude_none=True) if usage else None,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }  # fmt: skip

    def _connect(self) -> OpenAI:
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        base = os.environ.get("COD_BENCH_LLM_BASE_URL") or os.environ.get("OPENAI_BASE_URL") or None
        if not key.isascii() or not key.isprintable() or not key:
            raise UsageError("OPENAI_API_KEY is empty or has odd characters; set it (any word for a keyless server)")
        if base and not _ADDRESS.fullmatch(base):
            raise UsageError("COD_BENCH_LLM_BASE_URL is no address; write it as http://HOST:PORT/v1")
        if self._client is None or self._client[0] != (key, base):
            from openai import OpenAI

            self._client = (key, base), OpenAI(api_key=key, base_url=base, max_retries=MAX_RETRIES, timeout=TIMEOUT)
        return self._client[1]


class _Kept:
    """The answers of one model on disk, one JSON line each, by key; the first line of a key counts."""

    def __init__(self, path: Path) -> None:
        self.path, self.read, self.rows = path, 0, dict[str, dict[str, Any]]()

    def find(self, key: str) -> dict[str, Any] | None:
        """The kept answer; lines that others have added since the last look are read first."""
        if key not in self.rows and self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self.read)
                for line in file:
                    try:
                        row = json.loads(line)
                        self.rows.setdefault(row["key"], {name: row[name] for name in ("text", "finish_reason")})
                    except (ValueError, KeyError, TypeError):
                        log.debug("%s: an incomplete line at byte %d is ignored", self.path.name, self.read)
                    self.read += len(line) if line.endswith(b"\n") else 0  # a line without its end may still grow
        return self.rows.get(key)

    def add(self, row: dict[str, Any]) -> dict[str, Any]:
        """Append an answer and wait until it is on disk."""
        with lock(self.path.parent / f".{self.path.name}.lock"):
            try:
                with self.path.open("ab+") as file:
                    file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
                    torn = file.read(1) not in (b"", b"\n")  # its writer died: end the line, start another
                    file.write((b"\n" if torn else b"") + canonical(row).encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise UsageError(f"cannot write {self.path}: {error.strerror}; make room, then run again") from error
        return self.rows.setdefault(row["key"], row)


def _failure(error: Exception, client: OpenAI, model: str) -> Exception:
    """The sentence for what the client raised; nothing of a 401 is quoted, and the key is cut from the rest."""
    from openai import APIConnectionError, APIStatusError

    host = client.base_url.netloc.decode()  # without a password that the address may hold
    status = error.status_code if isinstance(error, APIStatusError) else 0
    if status == 401:
        return UsageError(f"OPENAI_API_KEY is not accepted by {host} (401); set the key of this endpoint")
    if status == 404:
        path = "or correct the path of COD_BENCH_LLM_BASE_URL (most end in /v1)"
        return UsageError(f"COD_BENCH_LLM_MODEL={model!r} is unknown to {host} (404); name one that it has, {path}")
    what = "gave something else than a chat completion; check COD_BENCH_LLM_BASE_URL"
    if isinstance(error, APIConnectionError):
        what = f"did not answer in {MAX_RETRIES + 1} tries; start the server or correct COD_BENCH_LLM_BASE_URL"
    elif isinstance(error, APIStatusError):
        said = " ".join(error.message.replace(client.api_key, "[key]").split())[:200]
        what = f"refused ({said}); " + ("wait, or raise your limit or credit" if status == 429 else "do what it says")
    return RunError(f"{host} {what}, then run again: answers so far are kept")


def _prompt(name: str, query: Query, *, version: str = "", read: int = 0) -> str:
    if query.task is None:
        raise UsageError("task=None: generator 'llm' calls the classes by their names; give the query its task")
    row, title, classes = query.example, query.task.title, query.task.classes
    names = {"source": classes[row.label], "target": classes[query.target], "read": classes[read]}
    return TEMPLATES[name].format(title=title, text=row.text, version=version, **names)


def _fault(text: str, original: str, finish: str | None) -> str | None:
    """Why an answer cannot be used: the name of its remark in TEMPLATES."""
    new, old = normalise(text), normalise(original)
    long = len(new.split()) > LONGEST[0] * len(old.split()) + LONGEST[1] or finish == "length"
    more = len(text.splitlines()) > len(original.splitlines()) or (_CHATTER.search(new) and not _CHATTER.search(old))
    checks = {"empty": not new, "unchanged": new.casefold() == old.casefold(), "chatter": more, "long": long}
    return next((fault for fault, found in checks.items() if found), None)


GENERATOR = Llm()
