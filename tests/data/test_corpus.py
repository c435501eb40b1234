"""Tests of task preparation: leak-free balanced splits, duplicates, pins, cache. Rows are made on the spot."""

from __future__ import annotations

import bz2
import logging
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given as given_rows
from hypothesis import settings
from hypothesis import strategies as st

from cod_bench.data import corpus as corpora
from cod_bench.data.corpus import arrange, load, prepare
from cod_bench.data.near import NearIndex, near
from cod_bench.errors import RunError, UsageError
from cod_bench.task import Corpus, Example, Hub, RawRow, Task, normalise, table


def words(number: int) -> str:
    """Four random words of its own for every number, near to nothing else."""
    figures = sha256(str(number).encode()).hexdigest()
    return " ".join(figures[i : i + 8] for i in range(0, 32, 8))


def rows(count: int) -> list[RawRow]:
    """`count` rows: every seventh has a near twin of the other class, groups of five rows for the first half."""
    made = []
    for number in range(count):
        group = f"film {number // 5}" if number < count / 2 else ""
        made.append(RawRow(words(number), number % 2, group))
        if number % 7 == 0:
            made.append(RawRow(words(number) + " x", 1 - number % 2))
    return made


def task(found: Sequence[RawRow], **changes: object) -> Task:
    values: dict[str, object] = {
        "name": "made",
        "version": 1,
        "title": "Made rows",
        "classes": ("no", "yes"),
        "metric": "accuracy",
        "assets": (),
        "licence": "none",
        "citation": "none",
        "read": lambda: found,
        "pool_sha256": "",
        "evaluation_sha256": "",
        "evaluation_rows": 20,
        "dev_rows": 10,
        "shares": (0.6, 0.2, 0.2),
    }
    return Task(**{**values, **changes})  # type: ignore[arg-type]


def pinned(unpinned: Task) -> Task:
    corpus = prepare(unpinned)
    return replace(unpinned, pool_sha256=corpus.pool_sha256, evaluation_sha256=corpus.evaluation_sha256)


def splits(corpus: Corpus) -> list[list[str]]:
    return [[example.text for example in rows] for rows in (corpus.train, corpus.dev, corpus.evaluation)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_splits_are_balanced_sorted_and_of_the_declared_size() -> None:
    corpus = prepare(task(rows(300)))
    assert len(corpus.evaluation) == 20
    assert len(corpus.dev) == 10
    assert len(corpus.train) > 100
    for split in (corpus.train, corpus.dev, corpus.evaluation):
        counts = Counter(example.label for example in split)
        assert counts[0] == counts[1]
        assert [e.id for e in split] == sorted({sha256(e.text.encode()).hexdigest()[:12] for e in split})
    assert corpus.eval_hash == corpus.evaluation_sha256[:12]


def test_no_near_duplicate_and_no_group_crosses_the_split() -> None:
    found = rows(300)
    train, dev, evaluation = splits(prepare(task(found)))
    group = {row.text: row.group for row in found}
    for one, other in ((train, dev + evaluation), (dev, evaluation)):
        index = NearIndex(other)
        assert not any(index.near(text) for text in one)
        assert not {group[text] for text in one} & {group[text] for text in other} - {""}
    # Twins and films are there to cross it: the pool holds both rows of some twin.
    assert sum(near(text, text + " x") and text + " x" in train for text in train) > 5


def test_evaluation_and_dev_hold_one_row_of_a_cluster() -> None:
    twins = [RawRow(words(i) + end, i % 2) for i in range(120) for end in ("", " x")]
    _, dev, evaluation = splits(prepare(task(twins)))
    for held in (dev, evaluation):
        assert not any(text + " x" in held for text in held)


@settings(max_examples=10, deadline=None)
@given_rows(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(order: random.Random) -> None:
    found = rows(300)
    shuffled = order.sample(found, len(found))
    first, second = prepare(task(found)), prepare(task(shuffled))
    assert (first.pool_sha256, first.evaluation_sha256) == (second.pool_sha256, second.evaluation_sha256)


def test_evaluation_rows_stay_when_training_rows_go() -> None:
    found = rows(300)
    before = prepare(task(found))
    gone = {example.text for example in before.train[:40]}
    after = prepare(task([row for row in found if row.text not in gone]))
    assert after.evaluation == before.evaluation
    assert after.pool_sha256 != before.pool_sha256


def test_a_text_with_both_labels_is_dropped_and_a_repeated_one_kept_once() -> None:
    found = rows(300)
    both = [RawRow(f"@me  {row.text.upper()} both", label) for row in found[:60] for label in (0, 1)]
    twice = [RawRow(f"{row.text} twice{end}", 1) for row in found[100:200] for end in ("", "  @me", " https://x.y")]
    kept = Counter(
        text.lower().split(" @")[0] for split in splits(prepare(task([*both, *twice, *found]))) for text in split
    )
    assert not any("both" in text for text in kept)
    assert sum("twice" in text for text in kept) > 20
    assert set(kept.values()) == {1}


def test_short_texts_are_left_out() -> None:
    short = [RawRow(" ".join(words(number).split()[:3]), number % 2) for number in range(1000, 1100)]
    assert all(len(text.split()) > 3 for split in splits(prepare(task([*rows(300), *short]))) for text in split)


@given_rows(st.text())
def test_normalise_is_a_fixed_point(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_normalise_makes_typography_plain() -> None:
    assert normalise("\u201cIt\u2019s\u00a0 fine\u201d\u2014really\u2026\n") == '"It\'s fine" - really...'


def test_a_class_with_too_few_rows_is_named_with_the_remedy() -> None:
    few = [row for row in rows(300) if row.label == 0 or row.text.startswith(("1", "2"))]
    with pytest.raises(UsageError, match=r"class 'yes' has \d+ rows on the evaluation side.* and needs 10; raise"):
        prepare(task(few))
    with pytest.raises(UsageError, match="class 'yes' has 0 rows on the train side and needs 1"):
        prepare(task([row for row in few if row.label == 0]))
    with pytest.raises(UsageError, match="has 0 rows on the train side"):
        prepare(task([]))


@pytest.mark.parametrize("label", [2, -1])
def test_a_label_that_is_no_class_is_named(label: int) -> None:
    with pytest.raises(UsageError, match=rf"label={label} of a row; use 0\.\.1"):
        prepare(task([RawRow("four words are here", label)]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classes": ("one",)}, "name two or more"),
        ({"evaluation_rows": 21}, "evaluation_rows=21 cannot be balanced over 2 classes"),
        ({"shares": (0.5, 0.2, 0.2)}, "three positive numbers of sum 1"),
        ({"shares": (1.0, 0.0, 0.0)}, "three positive numbers of sum 1"),
    ],
)
def test_impossible_tasks_are_refused_at_once(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        task([], **changes)


def test_load_prepares_once_and_then_reads_its_cache(home: Path) -> None:
    calls = []

    def read() -> list[RawRow]:
        calls.append(1)
        return rows(300)

    one = pinned(task([], read=read))
    first = load(one)
    assert load(one) == first == replace(prepare(one), task=one)
    assert len(calls) == 3  # pinned, load, prepare; the second load read the cache
    assert [file.suffix for file in sorted((home / "tasks").iterdir())] == [".json", ".lock"]


@pytest.mark.parametrize("field", ["pool_sha256", "evaluation_sha256"])
def test_rows_that_are_not_the_pinned_ones_are_refused_and_not_kept(home: Path, field: str) -> None:
    one = pinned(task(rows(300)))
    right = getattr(one, field)
    with pytest.raises(RunError, match=rf"{field} of the prepared rows is {right} and the task pins '00'"):
        load(replace(one, **{field: "00"}))  # type: ignore[arg-type]
    assert not list((home / "tasks").glob("*.json"))


def test_all_sums_that_differ_are_told_at_once(home: Path) -> None:
    one = pinned(task(rows(300)))
    with pytest.raises(RunError, match=r"pool_sha256 of .* the task pins '' and evaluation_sha256 of .* pins ''; if"):
        load(replace(one, pool_sha256="", evaluation_sha256=""))


@pytest.mark.parametrize("damage", ["cut", "text", "label", "shape"])
def test_a_corrupt_cache_is_prepared_again(home: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    one = pinned(task(rows(300)))
    first = load(one)
    (file,) = (home / "tasks").glob("*.json")
    text = file.read_text()
    other = first.evaluation[0].text
    changed = {
        "cut": text[: len(text) // 2],
        "text": text.replace(other, other[::-1]),
        "label": text.replace(f'{other}", 0', f'{other}", 2').replace(f'{other}", 1', f'{other}", 2'),
        "shape": "[1]",
    }[damage]
    assert changed != text
    file.write_text(changed)
    with caplog.at_level(logging.WARNING):
        assert load(one) == first
    assert "corrupt" in caplog.text
    assert file.read_text() == text


def test_identity_is_version_and_pins_and_reads_nothing() -> None:
    def read() -> list[RawRow]:
        pytest.fail("identity must not read rows")

    one = task([], read=read, version=3, pool_sha256="aa", evaluation_sha256="bb")
    assert one.identity() == {"version": 3, "pool_sha256": "aa", "evaluation_sha256": "bb"}


def test_table_reads_compressed_and_other_encodings_and_leaves_progress_bars_alone(tmp_path: Path) -> None:
    import datasets

    file = tmp_path / "rows.csv.bz2"
    file.write_bytes(bz2.compress('text,sure\n"caf\u00e9, closed",0.5\nopen,\n'.encode("latin-1")))
    bars = datasets.are_progress_bars_disabled()
    found = list(table(file, encoding="latin-1"))
    assert found == [{"text": "caf\u00e9, closed", "sure": 0.5}, {"text": "open", "sure": None}]
    assert datasets.are_progress_bars_disabled() == bars
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv.bz2"]


def given(**changes: object) -> Task:
    """A task whose training and evaluation rows are given."""
    hub = Hub(id="a/b", config="c", rows={"train": 1}, text="text", labels={0: 0, 1: 1}, evaluation="test")
    return task([], **{"read": None, "hub": hub, "keep": "distinct", "evaluation_rows": 20, **changes})


def pairs(examples: Sequence[Example]) -> list[tuple[str, int]]:
    return sorted((example.text, example.label) for example in examples)


TESTS = [RawRow(words(number), number % 2) for number in range(9000, 9040)]


@settings(max_examples=8, deadline=None)
@given_rows(st.randoms(use_true_random=False), st.sampled_from(["sample", "distinct", "all"]))
def test_the_order_of_given_rows_does_not_matter(order: random.Random, keep: str) -> None:
    found, tests, one = rows(300), [*TESTS, TESTS[0]], given(keep=keep)
    first = arrange(one, found, tests)
    second = arrange(one, order.sample(found, len(found)), order.sample(tests, len(tests)))
    assert first == second


@pytest.mark.parametrize("keep", ["sample", "distinct", "all"])
def test_arranging_what_was_arranged_changes_nothing(keep: str) -> None:
    near_tests = [RawRow(row.text + " x", row.label) for row in TESTS[:6]]
    one = given(keep=keep)
    first = arrange(one, [*rows(700), *near_tests], [*TESTS, *near_tests, TESTS[0]])
    pool = [RawRow(e.text, e.label) for e in (*first.dev, *first.train)]
    assert arrange(one, pool, [RawRow(e.text, e.label) for e in first.evaluation]) == first


def test_canonical_evaluation_rows_stay_repeated_short_and_with_both_labels() -> None:
    tests = [*TESTS, TESTS[0], RawRow("Too short.", 1), RawRow("Too short.", 0), RawRow("too short.", 0)]
    found = arrange(given(keep="all"), rows(300), tests).evaluation
    assert pairs(found) == sorted((row.text, row.label) for row in tests)
    assert len({example.id for example in found}) == len(tests)
    assert [example.id for example in found] == sorted(example.id for example in found)
    distinct = arrange(given(keep="distinct"), rows(300), tests).evaluation
    assert pairs(distinct) == sorted((row.text, row.label) for row in TESTS)


def test_training_rows_whose_cluster_reaches_into_the_evaluation_are_left_out() -> None:
    long = [RawRow(" ".join(words(number) for number in range(first, first + 5)), 0) for first in (5000, 6000)]
    chain = [RawRow(long[0].text[i * 40 :] + long[1].text[: i * 40], 1) for i in range(5)]
    tests = [*TESTS, RawRow(chain[0].text, 0)]
    assert near(chain[0].text, chain[1].text)
    assert not near(chain[0].text, chain[2].text)
    found = arrange(given(), [*rows(300), *chain[1:]], tests)
    left = {example.text for example in (*found.train, *found.dev)}
    assert not left & {row.text for row in chain[1:]}
    assert len(left) > 250
    assert (chain[0].text, 0) in pairs(found.evaluation)


def test_a_sample_is_balanced_fixed_and_holds_no_two_near_rows() -> None:
    many = [*rows(400), *(RawRow(words(number) + " y", number % 2) for number in range(100))]
    one = given(keep="sample", evaluation_rows=60)
    found = arrange(one, rows(300), [RawRow(row.text + " and more", row.label) for row in many])
    assert Counter(example.label for example in found.evaluation) == {0: 30, 1: 30}
    index = NearIndex([example.text for example in found.evaluation])
    assert len({index.find(example.text) for example in found.evaluation}) == 60
    without = [row for row in rows(300) if row.text not in {e.text for e in found.train[:30]}]
    assert arrange(one, without, [RawRow(r.text + " and more", r.label) for r in many]).evaluation == found.evaluation


def test_evaluation_rows_are_cut_from_training_where_none_are_given() -> None:
    found = arrange(given(keep="sample"), rows(300), None)
    assert Counter(example.label for example in found.evaluation) == {0: 10, 1: 10}
    train, dev, evaluation = splits(found)
    index = NearIndex([*evaluation, *dev])
    assert not any(index.near(text) for text in train)


@pytest.mark.parametrize(("rows_a_class", "dev_a_class"), [(100, 10), (288, 28), (300, 12), (340, 52), (2000, 400)])
def test_dev_leaves_k_512_possible(rows_a_class: int, dev_a_class: int) -> None:
    found = [RawRow(words(number), number % 2) for number in range(2 * rows_a_class)]
    corpus = arrange(given(dev_rows=800), found, TESTS)
    assert Counter(example.label for example in corpus.dev) == {0: dev_a_class, 1: dev_a_class}
    assert len(corpus.train) == 2 * (rows_a_class - dev_a_class)
    assert rows_a_class < 320 or len(corpus.train) >= 512


def test_dev_takes_whole_clusters_and_the_pool_is_cut_in_hash_order() -> None:
    twins = [RawRow(words(i) + end, i % 2) for i in range(200) for end in ("", " x")]
    corpus = arrange(given(), twins, TESTS)
    index = NearIndex([example.text for example in corpus.dev])
    assert not any(index.near(example.text) for example in corpus.train)
    assert len(corpus.train) + 2 * len(corpus.dev) == 400
    some = [RawRow(words(i), i % 2) for i in range(300)]
    few = arrange(given(pool_rows=100), some, TESTS)
    assert len(few.train) + len(few.dev) == 100
    assert arrange(given(pool_rows=100), some[:299], TESTS) != arrange(given(), some[:299], TESTS)


@pytest.mark.parametrize(
    ("found", "tests", "said"),
    [
        ([RawRow(words(i), 0) for i in range(50)], TESTS, "class 'yes' has 0 distinct training rows and needs 10"),
        (rows(300), TESTS[::2], "class 'yes' has no evaluation row"),
        (rows(300), [RawRow("four words are here", 2)], r"label=2 of a row; use 0\.\.1"),
    ],
)
def test_given_rows_that_cannot_do_are_named(found: list[RawRow], tests: list[RawRow], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        arrange(given(), found, tests)


def test_a_corrupt_cache_of_given_rows_is_read_again(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def read() -> tuple[list[RawRow], list[RawRow]]:
        calls.append(1)
        return rows(300), [*TESTS, TESTS[0]]

    one = given(keep="all")
    first = corpora.load_given(one, "key", read)
    assert corpora.load_given(one, "key", read) == first
    assert len(calls) == 1
    corpora.load_given(replace(one, version=2), "key", read)
    corpora.load_given(one, "other", read)
    assert len(calls) == 3
    (file,) = [f for f in (home / "tasks").glob("*.json") if first.train[0].text in f.read_text()][:1]
    file.write_text(file.read_text().replace(first.train[0].text, first.train[0].text[::-1]))
    with caplog.at_level(logging.WARNING):
        for key, version in (("key", 1), ("key", 2), ("other", 1)):
            assert corpora.load_given(replace(one, version=version), key, read).train == first.train
    assert "corrupt" in caplog.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metric": "bleu"}, "metric='bleu'; choose among accuracy, mcc"),
        ({"read": list}, "give it `read` or `hub`, and not both"),
        ({"hub": None}, "give it `read` or `hub`, and not both"),
        ({"keep": "sample", "evaluation_rows": 21}, "evaluation_rows=21 cannot be balanced"),
    ],
)
def test_impossible_given_tasks_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        given(**changes)
