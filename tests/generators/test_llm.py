"""The language-model generator against a real loopback server: attempts, verdicts, and what is kept of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cod_bench import device, registry
from cod_bench.counterfactuals import pool, warm
from cod_bench.errors import UsageError
from cod_bench.generator import Answer, Ask, Query, Terms
from cod_bench.generators._llm import prompts as _prompts
from cod_bench.generators.llm import Llm
from cod_bench.store import Artifacts
from cod_bench.task import Example
from tests import ROOT
from tests.endpoint import (
    CLOSER,
    FLIP,
    KEY,
    MISS,
    OPINIONS,
    QUERY,
    TEXT,
    TOY,
    Linear,
    Scripted,
    Server,
    completion,
    kept,
    rows,
)


def run(script: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    root = ROOT
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd=root)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def toy() -> tuple[Any, pool.Pool]:
    """The toy task's draw and trained teacher, from the cache that all tests share: comes before `server`."""
    device.set_threads()
    return warm.draw("toy", "toy", 0, False), warm.pool("toy", "toy", "substitution")


def test_a_first_sample_that_flips_is_the_only_request(server: Server) -> None:
    oracle = Linear()
    assert server.answer(FLIP, oracle=oracle) == Answer(FLIP, (FLIP,), 1)
    assert oracle.asked == [FLIP]
    assert [(sent["temperature"], sent["model"]) for sent in server.sent] == [(0, "maker/tiny")]
    assert all(part in server.prompts()[0] for part in (TEXT, "'bad'", "'good'", TOY.title))
    assert server.keys == {f"Bearer {KEY}"}


def test_an_answer_is_one_row_with_all_that_is_needed_to_use_it_again(server: Server) -> None:
    server.answer(FLIP)
    (row,) = rows()
    shape = ("text", "model", "served", "finish_reason", "sample", "messages", "parameters", "usage", "retries")
    assert [row[name] for name in shape] == [
        FLIP, "maker/tiny", "served", "stop", 0, server.sent[0]["messages"],
        {"temperature": 0.0, "max_tokens": len(TEXT) + 64},
        {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}, 0,
    ]  # fmt: skip
    assert row["of"] == {
        "kind": "edit", "task": "toy", "text": "a", "generator": "llm", "attempt": 0,
        "prompt": Llm().params()["prompt_hash"],
    }  # fmt: skip
    assert 0 <= row["seconds"] < 5
    assert len(row["key"]) == 64
    assert row["time"].endswith("+00:00")


def test_flips_come_first_and_then_the_fewest_edited_words(server: Server) -> None:
    two_edits, one_edit = "the film here was dull and poor today", MISS
    got = server.answer(two_edits, one_edit, FLIP)
    assert got == Answer(two_edits, (FLIP, one_edit, two_edits), 3)


def test_from_the_second_retry_on_the_prompt_carries_the_teachers_verdict(server: Server) -> None:
    got = server.answer(MISS, "", FLIP)
    assert got.attempts[0] == FLIP
    first, second, third = server.prompts()
    assert first == second == third[: len(first)]
    assert f"a classifier reads this one as 'bad': {MISS}" in third
    assert _prompts.OTHERS["empty"] in third
    assert [sent["temperature"] for sent in server.sent] == [0.0, 0.7, 0.7]


def test_after_five_attempts_it_ends_with_what_there_is(server: Server) -> None:
    assert server.answer(MISS, MISS, MISS, MISS, MISS, FLIP) == Answer(MISS, (MISS,), 1)
    assert len(server.sent) == 5
    assert [row["sample"] for row in rows()] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("reply", "remark"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        (completion(None, "content_filter"), "empty"),
        (TEXT, "unchanged"),
        (f'"{TEXT.upper()}"', "unchanged"),
        (f"Sure! Here is the text: {FLIP}", "chatter"),
        (f"Here's the rewritten text: {FLIP}", "chatter"),
        (f"Edited text: {FLIP}", "chatter"),
        (f"{FLIP}\n\nI changed two words.", "chatter"),
        (f"{FLIP} (Note: two words)", "chatter"),
        (f"```text\n{FLIP}\n```", "chatter"),
        (f"so ```{FLIP}```", "chatter"),
        ("I'm sorry, but I cannot help with great films", "chatter"),
        (f"{FLIP} and so were all of the other films that we have seen", "long"),
        (completion(FLIP, "length"), "long"),
    ],
)
def test_an_answer_that_cannot_be_used_is_never_an_attempt(server: Server, reply: Scripted, remark: str) -> None:
    oracle = Linear()
    got = server.answer(reply, MISS, CLOSER, oracle=oracle)
    assert got.attempts == (CLOSER, MISS)
    assert got.teacher_passes == 2
    assert oracle.asked == [MISS, CLOSER]
    assert got.first not in got.attempts
    assert _prompts.OTHERS[remark] in server.prompts()[2]


@pytest.mark.parametrize("reply", [FLIP, f'"{FLIP}"', f"“{FLIP}”", f"\n {FLIP} \n", FLIP.replace(" and", "  and")])
def test_quotation_marks_and_blanks_around_an_answer_are_no_part_of_it(server: Server, reply: str) -> None:
    assert server.answer(reply).attempts == (FLIP,)


@pytest.mark.parametrize("text", ["of course, my review: {}", "{{text}} was {{0}} {}"])
def test_chatter_and_braces_that_the_original_has_are_text(server: Server, text: str) -> None:
    server.script = [text.format("superb")]
    query = Query(Example("a", text.format("dull"), 0), 1, TOY)
    assert Llm().answer(query, Linear(), {}).attempts == (text.format("superb"),)
    assert server.prompts()[0].endswith(f"Text: {query.example.text}")


def test_a_preserving_rewrite_keeps_the_class(server: Server) -> None:
    server.script = [FLIP, MISS]
    assert Llm().preserve(QUERY, CLOSER, Linear(), {}) == (MISS,)
    assert all(CLOSER in prompt and TEXT in prompt for prompt in server.prompts())
    server.script = [FLIP, "", TEXT]
    assert Llm().preserve(QUERY, FLIP, Linear(), {}) == ()
    assert len(server.sent) == 5


def test_the_same_request_is_never_sent_twice(server: Server) -> None:
    generator = Llm()
    server.script = [MISS, MISS, FLIP]
    first = generator.answer(QUERY, Linear(), {})
    assert generator.answer(QUERY, Linear(), {}) == first
    assert Llm().answer(QUERY, Linear(), {}) == first
    assert len(server.sent) == 3


def test_a_second_process_needs_neither_endpoint_nor_key(server: Server) -> None:
    first = server.answer(MISS, CLOSER)
    script = (
        "from tests.endpoint import QUERY, Linear\nfrom cod_bench.generators import llm\n"
        "print(llm.GENERATOR.answer(QUERY, Linear(), {}))"
    )
    assert run(script).strip() == str(first)
    assert len(server.sent) == 2


def test_who_asks_at_the_same_time_waits_for_the_same_answer(server: Server) -> None:
    server.script, server.delay = [FLIP, CLOSER], 0.3
    with ThreadPoolExecutor(2) as threads:
        got = list(threads.map(lambda generator: generator.answer(QUERY, Linear(), {}), [Llm(), Llm()]))
    assert got[0] == got[1]
    assert len(server.sent) == len(rows()) == 1


def test_another_model_is_another_request_in_another_file(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answer(FLIP)
    monkeypatch.setenv("COD_BENCH_LLM_MODEL", "../other")
    assert server.answer(CLOSER).first == CLOSER
    assert {path.name for path in kept().parent.glob("*.jsonl")} == {"maker-tiny.jsonl", "..-other.jsonl"}


def test_a_torn_last_line_is_ignored_and_its_request_sent_again(server: Server) -> None:
    server.answer(MISS, FLIP)
    whole = kept().read_bytes()
    kept().write_bytes(whole[:-40])
    assert server.answer(CLOSER).attempts == (CLOSER, MISS)
    assert len(server.sent) == 3
    assert [CLOSER in line for line in kept().read_text().splitlines()] == [False, False, True]
    assert server.answer().attempts == (CLOSER, MISS)
    kept().write_bytes(whole[:-1])  # a line that lacks its end alone is whole
    assert server.answer().attempts == (FLIP, MISS)
    assert len(server.sent) == 3


def test_a_row_is_on_disk_before_the_teacher_sees_it(server: Server) -> None:
    oracle = Linear()
    server.answer(MISS, "", FLIP, oracle=oracle)
    assert oracle.kept == [1, 3]


def test_a_query_needs_its_task(server: Server) -> None:
    for ask in (Llm().answer, lambda query, oracle, state: Llm().preserve(query, FLIP, oracle, state)):
        with pytest.raises(UsageError, match="task=None"):
            ask(Query(QUERY.example, 1), Linear(), {})


def test_params_never_name_the_key_or_the_endpoint(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    params = Llm().params()
    assert params["model"] == "maker/tiny"
    assert params["attempts"] == len(params["temperatures"]) == 5
    assert not any(part in json.dumps(params) for part in (KEY, "127.0.0.1", "localhost", "http"))
    monkeypatch.setitem(_prompts.EDITS, "plain", "other {text}")
    assert Llm().params()["prompt_hash"] != params["prompt_hash"]
    monkeypatch.delenv("COD_BENCH_LLM_MODEL")
    assert Llm().params()["model"] == "gpt-4o-2024-11-20"


def test_listing_the_generator_imports_no_client() -> None:
    script = (
        "import sys\nfrom cod_bench import registry\ngenerator = registry.load('generator', 'llm')\n"
        "assert generator.card and generator.params() and generator.prepare([], None) == {}\n"
        "print('HEAVY', [name for name in ('openai', 'httpx2', 'pydantic', 'torch') if name in sys.modules])\n"
    )
    assert "HEAVY []" in run(script)


def test_a_pool_of_the_toy_task_flips_the_trained_teacher(toy: Any, server: Server, tmp_path: Path) -> None:
    draw, found = toy
    swap = {old: new for side in (OPINIONS, OPINIONS[::-1]) for old, new in zip(*side, strict=True)}
    same = {old: new for side in OPINIONS for old, new in zip(side, side[1:] + side[:1], strict=True)}

    def model(prompt: str) -> str:
        words = same if "Version: " in prompt else swap
        return " ".join(words.get(word, word) for word in prompt.rsplit("Text: ", 1)[1].split("\n")[0].split())

    server.make = model
    entries = pool.Pool(found.corpus, found.teacher, Llm(), Artifacts(tmp_path), found.near).entries(draw, 8)
    valid = [entry for entry in entries if entry.cfe is not None]
    assert len(entries) == 4 >= len(valid) >= 2
    for entry in valid:
        assert found.teacher.predict(entry.cfe or "") == entry.target
        assert 0 < entry.edited["cfe"] <= 2
    assert not any(entry.preserving for entry in valid)  # nobody wanted any
    sent = len(server.sent)
    again = pool.Pool(found.corpus, found.teacher, Llm(), Artifacts(tmp_path / "second"), found.near)
    assert again.entries(draw, 8) == entries
    assert len(server.sent) == sent
    wanted = again.entries(draw, 8, preserving=True)
    assert len(server.sent) > sent
    assert any(entry.preserving for entry in wanted)
    assert [(e.cfe, e.random, e.first) for e in wanted] == [(e.cfe, e.random, e.first) for e in entries]


def test_a_pool_survives_an_endpoint_that_answers_nothing(toy: Any, server: Server, tmp_path: Path) -> None:
    draw, found = toy
    server.make = lambda prompt: ""
    entries = pool.Pool(found.corpus, found.teacher, Llm(), Artifacts(tmp_path), found.near).entries(draw, 8)
    assert [(entry.first, entry.cfe) for entry in entries] == [("", None)] * 4


def test_without_leave_nothing_is_sent_and_kept_answers_do(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answer(MISS, FLIP)
    monkeypatch.delenv("COD_BENCH_LLM_YES")
    assert Llm().answer(QUERY, Linear(), {}).attempts == (FLIP, MISS)
    Llm().ready(["toy", "toy+local-0123abcd"])
    other = Query(Example("b", f"{TEXT} again", 0), 1, TOY)
    with pytest.raises(UsageError, match=r"buy them with `cod-bench cfe generate --generator llm`.*or add --yes"):
        Llm().answer(other, Linear(), {})
    assert len(server.sent) == 2


def test_a_run_of_a_task_model_or_prompt_without_kept_answers_is_refused_before_it_starts(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer(FLIP)
    Llm().ready(["sst2"])  # with leave, whatever there is
    monkeypatch.delenv("COD_BENCH_LLM_YES")
    Llm().ready(["toy"])
    with pytest.raises(UsageError, match=r"nothing for sst2 is among the kept answers of maker/tiny; buy them with"):
        Llm().ready(["sst2", "toy"])
    with pytest.raises(UsageError, match="nothing for toy is among"):
        registry.load("generator", "llm_v1").ready(["toy"])
    monkeypatch.setenv("COD_BENCH_LLM_MODEL", "another")
    with pytest.raises(UsageError, match="nothing for toy is among the kept answers of another"):
        Llm().ready(["toy"])
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        Llm().reach(["toy"])


def test_what_is_gathered_is_all_that_answers_need(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    asks = [Ask(Query(Example(str(i), f"{TEXT} {i}", 0), 1, TOY)) for i in range(12)]
    server.make = lambda prompt: prompt.rsplit("Text: ", 1)[1].split("\n")[0].replace("dull", "great")
    generator, oracle = Llm(), Linear()
    bill = generator.quote(asks, oracle)
    assert (bill.texts, bill.least, bill.most, bill.dollars) == (12, 12, 60, None)
    bought = generator.gather([*asks, asks[0]], oracle, Terms(concurrency=4))
    assert bought.requests == len(server.sent) == len(rows()) == 12
    assert generator.quote(asks, oracle).least == 0
    monkeypatch.delenv("COD_BENCH_LLM_YES")
    for ask in asks:
        assert Llm().answer(ask.query, oracle, {}).attempts == (ask.query.example.text.replace("dull", "great"),)
    rewrites = [Ask(ask.query, f"great {i}") for i, ask in enumerate(asks)]
    assert generator.quote(rewrites, oracle).most == 36
    server.make = lambda prompt: prompt.rsplit("Text: ", 1)[1].replace("dull", "poor")
    generator.gather(rewrites, oracle, Terms())
    assert Llm().preserve(asks[3].query, "great 3", oracle, {}) == (f"{TEXT} 3".replace("dull", "poor"),)


def test_gathering_goes_on_where_verdicts_ask_for_more(server: Server) -> None:
    def model(prompt: str) -> str:
        return FLIP if "classifier reads" in prompt else MISS

    server.make, told = model, list[str]()
    Llm().gather([Ask(QUERY)], Linear(), Terms(tell=told.append))
    assert [row["of"].get("teacher") for row in rows()] == [None, "linear", "linear"]
    assert [line.rpartition(":")[0] for line in told if "round" in line] == [f"llm: round {i}" for i in (1, 2, 3)]


def test_a_bill_in_dollars_follows_the_price_table(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_LLM_MODEL", "gpt-4o-2024-11-20")
    bill = Llm().forecast(TOY, 1000, 0)
    assert bill.dollars == pytest.approx((bill.prompt_tokens * 2.5 + bill.completion_tokens * 10) / 1e6)
    assert bill.batch_dollars == pytest.approx((bill.dollars or 0) / 2)
    assert (bill.least, bill.most) == (1000, 5000)
    assert Llm().forecast(TOY, 1000, 1000).most == 8000
    assert server.sent == []


def test_attempts_are_limited_and_part_of_the_identity(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_LLM_ATTEMPTS", "2")
    assert Llm().params()["temperatures"] == [0.0, 0.7]
    assert server.answer(MISS, CLOSER + " and more and more and more and more and more").attempts == (MISS,)
    assert len(server.sent) == 2
    monkeypatch.setenv("COD_BENCH_LLM_ATTEMPTS", "no")
    with pytest.raises(UsageError, match=r"COD_BENCH_LLM_ATTEMPTS.* 'no': choose a whole number from 1 to 20"):
        Llm().params()


def test_the_ablation_asks_the_same_model_in_other_words(server: Server) -> None:
    names = [f"llm_v{i}" for i in range(1, 5)]
    generators = [registry.load("generator", name) for name in ("llm", *names)]
    assert len({generator.params()["prompt_hash"] for generator in generators}) == 5
    assert {generator.params()["model"] for generator in generators} == {"maker/tiny"}
    sst2 = replace(TOY, name="sst2", classes=("negative", "positive"))
    server.make = lambda prompt: FLIP
    for generator in generators:
        generator.answer(Query(QUERY.example, 1, sst2), Linear(), {})
    assert len(set(server.prompts())) == len(server.sent) == 5
    assert all((TEXT in prompt and "'positive'" in prompt) or "(positive)" in prompt for prompt in server.prompts())
    with pytest.raises(UsageError, match=r"task 'toy': prompt 'v3' shows an example.*use --generator llm"):
        registry.load("generator", "llm_v3").answer(QUERY, Linear(), {})
