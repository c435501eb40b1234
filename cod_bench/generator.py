"""Originals -> counterfactuals: what a generator is, what it may ask of the teacher, and what its answers cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cod_bench.task import Example, Task


class Oracle(Protocol):
    """What a generator may ask of the teacher."""

    @property
    def hash(self) -> str:
        """First 12 digits of the sha256 of its weights: what verdicts are kept under."""
        ...

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 logits [len(texts), classes]; a pure function of the whole call."""
        ...

    def guide(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """`logits` in the track's precision, faster where that is not float32: for searching, not for judging."""
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
class Bought:
    """What one answer took of a paid or slow source, whenever that was."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float | None = 0.0
    """None where no price is known."""
    seconds: float = 0.0
    """Waiting for the source, when it was asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a generator made of one query."""

    first: str
    """Its answer before the teacher has seen any edited version of that text: the `unvalidated` condition."""
    attempts: tuple[str, ...]
    """Candidates, best first; the pool takes the first that the teacher gives the target class."""
    teacher_passes: int
    """Texts the teacher was asked about."""
    bought: Bought | None = field(default=None, compare=False)
    """None for generators that buy nothing."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a run needs of a generator: a counterfactual of the query, or a rewrite beside `counterfactual`."""

    query: Query
    counterfactual: str | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """What is still to be bought, before it is."""

    texts: int
    least: int
    """Requests: one a text."""
    most: int
    """Requests: every attempt for every text."""
    requests: float
    """Requests to be expected."""
    prompt_tokens: float
    completion_tokens: float
    dollars: float | None
    """None where no price is known."""
    batch_dollars: float | None
    """The same through the Batch API."""
    basis: str
    """What the figures rest on."""
    seconds: float = 0.0
    """Of the model, one request after another."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How `gather` may buy."""

    concurrency: int = 8
    per_minute: float | None = None
    """Requests started a minute, at most."""
    requests: int | None = None
    """Budget of this command."""
    dollars: float | None = None
    """Budget of this command."""
    batch: bool = False
    """Through the Batch API: cheaper, within a day."""
    poll: float = 60.0
    """Seconds between looks at a batch."""
    tell: Callable[[str], None] = lambda _: None
    """Called with a line of progress."""


class Generator(ABC):
    """A way to make counterfactuals. One file in `generators/` that exports `GENERATOR`."""

    name: ClassVar[str]
    version: ClassVar[int]
    card: ClassVar[str]
    """What it does, with what data, and where it is weak; shown by `list` and on the leaderboard."""
    carries_data: ClassVar[bool] = False
    """Whether `params` tell of what its user names when it runs, such as a file or a model, and not of code alone:
    readers take them from the records and never ask for them."""
    reads_pool: ClassVar[bool] = False
    """Whether `prepare` reads the texts of the whole training pool: unlabelled texts that its runs rest on."""
    costly: ClassVar[bool] = False
    """Whether answers are bought: then nothing is asked that no requested run needs, and nobody without leave."""

    @abstractmethod
    def params(self) -> dict[str, Any]:
        """JSON parameters; part of every run id that depends on this generator. Of code alone unless `carries_data`."""

    @abstractmethod
    def prepare(self, train: Sequence[Example], oracle: Oracle) -> dict[str, Any]:
        """JSON state, computed once per (task, teacher); of the task's texts it sees the training pool alone."""

    def surveyed(self, state: Mapping[str, Any]) -> int:  # noqa: ARG002 - what a generator overrides
        """Texts that `prepare` asked the teacher about for that state; costs share them out over the pool's texts."""
        return 0

    @abstractmethod
    def answer(self, query: Query, oracle: Oracle, state: Mapping[str, Any]) -> Answer:
        """Counterfactuals of one text: a pure function of query, teacher and state."""

    @abstractmethod
    def preserve(self, query: Query, counterfactual: str, oracle: Oracle, state: Mapping[str, Any]) -> tuple[str, ...]:
        """Rewrites at the counterfactual's positions that keep the original's class, best first, at most 20."""

    def ready(self, tasks: Collection[str]) -> None:  # noqa: B027
        """Whether a `run` that needs texts of these tasks may start; nothing to do for most.

        Raises:
            UsageError: something is missing that no run could go without, with the remedy.
        """

    def reach(self, tasks: Collection[str]) -> None:  # noqa: B027
        """Whether what is to be bought for these tasks could be asked for at all, before hours go into teachers;
        nothing for most.

        Raises:
            UsageError: no key, or an address that is none.
        """

    def knows(self, text: str) -> bool:  # noqa: ARG002
        """Whether it can answer for this text; those that replay know only their own."""
        return True

    def forecast(self, task: Task, texts: int, rewrites: int) -> Bill | None:  # noqa: ARG002
        """What counterfactuals of so many texts of a task and so many label-preserving rewrites cost, before any text
        is read; None for what costs nothing."""
        return None

    def quote(self, asks: Sequence[Ask], oracle: Oracle) -> Bill | None:  # noqa: ARG002
        """What is still to be bought for these; None for what costs nothing."""
        return None

    def gather(self, asks: Sequence[Ask], oracle: Oracle, terms: Terms) -> Bought | None:  # noqa: ARG002
        """Buy what `answer` and `preserve` will need for these, many at once; returns what was bought now.

        Raises:
            UsageError, RunError: it cannot be had; what came before is kept.
        """
        return None

    def faults(self) -> list[str]:
        """What is wrong with the answers that it has kept on this machine, a sentence each; for `cod-bench doctor`."""
        return []

    def mend(self) -> list[str]:
        """Mend of it what can be mended without losing anything that was paid for; tells what was done."""
        return []


@dataclass(frozen=True, slots=True)
class Entry:
    """What one slot's original became. Texts stay in the cache folder: records hold only numbers and hashes."""

    id: str
    target: int
    first: str
    first_flips: bool
    cfe: str | None
    """The validated counterfactual; None makes the slot invalid."""
    random: str | None
    """As many random edits as `cfe`, teacher's class unchanged; None when every draw moved the teacher."""
    preserving: str | None
    """Label-preserving substitutions at the positions of `cfe`; None when none kept the teacher's class."""
    edited: Mapping[str, int]
    """Words edited in each of `first`, `cfe`, `random` and `preserving` that there is."""
    words: int
    margin: float
    """Teacher's p(target) minus p(original's class) on the original."""
    margins: Mapping[str, float]
    """The same on each text that there is."""
    redraws: Mapping[str, int]
    """Control texts turned down before the one taken: `random` drawn again, `preserving` passed on to the next."""
    refused: int
    """Texts refused because they equal or nearly equal an evaluation row."""
    teacher_passes: int
    """Texts that the generator asked the teacher about."""
