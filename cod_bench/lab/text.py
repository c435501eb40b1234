"""Students of real texts -> how consistent they are on pairs that they never saw, and where they cross a pair.

A held-out pair is a dev text, which nothing was trained on, and its counterfactual by the generator that the training
pairs are of; a foreign pair is one that somebody else wrote, named by its file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cod_bench.counterfactuals.pairs import Pair
from cod_bench.design.filters import Filters, select
from cod_bench.design.suite import Block, Suite
from cod_bench.spec import RunSpec

if TYPE_CHECKING:
    from cod_bench.runner.work import Resolved
    from cod_bench.training.model import Classifier

Floats = NDArray[np.float64]

CONDITIONS = (
    "standard", "cod", "near", "far", "random", "unvalidated", "shuffled", "half", "teacher-labelled",
)  # fmt: skip
SUITE = Suite(
    name="lab-text",
    title="Geometry on real texts: kd, two corpora, ten seeds that no suite has",
    tracks=("minilm", "minilm-fp32", "minilm-whole", "minilm-whole-fp32"),
    tasks=("rt_quotes", "brand_tweets"),
    seeds=tuple(range(310, 320)),
    primary_k=(16,),
    blocks=(Block(("kd",), CONDITIONS, (16,)),),
    generator="substitution",
)
HELD_OUT = 200
"""Dev texts whose counterfactuals are asked for, the first in the split's own order."""
OWN = "held-out"
FOREIGN = "foreign"
"""Kinds of pairs that nobody was trained on."""
TEACHER = "teacher"
"""What stands for a condition in the row of the teacher itself."""
LONGEST = 256
"""Tokens of a foreign text that are read: most of them are longer than what students were trained on."""


@dataclass(frozen=True)
class Consistency:
    """What a student, or a teacher, makes of the pairs of one kind.

    Args:
        pairs: how many.
        both, first, second: share of them with both sides right, the original, the other side.
    """

    pairs: int
    both: float
    first: float
    second: float


@dataclass(frozen=True)
class Gap:
    """Where student and teacher cross held-out pairs, if their sides have equally many tokens.

    Args:
        pairs: how many pairs of held-out texts there are.
        level: share of them whose sides have equally many tokens.
        crossed: share of those that student and teacher both tell apart.
        gap: mean distance of the two crossings, as a share of the way from original to counterfactual.
        student, teacher: mean share of the way at which each of them crosses, over the same pairs.
    """

    pairs: int
    level: float
    crossed: float
    gap: float
    student: float
    teacher: float


@dataclass(frozen=True)
class Geometry:
    """A student: which one, what it is worth, and what it makes of pairs."""

    task: str
    condition: str
    k: int
    seed: int
    accuracy: float
    agreement: float
    valid: float
    """Share of the run's slots with a valid counterfactual; NaN for conditions without any."""
    seconds: float
    consistency: Mapping[str, Consistency]
    gap: Gap


@dataclass(frozen=True)
class Margin:
    """The teacher's log odds of the other class on texts of one kind in the pools of a task.

    Args:
        kind: original, first answer, cfe, random or preserving.
        texts: how many.
        mean, low, middle, high: mean and quartiles, in logits; positive says the other class.
        flipped: share above 0.
    """

    task: str
    kind: str
    texts: int
    mean: float
    low: float
    middle: float
    high: float
    flipped: float


def specs(suite: Suite = SUITE, track: str = "") -> list[RunSpec]:
    """The runs of the experiment."""
    return list(select(suite, Filters(track=track or suite.tracks[0])))


def geometry(spec: RunSpec, foreign: Mapping[str, Sequence[Pair]]) -> Geometry:
    """Train one student and look at it.

    Args:
        foreign: by the name that a kind of pairs has, those that are for this task.

    Raises:
        RunError, UsageError: as a run's.
    """
    from cod_bench.counterfactuals import warm
    from cod_bench.design.identity import identify
    from cod_bench.runner import work

    begun = time.perf_counter()
    run = work.resolve(spec)
    training, entries = run.rows()
    student = work.fresh_student(spec)
    run.train(training, identify(spec)["method"]["hparams"], student)
    said = run.logits(student, "evaluation").argmax(1)
    taught = np.array([int(digit) for digit in warm.reference(spec.track, spec.task).teacher_predictions])
    gold = np.array([row.label for row in run.corpus.evaluation])
    kinds = {OWN: held_out(spec.track, spec.task), **foreign}
    return Geometry(
        spec.task, spec.condition, spec.k, spec.seed, float((said == gold).mean()), float((said == taught).mean()),
        float("nan") if entries is None else float(np.mean([entry.cfe is not None for entry in entries])),
        time.perf_counter() - begun,
        {name: consistency(partial(_says, run.tokenizer, student), pairs) for name, pairs in kinds.items()},
        gap(run, student, kinds[OWN]),
    )  # fmt: skip


def taught(track: str, task: str, foreign: Mapping[str, Sequence[Pair]]) -> Geometry:
    """The same of the teacher, which no student is expected to exceed."""
    from cod_bench.counterfactuals import warm

    begun, judge, corpus = time.perf_counter(), warm.teacher(track, task), warm.corpus(task)
    said = judge.logits([row.text for row in corpus.evaluation]).argmax(1)
    gold = np.array([row.label for row in corpus.evaluation])
    kinds = {OWN: held_out(track, task), **foreign}
    says = partial(_says, judge.tokenizer, judge.classifier)
    return Geometry(
        task, TEACHER, 0, 0, float((said == gold).mean()), 1.0, float("nan"), time.perf_counter() - begun,
        {name: consistency(says, pairs) for name, pairs in kinds.items()},
        Gap(len(kinds[OWN]), *[float("nan")] * 5),
    )  # fmt: skip


def fitting(track: str, task: str, pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs both sides of which are read whole by teacher and student, at most `LONGEST` tokens each."""
    from cod_bench.counterfactuals import warm

    readers = (warm.teacher(track, task).tokenizer, _student_reader(track, task))
    return [pair for pair in pairs if pair.label is not None and all(_length(reader, pair) for reader in readers)]


def consistency(says: Callable[[Sequence[str]], NDArray[np.int64]], pairs: Sequence[Pair]) -> Consistency:
    """Whether both sides of pairs are given their classes.

    Args:
        says: texts -> classes [n].
    """
    if not pairs:
        return Consistency(0, *[float("nan")] * 3)
    first = says([pair.original for pair in pairs]) == np.array([pair.label for pair in pairs])
    second = says([pair.counterfactual for pair in pairs]) == np.array([pair.target for pair in pairs])
    return Consistency(len(pairs), float((first & second).mean()), float(first.mean()), float(second.mean()))


def gap(run: Resolved, student: Classifier, pairs: Sequence[Pair]) -> Gap:
    """How far apart student and teacher cross pairs."""
    from cod_bench.training import mixing, model

    level, taught = taught_crossings(run.spec.track, run.spec.task, tuple(pairs))
    if not level:
        return Gap(len(pairs), 0.0, *[float("nan")] * 4)
    sides = ([pairs[i].original for i in level], [pairs[i].counterfactual for i in level])
    found = mixing.crossings(student, *(model.tokenise(run.tokenizer, texts, run.track.max_length) for texts in sides))
    both = ~np.isnan(found) & ~np.isnan(taught)
    if not both.any():
        return Gap(len(pairs), len(level) / len(pairs), 0.0, *[float("nan")] * 3)
    apart = np.abs(found - taught)[both]
    return Gap(
        len(pairs), len(level) / len(pairs), float(both.mean()), float(apart.mean()), float(found[both].mean()),
        float(taught[both].mean()),
    )  # fmt: skip


@cache
def held_out(track: str, task: str, generator: str = SUITE.generator) -> tuple[Pair, ...]:
    """Dev texts with valid counterfactuals, each side of the class that the teacher gives it."""
    from cod_bench.counterfactuals import purchase, tried, warm

    texts = [row.text for row in warm.corpus(task).dev[:HELD_OUT]]
    found = purchase.cases(track, task, generator, tried.slots(track, task, texts))
    return tuple(
        Pair(case.slot.original.text, case.cfe, case.slot.target, case.slot.original.label)
        for case in found
        if case.cfe is not None
    )


@cache
def taught_crossings(track: str, task: str, pairs: tuple[Pair, ...]) -> tuple[list[int], Floats]:
    """Places of the pairs whose sides have equally many tokens for both models, and where the teacher crosses them."""
    from cod_bench.counterfactuals import warm
    from cod_bench.training import mixing, model

    judge = warm.teacher(track, task)
    most = judge.track.max_length
    readers = (judge.tokenizer, _student_reader(track, task))
    level = [place for place, pair in enumerate(pairs) if all(_length(reader, pair, most) == 1 for reader in readers)]
    if not level:
        return [], np.empty(0)
    sides = ([pairs[i].original for i in level], [pairs[i].counterfactual for i in level])
    ids = (model.tokenise(judge.tokenizer, texts, most) for texts in sides)
    return level, mixing.crossings(judge.classifier, *ids)


def margins(runs: Sequence[RunSpec]) -> list[Margin]:
    """Log odds in the pools that these runs draw on, a row a (task, kind of text)."""
    from cod_bench.runner import work

    found: dict[tuple[str, str], list[float]] = {}
    for spec in runs:
        if spec.condition != "cod":
            continue
        for entry in work.resolve(spec).entries():
            for kind, value in {"original": entry.margin, **entry.margins}.items():
                # a difference of two probabilities that sum to 1, as log odds
                p = min(max((1 + value) / 2, 1e-6), 1 - 1e-6)
                found.setdefault((spec.task, kind), []).append(float(np.log(p / (1 - p))))
    return [_margin(*key, np.array(values)) for key, values in found.items()]


def _margin(task: str, kind: str, values: Floats) -> Margin:
    low, middle, high = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    return Margin(task, kind, len(values), float(values.mean()), low, middle, high, float((values > 0).mean()))


def _says(tokenizer: object, student: Classifier, texts: Sequence[str]) -> NDArray[np.int64]:
    """Classes of texts by a model, in float32, cut at `LONGEST` tokens."""
    from cod_bench.training import model

    rows = model.tokenise(tokenizer, texts, LONGEST)
    return np.asarray(model.predict(student, rows, pad_id=tokenizer.pad_token_id).argmax(1))  # type: ignore[attr-defined]


def _student_reader(track: str, task: str) -> object:
    from cod_bench.counterfactuals import warm

    return warm.base(track, warm.texts_of(track, task), "student").tokenizer


def _length(tokenizer: object, pair: Pair, most: int = LONGEST) -> int:
    """1 where both sides have equally many tokens, 2 where not, 0 where one has more than there may be."""
    from cod_bench.training import model

    one, other = model.tokenise(tokenizer, [pair.original, pair.counterfactual], most + 1)
    if max(len(one), len(other)) > most:
        return 0
    return 1 if len(one) == len(other) else 2
