"""Ratings of words by people in the substitution generator: what they are, when they count, what they decide."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cod_bench.errors import RunError
from cod_bench.generators import substitution
from cod_bench.generators._substitution import valence
from cod_bench.generators._substitution.candidates import Candidates, Edit
from cod_bench.generators._substitution.text import parse
from cod_bench.generators._substitution.words import SETTINGS
from cod_bench.generators.substitution import GENERATOR
from cod_bench.task import Example
from tests.generators.test_substitution import POOL, BagOfWords, query

RATED = [word for word in sorted(valence.ratings()) if word.isalpha() and len(word) > 3][:400:5]


def pool(words: Sequence[str]) -> list[Example]:
    return [Example(f"{i:012x}", f"the {word} film", i % 2) for i, word in enumerate(words)]


class Rater(BagOfWords):
    """Says of a text what people say of its words, times `sign`."""

    def __init__(self, sign: float = 1.0) -> None:
        super().__init__()
        self.weights = {word: sign * value for word, value in valence.ratings().items()}


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    return json.loads(json.dumps({**GENERATOR.prepare(POOL, BagOfWords())}))  # type: ignore[no-any-return]


def test_ratings_lie_between_minus_one_and_one() -> None:
    ratings = valence.ratings()
    assert len(ratings) > 7000
    assert -1 <= min(ratings.values()) < ratings["awful"] < 0 < ratings["excellent"] < max(ratings.values()) <= 1


def test_run_ids_name_the_list() -> None:
    assert GENERATOR.params()["ratings"] == valence.SHA256[:12]


def test_another_list_ends_the_run_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valence, "SHA256", "0" * 64)
    with pytest.raises(RunError, match=r"not 0{64}: install the pinned one by `pip install vadersentiment=="):
        valence.ratings.__wrapped__()


def test_no_list_ends_the_run_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str) -> None:
        raise ModuleNotFoundError(package)

    monkeypatch.setattr(valence, "files", absent)
    with pytest.raises(RunError, match=r"vader_lexicon\.txt .*pip install vadersentiment=="):
        valence.ratings.__wrapped__()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_valence_leans_to_the_label_that_the_teacher_gives_pleasant_words(sign: float) -> None:
    found = GENERATOR.prepare(pool(RATED), Rater(sign))["valence"]
    assert set(found) == set(RATED)
    for word, row in found.items():
        assert row == pytest.approx([-sign * valence.ratings()[word], sign * valence.ratings()[word]], abs=1e-4)


def test_valence_says_nothing_where_it_has_nothing_to_do_with_the_labels() -> None:
    class Indifferent(BagOfWords):
        def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
            rows = [RATED.index(text) // 2 % 2 if text in RATED else 0 for text in texts]
            return np.array([[-row, row] for row in rows], dtype=np.float32)

    by_rating = sorted(RATED, key=lambda word: valence.ratings()[word])
    balanced = sorted(by_rating, key=RATED.index)
    values = np.array([valence.ratings()[word] for word in balanced])
    assert abs(np.corrcoef(values, [RATED.index(w) // 2 % 2 for w in balanced])[0, 1]) < SETTINGS["related"]
    assert GENERATOR.prepare(pool(RATED), Indifferent())["valence"] == {}


@pytest.mark.parametrize("words", [RATED[: SETTINGS["rated"] - 1], []])
def test_a_few_rated_words_tell_nothing(words: list[str]) -> None:
    assert GENERATOR.prepare(pool([*words, "reel", "spool"]), Rater())["valence"] == {}


def test_a_teacher_that_says_the_same_of_every_word_is_unrelated() -> None:
    class Flat(BagOfWords):
        def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.tile(np.array([0.5, -0.5], dtype=np.float32), (len(texts), 1))

    assert GENERATOR.prepare(pool(RATED), Flat())["valence"] == {}


def test_of_two_words_as_good_to_the_teacher_the_pleasant_one_is_preferred(state: dict[str, Any]) -> None:
    state = {**state, "valence": {"wonderful": [-0.7, 0.7], "bad": [0.6, -0.6]}}
    made = substitution._Search(query("It is a bad film", 0), BagOfWords(), state)
    rated, unrated = Edit(3, "wonderful", 2.0, 0.5), Edit(3, "beautiful", 2.0, 0.5)
    assert made.valence(rated) == pytest.approx(1.3)
    assert made.valence(unrated) == pytest.approx(0.6)
    assert made.worth([rated], 2.0) - made.worth([unrated], 2.0) == pytest.approx(0.7 * SETTINGS["valence"])


def test_the_label_preserving_control_prefers_words_in_the_same_way(state: dict[str, Any]) -> None:
    text = "It is a great film"
    asked = query(text, 1)

    def first(rated: str) -> str:
        own = {**state, "valence": {rated: [-1.0, 1.0]}}
        own = {**own, "words": {word: [row[0], -1.0, 1.0] if row[2] > 0 else row for word, row in own["words"].items()}}
        return GENERATOR.preserve(asked, "It is a terrible film", BagOfWords(), own)[0]

    found = {word: first(word) for word in ("wonderful", "excellent")}
    assert found == {word: f"It is {'an' if word[0] in 'aeiou' else 'a'} {word} film" for word in found}


def test_ratings_put_no_word_in_or_out_of_the_candidate_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    rated = GENERATOR.prepare(POOL, BagOfWords())
    monkeypatch.setattr(valence, "ratings", dict)
    unrated = GENERATOR.prepare(POOL, BagOfWords())
    assert unrated.pop("valence") == {}
    assert {name: value for name, value in rated.items() if name != "valence"} == unrated


@pytest.mark.parametrize(
    ("text", "adjective"),
    [("A great film", True), ("A great of film", False), ("so great of you", True), ("It is great of you", True)],
)
def test_what_stands_between_an_article_and_of_is_no_adjective(
    text: str, adjective: bool, state: dict[str, Any]
) -> None:
    parsed = parse(text, state["names"], state["words"])
    place = [token.lower for token in parsed.tokens].index("great")
    assert Candidates(parsed, 1, 0, BagOfWords(), state).fits(place, "adjective") == adjective
