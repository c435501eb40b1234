"""Runs -> the counterfactuals they need: how many and at what price, bought many at once, made into pools. No torch."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cod_bench import registry
from cod_bench.condition import ask, condition
from cod_bench.design import tracks
from cod_bench.errors import UsageError
from cod_bench.generator import Answer, Ask, Bill, Query, Terms
from cod_bench.spec import RunSpec, base_name

if TYPE_CHECKING:
    from cod_bench.counterfactuals.pairs import Pair
    from cod_bench.generator import Bought
    from cod_bench.split import Draw, Slot

Confirm = Callable[[Sequence[Bill]], None]
"""Called with what is to be bought before the first request; raises if that is not wanted."""


@dataclass(frozen=True, slots=True)
class Need:
    """The pool entries that the runs of one (track, task, generator, seed) need."""

    track: str
    task: str
    generator: str
    seed: int
    kept_wrong: bool
    """Whether the protocol keeps rows that the teacher gets wrong: other originals."""
    k: int
    """The largest budget; smaller ones need a part of its entries."""
    preserving: int
    """The largest budget with the label-preserving control; 0 without one."""


@dataclass(frozen=True, slots=True)
class Made:
    """One need's pool, once it is there."""

    need: Need
    slots: int
    valid: int
    first_flips: int


@dataclass(frozen=True, slots=True)
class Case:
    """One original and what a generator made of it."""

    slot: Slot
    answer: Answer
    cfe: str | None
    """What the pool takes of it: the first attempt that flips the teacher and is near no evaluation row."""
    seconds: float
    """The generator's time for it, waiting for a paid source included, whenever that was."""


def needs(specs: Iterable[RunSpec]) -> list[Need]:
    """What the pools of these runs must hold, one need per (track, task, generator, seed, kind of draw)."""
    found: dict[tuple[Any, ...], Need] = {}
    for spec in specs:
        if spec.generator:
            kept_wrong = tracks.keeps_wrong(spec.protocol, spec.track)
            key = (spec.track, spec.task, spec.generator, spec.seed, kept_wrong)
            before = found.get(key, Need(*key, 0, 0))
            wanted = condition(spec.condition)
            reach = 2 * ask(wanted, "entries_at", spec.k)
            rewritten = reach if wanted.rewrites else 0
            found[key] = replace(before, k=max(before.k, reach), preserving=max(before.preserving, rewritten))
    return list(found.values())


def forecast(specs: Iterable[RunSpec]) -> dict[str, Bill]:
    """What the counterfactuals of these runs cost if none is there yet, by generator; loads no data and no weights."""
    texts: dict[tuple[str, str], list[int]] = {}
    for need in needs(specs):
        counts = texts.setdefault((need.generator, need.task), [0, 0])
        counts[0] += need.k // 2
        counts[1] += need.preserving // 2
    bills: dict[str, list[Bill]] = {}
    for (name, task), (edits, rewrites) in texts.items():
        bill = registry.load("generator", name).forecast(registry.load("task", base_name(task)), edits, rewrites)
        if bill is not None:
            bills.setdefault(name, []).append(bill)
    return {name: total(found) for name, found in bills.items()}


def total(bills: Sequence[Bill]) -> Bill:
    """The sum of bills of one generator; dollars are None if one of them is."""
    return Bill(
        texts=sum(bill.texts for bill in bills),
        least=sum(bill.least for bill in bills),
        most=sum(bill.most for bill in bills),
        requests=sum(bill.requests for bill in bills),
        prompt_tokens=sum(bill.prompt_tokens for bill in bills),
        completion_tokens=sum(bill.completion_tokens for bill in bills),
        dollars=_sum(bill.dollars for bill in bills),
        batch_dollars=_sum(bill.batch_dollars for bill in bills),
        basis=bills[0].basis,
        seconds=sum(bill.seconds for bill in bills),
    )


def _sum(values: Iterable[float | None]) -> float | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known) if len(known) == len(found) else None


def told(bill: Bill) -> str:
    """A bill in a line."""
    money = "no price known"
    if bill.dollars is not None and bill.batch_dollars is not None:
        money = f"about ${bill.dollars:.2f}, ${bill.batch_dollars:.2f} with --batch"
    return (
        f"{bill.texts:,} texts, {bill.least:,} to {bill.most:,} requests, about {bill.requests:,.0f}; "
        f"{_tokens(bill.prompt_tokens)} tokens in, {_tokens(bill.completion_tokens)} out; {_time(bill.seconds)} of the "
        f"model's time one by one; {money} ({bill.basis})"
    )


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def _tokens(count: float) -> str:
    return f"{count / 1e6:.1f} M" if count >= 1e5 else f"{count / 1e3:.1f} k"


def generate(found: Sequence[Need], terms: Terms, confirm: Confirm) -> list[Made]:
    """Buy what these needs lack, after one confirmation, and make their pools.

    Counterfactuals come first; label-preserving rewrites depend on them and have a bill of their own.

    Raises:
        UsageError, RunError: not confirmed, or it cannot be had; what came before is kept.
    """
    for name in dict.fromkeys(need.generator for need in found):
        registry.load("generator", name).reach({need.task for need in found if need.generator == name})
    terms = _buy(found, terms, confirm, preserving=False)
    made = [_make(need) for need in found]
    rewritten = [replace(need, k=need.preserving) for need in found if need.preserving]
    _buy(rewritten, terms, confirm, preserving=True)
    for need in rewritten:
        _entries(need, preserving=True)
    return made


def _buy(found: Sequence[Need], terms: Terms, confirm: Confirm, *, preserving: bool) -> Terms:
    """Buy what the entries of these needs ask for; returns the terms with what is left of the budget."""
    from cod_bench.counterfactuals import warm

    asks: dict[tuple[str, str, str], list[Ask]] = {}
    for need in found:
        pool, draw = warm.pool(need.track, need.task, need.generator), _draw(need)
        if not pool.generator.costly or pool.complete(draw, need.k, kept_wrong=need.kept_wrong, preserving=preserving):
            continue
        group = asks.setdefault((need.track, need.task, need.generator), [])
        for slot, cfe in _wanted(need, draw, preserving=preserving):
            group.append(Ask(Query(slot.original, slot.target, pool.corpus.task), cfe))
    return buy(asks, terms, confirm)


def _wanted(need: Need, draw: Draw, *, preserving: bool) -> list[tuple[Slot, str | None]]:
    from cod_bench.store import blocks

    slots = draw.first_slots(max(end for _, end in blocks(need.k // 2)))
    if not preserving:
        return [(slot, None) for slot in slots]
    entries = _entries(replace(need, k=2 * len(slots)), preserving=False)
    return [(slot, entry.cfe) for slot, entry in zip(slots, entries, strict=True) if entry.cfe is not None]


def buy(asks: Mapping[tuple[str, str, str], Sequence[Ask]], terms: Terms, confirm: Confirm) -> Terms:
    """Buy what is still to be bought for asks by (track, task, generator), after one confirmation.

    Returns:
        The terms with what is left of the budget.
    """
    from cod_bench.counterfactuals import warm

    bills = []
    for (track, task, name), group in asks.items():
        bill = registry.load("generator", name).quote(group, warm.teacher(track, task))
        if bill is not None and bill.least:
            bills.append(bill)
    if not bills:
        return terms
    confirm(bills)
    for (track, task, name), group in asks.items():
        terms.tell(f"{task} by {name}: {len(group)} texts")
        bought = registry.load("generator", name).gather(group, warm.teacher(track, task), terms)
        terms = _less(terms, bought)
    return terms


def _less(terms: Terms, bought: Bought | None) -> Terms:
    if bought is None:
        return terms
    return replace(
        terms,
        requests=None if terms.requests is None else max(0, terms.requests - bought.requests),
        dollars=None if terms.dollars is None else max(0.0, terms.dollars - (bought.dollars or 0.0)),
    )


def _draw(need: Need) -> Draw:
    from cod_bench.counterfactuals import warm

    return warm.draw(need.track, need.task, need.seed, need.kept_wrong)


def _entries(need: Need, *, preserving: bool) -> list[Any]:
    from cod_bench.counterfactuals import warm

    pool = warm.pool(need.track, need.task, need.generator)
    return list(pool.entries(_draw(need), need.k, kept_wrong=need.kept_wrong, preserving=preserving))


def _make(need: Need) -> Made:
    entries = _entries(need, preserving=False)
    valid = sum(entry.cfe is not None for entry in entries)
    return Made(need, len(entries), valid, sum(entry.first_flips for entry in entries))


def exported(found: Iterable[Need]) -> list[Pair]:
    """The valid counterfactuals of pools that are there, each text once, as pairs to publish or replay."""
    from cod_bench.counterfactuals.pairs import Pair

    pairs: dict[tuple[str, str, int], Pair] = {}
    for need in found:
        entries = _entries(need, preserving=False)
        rewritten = _entries(replace(need, k=need.preserving), preserving=True) if need.preserving else []
        slots = _draw(need).first_slots(len(entries))
        for i, (slot, entry) in enumerate(zip(slots, entries, strict=True)):
            if entry.cfe is not None:
                kept = rewritten[i].preserving if i < len(rewritten) else entry.preserving
                pair = Pair(slot.original.text, entry.cfe, slot.target, slot.original.label, kept)
                pairs.setdefault((need.task, slot.original.text, slot.target), pair)
    return list(pairs.values())


def slots_known(
    track: str, task: str, seed: int, count: int, generators: Sequence[str], *, dev: bool = False
) -> list[Slot]:
    """The first `count` slots of a draw whose originals every one of the generators can answer for, or all there are.

    Args:
        dev: draw from the dev split, which no run trains on.

    Raises:
        UsageError: there is none.
    """
    from cod_bench.counterfactuals import warm

    draw = warm.draw(track, task, seed, False, dev) if dev else warm.draw(track, task, seed, False)
    asked = [registry.load("generator", name) for name in generators]
    found: list[Slot] = []
    known = (slot for slot in draw.every_slot() if all(maker.knows(slot.original.text) for maker in asked))
    with contextlib.suppress(UsageError):  # a class has no more rows
        for slot in itertools.islice(known, count):
            found.append(slot)  # noqa: PERF402 - what came before the end is kept
    if not found:
        raise UsageError(
            f"task {task!r}: none of its texts is known to {', '.join(generators)}; name other texts or pairs"
        )
    return found


def buy_cases(
    track: str, task: str, names: Sequence[str], slots: Sequence[Slot], terms: Terms, confirm: Confirm
) -> None:
    """Buy what the costly ones of these generators lack for the slots: one confirmation and one budget for all."""
    from cod_bench.counterfactuals import warm

    pools = {name: warm.pool(track, task, name) for name in names}
    asks = {
        (track, task, name): [Ask(Query(slot.original, slot.target, pool.corpus.task)) for slot in slots]
        for name, pool in pools.items()
        if pool.generator.costly
    }
    buy(asks, terms, confirm)


def cases(track: str, task: str, name: str, slots: Sequence[Slot]) -> list[Case]:
    """What a generator makes of these slots, timed; what a costly one lacks is bought by `buy_cases` before."""
    from cod_bench.counterfactuals import warm

    pool = warm.pool(track, task, name)
    pool.state()  # prepared once per (task, teacher), so not part of any text's time
    found = []
    for slot in slots:
        begun = time.perf_counter()
        answer, cfe, _ = pool.answer(slot)
        seconds = time.perf_counter() - begun + (answer.bought.seconds if answer.bought else 0.0)
        found.append(Case(slot, answer, cfe, seconds))
    return found


def of_pairs(track: str, task: str, pairs: Sequence[Any]) -> list[Case]:
    """Cases of a file of pairs, judged by the teacher as they stand, whichever split their originals belong to.

    Pairs without a label of the original take the task's other class; needs two classes then.
    """
    from cod_bench.counterfactuals import warm
    from cod_bench.split import Slot
    from cod_bench.task import Example

    judge, classes = warm.teacher(track, task), len(warm.corpus(task).task.classes)
    found = []
    for i, pair in enumerate(pairs):
        label = 1 - pair.target if pair.label is None and classes == 2 else pair.label
        if label is None or max(label, pair.target) >= classes:
            raise UsageError(
                f"--pairs: pair {i + 1} has a label that task {task!r} has not; its classes are 0..{classes - 1}"
            )
        flips = judge.predict(pair.counterfactual) == pair.target and pair.counterfactual != pair.original
        slot = Slot(i, Example(str(i), pair.original, label), pair.target)
        answer = Answer(pair.counterfactual, (pair.counterfactual,), 1)
        found.append(Case(slot, answer, pair.counterfactual if flips else None, 0.0))
    return found
