"""Originals -> counterfactuals: what a generator is and what it may ask of the teacher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cod_bench.task import Example, Task


class Oracle(Protocol):
    """What a generator may ask of the teacher."""

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 logits [len(texts), classes]; a pure function of the whole call."""
        ...

    def word_vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Float32 [len(words), width]: mean of the teacher's input-embedding rows of each word's pieces."""
        ...


@dataclass(frozen=True, slots=True)
class Query:
    """An original and the class that its counterfactual should have (1 - gold for two classes)."""

    example: Example
    target: int
    task: Task | None = None
    """For generators that call the classes by their names."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a generator made of one query."""

    first: str
    """Its answer before the teacher has seen any edited version of that text: the `unvalidated` condition."""
    attempts: tuple[str, ...]
    """Candidates, best first; the pool takes the first that the teacher gives the target class."""
    teacher_passes: int
    """Texts the teacher was asked about."""


class Generator(ABC):
    """A way to make counterfactuals. One file in `generators/` that exports `GENERATOR`."""

    name: ClassVar[str]
    version: ClassVar[int]
    card: ClassVar[str]
    """What it does, with what data, and where it is weak; shown by `list` and on the leaderboard."""

    @abstractmethod
    def params(self) -> dict[str, Any]:
        """JSON parameters; part of every run id that depends on this generator."""

    @abstractmethod
    def prepare(self, train: Sequence[Example], oracle: Oracle) -> dict[str, Any]:
        """JSON state, computed once per (task, teacher) from the training pool alone."""

    @abstractmethod
    def answer(self, query: Query, oracle: Oracle, state: Mapping[str, Any]) -> Answer:
        """Counterfactuals of one text: a pure function of query, teacher and state."""

    @abstractmethod
    def preserve(self, query: Query, counterfactual: str, oracle: Oracle, state: Mapping[str, Any]) -> tuple[str, ...]:
        """Rewrites at the counterfactual's positions that keep the original's class, best first, at most 20."""
