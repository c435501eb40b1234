"""Slots -> pool entries: the generator's answer, the teacher's verdict and both controls of the same size, per text.

An entry is a pure function of (task, seed, teacher, generator, text): every text is searched and judged alone, so it
does not matter which budget asked first. Entries are kept in blocks of slots whose bounds no budget can move.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cod_bench.counterfactual import Generator, Query
from cod_bench.perturb import Edits, Frequencies, edits, perturb
from cod_bench.spec import digest, stream
from cod_bench.store import Artifacts, lock, write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from cod_bench.near import NearIndex
    from cod_bench.split import Draw, Slot
    from cod_bench.task import Corpus
    from cod_bench.teacher import Teacher

REDRAWS = 20
"""How often a control text that the teacher moves to another class is drawn again (protocol.md, `random`)."""

FIRST_BLOCK = 4
"""Slots in the first block; every later block ends at twice its start: 0-4, 4-8, 8-16, 16-32 ..."""


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
    edits: Mapping[str, int]
    words: int
    margin_before: float
    """Teacher's p(target) minus p(original's class) on the original."""
    margin_after: float | None
    """The same on `cfe`."""
    redraws: int
    refused: int
    """Texts refused because they equal or nearly equal an evaluation row."""
    teacher_passes: int
    """Texts that the generator asked the teacher about."""


def blocks(slots: int) -> Iterator[tuple[int, int]]:
    """The blocks [start, end) that hold the first `slots` slots."""
    start, end = 0, FIRST_BLOCK
    while start < slots:
        yield start, end
        start, end = end, 2 * end


class Pool:
    """The entries of one (task, teacher, generator) in the cache folder."""

    def __init__(
        self, corpus: Corpus, teacher: Teacher, generator: Generator, artifacts: Artifacts, near: NearIndex
    ) -> None:
        self.corpus, self.teacher, self.generator, self.near = corpus, teacher, generator, near
        identity = {"version": generator.version, "params": generator.params(), "task": corpus.task.identity()}
        self.folder: Path = artifacts.pool(corpus.task.name, teacher.hash, generator.name, digest(identity))
        self._state: dict[str, Any] | None = None
        self._frequencies: Frequencies | None = None
        self._blocks: dict[str, list[Entry]] = {}

    def entries(self, draw: Draw, k: int, *, kept_wrong: bool = False) -> list[Entry]:
        """Entries of the slots of budget k; whole blocks are computed, so larger budgets only add to them.

        `kept_wrong` names the draws of protocols that keep rows the teacher gets wrong: other rows, other blocks.
        """
        found: list[Entry] = []
        for start, end in blocks(k // 2):
            found += self.block(draw, start, end, kept_wrong=kept_wrong)
        return found[: k // 2]

    def block(self, draw: Draw, start: int, end: int, *, kept_wrong: bool = False) -> list[Entry]:
        """The entries of slots [start, end) of a draw: from the cache folder, or searched now."""
        name = f"seed{draw.seed}{'-all' if kept_wrong else ''}-{start:03d}-{end:03d}.json"
        if name not in self._blocks:
            path = self.folder / name
            if not path.exists():
                with lock(self.folder / f".{name}.lock"):
                    if not path.exists():
                        self._search(draw, start, end, path)
            self._blocks[name] = [Entry(**entry) for entry in json.loads(path.read_text())["entries"]]
        return self._blocks[name]

    def state(self) -> dict[str, Any]:
        """The generator's prepared state, from the training pool alone."""
        if self._state is None:
            path = self.folder / "state.json"
            if not path.exists():
                with lock(self.folder / ".state.lock"):
                    if not path.exists():
                        made = self.generator.prepare(self.corpus.train, self.teacher)
                        write_atomic(path, json.dumps(made, sort_keys=True) + "\n")
            self._state = json.loads(path.read_text())
        return self._state

    def _search(self, draw: Draw, start: int, end: int, path: Path) -> None:
        begun, cpu = time.perf_counter(), time.process_time()
        slots = draw.slots(2 * end)[start:end]
        entries = [self._entry(slot, draw.seed) for slot in slots]
        cost = {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - cpu}
        text = json.dumps({"entries": [asdict(entry) for entry in entries], "cost": cost}, sort_keys=True)
        write_atomic(path, text + "\n")

    def _entry(self, slot: Slot, seed: int) -> Entry:
        original, target, teacher = slot.original, slot.target, self.teacher
        query = Query(original, target, self.corpus.task)
        answer = self.generator.answer(query, teacher, self.state())
        first_refused = self.near.near(answer.first)
        refused = int(first_refused)
        cfe = None
        for attempt in answer.attempts:
            if attempt == original.text or teacher.predict(attempt) != target:
                continue
            if self.near.near(attempt):
                refused += 1
                continue
            cfe = attempt
            break
        valid = cfe is not None and not first_refused
        size = edits(original.text, cfe) if cfe is not None else Edits(0, 0, 0)
        random, redraws, turned_down = self._random(slot, seed, size) if valid else (None, 0, 0)
        preserving = self._preserving(query, cfe) if valid and cfe is not None else None
        return Entry(
            id=original.id,
            target=target,
            first=answer.first,
            first_flips=answer.first != original.text and teacher.predict(answer.first) == target,
            cfe=cfe if valid else None,
            random=random,
            preserving=preserving,
            edits={"replaced": size.replaced, "inserted": size.inserted, "deleted": size.deleted},
            words=max(1, len(original.text.split())),
            margin_before=round(_margin(teacher, original.text, target, original.label), 6),
            margin_after=None if not valid or cfe is None else round(_margin(teacher, cfe, target, original.label), 6),
            redraws=redraws,
            refused=refused + turned_down,
            teacher_passes=answer.teacher_passes,
        )

    def _random(self, slot: Slot, seed: int, size: Edits) -> tuple[str | None, int, int]:
        """A random text whose class the teacher leaves alone, the number of redraws and of refusals."""
        if self._frequencies is None:
            self._frequencies = Frequencies.of(row.text for row in self.corpus.train)
        rng = stream("random-words", self.corpus.task.name, seed, slot.original.id)
        refused = 0
        for redraw in range(REDRAWS + 1):
            text = perturb(slot.original.text, size, self._frequencies, rng)
            if self.teacher.predict(text) != slot.original.label:
                continue
            if self.near.near(text):
                refused += 1
                continue
            return text, redraw, refused
        return None, REDRAWS, refused

    def _preserving(self, query: Query, cfe: str) -> str | None:
        for text in self.generator.preserve(query, cfe, self.teacher, self.state())[: REDRAWS + 1]:
            kept = text != query.example.text and self.teacher.predict(text) == query.example.label
            if kept and not self.near.near(text):
                return text
        return None


def _margin(teacher: Teacher, text: str, target: int, label: int) -> float:
    return teacher.probability(text, target) - teacher.probability(text, label)


def summary(entries: Sequence[Entry], *, text: str) -> dict[str, Any]:
    """Quality of the counterfactuals of one run's slots, as it stands in the record; `text` names the partner used."""
    valid = [entry for entry in entries if entry.cfe is not None]
    total = len(entries)

    def mean(values: Sequence[float]) -> float | None:
        return round(sum(values) / len(values), 6) if values else None

    return {
        "slots": total,
        "valid": len(valid),
        "first_flips": sum(entry.first_flips for entry in entries),
        "edit_fraction": mean([sum(entry.edits.values()) / entry.words for entry in valid]),
        "margin_before": mean([entry.margin_before for entry in valid]),
        "margin_after": mean([entry.margin_after for entry in valid if entry.margin_after is not None]),
        "redraws": sum(entry.redraws for entry in valid),
        "exhausted": sum(entry.random is None for entry in valid),
        "refused": sum(entry.refused for entry in entries),
        "partner": text,
    }
