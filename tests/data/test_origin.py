"""Which rows a task name stands for: --data, canonical copies, slices, and what is said when there are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from cod_bench import registry
from cod_bench.data import origin
from cod_bench.data.corpus import arrange
from cod_bench.design import suites
from cod_bench.design.filters import Filters, select, suite_for
from cod_bench.design.identity import identify
from cod_bench.errors import UsageError
from cod_bench.task import Corpus, RawRow, Task, content_of

Row = tuple[str, int]


def words(number: int) -> str:
    figures = sha256(str(number).encode()).hexdigest()
    return " ".join(figures[i : i + 8] for i in range(0, 32, 8))


TRAIN = [(words(i), i % 2) for i in range(80)]
TEST = [(words(i), i % 2) for i in range(100, 120)]


def put(folder: Path, train: Sequence[Row] = TRAIN, test: Sequence[Row] = TEST) -> Path:
    folder.mkdir(parents=True)
    for split, rows in (("train", train), ("test", test)):
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lock file, cache or sources but those of the test; no hub."""
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv(origin.VARIABLE, "")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def pins(monkeypatch: pytest.MonkeyPatch, name: str, corpus: Corpus) -> None:
    """Make the rows of a corpus the pinned ones of a task."""
    real = registry.load
    task = replace(real("task", name), pool_sha256=corpus.pool_sha256, evaluation_sha256=corpus.evaluation_sha256)

    def load(kind: str, asked: str) -> object:
        return task if (kind, asked) == ("task", name) else real(kind, asked)

    monkeypatch.setattr(registry, "load", load)


def made(name: str, train: Sequence[Row] = TRAIN, test: Sequence[Row] = TEST) -> Corpus:
    task: Task = registry.load("task", name)
    return arrange(task, [RawRow(*row) for row in train], [RawRow(*row) for row in test])


def test_local_rows_are_a_slice_named_by_their_content(tmp_path: Path) -> None:
    origin.choose([str(put(tmp_path / "data" / "yelp").parent)])
    name = origin.named("yelp")
    rows = made("yelp")
    assert name == f"yelp+local-{content_of(rows.pool_sha256, rows.evaluation_sha256)}"
    found = origin.corpus(name)
    assert (found.train, found.dev, found.evaluation) == (rows.train, rows.dev, rows.evaluation)
    assert found.task.identity() == {"version": 1, "content": name[-8:]}
    assert origin.find(name) == found.task
    assert origin.find(name).has_rows(rows.pool_sha256[:12], rows.evaluation_sha256[:12])
    assert not origin.find(name).has_rows(rows.pool_sha256[:12], "0" * 12)
    assert origin.named(name) == name


def test_order_and_form_of_the_files_do_not_matter_and_every_row_does(tmp_path: Path) -> None:
    names = []
    for i, (train, test) in enumerate(
        [(TRAIN, TEST), (TRAIN[::-1], TEST[::-1]), (TRAIN[:-1], TEST), (TRAIN, [*TEST[:-1], (TEST[-1][0], 0)])]
    ):
        origin.choose([f"yelp={put(tmp_path / str(i), train, test)}"])
        names.append(origin.named("yelp"))
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_a_copy_of_the_pinned_rows_is_the_canonical_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = made("yelp")
    pins(monkeypatch, "yelp", rows)
    origin.choose([f"yelp={put(tmp_path / 'raw')}"])
    assert origin.named("yelp") == "yelp"
    assert origin.corpus("yelp").task.identity()["pool_sha256"] == rows.pool_sha256
    copied = [(e.text, e.label) for e in (*rows.train, *rows.dev)]
    origin.choose([f"yelp={put(tmp_path / 'copy', copied, [(e.text, e.label) for e in rows.evaluation])}"])
    assert origin.named("yelp") == "yelp"


@pytest.mark.parametrize("part", ["train", "test"])
def test_only_pool_and_evaluation_together_are_canonical(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins(monkeypatch, "yelp", made("yelp"))
    changed = {"train": TRAIN[1:], "test": TEST} if part == "train" else {"train": TRAIN, "test": TEST[1:]}
    origin.choose([f"yelp={put(tmp_path / 'raw', **changed)}"])
    assert origin.named("yelp").startswith("yelp+local-")


def test_a_folder_may_have_the_name_of_an_alias_and_the_first_folder_wins(tmp_path: Path) -> None:
    put(tmp_path / "one" / "amazon")
    put(tmp_path / "two" / "amazon_polarity", TRAIN[1:])
    origin.choose([str(tmp_path / "one"), str(tmp_path / "two")])
    assert origin.folder(origin.find("amazon_polarity")) == tmp_path / "one" / "amazon"
    origin.choose([str(tmp_path / "one"), f"amazon={tmp_path / 'two' / 'amazon_polarity'}"])
    assert origin.folder(origin.find("amazon_polarity")) == tmp_path / "two" / "amazon_polarity"
    assert origin.folder(origin.find("yelp")) is None
    assert origin.options() == f" --data {tmp_path / 'one'} --data amazon={tmp_path / 'two' / 'amazon_polarity'}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("nowhere", "nowhere: is no folder"),
        ("yelp=nowhere", "yelp=.*nowhere: is no folder"),
        ("help=.", "the name is too near to that of task 'yelp'"),
        ("toy=.", "task 'toy' comes with its package and takes no files"),
    ],
)
def test_a_source_that_cannot_be_is_named(value: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        origin.choose([value])


def test_a_relative_folder_is_the_same_for_a_worker_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "here" / "data" / "yelp")
    origin.choose(["data", "yelp=data/yelp"])
    assert os.environ[origin.VARIABLE].split(os.pathsep) == [
        str(tmp_path / "here" / "data"), f"yelp={tmp_path / 'here' / 'data' / 'yelp'}",
    ]  # fmt: skip
    script = "from cod_bench.data import origin; print(origin.named('yelp'))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.strip() == origin.named("yelp")


def test_without_any_source_one_sentence_names_the_ways() -> None:
    for name in ("sst2", "yelp+local-00000000"):
        with pytest.raises(UsageError, match=r"no source for its rows.*--data DIR.*COD_BENCH_DATA") as caught:
            origin.corpus(name)
        assert "\n" not in str(caught.value)


def test_other_rows_than_a_record_was_made_of_are_refused(tmp_path: Path) -> None:
    origin.choose([f"yelp={put(tmp_path / 'raw')}"])
    with pytest.raises(UsageError, match=r"the rows in .*raw are 'yelp\+local-[0-9a-f]{8}'; name the folder"):
        origin.corpus("yelp+local-00000000")


@pytest.mark.parametrize("name", ["yelp+local-1", "yelp+local-0000000g", "toy+local-00000000", "yelps"])
def test_no_task_can_have_such_a_name(name: str) -> None:
    with pytest.raises(UsageError, match="unknown task"):
        origin.find(name)


def test_a_suite_on_local_rows_is_a_variant_and_filters_know_the_plain_name(tmp_path: Path) -> None:
    assert suite_for("six-local", Filters()) is suites.suite("six-local")
    origin.choose([f"yelp={put(tmp_path / 'raw')}"])
    name = origin.named("yelp")
    found = suite_for("six-local", Filters())
    assert found.name == "six-local+local"
    assert found.tasks == (*suites.suite("six-local").tasks[:-1], name)
    specs = select(found, Filters(track="minilm-fp32", task=("yelp",), method=("kd",), k=(8,), seed=(0,)))
    assert {spec.task for spec in specs} == {name}
    assert identify(specs[0])["task"] == {"name": name, "version": 1, "content": name[-8:]}
    with pytest.raises(UsageError, match=r"--task yelp_paper: suite 'six-local\+local' has only"):
        select(found, Filters(track="minilm-fp32", task=("yelp_paper",)))


def test_rows_are_read_once_and_then_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin.choose([f"yelp={put(tmp_path / 'raw')}"])
    name = origin.named("yelp")
    origin._prepared.cache_clear()  # as another process would start
    monkeypatch.setattr("cod_bench.data.local.read", lambda *_: pytest.fail("read again"))
    assert origin.named("yelp") == name


def test_unknown_rows_are_told_in_a_plan_and_in_the_list() -> None:
    assert origin.notes(["toy", "cola", "sst2", "yelp+local-00000000"]) == [
        "unpinned: sst2; their first load pins their rows, and run ids change with it"
    ]
    assert origin.notes(["toy"]) == []
    assert origin.mark(origin.find("sst2")) == "; unpinned"
    assert origin.mark(origin.find("cola")) == ""
    assert origin.mark(origin.find("yelp_paper")) == "; unpinned; not ranked"
    assert origin.packaged(["toy", "sst2", "yelp+local-00000000"]) == ["toy"]
