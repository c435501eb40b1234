"""Reference files, records -> whether their rows are the task's, which no record can say of itself.

Every accuracy is counted against `gold`. What the merge base already has is trusted; of other rows the prepared task
tells, where it is at hand without network. It also tells in which order a seed draws its training rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cod_bench.checks.rows import made
from cod_bench.condition import Condition, Partnered, condition
from cod_bench.data import origin
from cod_bench.design import tracks
from cod_bench.distiller import reads_no_row
from cod_bench.errors import RunError, UsageError
from cod_bench.records.record import Record, Reference
from cod_bench.spec import stream

if TYPE_CHECKING:
    from numpy.typing import NDArray


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


@dataclass(slots=True)
class Pool:
    """The training pool of a task, as far as a record tells of it."""

    task: str
    ids: Mapping[str, int]
    """Id -> place among the rows."""
    labels: NDArray[np.int64]
    orders: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    everything: dict[int, NDArray[np.int64]] = field(default_factory=dict)

    def place(self, seed: int, source: str) -> int:
        """Where a row stands in the public order of a seed, among those of every class."""
        if seed not in self.everything:
            drawn = stream("draw", self.task, seed).permutation(len(self.labels))
            self.everything[seed] = np.argsort(drawn)
        return int(self.everything[seed][self.ids[source]])

    def order(self, seed: int) -> NDArray[np.int64]:
        """Of each row its place among those of its class in the public order of a seed (`Draw`)."""
        if seed not in self.orders:
            drawn = stream("draw", self.task, seed).permutation(len(self.labels))
            places = np.empty(len(drawn), dtype=np.int64)
            for label in np.unique(self.labels):
                own = drawn[self.labels[drawn] == label]
                places[own] = np.arange(len(own))
            self.orders[seed] = places
        return self.orders[seed]


def strangers(records: Mapping[str, Record]) -> tuple[dict[str, str], set[str]]:
    """Rows that no training pool has, that it labels otherwise or that the seed does not draw so, by path.

    And the tasks whose pool is not at hand.
    """
    pools: dict[tuple[str, str], Pool | None] = {}
    reasons = {}
    for path, record in records.items():
        key = record.spec.task, record.train_hash
        if key not in pools:
            pools[key] = _training(*key)
        known = pools[key]
        if known is not None and (
            told := _strange(record, known) or _undrawn(record, known) or _overspent(record, known)
        ):
            reasons[path] = told
    return reasons, {task for (task, _), known in pools.items() if known is None}


def _training(task: str, pool: str) -> Pool | None:
    try:
        corpus = origin.at_hand(task)
    except (UsageError, RunError):
        return None  # told as not looked up
    if corpus is None or corpus.pool_sha256[:12] != pool:
        return None
    ids = {row.id: place for place, row in enumerate(corpus.train)}
    return Pool(task, ids, np.array([row.label for row in corpus.train], dtype=np.int64))


def _strange(record: Record, known: Pool) -> str:
    rows, own = record.rows, condition(record.spec.condition)
    if own.whole_pool and len(rows["sources"]) != len(known.ids):
        return f"rows.sources: {len(rows['sources'])} rows, and the training pool has {len(known.ids)}; run it again"
    by_hand = made(own, rows["sources"], rows["roles"])
    for source, label, role, made_here in zip(rows["sources"], rows["labels"], rows["roles"], by_hand, strict=True):
        if source not in known.ids:
            return f"rows.sources: {source} is no row of the training pool"
        gold = known.labels[known.ids[source]]
        if role != "u" and not made_here and gold != int(label):
            return f"rows.labels: {label} for row {source}, which the training pool labels {gold}"
    return ""


def _undrawn(record: Record, known: Pool) -> str:
    """Why rows cannot be those that the seed draws: who teaches may pass rows over, and can change no order."""
    spec, rows = record.spec, record.rows
    order, whole = known.order(spec.seed), tracks.keeps_wrong(spec.protocol, spec.track)
    told = f"which the draw of {spec.task}, seed {spec.seed}, does not give there; run it again"
    skipped = taken = 0
    drawn = list(zip(rows["sources"], rows["roles"], strict=True))
    for label in range(int(known.labels.max(initial=0)) + 1):
        mine = [(source, role) for source, role in drawn if known.labels[known.ids[source]] == label]
        places = [(int(order[known.ids[source]]), source) for source, role in mine if role == "o"]
        taken += len(places)
        skipped += places[-1][0] + 1 - len(places) if places else 0
        places += _continued(record, mine, order, known)
        for turn, (place, source) in enumerate(places):
            if (turn and place <= places[turn - 1][0]) or (whole and place != turn):
                return f"rows.sources: {source}, {told}"
    passed = rows["passed_over"]  # of the originals that k gives; a condition may take fewer, or more
    if (skipped > passed and 2 * taken <= spec.k) or (skipped < passed and 2 * taken >= spec.k):
        return f"rows.passed_over: {passed}, and the draw passes over {skipped} before the last original; run it again"
    return ""


def _overspent(record: Record, known: Pool) -> str:
    """Why a record's counts of labels and texts are those of another pool, or too few for what the seed draws."""
    labels, size = record.cost.get("human_labels"), len(known.labels)
    for name in ("human_labels", "unlabelled_texts"):
        if record.cost.get(name, 0) > size:
            return f"cost.{name}: {record.cost[name]!r}, and the training pool has {size} rows"
    if labels is None or reads_no_row(record.spec.method) or (labels == 0 and not record.history):
        return ""
    own = condition(record.spec.condition)
    elsewhere = own.whole_pool or own.needs in ("texts", "entries and texts", "neighbours")
    places = {
        source: (known.place(record.spec.seed, source), elsewhere and role == "p")
        for source, role in zip(record.rows["sources"], record.rows["roles"], strict=True)
        if role != "u"
    }
    reached = max((place for place, chosen in places.values() if not chosen), default=-1) + 1
    least = reached + sum(chosen and place >= reached for place, chosen in places.values())
    return "" if labels >= least else f"cost.human_labels: {labels!r}, and to draw these rows takes {least}"


def _continued(
    record: Record, mine: Sequence[tuple[str, str]], order: NDArray[np.int64], known: Pool
) -> list[tuple[int, str]]:
    """The rows of one class that go on where its originals end, for the conditions of which that is known."""
    own: Condition = condition(record.spec.condition)
    if own.name == "standard":
        return [(int(order[known.ids[source]]), source) for source, role in mine if role == "p"]
    if isinstance(own, Partnered) and type(own).rows is Partnered.rows:
        # those of slots without a counterfactual are taken first, which no record tells
        return sorted((int(order[known.ids[source]]), source) for source, role in mine if role == "s")
    return []
