"""Word diffs: both texts can be read out of one, and marks tell what went and what came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cod_bench.counterfactuals import diff

WORDS = st.lists(st.sampled_from(["a", "b", "good", "bad", "film."]), max_size=8).map(" ".join)


@given(WORDS, WORDS)
def test_a_diff_holds_both_texts(before: str, after: str) -> None:
    found = diff.words(before, after)
    for left_out, text in (("ins", before), ("del", after)):
        assert " ".join(words for tag, words in found if tag != left_out) == text


def test_a_diff_names_what_went_and_what_came() -> None:
    found = diff.words("a dull film", "a bright film")
    assert found == (("equal", "a"), ("del", "dull"), ("ins", "bright"), ("equal", "film"))


def test_a_drawn_diff_has_marks_or_colours() -> None:
    found = diff.words("a dull film , so long", "a great film , and so very long")
    assert diff.drawn(found, colour=False) == "a [-dull-] {+great+} film , {+and+} so {+very+} long"
    assert "\x1b[31;9mdull\x1b[0m" in diff.drawn(found, colour=True)
