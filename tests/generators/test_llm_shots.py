"""Samples by the handful: one request, the nearest valid answer, one more round with what the teacher said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from werkzeug import Response

from cod_bench import registry
from cod_bench.errors import UsageError
from cod_bench.generator import Answer, Ask, Query, Terms
from cod_bench.generators._llm.ledger import Ledger, faults
from cod_bench.generators.llm import Llm
from cod_bench.generators.llm_shots import LlmShots
from cod_bench.task import Example
from tests.endpoint import CLOSER, FLIP, MISS, QUERY, TEXT, Linear, Server, kept, rows

LONGER = "the film at home was superb and fresh this day"


@pytest.fixture(autouse=True)
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy task's worked example."""
    file = tmp_path / "toy-examples.json"
    file.write_text(
        json.dumps({"toy": {"asks": "You rewrite an opinion.", "pairs": [["it was dull", "it was great"]]}})
    )
    monkeypatch.setenv("COD_BENCH_EXAMPLES", str(file))


def choices(*texts: str, tokens: int = 30, timings: int | None = None) -> Response:
    made = [
        {"index": i, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        for i, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 70, "completion_tokens": tokens}
    body: dict[str, Any] = {"model": "served", "choices": made, "usage": usage}
    if timings is not None:
        body["timings"] = {"predicted_n": timings}
    return Response(json.dumps(body), content_type="application/json")


def answer(server: Server, *script: Response, oracle: Linear | None = None) -> Answer:
    server.script = list(script)
    return LlmShots().answer(QUERY, oracle or Linear(), {})


def test_of_four_samples_the_valid_one_with_the_fewest_edits_is_taken_and_the_first_stays_first(server: Server) -> None:
    oracle = Linear()
    found = answer(server, choices(MISS, FLIP, CLOSER, LONGER), oracle=oracle)
    assert (found.first, found.attempts[0]) == (MISS, CLOSER)
    assert found.attempts == (CLOSER, FLIP, LONGER, MISS)
    assert found.teacher_passes == len(oracle.asked) == 4
    (sent,) = server.sent
    assert (sent["n"], sent["temperature"], sent["max_tokens"]) == (4, 0.7, len(TEXT) // 2 + 32)
    assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "user"]
    (row,) = rows()
    assert [row["text"], *(one["text"] for one in row["more"])] == [MISS, FLIP, CLOSER, LONGER]
    assert row["of"]["attempt"] == 0
    assert "teacher" not in row["of"], "first answers are bought before any verdict"
    assert faults(kept()) == []


def test_only_where_none_is_valid_a_second_round_is_told_what_became_of_the_first(server: Server) -> None:
    found = answer(server, choices(MISS, "bad", TEXT, MISS), choices(TEXT, CLOSER, MISS, FLIP))
    assert (found.first, found.attempts[0]) == (MISS, CLOSER)
    second = server.sent[1]["messages"][-1]["content"]
    assert second.count(f"a classifier reads this one as 'bad': {MISS}") == 1
    assert "no more than the name of a class" in second
    assert "left the text as it is" in second
    assert [row["of"].get("teacher") for row in rows()] == [None, "linear"]
    again = answer(server)
    assert (again, len(server.sent)) == (found, 2)


def test_after_three_rounds_it_ends_and_faults_are_no_attempts(server: Server) -> None:
    none = choices("bad", "", "", ""), choices(TEXT, "good", "it was great", "the film"), choices("", "", "", "")
    found = answer(server, *none, choices(FLIP))
    assert found == Answer("bad", (), 0)
    assert len(server.sent) == 3


def test_an_endpoint_that_gives_one_answer_at_a_time_is_asked_for_the_others(server: Server) -> None:
    found = answer(server, choices(MISS), choices(CLOSER), choices(FLIP), choices(TEXT))
    assert (found.first, found.attempts) == (MISS, (CLOSER, FLIP, MISS))
    assert [sent.get("n") for sent in server.sent] == [4, 3, 2, None]
    assert [row["sample"] for row in rows()] == [0, 1, 2, 3]
    assert found.bought is not None
    assert found.bought.requests == 4


def test_what_is_more_than_asked_for_is_not_kept(server: Server) -> None:
    answer(server, choices(FLIP, MISS, CLOSER, LONGER, TEXT, TEXT))
    assert len(rows()[0]["more"]) == 3


def test_tokens_of_every_sample_are_counted(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    found = answer(server, choices(FLIP, FLIP, FLIP, FLIP, tokens=40))
    assert found.bought is not None
    assert (found.bought.requests, found.bought.completion_tokens) == (1, 40)
    monkeypatch.setenv("COD_BENCH_LLM_MODEL", "another")
    found = answer(server, choices(FLIP, FLIP, FLIP, FLIP, tokens=10, timings=10))  # the first one's alone
    assert found.bought is not None
    assert (found.bought.requests, found.bought.completion_tokens) == (1, 40)
    monkeypatch.setenv("COD_BENCH_LLM_MODEL", "third")
    found = answer(server, choices(FLIP, FLIP, FLIP, FLIP, tokens=40, timings=10))
    assert found.bought is not None
    assert found.bought.completion_tokens == 40


def test_a_task_without_an_example_is_refused_before_a_key_is_looked_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COD_BENCH_EXAMPLES")
    monkeypatch.delenv("OPENAI_API_KEY")
    for check in (LlmShots().ready, LlmShots().reach):
        with pytest.raises(UsageError, match="task 'toy': generator 'llm_shots' shows worked examples"):
            check(["rt_quotes", "toy"])
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        LlmShots().reach(["rt_quotes"])
    assert server.sent == []


def test_its_params_tell_samples_examples_and_rounds_and_leave_those_of_llm_alone(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = LlmShots().params()
    wanted = {"samples": 4, "attempts": 3, "temperature": 0.7, "tokens": [0.5, 32], "shortest": 0.5, "prompt": "shots"}
    assert wanted.items() <= params.items()
    assert not {"samples", "shortest"} & Llm().params().keys()
    monkeypatch.setenv("COD_BENCH_LLM_SAMPLES", "2")
    monkeypatch.setenv("COD_BENCH_LLM_ATTEMPTS", "1")
    assert {"samples": 2, "attempts": 1}.items() <= LlmShots().params().items()
    monkeypatch.delenv("COD_BENCH_EXAMPLES")
    assert LlmShots().params()["prompt_hash"] != params["prompt_hash"]
    for odd in ("0", "17", "x"):
        monkeypatch.setenv("COD_BENCH_LLM_SAMPLES", odd)
        with pytest.raises(UsageError, match=rf"COD_BENCH_LLM_SAMPLES '{odd}': choose a whole number from 1 to 16"):
            LlmShots().params()


def test_what_is_gathered_is_all_that_answers_need_and_its_lines_name_the_generator(server: Server) -> None:
    asks = [Ask(Query(Example(str(i), f"{TEXT} {i}", 0), 1, QUERY.task)) for i in range(3)]
    server.script = [choices(*[f"{TEXT} {i}".replace("dull", "great")] * 4) for i in range(3)]
    generator, told = LlmShots(), list[str]()
    bill = generator.quote(asks, Linear())
    assert (bill.texts, bill.least, bill.most) == (3, 3, 9)
    assert bill.seconds > 0
    bought = generator.gather(asks, Linear(), Terms(concurrency=1, tell=told.append))
    assert bought.requests == len(server.sent) == 3
    assert told == ["llm_shots: round 1: 3 requests for 3 texts"]
    assert generator.quote(asks, Linear()).least == 0
    assert all(generator.answer(ask.query, Linear(), {}).attempts for ask in asks)
    assert len(server.sent) == 3


def test_time_is_reckoned_from_the_kept_answers_of_the_same_generator(server: Server) -> None:
    answer(server, choices(FLIP, MISS, CLOSER, LONGER))
    ledger = Ledger.of("maker/tiny")
    assert (ledger.seconds_per_request(1, "llm_shots") or 0) > 0
    assert ledger.seconds_per_request(2, "llm_shots") is ledger.seconds_per_request(1, "llm") is None
    assert ledger.requests_per_text(1, "llm_shots") == 1
    assert "a guess" in LlmShots().forecast(registry.load("task", "rt_quotes"), 10, 0).basis


def test_a_rewrite_that_keeps_the_class_is_asked_for_as_llm_does(server: Server) -> None:
    server.script = [choices(MISS)]
    assert LlmShots().preserve(QUERY, CLOSER, Linear(), {}) == (MISS,)
    assert "n" not in server.sent[0]
