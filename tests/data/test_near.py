"""Tests of near-duplicates: the index and the clusters against brute force, and the defined edge cases."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cod_bench.data.near import NearIndex, clusters, grams, near, normal_form, unite

# Two letters and short texts, so that many texts are near to each other and many are not.
TEXTS = st.lists(st.text("ab ", max_size=24) | st.sampled_from(["", "@a", "http://a.b", "ab @c", "AB"]), max_size=14)


def jaccard(first: str, second: str) -> float:
    a, b = grams(first), grams(second)
    return len(a & b) / len(a | b)


@given(TEXTS)
def test_clusters_are_the_transitive_closure_of_all_near_pairs(texts: list[str]) -> None:
    pairs = [(i, j) for i, j in combinations(range(len(texts)), 2) if jaccard(texts[i], texts[j]) >= 0.6]
    assert clusters(texts) == unite(len(texts), pairs)


@given(TEXTS, st.text("ab ", max_size=24))
def test_index_finds_the_first_of_all_near_texts(texts: list[str], asked: str) -> None:
    expected = next((i for i, text in enumerate(texts) if jaccard(text, asked) >= 0.6), None)
    index = NearIndex(texts)
    assert index.find(asked) == expected
    assert index.near(asked) == (expected is not None)


@given(st.text(), st.text())
def test_near_is_symmetric_and_reflexive(first: str, second: str) -> None:
    assert near(first, first)
    assert near(first, second) == near(second, first)


@given(st.text("aB @x:/.htpw\n\t_", max_size=40))
def test_normal_form_is_a_fixed_point(text: str) -> None:
    assert normal_form(normal_form(text)) == normal_form(text)


def test_case_names_addresses_and_blanks_do_not_count() -> None:
    assert normal_form("@Acme  Thanks a LOT\thttps://t.co/x1 www.acme.example/now @me") == "thanks a lot"
    assert near("@acme you lost my bag https://t.co/1", "You lost my bag @other")


def test_exactly_three_fifths_is_near() -> None:
    # abcdefghijkl has 8 grams; 6 of them lie in abcdefghij: 6 / (8 + 8 - 6). With abcdefghi it is 5 / 11.
    assert near("abcdefghijkl", "abcdefghijyz")
    assert not near("abcdefghijkl", "abcdefghixyz")


def test_clusters_are_transitive() -> None:
    chain = ["abcdefghijkl", "cdefghijklmn", "efghijklmnop"]
    assert not near(chain[0], chain[2])
    assert clusters(chain) == [0, 0, 0]


def test_texts_shorter_than_a_gram_are_near_to_their_equals_alone() -> None:
    assert near("ab", "AB ")
    assert not near("ab", "abc")
    assert not near("abcd", "abcde")
    assert near("", "@somebody")
    assert clusters(["ab", "abc", "Ab", "", "@x"]) == [0, 1, 0, 3, 3]


def test_an_empty_index_holds_nothing() -> None:
    assert not NearIndex([]).near("anything at all")
    assert clusters([]) == []


@pytest.mark.parametrize(
    ("size", "pairs", "expected"),
    [(3, [], [0, 1, 2]), (4, [(3, 1)], [0, 1, 2, 1]), (5, [(4, 3), (3, 0), (1, 2)], [0, 1, 1, 0, 0])],
)
def test_unite_names_components_by_their_lowest(size: int, pairs: list[tuple[int, int]], expected: list[int]) -> None:
    assert unite(size, pairs) == expected
