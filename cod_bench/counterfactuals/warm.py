"""Names -> prepared tasks, teachers, draws and pools, kept warm for the life of a worker: functions of their keys."""

from __future__ import annotations

from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING

from cod_bench import registry
from cod_bench.design import tracks
from cod_bench.store import Artifacts
from cod_bench.track import of_teacher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cod_bench.counterfactuals.pool import Pool
    from cod_bench.data.near import NearIndex
    from cod_bench.records.record import Reference
    from cod_bench.split import Draw, Neighbours
    from cod_bench.task import Corpus, Example
    from cod_bench.training.frozen import Frozen
    from cod_bench.training.pretrained import Pretrained
    from cod_bench.training.teacher import Teacher


SEEDS_AT_HAND = 32
"""Draws that a process keeps: runs come seed by seed, and a suite may have a thousand of them."""
WARM = 1_000_000_000
"""Bytes that teachers hold, as known when another is loaded, beyond which the one longest not asked for goes.

MiniLM's six stay in float32, five in bfloat16, which keeps two copies; of larger ones two."""


@cache
def corpus(task: str) -> Corpus:
    """The prepared task."""
    from cod_bench.data.origin import corpus as prepared

    return stand_ins[task] if task in stand_ins else prepared(task)


def base(track: str, task: str, side: str = "teacher") -> Pretrained:
    """The pretrained `teacher` or `student` of a track, one and the same where they start from one checkpoint.

    `task` is empty unless the track builds its vocabulary from a task's texts.
    """
    return _base(of_teacher(track)[0], task, side)  # no seed of a teacher has touched it


@cache
def _base(track: str, task: str, side: str) -> Pretrained:
    from cod_bench.training.pretrained import load

    found = tracks.pin(track)
    if side == "student" and found.student_side.same_model(found.teacher_side):
        return base(track, task)
    chosen = found.student_side if side == "student" else found.teacher_side
    return load(chosen, [row.text for row in corpus(task).train] if task else (), max_length=found.max_length)


def encoder(track: str, task: str, side: str) -> Frozen:
    """The frozen pretrained backbone of a track's `student` or `teacher`; one for all tasks where it is loaded."""
    return _encoder(of_teacher(track)[0], texts_of(track, task), side)


@cache
def _encoder(track: str, task: str, side: str) -> Frozen:
    from cod_bench.training.frozen import Frozen

    found = tracks.track(track)
    if side == "teacher" and found.student_side == found.teacher_side:
        return _encoder(track, task, "student")
    if side == "student":
        return Frozen(partial(base, track, task, side), found.student_side, max_length=found.max_length)
    return Frozen(partial(base, track, task), found.teacher_side, max_length=found.max_length)


def texts_of(track: str, task: str) -> str:
    """The task whose texts a track's pretrained models are built from; empty where they are loaded."""
    return task if tracks.track(track).random else ""


def teacher(track: str, task: str) -> Teacher:
    """The fitted teacher, from the cache folder or trained now; at least the last two asked for stay warm."""
    from cod_bench.training.teacher import load_or_fit

    found = _teachers.pop((track, task), None)
    if found is None:
        pretrained = base(track, texts_of(track, task))
        found = load_or_fit(tracks.track(track), corpus(task), pretrained, Artifacts.default())
        before = len(_teachers)
        while len(_teachers) > 1 and found.size + sum(other.size for other in _teachers.values()) > WARM:
            del _teachers[next(iter(_teachers))]
        if len(_teachers) < before:  # they hold the teacher that goes
            draw.cache_clear()
            pool.cache_clear()
    _teachers[track, task] = found
    return found


_teachers: dict[tuple[str, str], Teacher] = {}
"""By (track, task), the one that was asked for last at the end."""


@cache
def reference(track: str, task: str) -> Reference:
    """The teacher's reference file as a value."""
    from cod_bench.training.teacher import reference as make

    return make(teacher(track, task), corpus(task))


@lru_cache(maxsize=SEEDS_AT_HAND)
def draw(track: str, task: str, seed: int, kept_wrong: bool, dev: bool = False) -> Draw:
    """The order of training rows of one (task, seed); rows the teacher gets wrong are passed over unless kept.

    Args:
        dev: of the rows of the dev split instead, to judge generators by.
    """
    from cod_bench.split import Draw

    data, judge = corpus(task), teacher(track, task)

    def right(example: Example) -> bool:
        return kept_wrong or judge.predict(example.text) == example.label

    rows = data.dev if dev else data.train
    return Draw(rows, task=task, classes=len(data.task.classes), seed=seed, eligible=right, says=judge.says)


@cache
def near_evaluation(task: str) -> NearIndex:
    """Index of the evaluation rows, against which every made text is checked."""
    from cod_bench.data.near import NearIndex

    return NearIndex([row.text for row in corpus(task).evaluation])


def neighbours(track: str, task: str) -> Neighbours:
    """The rows of the training pool by the cosine of the frozen student's states, for one run."""
    from cod_bench.split import Neighbours

    return Neighbours(corpus(task).train, nearness(track, task), teacher(track, task).says)


@cache
def nearness(track: str, task: str) -> Callable[[str], Sequence[int]]:
    """Text -> places in the training pool, those of the nearest states first."""
    import numpy as np

    frozen = encoder(track, task, "student")
    states = _directions(frozen.states([row.text for row in corpus(task).train]))

    def nearest(text: str) -> Sequence[int]:
        near = states @ _directions(frozen.states([text]))[0]
        order: list[int] = np.lexsort((np.arange(len(near)), -near)).tolist()
        return order

    return nearest


def _directions(states: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rows of length 1, in float64, so that equal texts are equally near whatever a product's order."""
    import numpy as np

    wide = states.astype(np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12))


@cache
def pool(track: str, task: str, generator: str) -> Pool:
    """The generator's pool for this teacher."""
    from cod_bench.counterfactuals.pool import Pool

    plugin = registry.load("generator", generator)
    return Pool(corpus(task), teacher(track, task), plugin, Artifacts.default(), near_evaluation(task))


stand_ins: dict[str, Corpus] = {}
