"""Original -> counterfactual by a language model behind an OpenAI-compatible chat endpoint; every answer is kept."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Generator as Talk
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from cod_bench.counterfactuals.perturb import edits
from cod_bench.errors import UsageError
from cod_bench.generator import Answer, Bill, Bought, Generator
from cod_bench.generators._llm import batch as _batch
from cod_bench.generators._llm import ledger as _ledger
from cod_bench.generators._llm import prices as _prices
from cod_bench.generators._llm import prompts as _prompts
from cod_bench.generators._llm.endpoint import Endpoint, unique
from cod_bench.generators._llm.ledger import Ledger, Reply, Request
from cod_bench.spec import base_name
from cod_bench.store import home
from cod_bench.task import normalise

if TYPE_CHECKING:
    from cod_bench.generator import Ask, Oracle, Query, Terms
    from cod_bench.task import Example, Task

MODEL = "gpt-4o-2024-11-20"
ATTEMPTS = 5
TEMPERATURES, KEEP_TEMPERATURES = (0.0, 0.7, 0.7, 1.0), (0.0, 0.7, 1.0)
"""Of the attempts at one counterfactual (the last one for all that follow), and at one label-preserving rewrite."""
VERDICT_FROM = 2
"""The first attempt (0-based) that is told what became of the earlier ones: from the second re-asking on."""
EXPECTED = 1.6
"""Requests per counterfactual that estimates reckon with, before the ledger holds LEARNT texts to tell."""
LEARNT = 50
GUESS = 2.0
"""Seconds of a request, before the ledger holds as many."""
KEPT = 1.3
"""Requests per label-preserving rewrite that estimates reckon with."""

_T = TypeVar("_T")


class Llm(Generator):
    """A chat model asked for minimal edits; the endpoint and the model come from the environment."""

    name: ClassVar[str] = "llm"
    version: ClassVar[int] = 2
    prompt: ClassVar[str] = "plain"
    attempts: ClassVar[int] = ATTEMPTS
    """Unless its user says otherwise."""
    tokens: ClassVar[tuple[float, int]] = (1, 64)
    """a, b: `max_tokens` a * n + b, ample, for n characters of the original."""
    carries_data: ClassVar[bool] = True
    costly: ClassVar[bool] = True
    card: ClassVar[str] = (
        "Asks a chat model (--model at --base-url, or COD_BENCH_LLM_MODEL, COD_BENCH_LLM_BASE_URL; key in "
        "OPENAI_API_KEY) for a minimal edit that changes the class: up to 5 attempts, told the teacher's verdict from "
        "the third on. Texts leave this machine and requests may cost money; no answer is asked for twice. Weak: edits "
        "are asked, not forced, to be minimal, and label-preserving ones to stay at the counterfactual's positions; an "
        "endpoint can change its model under one name; the model must take a temperature and may know the test sets."
    )

    def __init__(self) -> None:
        self._ledgers: dict[str, Ledger] = {}
        self._endpoint = Endpoint()

    def params(self) -> dict[str, Any]:
        """Model, prompt with its hash, and sampling rules; never the key or the endpoint."""
        attempts = self._attempts()
        return {
            "model": _model(), "prompt": self.prompt, "prompt_version": _prompts.VERSION,
            "prompt_hash": self._hashed(), "attempts": attempts, "verdict_from": VERDICT_FROM,
            "temperatures": [_temperature(attempt) for attempt in range(attempts)],
            "keep_temperatures": list(KEEP_TEMPERATURES), "longest": list(_prompts.LONGEST),
            "tokens": list(self.tokens),
        }  # fmt: skip

    def ready(self, tasks: Collection[str]) -> None:
        """Whether there is leave to ask, or an answer of this model to this prompt for each of the tasks.

        Raises:
            UsageError: neither.
        """
        if not _leave() and (lacking := self._lacking(tasks)):
            raise UsageError(self._no_leave(f"nothing for {', '.join(lacking)} is"))

    def reach(self, tasks: Collection[str]) -> None:
        """Whether there is a key; not asked where each task has kept answers, since nothing may be missing.

        Raises:
            UsageError: there is none.
        """
        if self._lacking(tasks):
            self._endpoint.client()

    def _lacking(self, tasks: Collection[str]) -> list[str]:
        """Tasks without any kept answer to this prompt; slices of a task share its texts and so its answers."""
        return sorted(
            task
            for task in tasks
            if base_name(task) not in {base_name(asked) for asked in self._ledger().tasks(self._hashed(task))}
        )

    def prepare(self, train: Sequence[Example], oracle: Oracle) -> dict[str, Any]:  # noqa: ARG002
        """Nothing: the model sees no other text of the pool."""
        return {}

    def answer(self, query: Query, oracle: Oracle, state: Mapping[str, Any]) -> Answer:  # noqa: ARG002
        """Ask until an answer flips the teacher; `first` is the first sample, whatever it holds.

        Raises:
            UsageError: no task, no or a wrong key, an unknown model, no leave to ask. RunError: no answer came.
        """
        return self._drive(self._counterfactual(query, oracle))

    def preserve(self, query: Query, counterfactual: str, oracle: Oracle, state: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """The first of three rewrites that the teacher gives the original's class, or none; errors as `answer`."""
        return self._drive(self._rewrite(query, counterfactual, oracle))

    def forecast(self, task: Task, texts: int, rewrites: int) -> Bill:
        """From the typical length of the task's texts."""
        words, each = self._instructions(task), _prompts.subject(task).characters
        most = texts * self._attempts() + rewrites * len(KEEP_TEMPERATURES)
        requests = texts * self._per_text() + rewrites * KEPT
        return self._bill(texts + rewrites, texts + rewrites, most, requests, words + each, each * self._samples())

    def quote(self, asks: Sequence[Ask], oracle: Oracle) -> Bill:
        """From the texts themselves and what the ledger holds; asks the teacher about kept answers."""
        waiting = list(self._open(asks, oracle).values())
        counts = [len(KEEP_TEMPERATURES) if r.of["kind"] == "keep" else self._attempts() for _, r in waiting]
        most = sum(count - request.body["sample"] for count, (_, request) in zip(counts, waiting, strict=True))
        asked = unique(request for _, request in waiting)
        characters = sum(request.characters for request in asked) / max(1, len(asked))
        longest = sum(r.most_tokens - r.samples * self.tokens[1] for r in asked) / self.tokens[0] / max(1, len(asked))
        later = sum(request.body["sample"] > 0 for request in asked)
        rewrites = sum(request.of["kind"] == "keep" for request in asked)
        expected = (len(asked) - later - rewrites) * self._per_text() + later * 2.0 + rewrites * KEPT
        return self._bill(len(asked), len(asked), most, min(expected, most), characters, longest)

    def gather(self, asks: Sequence[Ask], oracle: Oracle, terms: Terms) -> Bought:
        """Ask in rounds: whatever can be asked now at once, then the teacher about all of it, until all are done."""

        def tell(line: str) -> None:
            terms.tell(f"{self.name}: {line}")

        ledger = self._ledger()
        budget = _prices.Budget(_model(), terms.requests, terms.dollars, batch=terms.batch)
        talks = self._open(asks, oracle)
        number = 0
        while talks:
            number += 1
            missing = unique(request for _, request in talks.values() if ledger.find(request.key) is None)
            tell(f"round {number}: {len(missing)} requests for {len(talks)} texts")
            if terms.batch:
                _batch.ask_all(missing, self._endpoint, ledger, budget, poll=terms.poll, tell=tell)
            else:
                self._endpoint.ask_all(
                    missing, ledger, budget, concurrency=terms.concurrency, per_minute=terms.per_minute,
                    tell=tell,
                )  # fmt: skip
            talks = self._on(talks)
        return Bought(requests=budget.sent, dollars=budget.spent if _prices.price(_model()) else None)

    def faults(self) -> list[str]:
        """What is wrong with kept answers and notes of batches, whatever their model."""
        found = [told for path in _ledgers() for told in _ledger.faults(path)]
        return found + _batch.faults(home() / "generations" / "batches")

    def mend(self) -> list[str]:
        """Take answers of earlier versions over as they are, and put lines that are not as they were written aside."""
        told = []
        for path in _ledgers():
            taken, aside = _ledger.adopt(path), _ledger.put_aside(path)
            told += [f"{path.name}: {taken} answers taken over as they are"] * bool(taken)
            told += [f"{path.name}: {aside} lines put aside, to be bought again with leave"] * bool(aside)
        return told

    def _open(self, asks: Sequence[Ask], oracle: Oracle) -> dict[int, tuple[Talk[Request, Reply, Any], Request]]:
        """Every talk, led on by kept replies to the first request that has none; finished ones are left out."""
        talks: dict[int, tuple[Talk[Request, Reply, Any], Request]] = {}
        for i, ask in enumerate(asks):
            talk: Talk[Request, Reply, Any] = (
                self._counterfactual(ask.query, oracle)
                if ask.counterfactual is None
                else self._rewrite(ask.query, ask.counterfactual, oracle)
            )
            talks[i] = talk, next(talk)
        return self._on(talks)

    def _on(
        self, talks: Mapping[int, tuple[Talk[Request, Reply, Any], Request]]
    ) -> dict[int, tuple[Talk[Request, Reply, Any], Request]]:
        """Lead talks on as far as kept replies go."""
        waiting = {}
        for i, (talk, first) in talks.items():
            request: Request | None = first
            while request is not None and (reply := self._ledger().find(request.key)) is not None:
                try:
                    request = talk.send(reply)
                except StopIteration:
                    request = None
            if request is not None:
                waiting[i] = talk, request
        return waiting

    def _drive(self, talk: Talk[Request, Reply, _T]) -> _T:
        """Lead one talk to its end, reply by reply."""
        request = next(talk)
        while True:
            reply = self._ledger().find(request.key)
            if reply is None:
                if not _leave():
                    talk.close()
                    raise UsageError(self._no_leave("an answer that is needed is not"))
                reply = self._endpoint.ask(request, self._ledger())
            try:
                request = talk.send(reply)
            except StopIteration as end:
                found: _T = end.value
                return found

    def _counterfactual(self, query: Query, oracle: Oracle) -> Talk[Request, Reply, Answer]:
        """What is asked for a counterfactual, one request at a time, each depending on the replies before."""
        original, firsts, remarks = query.example.text, list[str](), list[str]()
        usable: dict[str, int] = {}  # answer -> the teacher's class
        replies: list[Reply] = []
        for attempt in range(self._attempts()):
            told = remarks if attempt >= VERDICT_FROM else ()
            prompt = _alone(_prompts.edit(self.prompt, query, told))
            reply = yield self._request("edit", prompt, query, attempt, _temperature(attempt), oracle)
            replies.append(reply)
            text, fault = _read(reply, original)
            firsts.append(text)
            if not fault and text not in usable:
                usable[text] = int(oracle.logits([text])[0].argmax())
            if not fault and usable[text] == query.target:
                break
            remarks.append(_prompts.remark(query, text, fault, usable.get(text, 0)))
        ranked = sorted(usable, key=lambda text: (usable[text] != query.target, edits(original, text).total))
        return Answer(firsts[0], tuple(ranked), len(usable), self._bought(replies))

    def _rewrite(self, query: Query, counterfactual: str, oracle: Oracle) -> Talk[Request, Reply, tuple[str, ...]]:
        prompt = _alone(_prompts.keep(query, counterfactual))
        for attempt, temperature in enumerate(KEEP_TEMPERATURES):
            reply = yield self._request("keep", prompt, query, attempt, temperature, oracle)
            text, fault = _read(reply, query.example.text)
            if not fault and int(oracle.logits([text])[0].argmax()) == query.example.label:
                return (text,)
        return ()

    def _request(
        self, kind: str, messages: Sequence[Mapping[str, str]], query: Query, attempt: int, temperature: float,
        oracle: Oracle, samples: int = 1,
    ) -> Request:  # fmt: skip
        most = int(self.tokens[0] * len(query.example.text)) + self.tokens[1]
        body = {
            "model": _model(), "messages": list(messages), "sample": attempt,
            "parameters": {"temperature": temperature, "max_tokens": most, **({"n": samples} if samples > 1 else {})},
        }  # fmt: skip
        task = query.task.name if query.task else ""
        of = {
            "kind": kind, "task": task, "text": query.example.id,
            "generator": self.name, "prompt": self._hashed(task), "attempt": attempt,
        }  # fmt: skip
        return Request(body, of if kind == "edit" and attempt == 0 else {**of, "teacher": oracle.hash})

    def _hashed(self, task: str = "") -> str:  # noqa: ARG002 - what a generator overrides
        """Digest of the words that a prompt about the task can hold, or one about any task."""
        return _prompts.hashed(self.prompt)

    def _instructions(self, task: Task) -> int:
        """Characters of a prompt about the task besides the text."""
        about = _prompts.subject(task)
        return len(_prompts.EDITS[self.prompt]) + len(about.kind) + len(about.about) + len(about.rule)

    def _samples(self) -> int:
        """Answers that a request asks for."""
        return 1

    def _bought(self, replies: Sequence[Reply]) -> Bought:
        price = _prices.price(_model())
        costs = [price.dollars(r.prompt_tokens, r.completion_tokens, batch=r.batch) for r in replies] if price else []
        return Bought(
            requests=len(replies),
            prompt_tokens=sum(reply.prompt_tokens for reply in replies),
            completion_tokens=sum(reply.completion_tokens for reply in replies),
            dollars=sum(costs) if price else None,
            seconds=sum(reply.seconds for reply in replies),
        )

    def _bill(self, texts: int, least: int, most: int, requests: float, characters: float, answer: float) -> Bill:
        """A bill for requests of so many characters whose answers have about `answer` characters."""
        price, each = _prices.price(_model()), self._ledger().seconds_per_request(LEARNT, self.name)
        told = "a request takes as long as those that are kept" if each else f"a request takes {GUESS:g} s, a guess"
        each = each or GUESS
        prompt_tokens = requests * characters / _prices.CHARACTERS_PER_TOKEN
        completion_tokens = requests * answer / _prices.CHARACTERS_PER_TOKEN
        return Bill(
            texts=texts, least=least, most=most, requests=requests, prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            seconds=requests * each, dollars=price.dollars(prompt_tokens, completion_tokens) if price else None,
            batch_dollars=price.dollars(prompt_tokens, completion_tokens, batch=True) if price else None,
            basis=f"{_model()}, {price.basis if price else f'no price in {_prices.table_path().name}'}; {told}",
        )  # fmt: skip

    def _per_text(self) -> float:
        return min(self._ledger().requests_per_text(LEARNT, self.name) or EXPECTED, self._attempts())

    def _attempts(self) -> int:
        text = os.environ.get("COD_BENCH_LLM_ATTEMPTS") or str(self.attempts)
        if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 20:
            raise UsageError(f"--attempts (COD_BENCH_LLM_ATTEMPTS) {text!r}: choose a whole number from 1 to 20")
        return int(text)

    def _ledger(self) -> Ledger:
        found = Ledger.of(_model())
        return self._ledgers.setdefault(str(found.path), found)

    def _no_leave(self, what: str) -> str:
        return (
            f"generator {self.name!r}: {what} among the kept answers of {_model()}; buy them with `cod-bench cfe "
            f"generate --generator {self.name}` and the same filters, or add --yes to ask while running"
        )


def _ledgers() -> list[Path]:
    return sorted((home() / "generations").glob("*.jsonl"))


def _model() -> str:
    return os.environ.get("COD_BENCH_LLM_MODEL") or MODEL


def _alone(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


def _temperature(attempt: int) -> float:
    return TEMPERATURES[min(attempt, len(TEMPERATURES) - 1)]


def _leave() -> bool:
    """Whether requests may be sent without being asked for by `cod-bench cfe generate`."""
    return os.environ.get("COD_BENCH_LLM_YES", "") not in ("", "0")


def _read(reply: Reply, original: str) -> tuple[str, str | None]:
    """The answer's text and what is wrong with it."""
    text = _prompts.clean(reply.text, original)
    return normalise(text), _prompts.fault(text, original, reply.finish_reason)


GENERATOR = Llm()
