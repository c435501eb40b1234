"""Text, edit counts -> the same text with as many words changed at random: the `random` control. Pure; no torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

WORD = re.compile(r"(?<![\w@#&/'’-])[A-Za-z][A-Za-z'’-]*(?![\w@])")
"""A word that may be edited: no @name, #tag, number, entity or part of a URL."""


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
    """The editable words of a text, in order, as written."""
    return WORD.findall(text)


def edits(before: str, after: str) -> Edits:
    """How many words a text changed by; words are split at white space, so handles, tags and numbers count too."""
    from rapidfuzz.distance import Levenshtein

    kinds = Counter(op.tag for op in Levenshtein.editops(before.split(), after.split()))
    return Edits(kinds["replace"], kinds["insert"], kinds["delete"])


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
    spans = [match.span() for match in WORD.finditer(text)]
    order = [int(i) for i in rng.permutation(len(spans))]
    replaced = order[: count.replaced]
    deleted = order[count.replaced : count.replaced + min(count.deleted, max(0, len(spans) - count.replaced - 1))]
    new: dict[int, str] = {i: _other(text[slice(*spans[i])], frequencies, rng) for i in sorted(replaced)}
    pieces = _pieces(text, spans, new, set(deleted))
    for _ in range(count.inserted):
        place = int(rng.integers(len(pieces) + 1))
        pieces.insert(place, frequencies.draw(rng))
    return " ".join(piece for piece in pieces if piece)


def _other(word: str, frequencies: Frequencies, rng: np.random.Generator) -> str:
    """A drawn word that differs from `word`, unless a hundred draws find none (a vocabulary of one word)."""
    drawn = word
    for _ in range(100):
        drawn = frequencies.draw(rng)
        if drawn.lower() != word.lower():
            break
    return drawn


def _pieces(text: str, spans: Sequence[tuple[int, int]], new: dict[int, str], deleted: set[int]) -> list[str]:
    """The white-space tokens of the text after replacing and deleting words inside them."""
    edited, last = [], 0
    for i, (start, end) in enumerate(spans):
        edited.append(text[last:start])
        edited.append("" if i in deleted else new.get(i, text[start:end]))
        last = end
    edited.append(text[last:])
    return "".join(edited).split()
