"""The substitution generator on a linear bag-of-words teacher: flips, minimality, rules, leakage, order of asking."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cod_bench.generator import Query
from cod_bench.generators._substitution import lexicon
from cod_bench.generators._substitution.candidates import Candidates, Edit
from cod_bench.generators._substitution.text import changed_positions, parse, render, takes_an
from cod_bench.generators.substitution import GENERATOR
from cod_bench.task import Example
from tests import ROOT

WEIGHTS = {
    2.0: "great good wonderful excellent funny entertaining love loved thanks beautiful best honest succeeds",
    -2.0: "terrible bad awful boring ugly hate hated worst poorly dull fails never unhelpful",
    -1.0: "no",
    -0.5: "not",
}


class BagOfWords:
    """A linear model over words in which a negation turns the word or two after it. Records what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.weights = {word: weight for weight, words in WEIGHTS.items() for word in words.split()}

    def score(self, text: str) -> float:
        words = re.findall(r"[a-z']+", text.lower())
        turned = {i + j for i, w in enumerate(words) if w in ("not", "no", "never") for j in (1, 2)}
        weights = [self.weights.get(word, 0.0) for word in words]
        return sum(-w if i in turned and w > 0 else w for i, w in enumerate(weights))

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked.extend(texts)
        return np.array([[-self.score(text), self.score(text)] for text in texts], dtype=np.float32)

    def guide(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.logits(texts)

    def word_vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        letters = "abcdefghijklmnopqrstuvwxyz"
        return np.array([[word.count(letter) for letter in letters] for word in words], dtype=np.float32)


POOL_TEXTS = [
    ("A great film with a good cast.", 1),
    ("A terrible film with a bad cast.", 0),
    ("It is an honest and beautiful story.", 1),
    ("It is an ugly and boring story.", 0),
    ("We love the funny ending, it succeeds.", 1),
    ("We hate the dull ending, it fails.", 0),
    ("I loved it, the best and most entertaining of the year.", 1),
    ("I hated it, the worst and most awful of the year.", 0),
    ("@airline thanks, an excellent flight and wonderful staff.", 1),
    ("@airline not a good flight and unhelpful staff, never again.", 0),
    ("No surprise: Bad Company was poorly made, without charm.", 0),
    ("Great Expectations was wonderful with much charm.", 1),
] * 6
POOL = [Example(f"{i:012x}", text, label) for i, (text, label) in enumerate(POOL_TEXTS)]
VOCABULARY = {word for text, _ in POOL_TEXTS for word in re.findall(r"[a-z]+", text.lower())} | {"an"}


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    return GENERATOR.prepare(POOL, BagOfWords())


def query(text: str, label: int) -> Query:
    return Query(Example("0" * 12, text, label), 1 - label)


def best(text: str, label: int, state: dict[str, Any]) -> str:
    return GENERATOR.answer(query(text, label), BagOfWords(), state).attempts[0]


ORIGINALS = [
    ("A great film.", 1),
    ("This is a terrible story with a bad ending.", 0),
    ("@airline thanks for a wonderful flight #great", 1),
    ("It is honest, funny and beautiful.", 1),
    ("An ugly film. The worst of the year.", 0),
    ("We hated the staff, it's awful.", 0),
    ("THE BEST FLIGHT OF THE YEAR", 1),
]


@pytest.mark.parametrize(("text", "label"), ORIGINALS)
def test_the_teacher_flips(text: str, label: int, state: dict[str, Any]) -> None:
    teacher = BagOfWords()
    for attempt in GENERATOR.answer(query(text, label), teacher, state).attempts:
        assert attempt != text
        assert teacher.logits([attempt])[0].argmax() == 1 - label


def test_one_edit_is_enough_where_one_flips(state: dict[str, Any]) -> None:
    text = "We love the cast and the staff."
    edited = best(text, 1, state)
    changed = [(a, b) for a, b in zip(text.split(), edited.split(), strict=True) if a != b]
    assert changed == [("love", "hate")]


def search(text: str, label: int, state: dict[str, Any]) -> Any:
    from cod_bench.generators import substitution

    found = substitution._Search(query(text, label), BagOfWords(), state)
    found.run()
    return found


def test_of_two_edits_at_equal_margin_the_one_that_takes_a_word_of_the_old_verdict_is_worth_more(
    state: dict[str, Any],
) -> None:
    found = search("We love the cast and the staff.", 1, state)
    replaced, inserted = Edit(1, "hate", 1.0, 0.0), Edit(2, "the awful", 1.0, 0.0)
    assert found.worth((replaced,), 2.0) > found.worth((inserted,), 2.0)
    assert found.removed(inserted) == 0.0


def test_an_edit_must_buy_margin_and_costs_more_in_a_short_text(state: dict[str, Any]) -> None:
    edits = (Edit(0, "x", 1.0, 0.0),)
    short = search("A great film", 1, state)
    long = search("A great film and a great story with a good cast and a good ending", 1, state)
    assert short.worth(edits, 2.0) < long.worth(edits, 2.0) < long.worth((), 2.0)
    assert short.worth(edits, 3.0) > short.worth(edits, 2.0)
    assert short.worth(edits, 50.0) == short.worth(edits, 40.0)  # beyond `enough` nothing is gained


def test_the_first_attempt_is_the_flip_of_most_worth(state: dict[str, Any]) -> None:
    for text, label in ORIGINALS:
        found = search(text, label, state)
        clear = max(found.flips(), key=lambda edits: found.worth(edits, found.seen[edits]))
        top = next(edits for edits in found.flips() if found.render(edits) == found.best()[0])
        assert found.worth(top, found.seen[top]) == found.worth(clear, found.seen[clear])


def test_a_word_of_two_classes_is_read_by_the_word_before(state: dict[str, Any]) -> None:
    two = {**state, "classes": {**state["classes"], "love": ["noun", "verb"]}}
    for text, position, kind, fits in [
        ("I love it", 1, "verb", True), ("I love it", 1, "noun", False), ("to love it", 1, "noun", False),
        ("the love of it", 1, "noun", True), ("the love of it", 1, "verb", False),
    ]:  # fmt: skip
        candidates = Candidates(parse(text, {}, {"love": 1}), 1, 0, BagOfWords(), two)
        assert candidates.fits(position, kind) == fits, (text, kind)


def test_two_edits_where_one_does_not_flip(state: dict[str, Any]) -> None:
    text = "The great cast and the wonderful funny story"
    edited = best(text, 1, state)
    changed = sum(a != b for a, b in zip(text.split(), edited.split(), strict=False))
    assert changed == 2


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("@greatair it is a great flight #great http://great.com/great", 1),
        ("We love that Great Expectations was great", 1),
        ("It ain't great, I don't love it, it isn't bad: awful", 0),
        ("I gave great 100great and 5 stars, loved it", 1),
        ("My great great-aunt_great loved it", 1),
    ],
)
def test_what_must_not_be_touched_is_not(text: str, label: int, state: dict[str, Any]) -> None:
    answer = GENERATOR.answer(query(text, label), BagOfWords(), state)
    kept = re.findall(r"[@#]\w+|http\S+|Great Expectations|\w+n't|\w*\d\w*|\w+_\w+", text)
    assert kept
    for version in (answer.first, *answer.attempts):
        for piece in kept:
            assert piece in version


def test_names_in_the_pool_are_not_touched_at_the_start_of_a_sentence(state: dict[str, Any]) -> None:
    assert best("Great Expectations is good.", 1, state).startswith("Great Expectations is")


def test_article_and_case_follow(state: dict[str, Any]) -> None:
    assert best("AN UGLY STORY", 0, state).isupper()
    for text, label in ORIGINALS:
        edited = best(text, label, state)
        assert not re.search(r"\ba [aeio]|\ban [bcdfghjklmnpqrstvwxyz](?!onest)", edited.lower()), edited
        assert edited[0].isupper() == text[0].isupper()


def test_no_word_from_outside_the_training_pool(state: dict[str, Any]) -> None:
    for text, label in ORIGINALS:
        answer = GENERATOR.answer(query(text, label), BagOfWords(), state)
        versions = [answer.first, *answer.attempts]
        versions += GENERATOR.preserve(query(text, label), answer.attempts[0], BagOfWords(), state)
        allowed = VOCABULARY | set(re.findall(r"[a-z]+", text.lower()))
        for version in versions:
            assert set(re.findall(r"[a-z]+", version.lower())) <= allowed, version


def test_a_word_enters_with_the_pool_and_leaves_with_it(state: dict[str, Any]) -> None:
    text, label = "It is a dull story", 0
    assert "hilarious" in lexicon.GENERAL_WORDS
    assert all(
        "hilarious" not in version for version in GENERATOR.answer(query(text, label), BagOfWords(), state).attempts
    )
    teacher = BagOfWords()
    teacher.weights["hilarious"] = 9.0
    with_it = GENERATOR.prepare([*POOL, Example("f" * 12, "It is a hilarious story", 1)], teacher)
    assert any("hilarious" in v for v in GENERATOR.answer(query(text, label), teacher, with_it).attempts)


def test_the_first_answer_is_made_before_any_edited_version_is_asked(
    state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cod_bench.generators import substitution

    guess = substitution._Search.guess
    asked_at_first: list[list[str]] = []

    def spying(self: Any, *args: Any) -> Any:
        asked_at_first.append(list(self.oracle.asked))
        return guess(self, *args)

    monkeypatch.setattr(substitution._Search, "guess", spying)
    for text, label in ORIGINALS:
        teacher = BagOfWords()
        answer = GENERATOR.answer(query(text, label), teacher, state)
        assert asked_at_first.pop() == [text]
        assert answer.first != text
        assert answer.teacher_passes == len(teacher.asked)


def test_the_pool_survey_asks_about_single_words_only() -> None:
    teacher = BagOfWords()
    GENERATOR.prepare(POOL, teacher)
    assert teacher.asked
    assert all(" " not in asked for asked in teacher.asked)


def test_the_first_answer_does_not_depend_on_what_the_teacher_thinks_of_edited_versions(state: dict[str, Any]) -> None:
    text, label = "A great film with a funny and beautiful story", 1

    class Contrary(BagOfWords):
        def score(self, asked: str) -> float:
            return super().score(asked) if asked == text else 7.0

    first = GENERATOR.answer(query(text, label), BagOfWords(), state).first
    assert GENERATOR.answer(query(text, label), Contrary(), state).first == first


def test_same_input_same_answer_and_state_survives_json(state: dict[str, Any]) -> None:
    again = json.loads(json.dumps(GENERATOR.prepare(POOL, BagOfWords())))
    assert again == json.loads(json.dumps(state))
    for text, label in ORIGINALS:
        ask = query(text, label)
        assert GENERATOR.answer(ask, BagOfWords(), state) == GENERATOR.answer(ask, BagOfWords(), again)


def test_hash_randomisation_changes_nothing() -> None:
    code = (
        "from tests.generators.test_substitution import *; s = GENERATOR.prepare(POOL, BagOfWords());"
        "print(GENERATOR.params()['tables'], [(GENERATOR.answer(query(t, y), BagOfWords(), s),"
        " GENERATOR.preserve(query(t, y), best(t, y, s), BagOfWords(), s)) for t, y in ORIGINALS])"
    )
    root = ROOT
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=root, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True,
            text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(runs) == 1
    assert "Answer" in runs.pop()


def test_a_text_that_the_teacher_gets_wrong_still_changes(state: dict[str, Any]) -> None:
    text = "It is a great film"  # gold 0: the teacher is at the target already
    for attempt in GENERATOR.answer(query(text, 0), BagOfWords(), state).attempts:
        assert attempt != text
        assert BagOfWords().logits([attempt])[0].argmax() == 1


def test_nothing_to_edit_gives_no_attempt(state: dict[str, Any]) -> None:
    answer = GENERATOR.answer(query("@airline #great :-/", 1), BagOfWords(), state)
    assert answer.attempts == ()
    assert answer.first == "@airline #great :-/"


@pytest.mark.parametrize(("text", "label"), ORIGINALS)
def test_preserving_rewrites_change_the_same_places_and_keep_the_label(
    text: str, label: int, state: dict[str, Any]
) -> None:
    counterfactual = best(text, label, state)
    rewrites = GENERATOR.preserve(query(text, label), counterfactual, BagOfWords(), state)
    assert len(rewrites) <= 20
    assert len(set(rewrites)) == len(rewrites)
    own = parse(text, state["names"], state["words"])

    def places(version: str) -> set[int]:
        return set(changed_positions(own, [t.form for t in parse(version, {}, {}).tokens]))

    for rewrite in rewrites:
        assert rewrite not in (text, counterfactual)
        assert places(rewrite) <= places(counterfactual)
        assert BagOfWords().logits([rewrite])[0].argmax() == label


def test_preserving_rewrites_exist(state: dict[str, Any]) -> None:
    found = [GENERATOR.preserve(query(t, y), best(t, y, state), BagOfWords(), state) for t, y in ORIGINALS]
    assert sum(map(bool, found)) >= 5  # this small pool knows one superlative a side and no word like "really"


@given(st.text(max_size=80))
def test_a_text_without_edits_is_itself(text: str) -> None:
    assert render(parse(text, {}, {}), {}) == text


@given(
    st.lists(
        st.sampled_from(
            ["It's", "the", "a", "an", "GREAT", "Bad", "film,", "not.", "@you", "#tag", "so", "http://x.y", "5", ":)"]
        ),
        min_size=1,
    )
)
def test_only_the_edited_word_changes(words: list[str]) -> None:
    text = " ".join(words)
    parsed = parse(text, {}, {"film": 1, "great": 1, "bad": 1, "the": 1})
    for i, token in enumerate(parsed.tokens):
        if token.lower in ("film", "great", "bad"):
            edited = render(parsed, {i: "xyz"})
            assert edited.lower().count("xyz") == 1
            assert len(edited.split()) == len(words)


@pytest.mark.parametrize(
    ("text", "edits", "expected"),
    [
        ("An ugly film", {1: "nice"}, "A nice film"),
        ("a good film", {1: "honest"}, "an honest film"),
        ("It is good", {1: "is not"}, "It is not good"),
        ("Not a bad film", {0: ""}, "A bad film"),
        ("It is not a bad film", {2: ""}, "It is a bad film"),
        ("A film", {0: "not a"}, "Not a film"),
        ("A film", {0: "an awful"}, "An awful film"),
        ("the film", {0: "the awful"}, "the awful film"),
        ("Take me", {0: "terrible! Take"}, "Terrible! Take me"),
        ("GREAT stuff!", {0: "bad"}, "BAD stuff!"),
    ],
)
def test_render(text: str, edits: dict[int, str], expected: str) -> None:
    assert render(parse(text, {}, dict.fromkeys(text.lower().split(), 1)), edits) == expected


@pytest.mark.parametrize(
    ("word", "an"), [("hour", 1), ("unique", 0), ("unhappy", 1), ("one", 0), ("once", 0), ("film", 0)]
)
def test_article(word: str, an: int) -> None:
    assert takes_an(word) == bool(an)


def test_the_tables_hold_no_refused_word() -> None:
    refused = {word for word in lexicon.GENERAL_WORDS if lexicon.refused(word)}
    assert not refused


def test_inflection() -> None:
    assert lexicon.inflect("love") == ("love", "loves", "loved", "loving")
    assert lexicon.inflect("deny") == ("deny", "denies", "denied", "denying")
    assert lexicon.inflect("lose") == ("lose", "loses", "lost", "losing")


def test_parameters_are_json_and_name_the_tables() -> None:
    params = GENERATOR.params()
    assert json.loads(json.dumps(params)) == params
    assert re.fullmatch(r"[0-9a-f]{12}", params["tables"])
