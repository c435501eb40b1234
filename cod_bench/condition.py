"""(Draw, k, what the condition needs) -> training rows: how a budget of k labelled rows is spent. Pure; no torch."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from cod_bench import registry
from cod_bench.errors import RunError, UsageError
from cod_bench.spec import digest

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Draw, Slot, Unlabelled
    from cod_bench.task import Example

Role = Literal["original", "partner", "substitute", "unlabelled"]
Needs = Literal["nothing", "entries", "texts"]
Text = Literal["cfe", "first", "random", "preserving"]
"""The texts of a pool entry: the validated counterfactual, the first answer, and the two controls."""
Told = tuple[str, str, str]
"""What a record tells of a row: its source, its label and the first letter of its role."""
Given = Sequence[Any]
"""What a condition needs: pool entries, unlabelled texts, or nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """One training row. `source` is the id of the training-pool row it is or was made from."""

    text: str
    label: int
    slot: int
    role: Role
    """original | partner (what the condition makes or draws) | substitute (an original in place of a partner that was
    not to be had) | unlabelled (a text whose label is what the teacher says of it)"""
    source: str

    @classmethod
    def of(cls, example: Example, slot: int, role: Role = "original") -> Row:
        """A row of the training pool as it is."""
        return cls(example.text, example.label, slot, role, example.id)


@dataclass(frozen=True, slots=True)
class Pair:
    """A slot's original and, except where a condition has none, its partner. A batch never splits it."""

    original: Row
    partner: Row | None = None

    @property
    def rows(self) -> tuple[Row, ...]:
        """The pair's rows, the original first."""
        return (self.original,) if self.partner is None else (self.original, self.partner)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """The pairs of one run in slot order, and what happened on the way."""

    pairs: tuple[Pair, ...]
    passed_over: int = 0
    """Rows that the teacher gets wrong, passed over while the originals were drawn: the same in every condition."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, slot by slot."""
        return tuple(row for pair in self.pairs for row in pair.rows)

    @property
    def substituted(self) -> int:
        """Slots whose partner is an original, because their counterfactual or control text was not to be had."""
        return sum(row.role == "substitute" for row in self.rows)

    @property
    def balance(self) -> tuple[int, ...]:
        """Rows of each class that there is, by class."""
        counts = Counter(row.label for row in self.rows)
        return tuple(counts[label] for label in sorted(counts))

    @property
    def hash(self) -> str:
        """Digest of texts, labels, slots and roles."""
        return digest([[r.text, r.label, r.slot, r.role] for r in self.rows])


class Condition(ABC):
    """A way to spend k labelled rows. One file in `conditions/` that exports an instance as `CONDITION`.

    It draws its rows from the draw and makes nothing but what it is given; what else it draws comes from a stream of
    `cod_bench.stream` named by (purpose, task, seed), never by method or condition.
    """

    name: ClassVar[str]
    """The file's stem, with - for _."""
    version: ClassVar[int] = 1
    """Part of the run id where it is not 1: raise it when the rows change."""
    meaning: ClassVar[str]
    """One line, printed under the tables."""
    needs: ClassVar[Needs] = "nothing"
    """What `rows` is given: nothing; the generator's `entries` of its slots; or unlabelled `texts` of the training pool
    with the teacher's class of each."""
    equal_k: ClassVar[bool] = True
    """Whether it trains on at most k labelled rows and on nothing else; tables say so where it does not."""
    text: ClassVar[Text] = "cfe"
    """Of conditions with entries: which text of an entry it trains on; its edits and margins stand in the record."""
    rewrites: ClassVar[bool] = False
    """Whether it reads label-preserving rewrites, which a generator that costs something makes only when asked to."""

    @abstractmethod
    def rows(self, draw: Draw, k: int, given: Given) -> TrainingSet:
        """The training rows at budget k: a pure function of its arguments.

        Args:
            draw: the rows of (task, seed): `slots(k)` are the k/2 originals, `row(label, place)` any eligible row.
            k: the budget of labelled rows.
            given: what `needs` names, `entries_at(k)` or `texts_at(k)` of them, else empty.
        """

    def entries_at(self, k: int) -> int:
        """How many slots' entries it needs at budget k."""
        return k // 2

    def texts_at(self, k: int) -> int:  # noqa: ARG002 - what a condition overrides
        """How many unlabelled texts it needs at budget k; tables name the number.

        Raises:
            UsageError: it needs texts and does not say how many.
        """
        if self.needs != "texts":
            return 0
        raise UsageError(f"condition {self.name!r} needs texts: say how many by a method texts_at(self, k)")

    def faults(self, rows: Sequence[Told], k: int, version: int) -> str:  # noqa: ARG002 - what a condition overrides
        """Why rows that a record of that version tells of cannot be its own at budget k; empty if they can."""
        if self.equal_k and (len(rows) > k or any(role == "u" for _, _, role in rows)):
            return f"rows.roles: {len(rows)} rows, and {self.name} trains on at most k={k} labelled ones"
        return ""


class Partnered(Condition):
    """A condition whose partner of an original is a text of that original's pool entry.

    A slot whose entry has no counterfactual takes the seed's next unused row instead, and so does one whose own text
    could not be made. Its class is that of the counterfactual where the partner's label flips, so that conditions with
    flips differ in the valid slots alone; where the label is kept it is the original's, so that batches stay balanced.
    """

    needs: ClassVar[Needs] = "entries"
    flips: ClassVar[bool]
    """Whether the partner's hard label is the counterfactual's class, else the original's."""

    def rows(self, draw: Draw, k: int, given: Given) -> TrainingSet:
        """k/2 originals, each with the text of its entry or a substitute."""
        entries: Sequence[Entry] = given
        slots, spare = draw.slots(k), _Spare(draw, k)
        # those without a counterfactual first: conditions whose labels flip alike then take the same rows for them
        without = {slot.index for slot, entry in zip(slots, entries, strict=True) if entry.cfe is None}
        partners = {slot.index: spare.next(self._label(slot), slot) for slot in slots if slot.index in without}
        for slot, entry in zip(slots, entries, strict=True):
            if slot.index not in without:
                text: str | None = getattr(entry, self.text)
                partners[slot.index] = (
                    spare.next(slot.original.label, slot)
                    if text is None
                    else Row(text, self._label(slot), slot.index, "partner", slot.original.id)
                )
        return TrainingSet(tuple(Pair(Row.of(slot.original, slot.index), partners[slot.index]) for slot in slots))

    def _label(self, slot: Slot) -> int:
        return slot.target if self.flips else slot.original.label

    def faults(self, rows: Sequence[Told], k: int, version: int) -> str:
        """Whether there are k rows, each partner made from its original and labelled as the condition has it.

        So must a substitute be labelled; the first version of the controls that keep the label had no such rule.
        """
        return partner_faults(rows, k, made=True, flips=self.flips, substitutes=version == self.version)


class _Spare:
    """The unused rows of a draw beyond the originals of k/2 slots, class by class in its order."""

    def __init__(self, draw: Draw, k: int) -> None:
        self._draw = draw
        self._places = [k // (2 * draw.classes)] * draw.classes

    def next(self, label: int, slot: Slot) -> Row:
        row = Row.of(self._draw.row(label, self._places[label]), slot.index, "substitute")
        self._places[label] += 1
        return row


def partner_faults(rows: Sequence[Told], k: int, *, made: bool, flips: bool, substitutes: bool = True) -> str:
    """Why rows that a record tells of are not k/2 originals with their partners, made or drawn; empty if they are.

    Args:
        made: whether a partner is made from its original, else a row of its own.
        flips: whether its label is another one.
        substitutes: whether a row that stands in for a partner must be labelled as it would be.
    """
    if len(rows) != k:
        return f"rows.roles: {len(rows)} entries, and k={k} gives {k}"
    if not re.fullmatch(r"(o[ps])*", "".join(role for _, _, role in rows)):
        return "rows.roles: must be an original and its partner or substitute in turn"
    for place in range(0, k, 2):
        (source, label, _), (other, turned_to, role) = rows[place : place + 2]
        same, turned = source == other, label != turned_to
        if role == "s" and not substitutes:
            continue
        if role == "p" and same != made:
            return f"rows.sources: the partner in slot {place // 2} is {'' if same else 'not '}made from its original"
        if turned != flips:
            what = "partner" if role == "p" else "substitute"
            return f"rows.labels: the {what} in slot {place // 2} has {'another' if turned else 'the same'} label"
    return ""


def condition(name: str) -> Condition:
    """The condition of that name.

    Raises:
        UsageError: nobody has that name, its module is broken, or it says of itself what cannot be.
    """
    found: Condition = registry.load("condition", name)
    for field, choices in (("needs", get_args(Needs)), ("text", get_args(Text))):
        if (said := getattr(found, field)) not in choices:
            raise UsageError(f"condition {name!r}: {field}={said!r}; choose one of {', '.join(choices)}")
    own = [vars(kind) for kind in type(found).__mro__ if issubclass(kind, Partnered) and kind is not Partnered]
    if own and not all(any(field in kind for kind in own) for field in ("text", "flips")):
        raise UsageError(
            f"condition {name!r}: is Partnered and must say text, one of {', '.join(get_args(Text))}, and flips, True "
            "or False"
        )
    if type(found.version) is not int or found.version < 1:
        raise UsageError(f"condition {name!r}: version={found.version!r}; give a whole number from 1 on")
    if name == "local" or name in registry.names("baseline") or name in registry.names("generator"):
        raise UsageError(f"condition {name!r}: variants of suites would be called alike; rename its file")
    return found


def ask(own: Condition, what: str, *arguments: Any) -> Any:
    """What a condition's method of that name says: whatever a plugin raises is a sentence, to readers too.

    Raises:
        UsageError: it raised something.
    """
    try:
        return getattr(own, what)(*arguments)
    except (UsageError, RunError):
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"condition {own.name!r}: {what} raised {type(error).__name__}: {error}") from error


def given(wanted: Condition, draw: Draw, k: int, entries: Sequence[Entry] = ()) -> Sequence[Entry | Unlabelled]:
    """What a condition is given beside the draw: the generator's entries, or unlabelled texts in the draw's order.

    Raises:
        UsageError: more texts than the pool has.
    """
    if wanted.needs == "entries":
        return entries
    return draw.unlabelled(ask(wanted, "texts_at", k)) if wanted.needs == "texts" else ()


def build(draw: Draw, name: str, k: int, entries: Sequence[Entry] | None = None) -> TrainingSet:
    """The training rows of one condition at budget k, held to the rules that make conditions comparable.

    Raises:
        UsageError: unknown condition, a budget that cannot be balanced or filled, or rows that break a rule.
        ValueError: other entries than the condition needs; whoever calls it hands them in.
    """
    wanted = condition(name)
    draw.slots(k)  # a budget that cannot be balanced or filled is told before the condition looks
    if wanted.needs == "entries" and (entries is None or len(entries) != ask(wanted, "entries_at", k)):
        raise ValueError(f"condition {name!r} at k={k} needs {wanted.entries_at(k)} pool entries")
    handed, equal_k = tuple(given(wanted, draw, k, entries or ())), wanted.equal_k
    found = wanted.rows(draw.apart(), k, handed)  # what it does to its draw is nobody else's
    if not _is_plain(found):
        raise UsageError(
            f"condition {name!r} at k={k}: gave a {type(found).__name__}; give a TrainingSet of Pair of Row"
        )
    if wanted.equal_k is not equal_k:
        raise UsageError(f"condition {name!r} at k={k}: changes equal_k while it makes rows; say it once, in the class")
    told = unfit(found, wanted, draw, k, handed)
    if told:
        raise UsageError(f"condition {name!r} at k={k}: {told}")
    passed = sum(draw.passed_over(label, k // (2 * draw.classes)) for label in range(draw.classes))
    return replace(found, passed_over=passed)


def _is_plain(found: Any) -> bool:
    """Whether rows are of these very types: those of others could show judges and training different rows."""
    return type(found) is TrainingSet and {*map(type, found.pairs)} <= {Pair} and {*map(type, found.rows)} <= {Row}


def unfit(found: TrainingSet, wanted: Condition, draw: Draw, k: int, handed: Sequence[Any] = ()) -> str:
    """Which rule a condition's rows break, with the remedy; empty if none.

    Args:
        handed: what it was given, `Entry` or `Unlabelled` values.
    """
    rows = found.rows
    if not rows:
        return "gave no row; give at least one pair"
    if wanted.equal_k and len(rows) > k:
        return f"gave {len(rows)} rows; give at most k, or say equal_k = False"
    if wanted.equal_k and any(row.role == "unlabelled" for row in rows):
        return "trains on unlabelled texts; say equal_k = False"
    originals = [row.source for row in rows if row.role == "original"]
    if len(originals) % draw.classes:
        return f"has {len(originals)} originals of {draw.classes} classes; take as many of each"
    if originals != [slot.original.id for slot in draw.first_slots(len(originals))]:
        return "its originals are not those of the draw's first slots in their order; take them from draw.slots(k)"
    texts = {text for one in handed if wanted.needs == "entries" for text in made_texts(one)}
    said = {one.id: one.said for one in handed if wanted.needs == "texts"}
    drawn = []
    for place, pair in enumerate(found.pairs):
        for row in pair.rows:
            told = _odd(row, place, draw) or (
                _unmade(row, texts, draw) if _is_made(row, pair, texts) else _undrawn(row, said, draw)
            )
            if told:
                return told
            if not _is_made(row, pair, texts):
                drawn.append(row.source)
    twice = [source for source, times in Counter(drawn).items() if times > 1]
    return f"takes row {twice[0]} of the training pool twice; take each once" if twice else ""


def made_texts(entry: Entry) -> Iterator[str]:
    """The texts of a pool entry that there are."""
    yield from (text for text in (getattr(entry, name) for name in get_args(Text)) if text is not None)


def _is_made(row: Row, pair: Pair, texts: Collection[str]) -> bool:
    """Whether a row is made rather than drawn: a partner of the original that it is made from, or an entry's text."""
    of_its_pair = row is not pair.original and pair.original.role == "original" and row.source == pair.original.source
    return row.role == "partner" and (of_its_pair or row.text in texts)


def _odd(row: Row, place: int, draw: Draw) -> str:
    if draw.find(row.source) is None:
        return f"source {row.source!r} is no row of the training pool; name the row a text is or is made from"
    if not row.text.strip():
        return f"the text of {row.role} {row.source} is empty; give one with words, or another row instead"
    if row.label not in range(draw.classes):
        return f"labels row {row.source} {row.label!r}; give one of the {draw.classes} classes, from 0"
    return "" if row.slot == place else f"numbers pair {place} slot {row.slot}; number pairs from 0 in their order"


def _unmade(row: Row, texts: Collection[str], draw: Draw) -> str:
    """Whether a made text is in truth another row of the pool; a generator may find one by itself."""
    there = draw.with_text(row.text)
    if row.text in texts or there is None:
        return ""
    return f"the text of {row.role} {row.source} is row {there.id} of the training pool; draw that, with its gold label"


def _undrawn(row: Row, said: Mapping[str, int], draw: Draw) -> str:
    """Whether a row that is to be the pool's own is another one, in its text or in its label."""
    pooled = draw.find(row.source)
    if pooled is None or row.text != pooled.text:
        return f"the text of {row.role} {row.source} is not the pool's; only the partner of its original may be made"
    if row.role == "unlabelled":
        fair = said.get(row.source) == row.label
        return "" if fair else f"unlabelled row {row.source}: is not what it was given; take text and class from there"
    if row.label != pooled.label:
        return f"labels row {row.source} {row.label} against its gold label {pooled.label}; keep that"
    return ""


def describe(training: TrainingSet) -> dict[str, Any]:
    """What stands in the record about the rows: their hash, sources, labels, roles and counts; no text."""
    return {
        "hash": training.hash,
        "sources": [row.source for row in training.rows],
        "balance": list(training.balance),
        "labels": "".join(str(row.label) for row in training.rows),
        "roles": "".join(row.role[0] for row in training.rows),
        "substituted": training.substituted,
        "passed_over": training.passed_over,
    }


def version_of(identity: Mapping[str, Any]) -> int:
    """The condition's version that a run's identity tells; the first one is told by silence."""
    told = identity.get("condition_version", 1)
    return told if type(told) is int else 0


def outdated(name: str, identity: Mapping[str, Any]) -> bool:
    """Whether a run is of an earlier version of its condition than the one that is installed here."""
    return name in registry.names("condition") and 0 < version_of(identity) < condition(name).version
