"""Records, local cache folder -> counterfactuals with controls and word diffs. No torch; nothing is searched anew.

These are corpora's texts: a page that shows them stays on the machine that made it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cod_bench.counterfactuals import diff
from cod_bench.design import tracks
from cod_bench.errors import UsageError
from cod_bench.store import Artifacts

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.records.record import Record
    from cod_bench.task import Example, Task

log = logging.getLogger(__name__)

SHOWN = 4
"""Slots per task: the first of the first seed, whatever they look like."""
KINDS: Mapping[str, tuple[str, str]] = {
    "cfe": ("cod", "flips the teacher"),
    "first": ("unvalidated", "the generator's first answer"),
    "random": ("random", "as many words at random"),
    "preserving": ("label-preserving", "same places, same class"),
}
"""Text of a pool entry -> the condition whose partner it is, and what it should be."""


@dataclass(frozen=True, slots=True)
class Version:
    """One made text beside its original."""

    condition: str
    meaning: str
    words: tuple[tuple[diff.Tag, str], ...] | None
    """Runs of words that stayed, went or came; None where no such text was found."""
    p: float | None
    """Teacher's probability of the target class; None with more than two classes."""
    margin: float | None
    """Teacher's p(target) - p(gold)."""
    flipped: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """An original and what became of it."""

    place: int
    """Of its slot, from 0."""
    task: str
    track: str
    generator: str
    licence: str
    gold: str
    target: str
    text: str
    p: float | None
    margin: float
    versions: tuple[Version, ...]


def examples(records: Sequence[Record]) -> list[Shown]:
    """The first slots of every (track, task, generator, teacher) of these records, from the local cache.

    Args:
        records: of each such pool the first one counts.

    Raises:
        UsageError: the cache folder holds none of these pools, or a task is not installed here.
        RunError: a task's texts cannot be had.
    """
    wanted: dict[tuple[str, str, str, str], Record] = {}
    for record in records:
        spec = record.spec
        if spec.generator:
            wanted.setdefault((spec.track, spec.task, spec.generator, record.teacher_hash), record)
    found = [shown for record in wanted.values() for shown in _of(record)]
    if not found:
        raise UsageError(
            "--examples: the cache folder holds no counterfactuals of these records; make them here with "
            "`cod-bench run`, name their folder in COD_BENCH_HOME, or leave --examples out"
        )
    return found


def _of(record: Record) -> Iterator[Shown]:
    from cod_bench import registry
    from cod_bench.counterfactuals import pool
    from cod_bench.data import origin

    spec, identity = record.spec, record.identity
    data, made = (_unnamed(identity[key]) for key in ("task", "generator"))
    where = pool.folder(Artifacts.default(), spec.task, record.teacher_hash, data, spec.generator, made)
    kept_wrong = tracks.keeps_wrong(spec.protocol, spec.track)
    costly = registry.load("generator", spec.generator).costly
    # Only a costly generator has blocks with rewrites apart; where these are not there, none was ever asked for.
    slots = min(SHOWN, spec.k // 2)
    found = {
        rewritten: pool.stored(where, spec.seed, slots, kept_wrong=kept_wrong, preserving=rewritten)
        for rewritten in ((True, False) if costly else (False,))
    }
    rewritten, entries = max(found.items(), key=lambda block: len(block[1]))  # the first of equals
    if not entries:
        log.warning("no counterfactuals of %s by teacher %s in the cache folder", spec.task, record.teacher_hash)
        return
    corpus = origin.corpus(spec.task)
    rows = {row.id: row for row in corpus.train}
    kinds = [kind for kind in KINDS if kind != "preserving" or rewritten or not costly]
    for place, entry in enumerate(entries):
        yield _shown(place, record, corpus.task, rows[entry.id], entry, kinds)


def _unnamed(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in identity.items() if key != "name"}


def _shown(
    place: int, record: Record, task: Task, original: Example, entry: Entry, kinds: Sequence[str]
) -> Shown:  # fmt: skip
    binary = len(task.classes) == 2
    versions = []
    for kind in kinds:
        condition, meaning = KINDS[kind]
        text, margin = getattr(entry, kind), entry.margins.get(kind)
        versions.append(
            Version(
                condition, meaning,
                words=None if text is None else diff.words(original.text, text),
                p=_p(margin) if binary else None,
                margin=margin,
                flipped=margin is not None and margin > 0,
            )
        )  # fmt: skip
    return Shown(
        place, record.spec.task, record.spec.track, record.spec.generator, task.licence,
        gold=task.classes[original.label], target=task.classes[entry.target], text=original.text,
        p=_p(entry.margin) if binary else None, margin=entry.margin, versions=tuple(versions),
    )  # fmt: skip


def _p(margin: float | None) -> float | None:
    """p(target) where the classes are two: p - (1 - p) = margin."""
    return None if margin is None else (1 + margin) / 2
