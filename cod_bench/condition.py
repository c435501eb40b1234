"""(Draw, pool, condition, k) -> training rows: the budget rule and every control. Pure; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cod_bench.errors import unknown
from cod_bench.spec import CONDITIONS, PARTNERS, digest

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Draw, Slot
    from cod_bench.task import Example


@dataclass(frozen=True, slots=True)
class Row:
    """One training row. `source` is the id of the training-pool row it is or was made from."""

    text: str
    label: int
    slot: int
    role: str
    """original | partner (what the condition makes) | substitute (an original in place of an invalid slot's partner)"""
    source: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A slot's original and, except under `half`, its partner."""

    original: Row
    partner: Row | None

    @property
    def rows(self) -> tuple[Row, ...]:
        """The pair's rows, the original first."""
        return (self.original,) if self.partner is None else (self.original, self.partner)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """The pairs of one run in slot order, and what happened on the way."""

    pairs: tuple[Pair, ...]
    substituted: int
    """Slots whose partner is an original, because their counterfactual or control text was not to be had."""
    passed_over: int
    """Rows that the teacher gets wrong, passed over while the originals were drawn: the same in every condition."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, slot by slot."""
        return tuple(row for pair in self.pairs for row in pair.rows)

    @property
    def hash(self) -> str:
        """Digest of texts, labels, slots and roles."""
        return digest([[r.text, r.label, r.slot, r.role] for r in self.rows])


def partner(slot: Slot, entry: Entry, condition: str) -> tuple[str, int] | None:
    """The partner's text and hard label under a condition with a generator; None where the text could not be made."""
    name, flips = PARTNERS[condition]
    text: str | None = getattr(entry, name)
    return None if text is None else (text, slot.target if flips else slot.original.label)


def build(draw: Draw, condition: str, k: int, entries: Sequence[Entry] | None = None) -> TrainingSet:
    """The training rows of one condition at budget k: k/2 slots, each an original and its partner.

    A slot without a valid counterfactual takes the seed's next unused original of the counterfactual's class, in every
    condition that has counterfactuals or follows their sizes, so that these differ only in the valid slots. A control
    text that could not be made (every redraw moved the teacher) is replaced by an unused original of the row's class.

    Raises:
        UsageError: unknown condition, or a budget that cannot be balanced or filled.
    """
    if condition not in CONDITIONS:
        raise unknown("condition", condition, CONDITIONS)
    slots = draw.slots(k)
    originals = [Row(s.original.text, s.original.label, s.index, "original", s.original.id) for s in slots]
    substituted = 0
    if condition == "half":
        partners: list[Row | None] = [None] * len(slots)
    elif condition == "standard":
        partners = [_as_row(row, slot, "partner") for slot, row in zip(slots, draw.partners(k), strict=True)]
    else:
        if entries is None or len(entries) != len(slots):
            raise ValueError(f"condition {condition!r} at k={k} needs {len(slots)} pool entries")
        partners, substituted = _from_pool(draw, condition, k, slots, entries)
    pairs = tuple(Pair(original, partner) for original, partner in zip(originals, partners, strict=True))
    passed = sum(draw.passed_over(label, k // (2 * draw.classes)) for label in range(draw.classes))
    return TrainingSet(pairs, substituted, passed)


def _from_pool(
    draw: Draw, condition: str, k: int, slots: Sequence[Slot], entries: Sequence[Entry]
) -> tuple[list[Row | None], int]:
    invalid = [slot.index for slot, entry in zip(slots, entries, strict=True) if entry.cfe is None]
    spare = draw.substitutes(k, invalid)
    per_class = k // (2 * draw.classes)
    used = [per_class + sum(slots[i].target == label for i in invalid) for label in range(draw.classes)]
    partners: list[Row | None] = []
    exhausted = 0
    for slot, entry in zip(slots, entries, strict=True):
        if slot.index in spare:
            partners.append(_as_row(spare[slot.index], slot, "substitute"))
            continue
        made = partner(slot, entry, condition)
        if made is None:
            label = slot.original.label
            partners.append(_as_row(draw.row(label, used[label]), slot, "substitute"))
            used[label] += 1
            exhausted += 1
            continue
        text, label = made
        partners.append(Row(text, label, slot.index, "partner", slot.original.id))
    return partners, len(invalid) + exhausted


def _as_row(example: Example, slot: Slot, role: str) -> Row:
    return Row(example.text, example.label, slot.index, role, example.id)


def describe(training: TrainingSet) -> dict[str, Any]:
    """What stands in the record about the rows: their hash, sources, labels, roles and counts; no text."""
    labels = [row.label for row in training.rows]
    return {
        "hash": training.hash,
        "sources": [row.source for row in training.rows],
        "balance": [labels.count(label) for label in sorted(set(labels))],
        "labels": "".join(map(str, labels)),
        "roles": "".join(row.role[0] for row in training.rows),
        "substituted": training.substituted,
        "passed_over": training.passed_over,
    }
