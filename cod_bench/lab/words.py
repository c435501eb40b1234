"""Seeds -> students that *say* the class's word, distilled from a decoder's answers, a row a student: no classifier.

The teacher is SmolLM2-135M, fine-tuned to answer a prompt with the word of the class; a student has every second of its
layers and learns what the teacher says, word by word (sequence-level distillation, Kim and Rush 2016). Small and
exploratory: counterfactuals are those that flip the classifier of track `minilm`, kept where they flip this one too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from cod_bench.lab.moons import Listener, quiet
from cod_bench.spec import RunSpec

if TYPE_CHECKING:
    from cod_bench.split import Draw
    from cod_bench.task import Example

Says = Callable[[Sequence[str]], list[int]]
"""Texts -> classes."""

PROMPT = "{text}\nVerdict:"
TRACK, SEARCHED_ON, GENERATOR = "smollm", "minilm", "substitution"
"""The track whose decoder speaks, and the one whose pools hold the counterfactuals."""
TASK = "rt_quotes"
SEEDS = (350, 351, 352, 353)
"""Of no suite."""
KS = (16, 32)
CONDITIONS = ("standard", "cod", "half")
TEACHER_ROWS, TEACHER_SIZE, TEACHER_RATE = 2_000, 16, 5e-5
STEPS, SIZE, RATE = 40, 8, 1e-4
ROOM = 4
EVALUATED = 500
"""Rows of the evaluation split, the first in its order."""
NONE = -1
"""The class of an answer that is no class's word."""


@dataclass(frozen=True)
class Said:
    """What became of a student, or of the teacher.

    Args:
        condition: `teacher` for the teacher itself.
        valid: share of slots whose counterfactual flips the teacher's word; the others hold one more original.
        accuracy: share of evaluation rows after which it says the word of the gold class, and nothing else.
        agreement: share after which it says what the teacher says.
        words: share after which it says the word of some class.
    """

    condition: str
    k: int
    seed: int
    valid: float
    accuracy: float
    agreement: float
    words: float
    seconds: float


class Talk:
    """A task in words: prompts and answers as token ids, and answers as classes."""

    def __init__(self, tokenizer: object, classes: Sequence[str], longest: int) -> None:
        self._tokenizer, self._longest = tokenizer, longest
        named: Any = tokenizer
        # decoders' tokenizers name what ends a text; one that is built on the spot separates texts by the same token
        self.end: int = named.sep_token_id if named.eos_token_id is None else named.eos_token_id
        self._after: list[int] = self._ids(PROMPT.format(text=""))
        self._words = {tuple(self._ids(f" {name}")): label for label, name in enumerate(classes)}

    def prompt(self, text: str) -> list[int]:
        """The text, cut at the track's length, and the question behind it."""
        return [*self._ids(text)[: self._longest], *self._after]

    def answer(self, label: int) -> list[int]:
        """The class's word and the token that ends it."""
        return [*next(word for word, own in self._words.items() if own == label), self.end]

    def label(self, said: Sequence[int]) -> int:
        """The class whose word was said; `NONE` if it is none's."""
        return self._words.get(tuple(said), NONE)

    def _ids(self, text: str) -> list[int]:
        found: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]  # type: ignore[operator]
        return found


def run(seeds: Sequence[int] = SEEDS, listen: Listener = quiet) -> list[Said]:
    """Fit the teacher, then every student, one after the other.

    Raises:
        RunError, UsageError: an asset cannot be had, or too few rows are usable.
    """
    from cod_bench.counterfactuals import warm
    from cod_bench.design import tracks
    from cod_bench.training import model as models
    from cod_bench.training import pretrained, speaker

    begun, track, corpus = time.perf_counter(), tracks.track(TRACK), warm.corpus(TASK)
    # the words are for a model that is built on the spot; others have their own
    known = [PROMPT, *(f" {name}" for name in corpus.task.classes), *(row.text for row in corpus.train)]
    base = pretrained.load(track.teacher_side, known, max_length=track.max_length)
    talk = Talk(base.tokenizer, corpus.task.classes, track.max_length)
    pad = base.tokenizer.pad_token_id
    teacher = speaker.Speaker(models.keep_layers(base.backbone, None), pad)
    rows = corpus.train[:TEACHER_ROWS]
    speaker.fit(
        teacher, [talk.prompt(row.text) for row in rows], [talk.answer(row.label) for row in rows],
        steps=len(rows) // TEACHER_SIZE, rate=TEACHER_RATE, size=TEACHER_SIZE, name=("teacher", TASK),
    )  # fmt: skip

    def says(model: speaker.Speaker, texts: Sequence[str]) -> list[int]:
        return [talk.label(said) for said in speaker.answers(model, list(map(talk.prompt, texts)), end=talk.end)]

    heard: dict[str, int] = {}

    def taught_of(texts: Sequence[str]) -> list[int]:
        """What the teacher says, asked once about each text."""
        new = [text for text in dict.fromkeys(texts) if text not in heard]
        heard.update(zip(new, says(teacher, new), strict=True))
        return [heard[text] for text in texts]

    evaluated = corpus.evaluation[:EVALUATED]
    gold, texts = [row.label for row in evaluated], [row.text for row in evaluated]
    taught = taught_of(texts)
    found = [_said("teacher", 0, 0, 1.0, gold, taught, taught, time.perf_counter() - begun)]
    listen(f"teacher fitted: {found[0].accuracy:.3f}")
    for seed in seeds:
        for k in KS:
            for condition in CONDITIONS:
                begun = time.perf_counter()
                given, valid = _rows(condition, k, seed, taught_of)
                spoken = taught_of(given)
                student = speaker.Speaker(models.keep_layers(base.backbone, track.student_side.layers), pad)
                speaker.fit(
                    student, list(map(talk.prompt, given)), list(map(talk.answer, spoken)), steps=STEPS, rate=RATE,
                    size=SIZE, name=("student", TASK, seed, k),
                )  # fmt: skip
                said = says(student, texts)
                found.append(_said(condition, k, seed, valid, gold, said, taught, time.perf_counter() - begun))
                listen(f"{condition} k={k} seed={seed}: {found[-1].accuracy:.3f}")
    return found


def _said(
    condition: str, k: int, seed: int, valid: float, gold: list[int], said: list[int], taught: list[int], seconds: float
) -> Said:
    def share(hits: list[bool]) -> float:
        return sum(hits) / len(hits)

    return Said(
        condition, k, seed, valid, share([a == b for a, b in zip(said, gold, strict=True)]),
        share([a == b for a, b in zip(said, taught, strict=True)]), share([a != NONE for a in said]), seconds,
    )  # fmt: skip


def _rows(condition: str, k: int, seed: int, says: Says) -> tuple[list[str], float]:
    """The texts that a student learns from, and which share of its slots are what the condition wants.

    Args:
        says: texts -> classes, of the teacher.

    Raises:
        UsageError: too few originals after which the teacher says their word.
    """
    from cod_bench.runner import work

    # as many slots as four times the budget: some originals are passed over
    found = work.resolve(RunSpec("last", SEARCHED_ON, TASK, "kd", "cod", GENERATOR, ROOM * k, seed))
    right = {label: _right(found.draw, label, says) for label in (0, 1)}
    originals = [next(right[slot.original.label]) for slot in found.draw.first_slots(k // 2)]
    texts = [one.text for one in originals]
    if condition == "half":
        return texts, 1.0
    if condition == "standard":
        return [*texts, *(next(right[1 - one.label]).text for one in originals)], 1.0
    made = {entry.id: entry.cfe for entry in found.entries()}
    partners, valid = [], 0
    for one in originals:
        text = made.get(one.id)
        flipped = text is not None and says([text]) == [1 - one.label]
        valid += flipped
        partners.append(text if flipped and text is not None else next(right[1 - one.label]).text)
    return [*texts, *partners], valid / len(originals)


def _right(draw: Draw, label: int, says: Says) -> Iterator[Example]:
    """Rows of a class in the order of the draw after which the teacher says their word."""
    for position in count():
        row = draw.row(label, position)
        if says([row.text]) == [label]:
            yield row
