"""Training pool -> the rows of one (task, seed): balanced, nested in k, blind to any counterfactual. Pure; no torch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

from cod_bench.errors import UsageError
from cod_bench.spec import stream
from cod_bench.task import Example


@dataclass(frozen=True, slots=True)
class Slot:
    """An original and the class of its partner, whatever the condition makes of the partner."""

    index: int
    original: Example
    target: int


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """A text of the training pool without its gold label, and the class that the teacher gives it."""

    id: str
    text: str
    said: int
    sure: float = 0.0
    """The teacher's probability of that class."""


class Neighbours:
    """The rows of a training pool by their nearness to a text, without gold labels; the teacher is asked row by row."""

    def __init__(
        self, pool: Sequence[Example], nearest: Callable[[str], Sequence[int]],
        says: Callable[[str], tuple[int, float]],
    ) -> None:  # fmt: skip
        """
        Args:
            nearest: text -> places in the pool, nearest first.
            says: text -> the teacher's class and its probability.
        """
        self._pool, self._nearest, self._says = pool, nearest, says
        self._asked: set[str] = set()

    @property
    def asked(self) -> frozenset[str]:
        """Texts that the teacher was asked about until now."""
        return frozenset(self._asked)

    def of(self, text: str) -> Iterator[Unlabelled]:
        """Every row but those with that very text, nearest first; as far as somebody reads on."""
        for place in self._nearest(text):
            row = self._pool[place]
            if row.text != text:
                self._asked.add(row.text)
                yield Unlabelled(row.id, row.text, *self._says(row.text))


class Draw:
    """The order in which one (task, seed) takes rows from the training pool, per class; larger k only takes more.

    `eligible` is asked lazily, so the teacher judges only the rows that a budget needs; so is `says`, the teacher's
    class of a text and its probability.
    """

    def __init__(
        self, train: Sequence[Example], *, task: str, classes: int, seed: int, eligible: Callable[[Example], bool],
        says: Callable[[str], tuple[int, float]] | None = None,
    ) -> None:  # fmt: skip
        order = stream("draw", task, seed).permutation(len(train))
        self._all = [train[i] for i in order]
        self._says = says
        self._waiting = [[row for row in self._all if row.label == label] for label in range(classes)]
        self._next = [0] * classes
        self._taken: list[list[Example]] = [[] for _ in range(classes)]
        self._skipped: list[list[int]] = [[] for _ in range(classes)]
        self._eligible = eligible
        self.task, self.classes, self.seed = task, classes, seed

    def apart(self) -> Draw:
        """The same draw as a value of its own: whoever is given it can change nothing for others.

        It says nothing of unlabelled texts: what the teacher is asked beside the draw is handed over, and counted.
        """
        other = copy(self)
        other.__dict__ = {
            name: value for name, value in self.__dict__.items() if name not in ("_by_id", "_by_text", "_places")
        }  # fmt: skip
        other._says = None
        other._all, other._next = [*self._all], [*self._next]
        other._waiting, other._taken, other._skipped = (
            [[*column] for column in columns] for columns in (self._waiting, self._taken, self._skipped)
        )
        return other

    def row(self, label: int, position: int) -> Example:
        """The row at `position` (0-based) among the eligible rows of a class.

        Raises:
            UsageError: the class has too few rows.
        """
        taken, waiting = self._taken[label], self._waiting[label]
        while len(taken) <= position:
            if self._next[label] >= len(waiting):
                raise UsageError(
                    f"task {self.task!r}, class {label}: only {len(taken)} usable training rows; choose a smaller k"
                )
            example = waiting[self._next[label]]
            self._next[label] += 1
            if self._eligible(example):
                taken.append(example)
                self._skipped[label].append(self._next[label] - 1 - (len(taken) - 1))
        return taken[position]

    def passed_over(self, label: int, rows: int) -> int:
        """How many rows of a class were not eligible among those before its first `rows` eligible ones."""
        if rows == 0:
            return 0
        self.row(label, rows - 1)
        return self._skipped[label][rows - 1]

    def slots(self, k: int) -> tuple[Slot, ...]:
        """The k/2 slots of budget k; classes alternate, and the slots of a smaller k are a prefix."""
        check_budget(k, self.classes)
        return self.first_slots(k // 2)

    def first_slots(self, count: int) -> tuple[Slot, ...]:
        """The first `count` slots of any budget that has as many."""
        return tuple(itertools.islice(self.every_slot(), count))

    def every_slot(self) -> Iterator[Slot]:
        """All slots in order, one at a time; ends with the UsageError of `row` where a class has no more rows."""
        targets = stream("target", self.task, self.seed)
        for index in itertools.count():
            label = index % self.classes
            other = int(targets.integers(self.classes - 1))
            target = (label + 1 + other) % self.classes
            yield Slot(index, self.row(label, index // self.classes), target)

    def partners(self, k: int) -> tuple[Example, ...]:
        """`standard`'s partner of each slot: in slot order, the next row of its target class that is no original."""
        slots = self.slots(k)
        position = [k // (2 * self.classes)] * self.classes
        found = []
        for slot in slots:
            found.append(self.row(slot.target, position[slot.target]))
            position[slot.target] += 1
        return tuple(found)

    def unlabelled(self, count: int) -> tuple[Unlabelled, ...]:
        """`count` texts of the pool in an order that is blind to their labels, with the teacher's class of each.

        They come from the end of the order whose start gives the originals; more are the same ones and then others.

        Raises:
            UsageError: the pool has fewer, or nobody can say their classes.
        """
        if count > len(self._all):
            raise UsageError(
                f"task {self.task!r}: {count} unlabelled texts, and the training pool has {len(self._all)}; take fewer"
            )
        if self._says is None:
            raise UsageError(f"task {self.task!r}: unlabelled texts need a teacher; draw with one")
        return tuple(Unlabelled(row.id, row.text, *self._says(row.text)) for row in self._all[: -count - 1 : -1])

    def everything(self) -> tuple[Example, ...]:
        """All rows of the training pool in the draw's order, whatever the teacher says of them."""
        return tuple(self._all)

    def place(self, source: str) -> int:
        """Where in the order of all rows, of whatever class, that row of the training pool stands."""
        return self._places[source]

    def find(self, source: str) -> Example | None:
        """The row of the training pool with that id; None if there is none."""
        return self._by_id.get(source)

    def with_text(self, text: str) -> Example | None:
        """The row of the training pool with that text, whatever its case and spaces; None if there is none."""
        return self._by_text.get(_folded(text))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {row.id: place for place, row in enumerate(self._all)}

    @cached_property
    def _by_text(self) -> dict[str, Example]:
        return {_folded(row.text): row for row in self._all}

    @cached_property
    def _by_id(self) -> dict[str, Example]:
        return {row.id: row for row in self._all}


def _folded(text: str) -> str:
    return " ".join(text.lower().split())


def check_budget(k: int, classes: int) -> None:
    """Whether k labelled rows can be halved and balanced over the classes.

    Raises:
        UsageError: k is not a positive multiple of 2 x classes.
    """
    if k <= 0 or k % (2 * classes):
        near = max(2 * classes, round(k / (2 * classes)) * 2 * classes)
        raise UsageError(
            f"k={k}: must be a multiple of {2 * classes} (half are originals, balanced over {classes} classes); "
            f"try k={near}"
        )
