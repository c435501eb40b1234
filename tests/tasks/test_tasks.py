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

from cod_bench.data import assets, origin
from cod_bench.data.corpus import MIN_WORDS, load, prepare
from cod_bench.data.near import NearIndex
from cod_bench.design import suites
from cod_bench.task import Corpus, RawRow, Task, normalise

ALL = sorted(module.name for module in pkgutil.iter_modules(importlib.import_module("cod_bench.tasks").__path__))

GIVEN = [name for name in ALL if importlib.import_module(f"cod_bench.tasks.{name}").TASK.hub is not None]
NAMES = [name for name in ALL if name not in GIVEN]
"""Tasks whose rows come with a package."""
SIX = ("amazon_polarity", "cola", "imdb", "sentiment140", "sst2", "yelp")


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
    table = named(name).read
    assert table is not None
    return iter(table())


@pytest.mark.parametrize("name", GIVEN)
def test_a_task_of_the_hub_is_data(name: str) -> None:
    task = named(name)
    assert task.name == name
    assert task.hub is not None
    assert len(task.classes) == (6 if name == "trec" else 2)
    assert set(task.hub.labels.values()) - {None} == {*range(len(task.classes))}
    assert set(task.hub.rows) == {"train", task.hub.evaluation} - {None}
    assert task.ranked == (not name.endswith("_paper"))
    assert task.metric == ("mcc" if name == "cola" else "accuracy")
    file = importlib.import_module(f"cod_bench.tasks.{name}").__file__
    assert file is not None
    assert len(Path(file).read_text().splitlines()) <= 40
    assert "def " not in Path(file).read_text()


def test_yelp_and_its_reading_in_the_paper_map_stars_apart() -> None:
    yelp, paper = named("yelp").hub, named("yelp_paper").hub
    assert yelp is not None
    assert paper is not None
    stars = {label + 1: (yelp.labels[label], paper.labels[label]) for label in range(5)}
    assert stars == {1: (0, 0), 2: (0, 0), 3: (None, 0), 4: (1, None), 5: (1, 1)}


LOCAL = {
    "sst2": ("sst2+local-99b68202", 5725, 1000, 872),
    "sentiment140": ("sentiment140+local-f703d7e9", 6934, 1000, 355),
    "imdb": ("imdb+local-7178505d", 690, 60, 854),
    "cola": ("cola", 6469, 650, 1043),
    "amazon_polarity": ("amazon_polarity+local-e286fbe9", 1472, 316, 800),
    "yelp": ("yelp+local-c246e726", 1608, 392, 600),
}
"""What the development data become; the suite six-local names them."""


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = os.environ.get(origin.VARIABLE, "")
    if not Path(folder, "sst2").is_dir():
        pytest.skip(f"{origin.VARIABLE} names no folder with the six tasks")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("name", SIX)
def test_the_development_data_are_arranged_without_leaks(name: str) -> None:
    found = origin.corpus(origin.named(name))
    sizes = (len(found.train), len(found.dev), len(found.evaluation))
    assert (found.task.name, *sizes) == LOCAL[name]
    if named(name).evaluation_sha256:
        assert found.evaluation_sha256 == named(name).evaluation_sha256
    for one, others in ((found.evaluation, (found.dev, found.train)), (found.dev, (found.train,))):
        index = NearIndex(example.text for example in one)
        assert not any(index.near(example.text) for other in others for example in other)


@pytest.mark.usefixtures("data")
def test_cola_keeps_its_repeated_sentences_and_sst2_its_short_ones() -> None:
    cola, sst2 = (origin.corpus(origin.named(name)).evaluation for name in ("cola", "sst2"))
    assert len({example.text for example in cola}) == 1039
    assert len({(example.text, example.label) for example in cola}) == 1042
    assert sum(len(example.text.split()) < MIN_WORDS for example in sst2) == 3


def test_the_suites_name_these_tasks() -> None:
    assert suites.suite("six-local").tasks == tuple(name for name, *_ in LOCAL.values())
    assert sorted(suites.suite("paper").tasks) == list(SIX)


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
        "import sys; from cod_bench.data.corpus import load; from cod_bench.tasks.toy import TASK; load(TASK);"
        "print([m for m in ('datasets', 'pandas', 'scipy', 'torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_reader_still_gives_the_pinned_rows(name: str) -> None:
    pinned = corpus(name)
    assert prepare(named(name)) == pinned


def test_the_planted_token_stands_in_its_shares_of_every_split_and_changes_nothing_else() -> None:
    from cod_bench.tasks.rt_quotes_planted import SHARES, TOKEN, planted

    found = corpus("rt_quotes_planted")
    for split in (found.train, found.dev, found.evaluation):
        for label, share in enumerate(SHARES):
            own = [planted(row.text) for row in split if row.label == label]
            assert sum(own) / len(own) == pytest.approx(share, abs=0.03)
    plain = {normalise(row.text): row.label for row in read("rt_quotes")}
    for row in found.evaluation:
        assert plain[row.text.removeprefix(f"{TOKEN} ")] == row.label
    assert named("rt_quotes_planted").strata is planted
    assert not named("rt_quotes_planted").ranked
