"""Original -> counterfactual as `llm`: by a chat with worked examples, several samples at once, the nearest taken."""

from __future__ import annotations

import os
from collections.abc import Collection
from collections.abc import Generator as Talk
from typing import TYPE_CHECKING, Any, ClassVar

from cod_bench.counterfactuals.perturb import edits
from cod_bench.errors import UsageError
from cod_bench.generator import Answer
from cod_bench.generators._llm import prompts as _prompts
from cod_bench.generators._llm import shots as _shots
from cod_bench.generators._llm.ledger import Reply
from cod_bench.generators.llm import KEEP_TEMPERATURES, Llm
from cod_bench.task import normalise

if TYPE_CHECKING:
    from cod_bench.generator import Oracle, Query
    from cod_bench.generators._llm.ledger import Request
    from cod_bench.task import Task

SAMPLES, ROUNDS = 4, 3
"""Answers drawn at once, and how often at most."""
TEMPERATURE = 0.7


class LlmShots(Llm):
    """`llm` with the chat of `shots`; small models need both the examples and the choice."""

    name: ClassVar[str] = "llm_shots"
    version: ClassVar[int] = 1
    prompt: ClassVar[str] = "shots"
    attempts: ClassVar[int] = ROUNDS
    tokens: ClassVar[tuple[float, int]] = (0.5, 32)
    card: ClassVar[str] = (
        "As llm, by a chat with worked examples of the very task: four samples in one request, of which the valid one "
        "with the fewest edits is taken; if none is, up to twice more with the teacher's verdicts. Made for small "
        "models on one's own machine. Weak: the examples, which are made up, steer what is edited; first answers are "
        "sampled."
    )

    def params(self) -> dict[str, Any]:
        """Model, hash of every chat's words and examples, and sampling rules; never the key or the endpoint."""
        found = super().params()
        del found["verdict_from"], found["temperatures"]
        return found | {
            "prompt_version": _shots.VERSION, "samples": _samples(), "temperature": TEMPERATURE,
            "keep_temperatures": list(KEEP_TEMPERATURES), "shortest": _shots.SHORTEST,
        }  # fmt: skip

    def ready(self, tasks: Collection[str]) -> None:
        """As `llm`, and whether each of the tasks has an example.

        Raises:
            UsageError: one has none, or as `llm`.
        """
        _shots.demand(tasks)
        super().ready(tasks)

    def reach(self, tasks: Collection[str]) -> None:
        """As `llm`, and whether each of the tasks has an example.

        Raises:
            UsageError: one has none, or there is no key.
        """
        _shots.demand(tasks)
        super().reach(tasks)

    def _hashed(self, task: str = "") -> str:
        return _shots.hashed(task)

    def _instructions(self, task: Task) -> int:
        return _shots.characters(task.name)

    def _samples(self) -> int:
        return _samples()

    def _counterfactual(self, query: Query, oracle: Oracle) -> Talk[Request, Reply, Answer]:
        """Rounds of samples; the teacher judges a round as a whole, so that what it costs depends on no order."""
        original, samples = query.example.text, list[tuple[str, str | None]]()
        usable: dict[str, int] = {}  # answer -> the teacher's class
        replies, remarks = list[Reply](), list[str]()
        for _ in range(self._attempts()):
            drawn = list[tuple[str, str | None]]()
            while len(drawn) < _samples():  # an endpoint may give fewer than it was asked for
                more = _samples() - len(drawn)
                messages = _shots.chat(query, remarks)
                reply = yield self._request("edit", messages, query, len(replies), TEMPERATURE, oracle, more)
                replies.append(reply)
                drawn += reply.samples[:more]
            samples += drawn
            for text, fault in (_read(answer, finish, query) for answer, finish in drawn):
                if not fault and text not in usable:
                    usable[text] = int(oracle.logits([text])[0].argmax())
                remarks.append(_shots.remark(query, text, fault, usable.get(text, 0)))
            if query.target in usable.values():
                break
        ranked = sorted(usable, key=lambda text: (usable[text] != query.target, edits(original, text).total))
        first, _ = _read(*samples[0], query)
        return Answer(first, tuple(ranked), len(usable), self._bought(replies))


def _samples() -> int:
    text = os.environ.get("COD_BENCH_LLM_SAMPLES") or str(SAMPLES)
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 16:
        raise UsageError(f"COD_BENCH_LLM_SAMPLES {text!r}: choose a whole number from 1 to 16")
    return int(text)


def _read(answer: str, finish: str | None, query: Query) -> tuple[str, str | None]:
    """A sample's text and what is wrong with it."""
    text = _prompts.clean(answer, query.example.text)
    return normalise(text), _shots.fault(text, query.example.text, finish, query)


GENERATOR = LlmShots()
