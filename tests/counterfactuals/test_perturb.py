"""The random control: as many edits as asked, words of the pool, handles and tags untouched."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cod_bench.counterfactuals.perturb import Edits, Frequencies, edits, perturb, words

POOL = Frequencies.of(["good good good film plot", "bad acting here", "@brand #tag 42 https://x.example/a"])
TEXTS = st.lists(st.sampled_from(["a", "good", "film", "@user", "#tag", "it's", "7", "end."]), min_size=3, max_size=12)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_words_leave_handles_tags_numbers_and_urls_alone() -> None:
    assert words("@user it's a GOOD film, #fun 42 https://x.example/page") == ["it's", "a", "GOOD", "film"]
    assert not {"brand", "tag", "x", "example"} & set(POOL.vocabulary)


def test_edit_counts_are_minimal() -> None:
    assert edits("a good film", "a bad film") == Edits(1, 0, 0)
    assert edits("a good film", "not a good film") == Edits(0, 1, 0)
    assert edits("a good film", "a film") == Edits(0, 0, 1)
    assert edits("a", "a").total == 0
    # what follows from a neighbour's edit is no edit of its own
    assert edits("Whatever it is", "Happily, whatever it is") == Edits(0, 1, 0)
    assert edits("a good film", "an awful film") == Edits(1, 0, 0)


def test_words_may_have_letters_beyond_ascii() -> None:
    assert words("a clichéd naïveté") == ["a", "clichéd", "naïveté"]


@given(TEXTS, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 999))
@settings(deadline=None)
def test_as_many_words_change_as_asked(text: list[str], replaced: int, inserted: int, deleted: int, seed: int) -> None:
    before = " ".join(text)
    editable = len(words(before))
    after = perturb(before, Edits(replaced, inserted, deleted), POOL, rng(seed))
    gone = min(deleted, max(0, editable - replaced))
    gone -= gone == len(text)  # a text never loses its last word
    assert len(after.split()) == len(text) + inserted - gone
    assert edits(before, after).total <= min(replaced, editable) + inserted + gone
    kept = Counter(w for w in text if w[0] in "@#7")
    assert kept <= Counter(after.split())


def test_single_replacements_change_exactly_one_word_to_another() -> None:
    for seed in range(50):
        assert edits("a good film", perturb("a good film", Edits(1, 0, 0), POOL, rng(seed))) == Edits(1, 0, 0)


def test_words_are_drawn_by_their_frequency() -> None:
    generator = rng(1)
    counts = Counter(POOL.draw(generator) for _ in range(8000))
    assert abs(counts["good"] / 8000 - 3 / 8) < 0.02, counts
    assert set(counts) == set(POOL.vocabulary)


def test_positions_are_uniform() -> None:
    hits = Counter(
        next(i for i, (a, b) in enumerate(zip(["x", "y", "z", "w"], made.split(), strict=True)) if a != b)
        for made in (perturb("x y z w", Edits(1, 0, 0), POOL, rng(seed)) for seed in range(2000))
    )
    assert all(abs(hits[i] / 2000 - 0.25) < 0.04 for i in range(4))


def test_a_text_never_loses_its_last_word() -> None:
    assert perturb("good", Edits(0, 0, 5), POOL, rng()) == "good"
