"""The Batch API against a loopback server that plays it: half the price, taken up again, nothing forgotten."""

from __future__ import annotations

import json

import pytest
from pytest_httpserver import HTTPServer

from cod_bench.errors import RunError, UsageError
from cod_bench.generator import Ask, Query
from cod_bench.generators.llm import Llm
from cod_bench.store import lock
from cod_bench.task import Example
from tests.endpoint import MISS, TEXT, TOY, Batches, Linear, Server, asks, kept, notes, rows, terms


@pytest.fixture
def batches(server: Server, httpserver: HTTPServer) -> Batches:
    return Batches(httpserver)


def test_a_batch_is_one_round_of_requests(batches: Batches, server: Server) -> None:
    told: list[str] = []
    Llm().gather(asks(5), Linear(), terms(tell=told.append))
    assert len(batches.made) == 1
    assert server.sent == []
    assert [row["batch"] for row in rows()] == ["b0"] * 5
    assert len({json.loads(line)["custom_id"] for line in batches.files["in0"].splitlines()}) == 5
    assert "llm: batch b0: in_progress, 0 of 5 done" in told
    assert notes() == []
    assert Llm().answer(asks(1)[0].query, Linear(), {}).attempts == (f"{TEXT} 0".replace("dull", "great"),)


def test_a_stopped_wait_is_taken_up_by_the_next_command(batches: Batches) -> None:
    class StopError(Exception):
        pass

    def stop(line: str) -> None:
        if "in_progress" in line:
            raise StopError

    with pytest.raises(StopError):
        Llm().gather(asks(5), Linear(), terms(tell=stop))
    assert len(notes()) == 1
    assert not kept().exists()
    Llm().gather(asks(6), Linear(), terms())
    assert [len(batches.files[made["input_file_id"]].splitlines()) for made in batches.made] == [5, 1]
    assert len(rows()) == 6
    assert notes() == []


def test_a_batch_whose_birth_was_not_told_is_found_again_by_its_name(batches: Batches) -> None:
    batches.lost_reply = True
    with pytest.raises(RunError, match="500"):
        Llm().gather(asks(3), Linear(), terms())
    assert len(batches.made) == 1  # never sent a second time
    batches.lost_reply = False
    Llm().gather(asks(3), Linear(), terms())
    assert len(batches.made) == 1
    assert len(rows()) == 3


def test_lines_that_failed_are_told_and_the_others_kept(batches: Batches) -> None:
    batches.fail_lines = {1}
    with pytest.raises(RunError, match=r"batch b0: 1 of 4 requests failed \(policy\); do what it says, then run again"):
        Llm().gather(asks(4), Linear(), terms())
    assert len(rows()) == 3
    batches.fail_lines = set()
    Llm().gather(asks(4), Linear(), terms())
    assert len(batches.files["in1"].splitlines()) == 1


def test_a_failed_batch_says_why(batches: Batches) -> None:
    batches.ending = "failed"
    with pytest.raises(RunError, match=r"\(quota\)"):
        Llm().gather(asks(4), Linear(), terms())
    assert notes() == []


def test_an_expired_batch_leaves_what_it_has(batches: Batches) -> None:
    batches.ending = "expired"
    Llm().gather(asks(4), Linear(), terms())
    assert len(rows()) == 4


def test_a_budget_cuts_a_batch(batches: Batches) -> None:
    with pytest.raises(RunError, match="--budget of 3 requests is used up"):
        Llm().gather(asks(5), Linear(), terms(requests=3))
    assert len(rows()) == 3


def test_one_command_at_a_time_waits_for_a_models_batches(batches: Batches) -> None:
    folder = kept().parent / "batches"
    with lock(folder / ".maker-tiny.lock"), pytest.raises(UsageError, match="--batch: another command waits"):
        Llm().gather(asks(1), Linear(), terms())


def test_later_attempts_are_further_batches(batches: Batches) -> None:
    Llm().gather([Ask(Query(Example("0", MISS.replace("dull", "weak"), 0), 1, TOY))], Linear(), terms())
    assert len(batches.made) == 5  # left as it is each time: unchanged
    assert [row["sample"] for row in rows()] == list(range(5))


@pytest.mark.parametrize("ending", ["cancelled", "expired"])
def test_a_batch_that_ends_without_an_answer_is_not_sent_again_for_ever(batches: Batches, ending: str) -> None:
    batches.ending, batches.silent = ending, True
    with pytest.raises(RunError, match=rf"batch b0: 3 of 3 requests failed \(the batch is {ending} and says nothing"):
        Llm().gather(asks(3), Linear(), terms())
    assert len(batches.made) == 1
    assert notes() == []


def test_a_model_whose_name_begins_alike_keeps_its_own_notes(batches: Batches) -> None:
    folder = kept().parent / "batches"
    folder.mkdir(parents=True)
    others = [folder / f"maker-tiny-{end}.json" for end in ("mini-0123456789abcdef", "2024-11-20-0123456789abcdef")]
    for other in others:
        other.write_text(json.dumps({"tag": "0123456789abcdef", "id": None, "requests": []}))
    Llm().gather(asks(1), Linear(), terms())
    assert notes() == sorted(others)


def test_a_line_separator_inside_an_answer_is_text(batches: Batches) -> None:
    batches.raw_separators = True
    Llm().gather([Ask(Query(Example("0", f"{TEXT}\u2028\u0085again", 0), 1, TOY))], Linear(), terms())
    assert len(batches.made) == 1
    assert "\u2028" in rows()[0]["text"]


def test_a_batch_that_this_key_does_not_know_is_named_with_its_note(batches: Batches, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/batches/gone").respond_with_json({"error": {"message": "no such batch"}}, status=404)
    folder = kept().parent / "batches"
    folder.mkdir(parents=True)
    note = folder / "maker-tiny-0123456789abcdef.json"
    note.write_text(json.dumps({"tag": "0123456789abcdef", "id": "gone", "requests": []}))
    with pytest.raises(UsageError, match=r"batch gone of .*maker-tiny-0123456789abcdef\.json is unknown to this key"):
        Llm().gather(asks(1), Linear(), terms())
    assert note.exists()
