"""`--data NAME=PATH` with a new name: a file of texts and labels is a task, known by its content, in every process."""

from __future__ import annotations

import csv
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cod_bench import registry
from cod_bench.data import origin, own
from cod_bench.design import filters
from cod_bench.design.filters import Filters
from cod_bench.errors import UsageError

CUES = ("sadly", "truly")


def rows(names: Sequence[str] = ("refund", "praise")) -> list[tuple[str, str]]:
    """192 texts of each class, none near another."""
    return [
        (f"{CUES[label]} item{n}x{label} came with part{n}y{label} and tool{n}z{label}", names[label])
        for n in range(192)
        for label in (0, 1)
    ]


def put(path: Path, given: Sequence[tuple[str, str]], columns: tuple[str, str] = ("text", "label")) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *given])
    return path


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(origin.VARIABLE, "")
    monkeypatch.setattr(registry, "_values", {})
    origin._parse.cache_clear()
    yield
    origin._parse.cache_clear()


def test_a_table_of_rows_is_a_task_by_its_content(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = put(tmp_path / "mine.csv", rows())
    origin.choose([f"places={path}"])
    name = origin.named("places")
    assert name.startswith("places+local-")
    corpus = origin.corpus(name)
    assert corpus.task.classes == ("praise", "refund")
    assert len(corpus.evaluation) == corpus.task.evaluation_rows == 2 * int(0.4 * 192)
    assert {row.label for row in corpus.train} == {row.label for row in corpus.dev} == {0, 1}
    given = dict(rows())
    assert all(given[row.text] == corpus.task.classes[row.label] for row in (*corpus.train, *corpus.evaluation))
    parts = [{row.text for row in part} for part in (corpus.train, corpus.dev, corpus.evaluation)]
    assert 300 < sum(map(len, parts)) == len(set.union(*parts)) <= len(given)  # near ones leave the training pool
    assert filters.suite_for("embedded", Filters(task=("places",))).tasks == (name,)
    with caplog.at_level(logging.WARNING):
        assert filters.suite_for("toy", Filters()).name == "toy"
    assert "task places of --data is not of suite toy: name it by --task to run it" in caplog.text
    assert "unpinned" not in origin.mark(origin.find("places"))


def test_other_rows_are_another_task_and_their_order_is_none(tmp_path: Path) -> None:
    names = []
    for folder, given in (("a", rows()), ("b", rows()[::-1]), ("c", rows()[4:])):
        origin._parse.cache_clear()
        origin.choose([f"places={put(tmp_path / folder / 'mine.csv', given)}"])
        names.append(origin.named("places"))
    assert names[0] == names[1] != names[2]


def test_given_test_rows_are_evaluated_on(tmp_path: Path) -> None:
    put(tmp_path / "d" / "train.csv", rows()[:200])
    held = [("a wholly different sentence about trains", "praise"), ("one more about old wooden boats", "refund")]
    put(tmp_path / "d" / "test.csv", held)
    origin.choose([f"places={tmp_path / 'd'}"])
    assert sorted(row.text for row in origin.corpus(origin.named("places")).evaluation) == sorted(t for t, _ in held)


def test_labels_that_are_numbers_keep_their_order(tmp_path: Path) -> None:
    origin.choose([f"places={put(tmp_path / 'mine.csv', rows(('10', '2')))}"])
    assert origin.find("places").classes == ("2", "10")


def test_a_worker_elsewhere_knows_it_too(tmp_path: Path) -> None:
    origin.choose([f"places={put(tmp_path / 'mine.csv', rows())}"])
    script = (
        "from cod_bench.runner.worker import prepare_process; prepare_process([])\n"
        "from cod_bench.data import origin; print(origin.named('places'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=dict(os.environ), cwd=tmp_path
    )
    assert done.stdout.strip() == origin.named("places")


LINE = "a b c d e"


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("places", [(LINE, "1"), (LINE + " f", "1")], "has 1 different labels"),
        ("places", [(f"{LINE} {n}", f"c{n}") for n in range(11)], "has 11 different labels"),
        ("places", [(LINE, "<b>"), (LINE + " f", "ok")], "label '<b>' cannot be a class's name"),
        ("places", [(LINE, ""), (LINE + " f", "ok")], "row 1: label=''; write a class's name or number"),
        ("places", [("", "no"), (LINE, "ok")], "row 1: text=''; every row needs one"),
        ("yelpp", rows(), "the name is too near to that of task 'yelp', of which it may be a slip"),
    ],
    ids=["one class", "eleven", "markup", "no label", "no text", "slip"],
)
def test_rows_that_make_no_task_are_a_sentence(
    name: str, given: list[tuple[str, str]], told: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=told):
        origin.choose([f"{name}={put(tmp_path / 'mine.csv', given)}"])
    assert name not in registry.names("task")


def test_paths_that_are_none_are_a_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", put(tmp_path / "mine.txt", rows())):
        with pytest.raises(UsageError, match=r"is no folder and no file of \.csv, \.jsonl, \.parquet"):
            origin.choose([f"places={path}"])
    with pytest.raises(UsageError, match=r"holds no train\.csv"):
        origin.choose([f"places={tmp_path}"])


def test_labels_of_test_rows_alone_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "d" / "train.csv", rows())
    put(tmp_path / "d" / "test.csv", [("another text of five words", "neither")])
    with pytest.raises(UsageError, match="label 'neither' stands in its test rows alone"):
        own.task("places", tmp_path / "d")
