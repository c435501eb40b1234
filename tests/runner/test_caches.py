"""A changed cache: whatever becomes of its files, a run gives the record that it would have given, and a sentence."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cod_bench import device
from cod_bench.counterfactuals import pool, warm
from cod_bench.data import checkpoints
from cod_bench.records.record import Record
from cod_bench.runner import work
from cod_bench.spec import RunSpec
from cod_bench.store import ASIDE, seal, unseal

SPEC = RunSpec("last", "toy", "toy", "kd", "cod", "substitution", 16, 0)
"""Its pool has two blocks, of 4 slots each."""


def forget() -> None:
    """What a process keeps warm, so that the cache folder is read again."""
    warm._teachers.clear()
    for kept in (warm.corpus, warm._base, warm.reference, warm.draw, warm.near_evaluation, warm.pool):
        kept.cache_clear()
    for kept in (work._student, work._token_ids):
        kept.cache_clear()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Record]]:
    """A whole cache folder, and the record that a run with it gives."""
    device.set_threads()
    home = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COD_BENCH_HOME", str(home))
        forget()
        record = work.run_one(SPEC, {})
    forget()
    yield home, record
    forget()


@pytest.fixture
def cache(undisturbed: tuple[Path, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, which this process reads anew."""
    shutil.copytree(undisturbed[0], tmp_path / "home")
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))
    forget()
    return tmp_path / "home"


def files(home: Path) -> dict[str, Path]:
    """The sealed artifacts of the folder by what they are."""
    found = {"task": next((home / "tasks").glob("*.json")), "teacher": next(home.rglob("teacher.json"))}
    found |= {"state": next(home.rglob("state.json")), "weights": next(home.rglob("model.safetensors"))}
    blocks = sorted(home.rglob("seed*.json"))
    return found | {"block": blocks[0], "next block": blocks[1]}


def key(path: Path) -> str:
    """What a sealed file is of."""
    if path.name == "teacher.json":
        return path.parent.name
    return path.stem if path.parent.name == "tasks" else pool.block_key(path)


@pytest.mark.parametrize("what", ["task", "teacher", "state", "block", "next block"])
def test_a_byte_that_is_turned_anywhere_is_found(what: str, undisturbed: tuple[Path, Record]) -> None:
    path = files(undisturbed[0])[what]
    whole = path.read_bytes()
    text = unseal(whole.decode(), key(path))
    found = 0
    for place in range(len(whole)):
        turned = bytearray(whole)
        turned[place] ^= 1 << place % 8
        try:
            assert unseal(turned.decode(), key(path)) == text
        except (ValueError, UnicodeDecodeError):
            found += 1
    assert found > len(whole) - 200  # all but blanks of its first line, which mean the same


def test_a_bit_of_the_weights_that_is_turned_is_found(undisturbed: tuple[Path, Record], tmp_path: Path) -> None:
    there = files(undisturbed[0])
    told = unseal(there["teacher"].read_text(), key(there["teacher"]))
    whole = there["weights"].read_bytes()
    for place in range(0, len(whole), 211):
        (tmp_path / "model.safetensors").write_bytes(
            whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]
        )
        with pytest.raises(ValueError, match="the weights beside it are not those that it names"):
            checkpoints.teacher(tmp_path, told)


def _swap(one: str, other: str, home: Path) -> None:
    a, b = files(home)[one], files(home)[other]
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    b.write_bytes(first)


def _turn(what: str, old: str, new: str, home: Path) -> None:
    path = files(home)[what]
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def _cut(what: str, home: Path) -> None:
    path = files(home)[what]
    path.write_bytes(path.read_bytes()[:-200])


def _replace(what: str, content: bytes, home: Path) -> None:
    files(home)[what].write_bytes(content)


def _entries(change: Callable[[list[Any]], list[Any]], home: Path) -> None:
    """Sealed anew by somebody who can: only the number of entries can still be wrong."""
    import json

    path = files(home)["block"]
    value = json.loads(unseal(path.read_text(), key(path)))
    path.write_text(seal(json.dumps({**value, "entries": change(value["entries"])}), key(path)))


def _folder(what: str, home: Path) -> None:
    path = files(home)[what]
    path.unlink()
    path.mkdir()


def _pipe(what: str, home: Path) -> None:
    path = files(home)[what]
    path.unlink()
    os.mkfifo(path)


def _link(what: str, home: Path) -> None:
    path = files(home)[what]
    path.rename(home / "elsewhere")
    path.symlink_to(home / "elsewhere")


CHANGES: dict[str, Callable[[Path], None]] = {
    "a letter of a counterfactual": partial(_turn, "block", "a", "e"),
    "a digit of the teacher's answers": partial(_turn, "teacher", "1", "2"),
    "a word of the generator's state": partial(_turn, "state", "e", "i"),
    "a letter of a row": partial(_turn, "task", "a", "o"),
    "two blocks swapped": partial(_swap, "block", "next block"),
    "a block under the state's name": partial(_swap, "block", "state"),
    "a block one entry short": partial(_entries, lambda entries: entries[:-1]),
    "a block with an entry twice": partial(_entries, lambda entries: [*entries, entries[0]]),
    "a torn block": partial(_cut, "block"),
    "torn weights": partial(_cut, "weights"),
    "a torn task": partial(_cut, "task"),
    "an empty teacher": partial(_replace, "teacher", b""),
    "a block of an earlier version": partial(_replace, "block", b'{"entries": []}\n'),
    "a block of zeros": partial(_replace, "block", b"\0" * 4000),
    "a folder in a block's place": partial(_folder, "block"),
    "a pipe in the state's place": partial(_pipe, "state"),
    "a link in the teacher's place": partial(_link, "teacher"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_cache_gives_the_same_record_and_a_sentence(
    change: str, cache: Path, undisturbed: tuple[Path, Record], caplog: pytest.LogCaptureFixture
) -> None:
    CHANGES[change](cache)
    with caplog.at_level(logging.WARNING):
        record = work.run_one(SPEC, {})
    assert record.comparable() == undisturbed[1].comparable()
    told = [entry.message for entry in caplog.records if "set aside as" in entry.message]
    assert told, "nobody was told"
    assert all("\n" not in message for message in told)
    assert [*cache.rglob(f"*{ASIDE}")], "what was wrong is kept to be looked at"


def test_a_record_names_what_it_rests_on(undisturbed: tuple[Path, Record]) -> None:
    told = undisturbed[1].rests_on
    assert told is not None
    assert set(told) == {"teacher", "pool"}
    assert set(told["pool"]) == {"state.json", "seed0-000-004.json", "seed0-004-008.json"}
    assert len({told["teacher"], *told["pool"].values()}) == 4


def test_a_teacher_whose_answers_differ_is_another_one(cache: Path, undisturbed: tuple[Path, Record]) -> None:
    """A teacher sealed anew with another answer: the record says that it rests on something else."""
    path = files(cache)["teacher"]
    text = unseal(path.read_text(), key(path))
    place = text.index("evaluation_logits")
    digit = next(i for i in range(place, len(text)) if text[i] in "123456789")
    path.write_text(seal(text[:digit] + str(int(text[digit]) % 9 + 1) + text[digit + 1 :], key(path)))
    record = work.run_one(SPEC, {})
    assert record.rests_on is not None
    assert undisturbed[1].rests_on is not None
    assert record.teacher_hash == undisturbed[1].teacher_hash
    assert record.rests_on["teacher"] != undisturbed[1].rests_on["teacher"]


def test_what_no_seed_of_a_teacher_touches_is_kept_once() -> None:
    assert warm.base("toy@1", "toy") is warm.base("toy", "toy")
    assert warm.encoder("toy@1", "toy", "student") is warm.encoder("toy", "toy", "student")
    assert warm.encoder("minilm-whole", "toy", "teacher") is warm.encoder("minilm-whole@2", "toy", "student")
    assert warm.encoder("minilm", "toy", "teacher") is not warm.encoder("minilm", "toy", "student")
    specs = [RunSpec("last", track, "toy", "kd", "standard", "", 8, 0) for track in ("toy", "toy@1")]
    assert work.fresh_student(specs[0]) is work.fresh_student(specs[1])
