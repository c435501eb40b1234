"""Generator file -> facts about it in one world, on the toy task: what `check` judges. Called by `probe`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cod_bench import registry
from cod_bench.checks.facts import TASK, Facts, attempt, load, seed_everything, usable
from cod_bench.checks.poison import altered, poisoned
from cod_bench.counterfactuals import warm
from cod_bench.spec import canonical

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Draw

SLOTS = ((0, 4), (4, 8))
"""Blocks of a generator's pool."""


def clean_world(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    """Identity, entries on every track in two orders of asking, first answers under a teacher that lies, rewrites."""
    known = load(file, kind)
    if not usable(known):
        return known
    generator = registry.load(kind, file.stem)
    known["identity"] = attempt(lambda: json.loads(canonical(generator.params())))
    known["entries"] = {}
    for track in tracks:
        draw = warm.draw(track, TASK, 0, False)
        found = []
        for seed, order in ((1, SLOTS), (2, SLOTS[::-1])):
            seed_everything(seed)
            found.append(attempt(partial(_entries, generator, track, draw, order)))
        known["entries"][track] = found
    known["first"] = attempt(lambda: _first_answers(generator, tracks[0]))
    known["preserved"] = attempt(lambda: _preserved(generator, tracks[0]))
    return known


def poisoned_world(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    """The same identity and entries when evaluation and dev rows are closed, and what was asked for."""
    from cod_bench.counterfactuals.pool import Pool

    track = tracks[0]
    draw, judge, rows = warm.draw(track, TASK, 0, False), warm.teacher(track, TASK), warm.corpus(TASK)
    near = warm.near_evaluation(TASK)
    known: Facts = {}
    seed_everything(1)
    with poisoned(TASK, ("dev", "evaluation")) as reads:
        known |= load(file, kind)
        if usable(known):
            generator = registry.load(kind, file.stem)
            known["identity"] = attempt(lambda: json.loads(canonical(generator.params())))
            pool = Pool(rows, judge, generator, _elsewhere(), near)
            known["entries"] = {track: attempt(lambda: _blocks(pool, draw, SLOTS))}
    known["evaluation_reads"] = reads
    return known


def altered_world(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    """Entries when evaluation and dev rows are others."""
    from cod_bench.counterfactuals.pool import Pool

    track = tracks[0]
    draw, judge, rows = warm.draw(track, TASK, 0, False), warm.teacher(track, TASK), warm.corpus(TASK)
    near = warm.near_evaluation(TASK)
    seed_everything(1)
    with altered(TASK):
        known = load(file, kind)
        if usable(known):
            pool = Pool(rows, judge, registry.load(kind, file.stem), _elsewhere(), near)
            known["entries"] = {track: attempt(lambda: _blocks(pool, draw, SLOTS))}
    return known


def _entries(generator: Any, track: str, draw: Draw, order: Sequence[tuple[int, int]]) -> list[Facts]:
    from cod_bench.counterfactuals.pool import Pool

    made = Pool(
        warm.corpus(TASK), warm.teacher(track, TASK), generator, _elsewhere(), warm.near_evaluation(TASK)
    )  # fmt: skip
    return _blocks(made, draw, order)


def _elsewhere() -> Any:
    """Artifacts in a new folder: nothing that was searched before is found again."""
    import tempfile

    from cod_bench.store import Artifacts, home

    home().mkdir(parents=True, exist_ok=True)
    return Artifacts(Path(tempfile.mkdtemp(dir=home())))


def _blocks(pool: Any, draw: Draw, order: Sequence[tuple[int, int]]) -> list[Facts]:
    found: dict[int, Sequence[Entry]] = {start: pool.block(draw, start, end) for start, end in order}
    return [asdict(entry) for start in sorted(found) for entry in found[start]]


class _Liar:
    """A teacher that says the opposite of every text but the original, so that what was asked before shows."""

    def __init__(self, judge: Any, original: str) -> None:
        self._judge, self._original = judge, original

    def logits(self, texts: Sequence[str]) -> Any:
        return self._lied(self._judge.logits(texts), texts)

    def guide(self, texts: Sequence[str]) -> Any:
        return self._lied(self._judge.guide(texts), texts)

    def _lied(self, found: Any, texts: Sequence[str]) -> Any:
        for i, text in enumerate(texts):
            if text != self._original and len(text.split()) > 1:  # scores of single words are allowed
                found[i] = -found[i]
        return found

    def word_vectors(self, words: Sequence[str]) -> Any:
        return self._judge.word_vectors(words)


def _queries(track: str) -> Iterator[Any]:
    from cod_bench.generator import Query

    for slot in warm.draw(track, TASK, 0, False).first_slots(SLOTS[-1][1]):
        yield Query(slot.original, slot.target, warm.corpus(TASK).task)


def _first_answers(generator: Any, track: str) -> list[list[str]]:
    """[first answer, first answer by a teacher that lies about edited versions] of every query."""
    judge = warm.teacher(track, TASK)
    state = json.loads(json.dumps(generator.prepare(warm.corpus(TASK).train, judge), sort_keys=True))
    return [
        [
            str(generator.answer(query, judge, state).first),
            str(generator.answer(query, _Liar(judge, query.example.text), state).first),
        ]
        for query in _queries(track)
    ]


def _preserved(generator: Any, track: str) -> list[int]:
    """How many label-preserving rewrites each query's first answer has."""
    judge = warm.teacher(track, TASK)
    state = json.loads(json.dumps(generator.prepare(warm.corpus(TASK).train, judge), sort_keys=True))
    found = []
    for query in _queries(track):
        rewrites = generator.preserve(query, generator.answer(query, judge, state).first, judge, state)
        if not all(isinstance(text, str) for text in rewrites):
            raise TypeError("preserve must return strings")
        found.append(len(tuple(rewrites)))
    return found
