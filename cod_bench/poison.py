"""A task whose rows nobody may read: every way to them notes the reader and raises. For checks alone; no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from cod_bench import registry, work
from cod_bench.errors import RunError
from cod_bench.task import Corpus, Example, RawRow, Task

SPLITS = ("train", "dev", "evaluation")


class Guarded(Sequence[Example]):
    """The rows of a split that may not be read; a read is noted first, so that a plugin cannot swallow it."""

    def __init__(self, split: str, reads: list[str]) -> None:
        self._split, self._reads = split, reads

    def _refusal(self) -> RunError:
        self._reads.append(self._split)
        return RunError(f"split {self._split!r} was read; a plugin sees the rows it is handed and no others")

    def __len__(self) -> int:
        raise self._refusal()

    def __getitem__(self, index: Any) -> Any:
        raise self._refusal()

    def __iter__(self) -> Iterator[Example]:
        raise self._refusal()


@contextmanager
def poisoned(name: str, splits: Iterable[str]) -> Iterator[list[str]]:
    """While it lasts, splits of a task cannot be read; yields the list of the reads that were tried.

    The three ways that a plugin has: `work` (its corpus is guarded and what it had warm is forgotten), the task's own
    module (`read` raises) and `corpus.load` (its pinned sums are poisoned, so that no prepared copy is taken). The
    splits that are not named stay readable through `work` alone.
    """
    clean: Corpus = work.corpus(name)
    reads: list[str] = []
    guards: dict[str, Any] = {split: Guarded(split, reads) for split in splits}

    def read() -> Iterable[RawRow]:
        reads.append("all")
        raise RunError(f"task {name!r} was read; a plugin sees the rows it is handed and no others")

    poison: Task = replace(clean.task, read=read, pool_sha256="0" * 64, evaluation_sha256="0" * 64)
    guarded = replace(clean, task=poison, **guards)
    before = registry.stand_in("task", name, poison)
    work.stand_in(name, guarded)
    try:
        yield reads
    finally:
        registry.stand_in("task", name, before)
        work.stand_in(name, None)
