"""Tests of every task file: name, pins, size, cleanliness, no leak; those with assets skip where these are absent."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cod_bench import assets
from cod_bench.corpus import load, prepare
from cod_bench.near import NearIndex
from cod_bench.task import Corpus, RawRow, Task, normalise

NAMES = sorted(module.name for module in pkgutil.iter_modules(importlib.import_module("cod_bench.tasks").__path__))


def named(name: str) -> Task:
    task = importlib.import_module(f"cod_bench.tasks.{name}").TASK
    assert isinstance(task, Task)
    return task


def corpus(name: str) -> Corpus:
    task = named(name)
    for asset in task.assets:
        if assets.state(asset) != "ready" and not os.environ.get("COD_BENCH_WHEELS"):
            pytest.skip(f"asset {asset!r} is not fetched; any run of the embedded suite or COD_BENCH_WHEELS brings it")
    return load(task)


def read(name: str) -> Iterator[RawRow]:
    corpus(name)
    return iter(named(name).read())


@pytest.mark.parametrize("name", NAMES)
def test_a_task_is_named_as_its_file_and_pins_its_rows(name: str) -> None:
    task = named(name)
    assert task.name == name
    assert re.fullmatch("[0-9a-f]{64}", task.pool_sha256)
    assert re.fullmatch("[0-9a-f]{64}", task.evaluation_sha256)
    assert set(task.assets) <= set(assets.ASSETS)


@pytest.mark.parametrize("name", NAMES)
def test_a_task_loads_balanced_and_without_leaks(name: str) -> None:
    found = corpus(name)
    assert len(found.evaluation) == found.task.evaluation_rows
    assert 0 < len(found.dev) <= found.task.dev_rows
    for split in (found.train, found.dev, found.evaluation):
        assert len(set(Counter(example.label for example in split).values())) == 1
        assert all(example.text == normalise(example.text) for example in split)
    for one, others in ((found.evaluation, (found.dev, found.train)), (found.dev, (found.train,))):
        index = NearIndex(example.text for example in one)
        assert not any(index.near(example.text) for other in others for example in other)
        assert len({index.find(example.text) for example in one}) == len(one)


def test_sizes_are_those_of_the_protocol() -> None:
    assert [len(rows) for rows in (corpus("toy").train, corpus("toy").dev, corpus("toy").evaluation)] == [344, 60, 100]
    assert len(corpus("rt_quotes").evaluation) == len(corpus("brand_tweets").evaluation) == 1000
    assert len(corpus("rt_quotes").train) == 8368
    assert len(corpus("brand_tweets").train) == 4496


def test_toy_can_be_learnt_from_its_training_pool() -> None:
    found = corpus("toy")
    seen = [Counter(w for e in found.train if e.label == label for w in e.text.split()) for label in (0, 1)]
    right = sum(
        (sum(seen[1][w] > 3 * seen[0][w] for w in e.text.split()) > 0) == bool(e.label) for e in found.evaluation
    )
    assert right >= 95


def test_films_stay_on_one_side() -> None:
    film: dict[str, set[str]] = {}
    for row in read("rt_quotes"):
        film.setdefault(normalise(row.text), set()).add(row.group)
    found = corpus("rt_quotes")
    # A quote that stands under two films was kept once, with one of them.
    sides = [
        {group for e in split for group in film[e.text] if len(film[e.text]) == 1}
        for split in (found.train, found.dev, found.evaluation)
    ]
    assert all(sides)
    assert not (sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2])


def test_tweets_are_clean() -> None:
    texts = [row.text for row in read("brand_tweets")]
    assert len(texts) > 15_000
    assert all(text.isascii() for text in texts)
    assert not [t for t in texts if re.search(r"https?:|www\.|&amp;|\b[RM]T @|^@\w", t)]


def test_a_prepared_task_loads_without_heavy_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path))
    script = (
        "import sys; from cod_bench.corpus import load; from cod_bench.tasks.toy import TASK; load(TASK);"
        "print([m for m in ('datasets', 'pandas', 'scipy', 'torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_reader_still_gives_the_pinned_rows(name: str) -> None:
    pinned = corpus(name)
    assert prepare(named(name)) == pinned
