"""Pool -> quality figures: validity, edits, and what a judge says that neither generator nor teacher has seen.

The judge of one task's texts is the teacher of another task of the same two poles (rotten/fresh, negative/positive).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

from cod_bench.counterfactuals import warm
from cod_bench.errors import RunError

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Slot


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Share of texts that the judge gives the target class, and share that moved towards it."""

    kind: str
    texts: int
    before: float
    after: float
    moved: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One task's pool at the largest k asked for, all seeds together."""

    task: str
    judge: str
    slots: int
    valid: float
    first_flips: float
    edit_fraction: float
    edits: float
    """Mean number of edited words of the valid counterfactuals."""
    teacher_passes: float
    """Mean number of texts that the generator asked the teacher about."""
    verdicts: tuple[Verdicts, ...]


def measure(track: str, task: str, judge: str, generator: str, *, k: int, seeds: Sequence[int]) -> Judged:
    """Quality of the pool of one task, judged by the teacher of another; pools that are not there are searched.

    Raises:
        RunError: the generator made no valid counterfactual.
    """
    pairs: list[tuple[Slot, Entry]] = []
    for seed in seeds:
        draw = warm.draw(track, task, seed, False)
        pairs += zip(draw.slots(k), warm.pool(track, task, generator).entries(draw, k), strict=True)
    valid = [entry for _, entry in pairs if entry.cfe is not None]
    if not valid:
        raise RunError(
            f"generator {generator!r} on {task!r}: none of {len(pairs)} texts flips; name another --generator"
        )
    kinds = {
        "counterfactual": [(s, e.cfe) for s, e in pairs if e.cfe is not None],
        "first answer": [(s, e.first) for s, e in pairs],
        "random edits": [(s, e.random) for s, e in pairs if e.random is not None],
    }
    return Judged(
        task=task,
        judge=judge,
        slots=len(pairs),
        valid=len(valid) / len(pairs),
        first_flips=mean(entry.first_flips for _, entry in pairs),
        edit_fraction=mean(entry.edited["cfe"] / entry.words for entry in valid),
        edits=mean(entry.edited["cfe"] for entry in valid),
        teacher_passes=mean(entry.teacher_passes for _, entry in pairs),
        verdicts=tuple(_verdicts(track, judge, kind, texts) for kind, texts in kinds.items() if texts),
    )


def _verdicts(track: str, judge: str, kind: str, texts: Sequence[tuple[Slot, str]]) -> Verdicts:
    model = warm.teacher(track, judge)
    before = model.logits([slot.original.text for slot, _ in texts])
    after = model.logits([text for _, text in texts])
    targets = [slot.target for slot, _ in texts]

    def towards(logits: Sequence[float], target: int) -> float:
        return float(logits[target] - max(value for label, value in enumerate(logits) if label != target))

    gains = [towards(a, t) - towards(b, t) for a, b, t in zip(after, before, targets, strict=True)]
    return Verdicts(
        kind=kind,
        texts=len(texts),
        before=mean(int(row.argmax()) == t for row, t in zip(before, targets, strict=True)),
        after=mean(int(row.argmax()) == t for row, t in zip(after, targets, strict=True)),
        moved=mean(gain > 0 for gain in gains),
    )
