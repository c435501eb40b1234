"""What a chat shows of a task: worked examples of its own, and which answers to it are none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench import registry
from cod_bench.errors import UsageError
from cod_bench.generator import Query
from cod_bench.generators._llm import shots
from cod_bench.task import Example
from tests.endpoint import TEXT, TOY

TASKS = [
    "amazon_paper", "amazon_polarity", "brand_tweets", "cola", "cr", "imdb", "rt_quotes", "sentiment140", "sst2",
    "subj", "yelp", "yelp_paper",
]  # fmt: skip
NAMES = {"cola": ("unacceptable", "acceptable"), "rt_quotes": ("rotten", "fresh"), "subj": ("subjective", "objective")}
MADE = {"asks": "You rewrite an opinion.", "pairs": [["it was dull", "it was great"]]}


def query(name: str, label: int = 0, text: str = TEXT) -> Query:
    task = replace(TOY, name=name, classes=NAMES.get(name, ("negative", "positive")))
    return Query(Example("a", text, label), 1 - label, task)


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("name", TASKS)
def test_a_chat_shows_each_example_of_its_task_in_the_direction_that_is_asked_for(name: str, label: int) -> None:
    found = query(name, label)
    first, *turns, last = shots.chat(found)
    source, target = (shots._prompts.task_of(found).classes[c] for c in (label, 1 - label))
    pairs = shots.known()[shots.ALIKE.get(name, name)].pairs
    assert [first["role"], *(turn["role"] for turn in turns)] == ["system", *["user", "assistant"] * len(pairs)]
    for pair, asked, answered in zip(pairs, turns[::2], turns[1::2], strict=True):
        assert pair[label] in asked["content"]
        assert answered["content"] == pair[1 - label]
    for asked in (*turns[::2], last):
        assert f"({source})" in asked["content"]
        assert asked["content"].endswith(f"so that it is {target}.")
    assert TEXT in last["content"]


@pytest.mark.parametrize("name", sorted(shots.known()))
def test_examples_are_minimal_edits_that_are_no_faults_themselves(name: str) -> None:
    for old, new in shots.known()[name].pairs:
        for label, (before, after) in enumerate(((old, new), (new, old))):
            elsewhere = replace(TOY, name="elsewhere", classes=NAMES.get(name, ("negative", "positive")))
            assert shots.fault(after, before, "stop", Query(Example("a", before, label), 1 - label, elsewhere)) is None
        assert set(old.casefold().split()) & set(new.casefold().split())


def test_every_task_of_the_package_with_two_classes_has_an_example_and_no_other() -> None:
    for name in registry.names("task"):
        if len(registry.load("task", name).classes) == 2 and name != "toy":
            shots.demand([name])
        else:
            with pytest.raises(UsageError, match="two classes and has none of this one"):
                shots.demand([name])


def test_no_example_is_a_row_of_a_corpus_at_hand() -> None:
    from cod_bench.data import origin

    for name, shown in shots.known().items():
        corpus = origin.at_hand(name) if name in registry.names("task") else None
        if corpus is not None:
            texts = {row.text.casefold() for row in (*corpus.train, *corpus.dev, *corpus.evaluation)}
            assert not texts & {text.casefold() for pair in shown.pairs for text in pair}


def test_a_task_without_an_example_is_told_what_to_write_and_then_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path))
    before = shots.hashed(), shots.hashed("rt_quotes")
    with pytest.raises(
        UsageError, match=r"task 'toy': generator 'llm_shots' shows .* write \{\"toy\": .*examples.json"
    ):
        shots.demand(["rt_quotes", "toy+local-0123abcd"])
    with pytest.raises(UsageError, match="task 'toy'"):
        shots.chat(Query(Example("a", TEXT, 0), 1, TOY))
    (tmp_path / "examples.json").write_text(json.dumps({"toy": MADE}))
    shots.demand(["toy"])
    assert shots.chat(Query(Example("a", TEXT, 0), 1, TOY))[2]["content"] == "it was great"
    assert shots.hashed() != before[0]
    assert shots.hashed("rt_quotes") == before[1]
    named = tmp_path / "named.json"
    named.write_text(json.dumps({"toy": MADE | {"pairs": [["a bad one", "a good one"]]}}))
    monkeypatch.setenv("COD_BENCH_EXAMPLES", str(named))
    assert shots.chat(Query(Example("a", TEXT, 0), 1, TOY))[2]["content"] == "a good one"


@pytest.mark.parametrize(
    "content",
    [
        "{", "[]", "{\"toy\": 7}", json.dumps({"toy": {"asks": "x"}}), json.dumps({"toy": MADE | {"pairs": []}}),
        json.dumps({"toy": MADE | {"pairs": [["same", "same "]]}}), json.dumps({"toy": MADE | {"pairs": [["one"]]}}),
        json.dumps({"toy": MADE | {"asks": ""}}), "[" * 99999,
        json.dumps({"toy": MADE | {"pairs": [["x" * 9999, "y"]]}}),
    ],
)  # fmt: skip
def test_a_file_of_examples_that_is_none_is_one_sentence(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "examples.json"
    file.write_text(content)
    monkeypatch.setenv("COD_BENCH_EXAMPLES", str(file))
    with pytest.raises(UsageError, match=r"^examples .*examples\.json: .*; write \{TASK: ") as caught:
        shots.known()
    assert str(caught.value).isprintable()
    file.unlink()
    with pytest.raises(UsageError, match=r"examples .*examples\.json: .*; write"):
        shots.known()


ORIGINAL = "a dull and overlong film that nobody will want to see"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a bright and brisk film that everybody will want to see", None),
        ("fresh", "label"),
        ("Fresh.", "label"),
        ("rotten -> fresh", "label"),
        ("For all its noise, the film is heartfelt and not easily forgotten.", "echo"),
        ("a dull film. Rewrite it so that it is fresh, and overlong to see", "echo"),
        ("a fine film", "short"),
        ("a fine and brisk film, really", None),
        (ORIGINAL, "unchanged"),
        ("", "empty"),
        (f"{ORIGINAL} and more and more and more and more and more and more", "long"),
        ("Text (fresh): a bright and brisk film that all will want to see", "chatter"),
    ],
)
def test_labels_echoes_and_scraps_are_faults(text: str, fault: str | None) -> None:
    assert shots.fault(text, ORIGINAL, "stop", query("rt_quotes", 0, ORIGINAL)) == fault


def test_a_text_that_is_a_label_itself_may_become_one() -> None:
    assert shots.fault("positive", "negative", "stop", query("sst2", 0, "negative")) is None


def test_remarks_stand_below_the_text_once_each() -> None:
    asked = query("rt_quotes")
    told = [shots.remark(asked, "x", fault, 0) for fault in ("label", "label", "unchanged", None)]
    last = shots.chat(asked, told)[-1]["content"]
    assert last.count(shots.REMARKS["label"]) == 1
    assert "- one left the text as it is" in last
    assert "a classifier reads this one as 'rotten': x" in last
    assert last.index(TEXT) < last.index("Earlier attempts")


def test_the_length_of_a_chat_is_known_before_any_text() -> None:
    for name in ("rt_quotes", "subj"):
        whole = sum(len(message["content"]) for message in shots.chat(query(name)))
        assert shots.characters(name) == pytest.approx(whole - len(TEXT), rel=0.1)
    assert 0 < shots.characters("toy") < shots.characters("rt_quotes")
