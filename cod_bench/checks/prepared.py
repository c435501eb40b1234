"""Reference files -> whether their rows and gold labels are the task's, which no record can say of itself.

Every accuracy is counted against `gold`. What the merge base already has is trusted; of other rows the prepared task
tells, where it is at hand without network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cod_bench.data import origin
from cod_bench.errors import RunError, UsageError
from cod_bench.records.record import Reference


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of the reference files, by path."""

    wrong: Mapping[str, str]
    unknown: Mapping[str, str]
    """Those whose rows nobody trusted knows here."""


def compare(references: Mapping[str, Reference], trusted: Iterable[Reference]) -> Judged:
    """Compare each file's row ids, gold labels and classes.

    Args:
        references: by path.
        trusted: of the merge base.
    """
    known: dict[tuple[str, str], list[Reference]] = {}
    for reference in trusted:
        known.setdefault((reference.task, reference.eval_hash), []).append(reference)
    wrong, unknown = {}, {}
    for path, reference in references.items():
        others = known.get((reference.task, reference.eval_hash), [])
        told = next(filter(None, (_apart(reference, o.row_ids, o.gold, "the merge base") for o in others)), "")
        if not others:
            try:
                prepared = _prepared(reference)
            except (UsageError, RunError) as error:
                unknown[path] = str(error)
                continue
            if prepared is None:
                unknown[path] = (
                    f"gold labels not verified: the rows of task {reference.task!r} are neither in the merge base nor "
                    "prepared here; check where they are"
                )
                continue
            told = _apart(reference, *prepared, "the prepared task")
        if told or (told := _classes(reference)):
            wrong[path] = told
    return Judged(wrong, unknown)


def _prepared(reference: Reference) -> tuple[Sequence[str], str] | None:
    corpus = origin.at_hand(reference.task)
    if corpus is None or corpus.eval_hash != reference.eval_hash:
        return None
    return [row.id for row in corpus.evaluation], "".join(str(row.label) for row in corpus.evaluation)


def _apart(reference: Reference, row_ids: Sequence[str], gold: str, whose: str) -> str:
    if list(reference.row_ids) != list(row_ids):
        return f"row_ids are not those of {whose}; never edit a reference file"
    if reference.gold != gold:
        off = sum(a != b for a, b in zip(reference.gold, gold, strict=True))
        return f"gold differs from {whose} in {off} of {len(gold)} rows; never edit a reference file"
    return ""


def _classes(reference: Reference) -> str:
    classes = list(origin.find(reference.task).classes)
    if list(reference.classes) == classes:
        return ""
    return f"classes are {reference.classes!r} and the task has {classes!r}; never edit a reference file"
