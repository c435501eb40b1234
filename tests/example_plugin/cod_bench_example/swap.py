"""swap: original -> the same text with words that are typical of its class swapped for the other class's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from cod_bench import Answer, Generator

if TYPE_CHECKING:
    from cod_bench import Oracle, Query
    from cod_bench.task import Example

TYPICAL = 40
"""Words kept for each class."""


class Swap(Generator):
    """The idea in a sentence or two, its source and when to use it. Replace the swap with your own search."""

    name: ClassVar[str] = "swap"
    version: ClassVar[int] = 1  # raise it with any change that moves a text
    card: ClassVar[str] = (
        "Swaps words that occur in one class of the training pool for words of the other. No third-party data; blind "
        "to grammar and meaning."
    )

    def params(self) -> dict[str, Any]:
        """JSON parameters, part of every run id."""
        return {"typical": TYPICAL}

    def prepare(self, train: Sequence[Example], oracle: Oracle) -> dict[str, Any]:
        """JSON state from the training pool alone: the words most typical of each class, best first."""
        counts: dict[int, Counter[str]] = {}
        for row in train:
            counts.setdefault(row.label, Counter()).update(set(row.text.split()))
        typical = {}
        for label, own in counts.items():
            elsewhere: Counter[str] = sum((c for other, c in counts.items() if other != label), Counter())
            pull = {word: own[word] - elsewhere[word] for word in own}
            typical[str(label)] = sorted((w for w in pull if pull[w] > 1), key=lambda w: (-pull[w], w))[:TYPICAL]
        return {"typical": typical}

    def answer(self, query: Query, oracle: Oracle, state: Mapping[str, Any]) -> Answer:
        """All typical words swapped first; then the same word by word, so that the fewest edits come first.

        `first` must be fixed before the teacher is asked about any edited version. The pool asks it about `attempts`.
        """
        source, target = str(query.example.label), str(query.target)
        places = _places(query.example.text, state["typical"].get(source, ()))
        attempts = [_swap(query.example.text, places[:n], state["typical"][target]) for n in range(1, len(places) + 1)]
        if not attempts:  # no typical word: put one in front
            attempts = [f"{word} {query.example.text}" for word in state["typical"][target][:3]]
        return Answer(attempts[-1], tuple(attempts), 0)

    def preserve(self, query: Query, counterfactual: str, oracle: Oracle, state: Mapping[str, Any]) -> tuple[str, ...]:
        """Other words of the text's own class at the same places: at most 20 rewrites, best first."""
        own = state["typical"].get(str(query.example.label), ())
        places = _places(query.example.text, own)
        return tuple(_swap(query.example.text, places, own[shift:]) for shift in range(1, min(10, len(own))))


def _places(text: str, typical: Sequence[str]) -> list[int]:
    return [place for place, word in enumerate(text.split()) if word in typical]


def _swap(text: str, places: Sequence[int], words: Sequence[str]) -> str:
    found = text.split()
    for number, place in enumerate(places):
        found[place] = words[number % len(words)]
    return " ".join(found)


GENERATOR = Swap()
