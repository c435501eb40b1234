"""A task -> the same with held-out rows that nobody may read, or that are others, for a plugin. For checks alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from cod_bench import registry
from cod_bench.counterfactuals import warm
from cod_bench.data import corpus as corpora
from cod_bench.errors import RunError
from cod_bench.runner import work
from cod_bench.store import home, write_atomic
from cod_bench.task import Corpus, Example, RawRow, Task, normalise

SPLITS = ("train", "dev", "evaluation")
SENTINEL = "zyxwort"
"""A word that no text has, in every altered row."""


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

    The ways that a plugin has: `warm` (its corpus is guarded and what was kept is forgotten), the task's own module
    (`read` raises, by whatever name it is called there) and `corpus.load` (its pinned sums are poisoned, so that no
    prepared copy is taken). The splits that are not named stay readable through `warm` alone.
    """
    clean: Corpus = warm.corpus(name)
    reads: list[str] = []
    guards: dict[str, Any] = {split: Guarded(split, reads) for split in splits}

    def read() -> Iterable[RawRow]:
        reads.append("all")
        raise RunError(f"task {name!r} was read; a plugin sees the rows it is handed and no others")

    poison: Task = replace(clean.task, read=read, pool_sha256="0" * 64, evaluation_sha256="0" * 64)
    with _instead(clean, replace(clean, task=poison, **guards)):
        yield reads


@contextmanager
def altered(name: str) -> Iterator[None]:
    """While it lasts, a task's dev and evaluation rows are others, in the cache folder's files too.

    Every text has its words turned round and a sentinel, every label is another class, and each split lacks its last
    row. Training rows stay. What a plugin makes of the rows it is handed cannot change by this; what it makes of rows
    that it found elsewhere, without any guard noticing, does.
    """
    clean: Corpus = warm.corpus(name)
    classes = len(clean.task.classes)
    instead = {
        row.text: (f"{SENTINEL} {' '.join(reversed(row.text.split()))}", (row.label + 1) % classes)
        for row in (*clean.dev, *clean.evaluation)
    }
    made, place, text = corpora.with_held_out(
        clean, *([instead[row.text] for row in rows[:-1]] for rows in (clean.dev, clean.evaluation))
    )
    original = clean.task.read

    def read() -> Iterator[RawRow]:
        for row in original() if original is not None else ():
            changed = instead.get(normalise(row.text))
            yield row if changed is None else RawRow(*changed, row.group)

    made = replace(made, task=replace(made.task, read=read))
    there = {path: path.read_bytes() for path in (home() / "tasks").glob(f"{name}-*.json")}
    for path in (*there, place):
        write_atomic(path, text)
    try:
        with _instead(clean, made):
            yield
    finally:
        place.unlink()
        for path, before in there.items():
            write_atomic(path, before)


@contextmanager
def _instead(clean: Corpus, other: Corpus) -> Iterator[None]:
    """While it lasts, `other` stands wherever the process knows the clean task: `warm`, its module, its function."""
    name = clean.task.name
    before = registry.stand_in("task", name, other.task)
    functions = _bound(clean.task.read)
    for module, attribute in functions:
        setattr(module, attribute, other.task.read)
    work.stand_in(name, other)
    try:
        yield
    finally:
        registry.stand_in("task", name, before)
        for module, attribute in functions:
            setattr(module, attribute, clean.task.read)
        work.stand_in(name, None)


def _bound(read: Callable[[], Iterable[RawRow]] | None) -> list[tuple[Any, str]]:
    """(module, name) of every global of its own module that is this function."""
    module = sys.modules.get(getattr(read, "__module__", ""))
    return [(module, name) for name, value in vars(module).items() if value is read] if module and read else []
