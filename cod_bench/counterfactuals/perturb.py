"""Text, edit counts -> the same text with as many words changed at random: the `random` control. Pure; no torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|['’-])*")
_UNTOUCHED = re.compile(r"[@#&\d]|://|www\.")
"""What marks a white-space token that is no word: @name, #tag, number, entity or URL."""


@dataclass(frozen=True, slots=True)
class Edits:
    """Words replaced, inserted and deleted between two texts, by minimal word-level Levenshtein distance."""

    replaced: int
    inserted: int
    deleted: int

    @property
    def total(self) -> int:
        """Number of edited words."""
        return self.replaced + self.inserted + self.deleted


def words(text: str) -> list[str]:
    """The editable words of a text, at most one a white-space token, without the punctuation around them."""
    return [token[slice(*span)] for token in text.split() if (span := _span(token))]


def _span(token: str) -> tuple[int, int] | None:
    """Where the word of a token is; None if it must not be edited."""
    found = None if _UNTOUCHED.search(token) else _WORD.search(token)
    return found.span() if found else None


def edits(before: str, after: str) -> Edits:
    """How many words a text changed by; words are split at white space, so handles, tags and numbers count too.

    A word that only changes its case, or `a` to `an`, follows from its neighbour's edit and counts for nothing.
    """
    from rapidfuzz.distance import Levenshtein

    kinds = Counter(op.tag for op in Levenshtein.editops(_compared(before), _compared(after)))
    return Edits(kinds["replace"], kinds["insert"], kinds["delete"])


def _compared(text: str) -> list[str]:
    return ["a" if word == "an" else word for word in text.lower().split()]


@dataclass(frozen=True, slots=True)
class Frequencies:
    """Words of the training pool with their cumulative counts, sorted by word so that draws are reproducible."""

    vocabulary: tuple[str, ...]
    cumulative: tuple[int, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Frequencies:
        """Counts over the training pool's texts."""
        counts = Counter(word for text in texts for word in words(text))
        ordered = sorted(counts)
        total, cumulative = 0, []
        for word in ordered:
            total += counts[word]
            cumulative.append(total)
        return cls(tuple(ordered), tuple(cumulative))

    def draw(self, rng: np.random.Generator) -> str:
        """A word with probability proportional to its count."""
        from bisect import bisect_right

        return self.vocabulary[bisect_right(self.cumulative, int(rng.integers(self.cumulative[-1])))]


def perturb(text: str, count: Edits, frequencies: Frequencies, rng: np.random.Generator) -> str:
    """`text` with count.replaced words replaced, count.deleted deleted and count.inserted inserted.

    Positions are uniform over the editable words, words are drawn by their frequency in the training pool. A text
    with fewer editable words than edits has all of them edited, but never loses its last word.
    """
    tokens = text.split()
    editable = [i for i, token in enumerate(tokens) if _span(token)]
    order = [editable[int(i)] for i in rng.permutation(len(editable))]
    replaced = order[: count.replaced]
    deleted = set(order[count.replaced : count.replaced + count.deleted])
    if len(deleted) == len(tokens):
        deleted.discard(order[0])
    for i in sorted(replaced):
        start, end = _span(tokens[i]) or (0, 0)
        tokens[i] = tokens[i][:start] + _other(tokens[i][start:end], frequencies, rng) + tokens[i][end:]
    tokens = [token for i, token in enumerate(tokens) if i not in deleted]
    for _ in range(count.inserted):
        tokens.insert(int(rng.integers(len(tokens) + 1)), frequencies.draw(rng))
    return " ".join(tokens)


def _other(word: str, frequencies: Frequencies, rng: np.random.Generator) -> str:
    """A drawn word that differs from `word`, unless a hundred draws find none (a vocabulary of one word)."""
    drawn = word
    for _ in range(100):
        drawn = frequencies.draw(rng)
        if drawn.lower() != word.lower():
            break
    return drawn
