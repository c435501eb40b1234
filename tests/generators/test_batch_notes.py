"""Notes of batches that something happened to, and batches that come back odd: told, set aside, and no key in them."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from cod_bench.errors import RunError
from cod_bench.generators._llm import batch as _batch
from cod_bench.generators._llm.batch import Note
from cod_bench.generators.llm import Llm
from cod_bench.store import unseal
from tests.endpoint import KEY, Batches, Linear, Server, asks, kept, notes, rows, terms


@pytest.fixture
def batches(server: Server, httpserver: HTTPServer) -> Batches:
    return Batches(httpserver)


class StopError(Exception):
    """What a test stops a wait with."""


def stopped(line: str) -> None:
    if "in_progress" in line:
        raise StopError


@pytest.fixture
def note(batches: Batches) -> Path:
    """The note of a batch of three that was sent and not waited for."""
    with pytest.raises(StopError):
        Llm().gather(asks(3), Linear(), terms(tell=stopped))
    (path,) = notes()
    return path


def unsealed(path: Path, **more: Any) -> bytes:
    """A note as the version before wrote it."""
    known = json.loads(unseal(path.read_text(), path.stem))
    del known["keys"]
    return (json.dumps({**known, **more}, sort_keys=True) + "\n").encode()


def test_a_note_with_any_byte_changed_is_none(note: Path) -> None:
    whole, path = note.read_bytes(), note.with_name(note.name)
    assert Note.read(path).id == "b0"
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << (at % 8)
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=r"^(is|has) "):
            Note.read(path)
    assert len(_batch.faults(path.parent)) == 1
    path.write_bytes(whole)
    assert _batch.faults(path.parent) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.read_bytes().replace(b"dull", b"weak", 1),
        lambda path: path.read_bytes()[:-90],
        lambda path: b"",
        lambda path: b"[" * 100_000,
        lambda path: b"\xff",
        lambda path: unsealed(path, more=1),
        lambda path: unsealed(path, tag="0123456789abcdef"),
        lambda path: unsealed(path, id="../../v1/files"),
        lambda path: unsealed(path, requests=[[{"model": "x"}, {}]]),
        lambda path: unsealed(path, requests=[1]),
        lambda path: unsealed(path, requests=None),
    ],
    ids=["word", "cut", "empty", "deep", "no UTF-8", "field", "tag", "id", "body", "number", "null"],
)
def test_a_note_that_is_not_what_was_written_is_told_set_aside_and_not_followed(
    batches: Batches, note: Path, change: Callable[[Path], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    bad = change(note)
    note.write_bytes(bad)
    tag = note.stem.rpartition("-")[2]
    Llm().gather(asks(3), Linear(), terms())
    assert len(batches.made) == 2
    assert len(rows()) == 3
    (said,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said.startswith(f"batch note {note}: ")
    assert f"if its batch was sent, the provider has it under cod-bench={tag}" in said
    assert note.with_name(note.name + ".aside").read_bytes() == bad
    assert notes() == []


def test_a_note_under_anothers_name_is_not_followed(batches: Batches, note: Path) -> None:
    note.rename(note.with_name("maker-tiny-0123456789abcdef.json"))
    Llm().gather(asks(3), Linear(), terms())
    assert len(batches.made) == 2


def test_a_note_that_is_a_link_is_not_followed(batches: Batches, note: Path, tmp_path: Path) -> None:
    goal = note.rename(tmp_path / "elsewhere")
    note.symlink_to(goal)
    Llm().gather(asks(3), Linear(), terms())
    assert len(batches.made) == 2
    assert goal.exists()


def test_a_note_of_an_older_version_is_followed_since_it_is_paid_for(batches: Batches, note: Path) -> None:
    note.write_bytes(unsealed(note))
    assert _batch.faults(note.parent) == []
    Llm().gather(asks(3), Linear(), terms())
    assert len(batches.made) == 1
    assert len(rows()) == 3


def test_what_a_batch_brings_is_cleaned_as_single_answers_are(
    batches: Batches, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    told: list[str] = []

    def line(found: dict[str, Any]) -> None:
        body = found["response"]["body"]
        body["choices"][0]["message"]["content"] += f" \ud800 Bearer {KEY}"
        body["choices"][0]["finish_reason"] = body["model"] = KEY
        body["usage"][KEY] = 3

    def twist(found: dict[str, Any]) -> None:
        found["status"] = found["status"] if found["status"] == "completed" else f"in {KEY}\x1b[2J"

    batches.line, batches.twist = line, twist
    Llm().gather(asks(1), Linear(), terms(tell=told.append))
    assert rows()[0]["text"].endswith(" \ufffd Bearer [key]")
    assert rows()[0]["finish_reason"] == rows()[0]["served"] == "[key]"
    home = kept().parent.parent
    assert not any(KEY.encode() in path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert KEY not in "".join(told) + caplog.text
    assert all(sentence.isprintable() for sentence in told)


def test_a_failed_line_that_holds_the_key_is_told_without_it(batches: Batches) -> None:
    coded = base64.b64encode(f"Bearer {KEY}".encode()).decode()
    batches.line = lambda found: found | {"response": None, "error": {"message": f"{KEY} {coded}\x1b[2J"}}
    with pytest.raises(RunError, match=r"1 of 1 requests failed \(\[key\] \S*\[key\]\S*\\x1b\[2J\)"):
        Llm().gather(asks(1), Linear(), terms())


ODD: dict[str, Callable[[dict[str, Any]], object]] = {
    "no batch": lambda found: [1],
    "id of a file": lambda found: {**found, "output_file_id": f"../{KEY}"},
    "file of object": lambda found: {**found, "output_file_id": {"a": [KEY]}},
    "counts": lambda found: {**found, "request_counts": {"total": None}},
    "errors": lambda found: {**found, "status": "failed", "errors": {"data": [5, KEY]}},
}


@pytest.mark.parametrize("twist", ODD.values(), ids=ODD)
def test_a_batch_of_another_shape_is_one_sentence_and_keeps_its_note_or_its_answers(
    batches: Batches, twist: Callable[[dict[str, Any]], object]
) -> None:
    batches.twist = twist
    with pytest.raises(RunError, match=r"something else than a chat completion|requests failed") as caught:
        Llm().gather(asks(3), Linear(), terms())
    assert KEY not in str(caught.value)
    batches.twist = lambda found: found
    Llm().gather(asks(3), Linear(), terms())
    assert len(rows()) == 3


def test_an_id_with_the_key_is_not_written_down(batches: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = batches.batch
    monkeypatch.setattr(batches, "batch", lambda number, status: {**whole(number, status), "id": KEY})
    with pytest.raises(RunError, match="something else than a chat completion"):
        Llm().gather(asks(1), Linear(), terms())
    assert KEY not in notes()[0].read_text()


def test_a_batch_that_never_ends_is_left_to_a_later_command(batches: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_batch, "LONGEST_WAIT", 0.05)
    batches.ending = "in_progress"
    with pytest.raises(RunError, match=r"batch b0: in_progress, 0 of 2 done, after .* hours; run again later"):
        Llm().gather(asks(2), Linear(), terms())
    assert len(notes()) == 1
    batches.ending = "completed"
    Llm().gather(asks(2), Linear(), terms())
    assert (len(batches.made), len(rows())) == (1, 2)
