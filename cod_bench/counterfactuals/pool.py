"""Slots -> pool entries: the generator's answer, the teacher's verdict and both controls of the same size, per text.

An entry is a pure function of (task, seed, teacher, generator, text): every text is searched and judged alone, so it
does not matter which budget asked first. Entries are kept in blocks of slots whose bounds no budget can move.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cod_bench.counterfactuals.perturb import Edits, Frequencies, edits, perturb
from cod_bench.data import progress
from cod_bench.data.checkpoints import MARKER, teacher_key
from cod_bench.generator import Answer, Bought, Entry, Generator, Query
from cod_bench.spec import POOL_VERSIONS, digest, stream
from cod_bench.store import Artifacts, block_name, blocks, kept, sealed

if TYPE_CHECKING:
    from pathlib import Path

    from cod_bench.data.near import NearIndex
    from cod_bench.split import Draw, Slot
    from cod_bench.task import Corpus
    from cod_bench.track import Track
    from cod_bench.training.teacher import Teacher

REDRAWS = 20
"""How often a control text that the teacher moves to another class is drawn again (protocol.md, `random`)."""

PRESERVING = "-preserving"
"""In the names of blocks that hold label-preserving rewrites of a costly generator, which others of its lack."""


STATE = "state.json"
"""The generator's prepared state, beside the blocks."""
DIGITS = 16
"""Of the digests by which two machines can tell where they part."""
REMEMBERED = 128
"""Blocks that a process keeps: those of some twenty seeds."""


def folder(
    artifacts: Artifacts, task: str, teacher_hash: str, data: Mapping[str, Any], generator: str, made: Mapping[str, Any]
) -> Path:
    """Where the blocks of one (task, teacher, generator) lie.

    Args:
        data: the task's identity, as records carry it without its name.
        made: the generator's version and params and the pool's version, likewise.
    """
    return artifacts.pool(task, teacher_hash, generator, digest({**made, "task": dict(data)}))


def stored(where: Path, seed: int, slots: int, *, kept_wrong: bool = False, preserving: bool = False) -> list[Entry]:
    """The first `slots` entries of a seed that lie in a folder of blocks; fewer or none where they are not there.

    `preserving` names the blocks for which a costly generator was asked for label-preserving rewrites too.
    """
    found: list[Entry] = []
    for start, end in blocks(slots):
        path = where / block_name(seed, start, end, kept_wrong, PRESERVING if preserving else "")
        try:
            found += sealed(path, block_key(path), partial(_entries, slots=end - start))
        except (OSError, ValueError):  # a reader mends nothing
            break
    return found[:slots]


def at_hand(track: Track, corpus: Corpus, generator: Generator, seed: int, slots: int) -> list[Entry]:
    """The first entries of a seed in this machine's cache folder, found without a teacher; fewer where they lack."""
    artifacts, task = Artifacts.default(), corpus.task
    marker = artifacts.adopted(artifacts.teacher(track.teacher_name, task.name, teacher_key(track, task))) / MARKER
    try:
        about = sealed(marker, marker.parent.name, json.loads)
        hashed = str(about["sha256"])[:12]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    made = {"version": generator.version, "params": generator.params(), "pool": POOL_VERSIONS[track.precision]}
    where = folder(artifacts, task.name, hashed, task.identity(), generator.name, made)
    return stored(where, seed, slots)


class Pool:
    """The entries of one (task, teacher, generator) in the cache folder."""

    def __init__(
        self, corpus: Corpus, teacher: Teacher, generator: Generator, artifacts: Artifacts, near: NearIndex
    ) -> None:
        self.corpus, self.teacher, self.generator, self.near = corpus, teacher, generator, near
        version = POOL_VERSIONS[teacher.track.precision]
        self.folder: Path = folder(
            artifacts, corpus.task.name, teacher.hash, corpus.task.identity(), generator.name,
            {"version": generator.version, "params": generator.params(), "pool": version},
        )  # fmt: skip
        self._state: dict[str, Any] | None = None
        self._frequencies: Frequencies | None = None
        self._blocks: dict[str, _Block] = {}
        self._digests: dict[str, str] = {}

    def entries(self, draw: Draw, k: int, *, kept_wrong: bool = False, preserving: bool = False) -> list[Entry]:
        """Entries of the slots of budget k; whole blocks are computed, so larger budgets only add to them.

        `kept_wrong` names the draws of protocols that keep rows the teacher gets wrong: other rows, other blocks.
        A costly generator is asked for label-preserving rewrites only where `preserving` says that a run needs them.
        """
        found: list[Entry] = []
        for start, end in blocks(k // 2):
            found += self.block(draw, start, end, kept_wrong=kept_wrong, preserving=preserving)
        return found[: k // 2]

    def block(
        self, draw: Draw, start: int, end: int, *, kept_wrong: bool = False, preserving: bool = False
    ) -> list[Entry]:
        """The entries of slots [start, end) of a draw: from the cache folder, or searched now."""
        return self._block(draw, start, end, kept_wrong, preserving).entries

    def _block(self, draw: Draw, start: int, end: int, kept_wrong: bool, preserving: bool) -> _Block:
        path = self._path(draw, start, end, kept_wrong, preserving)
        name = path.name
        if name not in self._blocks:
            found = kept(
                path, block_key(path), partial(_block, slots=end - start),
                lambda: self._search(draw, start, end, preserving or not self.generator.costly), what="pool block",
            )  # fmt: skip
            if len(self._blocks) >= REMEMBERED:  # lies in the cache folder
                del self._blocks[next(iter(self._blocks))]
            self._blocks[name] = found
        return self._blocks[name]

    def rests_on(self, draw: Draw, k: int, *, kept_wrong: bool = False, preserving: bool = False) -> dict[str, str]:
        """Digests of the generator's state and of the blocks of budget k, by file name; the same on any machine."""
        if STATE not in self._digests:
            self._digests[STATE] = digest(self.state(), DIGITS)
        found = {STATE: self._digests[STATE]}
        for start, end in blocks(k // 2):
            name = self._path(draw, start, end, kept_wrong, preserving).name
            if name not in self._digests:
                entries = self.block(draw, start, end, kept_wrong=kept_wrong, preserving=preserving)
                self._digests[name] = digest([asdict(entry) for entry in entries], DIGITS)
            found[name] = self._digests[name]
        return found

    def complete(self, draw: Draw, k: int, *, kept_wrong: bool = False, preserving: bool = False) -> bool:
        """Whether `entries` finds every block in the cache folder."""
        bounds = blocks(k // 2)
        return all(self._path(draw, start, end, kept_wrong, preserving).exists() for start, end in bounds)

    def _path(self, draw: Draw, start: int, end: int, kept_wrong: bool, preserving: bool) -> Path:
        bought = PRESERVING if preserving and self.generator.costly else ""
        return self.folder / block_name(draw.seed, start, end, kept_wrong, bought)

    def state(self) -> dict[str, Any]:
        """The generator's prepared state, from the training pool alone."""
        if self._state is None:
            path = self.folder / STATE
            self._state = kept(
                path, block_key(path), _state,
                lambda: json.dumps(self.generator.prepare(self.corpus.train, self.teacher), sort_keys=True),
                what="generator state", guard=self.folder / ".state.lock",
            )  # fmt: skip
        return self._state

    def share(self) -> float:
        """Texts of the generator's word survey for each text of the training pool."""
        return self.generator.surveyed(self.state()) / len(self.corpus.train)

    def took(self, draw: Draw, k: int, *, kept_wrong: bool = False, preserving: bool = False) -> dict[str, float]:
        """Seconds, of the wall and of the CPU, that the entries of budget k took when they were made: of each block the
        share of its slots. Random controls and, if the generator makes them, rewrites are part of it; its state, which
        is made once for all seeds, is not.
        """
        found = {"seconds": 0.0, "cpu_seconds": 0.0}
        for start, end in blocks(k // 2):
            cost = self._block(draw, start, end, kept_wrong, preserving).cost
            for name in found:
                found[name] += cost[name] * (min(end, k // 2) - start) / (end - start)
        return found

    def bought(self, draw: Draw, entries: Sequence[Entry]) -> Bought | None:
        """What the answers behind these entries took of a source that costs something; None where none does."""
        if not self.generator.costly:
            return None
        originals = [(row, entry.target) for entry in entries if (row := draw.find(entry.id)) is not None]
        queries = [Query(row, target, self.corpus.task) for row, target in originals]
        answers = [self.generator.answer(query, self.teacher, self.state()).bought or Bought() for query in queries]
        prices = [one.dollars for one in answers]
        known = [price for price in prices if price is not None]
        return Bought(
            sum(one.requests for one in answers), sum(one.prompt_tokens for one in answers),
            sum(one.completion_tokens for one in answers), sum(known) if len(known) == len(prices) else None,
            sum(one.seconds for one in answers),
        )  # fmt: skip

    def answer(self, slot: Slot) -> tuple[Answer, str | None, int]:
        """The generator's answer for a slot, the counterfactual that is taken of it, and how many texts were refused.

        None stands for the counterfactual where none flips the teacher, or where the first answer is refused or empty:
        the slot is then invalid in every condition, so that these differ in the valid slots alone.
        """
        answer = self.generator.answer(Query(slot.original, slot.target, self.corpus.task), self.teacher, self.state())
        refusals = _Refusals(self.near)
        cfe = next((text for text in answer.attempts if self._flips(text, slot) and not refusals.of(text)), None)
        if not answer.first.strip() or refusals.of(answer.first):
            cfe = None
        return answer, cfe, refusals.count

    def _search(self, draw: Draw, start: int, end: int, preserving: bool) -> str:
        self.state()  # whoever makes the first block of all would pay for it alone
        begun, cpu = time.perf_counter(), time.process_time()
        slots = draw.first_slots(end)[start:]
        entries: list[Entry] = []
        with progress.step(f"counterfactuals of {self.corpus.task.name}, seed {draw.seed}", len(slots)) as under_way:
            for slot in slots:
                under_way.at(len(entries))
                entries.append(self._entry(slot, draw.seed, preserving))
        cost = {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - cpu}
        return json.dumps({"entries": [asdict(entry) for entry in entries], "cost": cost}, sort_keys=True)

    def _entry(self, slot: Slot, seed: int, preserving: bool = True) -> Entry:
        original, target, teacher = slot.original, slot.target, self.teacher
        query = Query(original, target, self.corpus.task)
        answer, cfe, refused = self.answer(slot)
        refusals = _Refusals(self.near, refused)
        texts: dict[str, str | None] = {"first": answer.first, "cfe": cfe, "random": None, "preserving": None}
        redraws = {"random": 0, "preserving": 0}
        if cfe is not None:
            controls = {"random": self._random(slot, seed, edits(original.text, cfe))}
            if preserving:
                controls["preserving"] = iter(self.generator.preserve(query, cfe, teacher, self.state()))
            for name, candidates in controls.items():
                for redraw, text in enumerate(itertools.islice(candidates, REDRAWS + 1)):
                    redraws[name] = redraw
                    if self._keeps(text, slot) and not refusals.of(text):
                        texts[name] = text
                        break
        there = {name: text for name, text in texts.items() if text is not None and text.strip()}
        return Entry(
            id=original.id,
            target=target,
            first=answer.first,
            first_flips=self._flips(answer.first, slot),
            cfe=cfe,
            random=texts["random"],
            preserving=texts["preserving"],
            edited={name: edits(original.text, text).total for name, text in there.items()},
            words=max(1, len(original.text.split())),
            margin=self._margin(original.text, slot),
            margins={name: self._margin(text, slot) for name, text in there.items()},
            redraws=redraws,
            refused=refusals.count,
            teacher_passes=answer.teacher_passes,
        )

    def _flips(self, text: str, slot: Slot) -> bool:
        # no words, no tokens: a decoder without a BOS token cannot read an empty text
        return bool(text.strip()) and text != slot.original.text and self.teacher.predict(text) == slot.target

    def _keeps(self, text: str, slot: Slot) -> bool:
        return bool(text.strip()) and text != slot.original.text and self.teacher.predict(text) == slot.original.label

    def _margin(self, text: str, slot: Slot) -> float:
        label = slot.original.label
        return round(self.teacher.probability(text, slot.target) - self.teacher.probability(text, label), 6)

    def _random(self, slot: Slot, seed: int, size: Edits) -> Iterator[str]:
        """Random texts of the counterfactual's size, without end."""
        if self._frequencies is None:
            self._frequencies = Frequencies.of(row.text for row in self.corpus.train)
        rng = stream("random-words", self.corpus.task.name, seed, slot.original.id)
        while True:
            yield perturb(slot.original.text, size, self._frequencies, rng)


def block_key(path: Path) -> str:
    """What a pool's file is sealed as: its path from the task's folder on, so that no other's file is taken for it."""
    return "/".join(path.parts[-4:])


def demand(path: Path, text: str) -> None:
    """Raise a ValueError, KeyError or TypeError unless a text can be that of a pool's file of that name."""
    bounds = re.search(r"-(\d{3,})-(\d{3,})(?:-[a-z]+)?\.json$", path.name)
    if bounds is None:
        _state(text)
    else:
        _entries(text, int(bounds[2]) - int(bounds[1]))


def _state(text: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(text)
    if not isinstance(state, dict):
        raise TypeError("a state is an object")
    return state


def _entries(text: str, slots: int) -> list[Entry]:
    """The entries of a block.

    Raises:
        ValueError, KeyError, TypeError: not a block of so many slots.
    """
    found = [Entry(**entry) for entry in json.loads(text)["entries"]]
    if len(found) != slots:
        raise ValueError(f"has {len(found)} entries for {slots} slots")
    return found


@dataclass(frozen=True, slots=True)
class _Block:
    """What lies in a file of the pool: entries, and the seconds that they took."""

    entries: list[Entry]
    cost: Mapping[str, float]


def _block(text: str, slots: int) -> _Block:
    told = json.loads(text)["cost"]
    return _Block(_entries(text, slots), {name: float(told[name]) for name in ("seconds", "cpu_seconds")})


@dataclass(slots=True)
class _Refusals:
    """Counts the texts that equal or nearly equal an evaluation row."""

    near: NearIndex
    count: int = 0

    def of(self, text: str) -> bool:
        refused = self.near.near(text)
        self.count += refused
        return refused


def summary(entries: Sequence[Entry], name: str) -> dict[str, Any]:
    """Quality of a run's slots, as it stands in the record; edits and margins are of the texts of that name."""
    total = len(entries)
    valid = [entry for entry in entries if entry.cfe is not None]
    there = [entry for entry in valid if name in entry.edited]

    def mean(values: Sequence[float]) -> float | None:
        return round(sum(values) / len(values), 6) if values else None

    return {
        "slots": total,
        "valid": len(valid),
        "first_flips": sum(entry.first_flips for entry in entries),
        "edit_fraction": mean([entry.edited[name] / entry.words for entry in there]),
        "margin_before": mean([entry.margin for entry in there]),
        "margin_after": mean([entry.margins[name] for entry in there]),
        "redraws": sum(entry.redraws.get(name, 0) for entry in valid),
        "exhausted": len(valid) - len(there),
        "refused": sum(entry.refused for entry in entries),
        "teacher_passes": sum(entry.teacher_passes for entry in entries),
    }
