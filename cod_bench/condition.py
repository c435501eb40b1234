"""(Draw, k, what the condition needs) -> training rows: how a budget of k labelled rows is spent. Pure; no torch.

Rows are held to the rules that make conditions comparable by `counterfactuals/rows.py`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from cod_bench import registry
from cod_bench.errors import RunError, UsageError
from cod_bench.spec import digest

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Draw, Slot, Unlabelled
    from cod_bench.task import Example

Role = Literal["original", "partner", "substitute", "unlabelled"]
Needs = Literal["nothing", "entries", "texts", "entries and texts", "neighbours"]
Text = Literal["cfe", "first", "random", "preserving"]
"""The texts of a pool entry: the validated counterfactual, the first answer, and the two controls."""
Told = tuple[str, str, str]
"""What a record tells of a row: its source, its label and the first letter of its role."""
Given = Any
"""What a condition needs: pool entries, unlabelled texts, `Both`, `split.Neighbours`, or an empty tuple."""


@dataclass(frozen=True, slots=True)
class Both:
    """The generator's entries of a condition's slots, and as many unlabelled texts as it asks for beside them."""

    entries: Sequence[Entry]
    texts: Sequence[Unlabelled]


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
    apart: bool = False
    """Whether the two rows of a pair must never be in one batch; else they always are."""
    looked_up: tuple[str, ...] = ()
    """Ids of rows whose gold label was asked for and that are not trained on."""

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
    short: ClassVar[str] = ""
    """What figures call it, in a few words; its name if empty, and what it inherits does not count."""
    needs: ClassVar[Needs] = "nothing"
    """What `rows` is given: nothing; the generator's `entries` of its slots; unlabelled `texts` of the training pool
    with the teacher's class of each; `Both` of these; or the `neighbours` of any text in the pool."""
    equal_k: ClassVar[bool] = True
    """Whether it trains on at most k labelled rows and on nothing else; tables say so where it does not."""
    text: ClassVar[Text] = "cfe"
    """Of conditions with entries: which text of an entry it trains on; its edits and margins stand in the record."""
    reads_verdicts: ClassVar[bool] = False
    """Of conditions that take first answers: whether they read what the teacher says of these, a query each; they see
    nothing of it otherwise."""
    rewrites: ClassVar[bool] = False
    """Whether it reads label-preserving rewrites, which a generator that costs something makes only when asked to."""
    parameters: ClassVar[str] = ""
    """Of a condition that wants the suite's generator with other parameters: what follows its name and `_`."""
    whole_pool: ClassVar[bool] = False
    """Whether it takes every row of the training pool, whatever the budget, which is then 0: a ceiling."""

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

    def paid(self, k: int, entries: Sequence[Entry]) -> Sequence[Entry]:  # noqa: ARG002 - what a condition overrides
        """Those of its entries whose making it costs: all, unless it only counts them or passes some over.

        It chooses among entries that tell nothing, and `rows` is shown nothing of the others.
        """
        return entries

    def texts_beside(self, k: int, queries: float) -> int:  # noqa: ARG002 - what a condition overrides
        """How many unlabelled texts it needs beside entries whose making asked the teacher about so many texts.

        Raises:
            UsageError: it needs both and does not say how many.
        """
        raise UsageError(
            f"condition {self.name!r} needs entries and texts: say how many by a method texts_beside(self, k, queries)"
        )

    def substitutes(self, k: int, lacking: int) -> tuple[int, int]:  # noqa: ARG002 - what a condition overrides
        """The fewest and the most substitutes that it may take where so many of its entries lack its text."""
        return 0, k

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
        slots, spare = draw.slots(k), Spare(draw, k)
        # those that are not filled first: conditions whose labels flip alike then take the same rows for them
        without = {slot.index for slot, entry in zip(slots, entries, strict=True) if not self.fills(slot, entry)}
        partners = {slot.index: spare.next(self._label(slot), slot) for slot in slots if slot.index in without}
        for slot, entry in zip(slots, entries, strict=True):
            if slot.index not in without:
                text = self.made(slot, entry)
                partners[slot.index] = (
                    spare.next(self._label(slot), slot)
                    if text is None
                    else Row(text, self.label(slot, entry), slot.index, "partner", slot.original.id)
                )
        return TrainingSet(tuple(Pair(Row.of(slot.original, slot.index), partners[slot.index]) for slot in slots))

    def fills(self, slot: Slot, entry: Entry) -> bool:  # noqa: ARG002 - for those that ask for another text
        """Whether the slot may have a text of its entry: one without a counterfactual has none, in any condition."""
        return entry.cfe is not None

    def made(self, slot: Slot, entry: Entry) -> str | None:  # noqa: ARG002 - for those that make their own of it
        """The partner's text; None where the entry gives none."""
        text: str | None = getattr(entry, self.text)
        return text

    def substitutes(self, k: int, lacking: int) -> tuple[int, int]:
        """One for each entry that lacks the text, and for others too where it makes a text of its own of these."""
        own = type(self).made is not Partnered.made
        return lacking, max(lacking, k // 2) if own else lacking

    def label(self, slot: Slot, entry: Entry) -> int:  # noqa: ARG002 - for those whose label depends on it
        """The partner's hard label."""
        return self._label(slot)

    def _label(self, slot: Slot) -> int:
        return slot.target if self.flips else slot.original.label

    def faults(self, rows: Sequence[Told], k: int, version: int) -> str:
        """Whether there are k rows, each partner made from its original and labelled as the condition has it.

        So must a substitute be labelled; the first version of the controls that keep the label had no such rule.
        """
        return partner_faults(rows, k, made=True, flips=self.flips, substitutes=version == self.version)


class Spare:
    """The unused rows of a draw beyond the originals of k/2 slots, class by class in its order."""

    def __init__(self, draw: Draw, k: int) -> None:
        self._draw = draw
        self._places = [k // (2 * draw.classes)] * draw.classes

    def next(self, label: int, slot: Slot) -> Row:
        """The next one of a class, as a substitute in that slot."""
        row = Row.of(self._draw.row(label, self._places[label]), slot.index, "substitute")
        self._places[label] += 1
        return row


def pseudo_labelled(texts: Sequence[Unlabelled], classes: int, first: int) -> list[Pair]:
    """Unlabelled texts under the teacher's classes, in slots from `first` on.

    Two of different classes stand beside each other as far as there are such, the classes in front by turns, so that
    batches are as balanced as the teacher's verdicts allow; what is left over stands alone.
    """
    columns = [[text for text in texts if text.said == label] for label in range(classes)]
    found: list[tuple[Unlabelled, ...]] = []
    turn = 0
    while sum(map(bool, columns)) > 1:
        turn += 1
        there = [column for column in columns[turn % classes :] + columns[: turn % classes] if column]
        found.append((there[0].pop(0), there[1].pop(0)))
    found += [(text,) for column in columns for text in column]
    rows = [
        [Row(text.text, text.said, slot, "unlabelled", text.id) for text in pair]
        for slot, pair in enumerate(found, first)
    ]
    return [Pair(*pair) for pair in rows]


def partner_faults(rows: Sequence[Told], k: int, *, made: bool, flips: bool | None, substitutes: bool = True) -> str:
    """Why rows that a record tells of are not k/2 originals with their partners, made or drawn; empty if they are.

    Args:
        made: whether a partner is made from its original, else a row of its own.
        flips: whether its label is another one; None where it may be either.
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
        if flips is not None and turned != flips:
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
        UsageError: it raised something, or answered in another form than it must.
    """
    fits, form = _ANSWERS[what]
    try:
        found = getattr(own, what)(*arguments)
        right = fits(found, arguments)
    except (UsageError, RunError):
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"condition {own.name!r}: {what} raised {type(error).__name__}: {error}") from error
    if not right:
        told = repr(found) if type(found) in (int, float, bool, str, tuple, type(None)) else f"a {type(found).__name__}"
        raise UsageError(f"condition {own.name!r}: {what} gave {told[:60]}; return {form}")
    return found


def _is_count(found: Any, _: Sequence[Any]) -> bool:
    return type(found) is int and found >= 0


_ANSWERS: Mapping[str, tuple[Callable[[Any, Sequence[Any]], bool], str]] = {
    "entries_at": (_is_count, "a whole number from 0 on"),
    "texts_at": (_is_count, "a whole number from 0 on"),
    "texts_beside": (_is_count, "a whole number from 0 on"),
    "substitutes": (
        lambda found, _: type(found) is tuple and [*map(type, found)] == [int, int] and 0 <= found[0] <= found[1],
        "two whole numbers from 0 on: the fewest and the most",
    ),
    "paid": (
        lambda found, asked: type(found) in (list, tuple) and all(any(one is own for own in asked[1]) for one in found),
        "some of the entries it was given",
    ),
    "faults": (lambda found, _: type(found) is str, "a sentence, empty where there is no fault"),
}
"""Method -> whether an answer has the form that it must have, given what was asked, and that form in words."""


def version_of(identity: Mapping[str, Any]) -> int:
    """The condition's version that a run's identity tells; the first one is told by silence."""
    told = identity.get("condition_version", 1)
    return told if type(told) is int else 0


def outdated(name: str, identity: Mapping[str, Any]) -> bool:
    """Whether a run is of an earlier version of its condition than the one that is installed here."""
    return name in registry.names("condition") and 0 < version_of(identity) < condition(name).version
