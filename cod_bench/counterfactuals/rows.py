"""(Draw, condition, k, material) -> its training rows, held to the rules that make conditions comparable. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from cod_bench.condition import Both, Condition, Given, Pair, Row, Text, TrainingSet, ask, condition
from cod_bench.errors import UsageError
from cod_bench.split import Neighbours

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Draw, Unlabelled


def build(
    draw: Draw, name: str, k: int, entries: Sequence[Entry] | None = None, *, share: float = 0.0,
    neighbours: Neighbours | None = None,
) -> TrainingSet:  # fmt: skip
    """The training rows of one condition at budget k, held to the rules that make conditions comparable.

    Args:
        entries: the generator's, of as many slots as the condition needs.
        share: texts of the generator's word survey that fall to an entry (`teacher_queries`).
        neighbours: of the texts of the training pool, for conditions that need them.

    Raises:
        UsageError: unknown condition, a budget that cannot be balanced or filled, or rows that break a rule.
        ValueError: other material than the condition needs; whoever calls it hands it in.
    """
    wanted = condition(name)
    if not wanted.whole_pool:
        draw.slots(k)  # a budget that cannot be balanced or filled is told before the condition looks
    elif k:
        raise UsageError(f"condition {name!r} at k={k}: takes the whole training pool, whatever the budget; give k=0")
    if "entries" in wanted.needs and (entries is None or len(entries) != ask(wanted, "entries_at", k)):
        raise ValueError(f"condition {name!r} at k={k} needs {wanted.entries_at(k)} pool entries")
    if wanted.needs == "neighbours" and neighbours is None:
        raise ValueError(f"condition {name!r} needs the neighbours of texts")
    handed, equal_k = _given(wanted, draw, k, tuple(entries or ()), share, neighbours), wanted.equal_k
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


def _given(
    wanted: Condition, draw: Draw, k: int, entries: Sequence[Entry], share: float, neighbours: Neighbours | None
) -> Given:
    """What a condition is given beside the draw; texts in the draw's order."""
    if wanted.needs == "entries":
        return tuple(_shown(wanted, k, entries))
    if wanted.needs == "texts":
        return draw.unlabelled(ask(wanted, "texts_at", k))
    if wanted.needs == "entries and texts":
        texts = draw.unlabelled(ask(wanted, "texts_beside", k, teacher_queries(entries, share)))
        return Both(tuple(_shown(wanted, k, entries)), texts)
    return neighbours if wanted.needs == "neighbours" else ()


def teacher_queries(entries: Sequence[Entry], share: float) -> float:
    """Texts that the teacher was asked about for entries: those of their searches, and of the word survey their share.

    Args:
        share: texts of the survey for each text of the training pool, every one of which might have got an entry.
    """
    return sum(entry.teacher_passes for entry in entries) + share * len(entries)


def searches(wanted: Condition, found: TrainingSet, paid: Sequence[Entry]) -> Sequence[Entry]:
    """Those of the entries that are paid for whose search is: not where only first answers are taken, which come before
    any."""
    if wanted.text != "first":
        return paid
    there = {row.text for row in found.rows if row.role == "partner"}
    return [entry for entry in paid if there & ({*made_texts(entry)} - {entry.first})]


def paid_entries(wanted: Condition, k: int, entries: Sequence[Entry]) -> list[Entry]:
    """Those of its entries whose making a condition pays for; it chooses by place, for it sees nothing of them."""
    blank = [_blank(entry) for entry in entries]
    chosen = ask(wanted, "paid", k, blank)
    return [entry for entry, seen in zip(entries, blank, strict=True) if any(seen is one for one in chosen)]


def _shown(wanted: Condition, k: int, entries: Sequence[Entry]) -> list[Entry]:
    """The entries as the condition sees them: nothing of those that it does not pay for, and of first answers not what
    the teacher says of them unless it pays for that."""
    paid = {id(entry) for entry in paid_entries(wanted, k, entries)}
    unjudged = wanted.text == "first" and not wanted.reads_verdicts
    return [
        _blank(entry) if id(entry) not in paid else replace(entry, first_flips=False, margins={}) if unjudged else entry
        for entry in entries
    ]


def _blank(entry: Entry) -> Entry:
    """An entry that tells its original and nothing else."""
    return replace(
        entry, first="", first_flips=False, cfe=None, random=None, preserving=None, edited={}, margin=0.0, margins={},
        redraws={}, refused=0, teacher_passes=0,
    )  # fmt: skip


def labels_known(draw: Draw, found: TrainingSet, wanted: Condition, beside: Collection[str] = ()) -> int:
    """Rows whose gold label had to be known for these rows.

    Args:
        beside: texts that the condition was given beside the draw.

    Originals and rows drawn like them are the first usable ones of their class: whoever draws them learns the label of
    every row of the draw's order up to the last of them, of those of the other class and of those passed over too.
    Partners that a condition finds elsewhere, and the rows that it looked up in vain, count one each unless they are
    among these.
    """
    own = _chosen(found, wanted, beside)
    reached = max((draw.place(source) for source, chosen in own.items() if not chosen), default=-1) + 1
    elsewhere = {source for source, chosen in own.items() if chosen} | {*found.looked_up}
    return reached + sum(draw.place(source) >= reached for source in elsewhere)


def rows_judged(draw: Draw, found: TrainingSet, wanted: Condition, beside: Collection[str] = ()) -> set[str]:
    """Texts that the teacher was asked about since rows that it gets wrong are passed over: in each class those up to
    the last that was drawn in the draw's order."""
    last: dict[int, int] = {}
    for source, chosen in _chosen(found, wanted, beside).items():
        row = draw.find(source)
        if row is not None and not chosen:
            last[row.label] = max(last.get(row.label, -1), draw.place(source))
    return {row.text for place, row in enumerate(draw.everything()) if place <= last.get(row.label, -1)}


def _chosen(found: TrainingSet, wanted: Condition, beside: Collection[str]) -> dict[str, bool]:
    """Source of each row that has a gold label or is made of one -> whether it was found out of the draw's order."""
    return {
        row.source: row.role == "partner" and (wanted.whole_pool or row.text in beside)
        for row in found.rows
        if row.role != "unlabelled"
    }


def _is_plain(found: Any) -> bool:
    """Whether rows are of these very types: those of others could show judges and training different rows."""
    return type(found) is TrainingSet and {*map(type, found.pairs)} <= {Pair} and {*map(type, found.rows)} <= {Row}


def unfit(found: TrainingSet, wanted: Condition, draw: Draw, k: int, handed: Given = ()) -> str:
    """Which rule a condition's rows break, with the remedy; empty if none.

    Args:
        handed: what it was given.
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
    if type(found.apart) is not bool or type(found.looked_up) is not tuple:
        return "says apart or looked_up otherwise than True or False and a tuple of row ids"
    strange = [one for one in found.looked_up if type(one) is not str or draw.find(one) is None]
    if strange:
        return f"looked up {strange[0]!r}, which is no row of the training pool; name rows by their ids"
    texts = {text for entry in _entries(wanted, handed) for text in made_texts(entry)}
    said = {one.id: one.said for one in _texts(wanted, handed)}
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


def _entries(wanted: Condition, handed: Given) -> Sequence[Entry]:
    both = handed.entries if isinstance(handed, Both) else ()
    found: Sequence[Entry] = handed if wanted.needs == "entries" else both
    return found


def _texts(wanted: Condition, handed: Given) -> Sequence[Unlabelled]:
    both = handed.texts if isinstance(handed, Both) else ()
    found: Sequence[Unlabelled] = handed if wanted.needs == "texts" else both
    return found


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
