"""Files of pairs: what a line may be, what is replayed for which text, and the pool that comes of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cod_bench import device
from cod_bench.counterfactuals import pairs, pool, warm
from cod_bench.counterfactuals.pairs import Pair
from cod_bench.errors import UsageError
from cod_bench.generator import Answer, Query
from cod_bench.generators.replay import Replay
from cod_bench.store import Artifacts
from cod_bench.task import Example, normalise
from tests.endpoint import CLOSER, FLIP, MISS, OPINIONS, QUERY, TEXT, Linear

LINE = {"original": TEXT, "original_label": 0, "counterfactual": FLIP, "counterfactual_label": 1}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = write(
        tmp_path / "pairs.jsonl", LINE, LINE | {"counterfactual": CLOSER, "preserving": MISS},
        LINE | {"counterfactual": MISS, "counterfactual_label": 2},
        {"text": "other  text", "target": 0, "cfe": "another text"},
    )  # fmt: skip
    monkeypatch.setenv("COD_BENCH_PAIRS", str(path))
    return path


def test_it_gives_back_the_pairs_of_the_text_and_target_in_the_files_order(file: Path) -> None:
    replay, oracle = Replay(), Linear()
    assert replay.answer(QUERY, oracle, {}) == Answer(FLIP, (FLIP, CLOSER), 0)
    assert replay.preserve(QUERY, FLIP, oracle, {}) == (MISS,)
    assert replay.answer(Query(Example("x", "no such text", 0), 1), oracle, {}) == Answer("", (), 0)
    assert [replay.knows(text) for text in (TEXT, "other text", "nothing")] == [True, True, False]


def test_the_content_of_the_file_is_the_identity(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = Replay().params()
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(file.read_bytes())
    monkeypatch.setenv("COD_BENCH_PAIRS", str(copy))
    assert Replay().params() == before
    write(copy, LINE)
    assert Replay().params() != before
    assert str(tmp_path) not in json.dumps(before)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no pair"),
        ("{bad", "line 1: is no pair"),
        ("[1]", "line 1: is no pair"),
        (json.dumps(LINE) + "\n" + json.dumps({"original": "a"}), "line 2: is no pair"),
        (json.dumps(LINE | {"counterfactual_label": 0}), "line 1: is no pair"),
        (json.dumps(LINE | {"counterfactual_label": True}), "line 1: is no pair"),
        (json.dumps(LINE | {"counterfactual": " "}), "line 1: is no pair"),
    ],
)
def test_what_is_no_pair_is_told_with_its_line(file: Path, text: str, sentence: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError, match=sentence):
        Replay().ready(["toy"])


def test_a_missing_file_and_a_missing_option_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COD_BENCH_PAIRS", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="No such file or directory; name a JSONL file"):
        Replay().params()
    monkeypatch.delenv("COD_BENCH_PAIRS")
    with pytest.raises(UsageError, match="name a JSONL file with --pairs FILE or COD_BENCH_PAIRS"):
        Replay().params()


@given(
    st.lists(st.builds(Pair, *[st.text(min_size=1).filter(lambda t: bool(normalise(t)))] * 2, st.just(1), st.just(0)))
)
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, found: list[Pair]) -> None:
    path = tmp_path_factory.mktemp("pairs") / "p.jsonl"
    assert pairs.write(path, found) == len(found)
    clean = tuple(Pair(normalise(p.original), normalise(p.counterfactual), 1, 0) for p in found)
    if found:
        assert pairs.read(path).pairs == clean


def test_originals_become_the_rows_of_a_task(file: Path, tmp_path: Path) -> None:
    write(file, LINE, LINE | {"counterfactual": CLOSER}, LINE | {"original": TEXT * 9})
    out = tmp_path / "imdb" / "train.jsonl"
    assert pairs.write_originals(out, pairs.read(file).pairs, longest=100) == 1
    assert json.loads(out.read_text()) == {"text": TEXT, "label": 0}
    write(file, {"text": "a", "target": 0, "cfe": "b"})
    with pytest.raises(UsageError, match="has no original_label"):
        pairs.write_originals(out, pairs.read(file).pairs)


def test_a_pool_of_pairs_has_valid_slots_where_there_are_pairs(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.set_threads()
    draw, found = warm.draw("toy", "toy", 0, False), warm.pool("toy", "toy", "substitution")
    swap = {old: new for side in (OPINIONS, OPINIONS[::-1]) for old, new in zip(*side, strict=True)}
    known = draw.slots(8)[:3]
    rows = [
        {
            "original": slot.original.text, "counterfactual_label": slot.target,
            "counterfactual": " ".join(swap.get(word, word) for word in slot.original.text.split()),
        }
        for slot in known
    ]  # fmt: skip
    write(file, *rows)
    entries = pool.Pool(found.corpus, found.teacher, Replay(), Artifacts(tmp_path), found.near).entries(draw, 8)
    assert entries[3].cfe is None
    assert [bool(entry.cfe) for entry in entries[:3]] == [entry.first_flips for entry in entries[:3]]
    assert any(entry.cfe and entry.random for entry in entries)
    assert all(np.isfinite(entry.margin) for entry in entries)
