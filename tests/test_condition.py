"""What each condition makes of the same slots, and the order in which every method and condition sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cod_bench.condition import Condition, Pair, Partnered, Row, TrainingSet, ask
from cod_bench.condition import condition as registered
from cod_bench.counterfactuals.rows import build, describe, paid_entries, unfit
from cod_bench.design.suites import CLAIMED
from cod_bench.errors import UsageError
from cod_bench.generator import Entry
from cod_bench.spec import needs_generator
from cod_bench.split import Draw, Unlabelled
from cod_bench.task import Example
from cod_bench.training.batches import row_batches, slot_batches


def draw(seed: int = 0) -> Draw:
    rows = [Example(f"{label}-{i:03d}", f"text {label} {i}", label) for label in (0, 1) for i in range(80)]
    return Draw(rows, task="t", classes=2, seed=seed, eligible=lambda _: True)


def entries(d: Draw, k: int, invalid: tuple[int, ...] = (), exhausted: tuple[int, ...] = ()) -> list[Entry]:
    made = []
    for slot in d.slots(k):
        text, valid = slot.original.text, slot.index not in invalid
        made.append(
            Entry(
                id=slot.original.id, target=slot.target, first=f"first of {text}", first_flips=slot.index % 2 == 0,
                cfe=f"cfe of {text}" if valid else None,
                random=f"random of {text}" if valid and slot.index not in exhausted else None,
                preserving=f"preserving of {text}" if valid else None,
                edited={"first": 1, **({"cfe": 1, "random": 1, "preserving": 1} if valid else {})},
                words=3, margin=-0.9,
                margins={"first": 0.1, **({"cfe": 0.5, "random": -0.8, "preserving": -0.9} if valid else {})},
                redraws={"random": 0, "preserving": 0}, refused=0, teacher_passes=9,
            )
        )  # fmt: skip
    return made


def made(
    condition: str, k: int = 16, invalid: tuple[int, ...] = (), exhausted: tuple[int, ...] = (), seed: int = 0
) -> TrainingSet:  # fmt: skip
    d = draw(seed)
    pool = entries(d, k, invalid, exhausted) if needs_generator(condition) else None
    return build(d, condition, k, pool)


@pytest.mark.parametrize("condition", CLAIMED)
def test_every_condition_has_the_same_originals_and_its_declared_size(condition: str) -> None:
    training = made(condition)
    assert [pair.original for pair in training.pairs] == [pair.original for pair in made("standard").pairs]
    assert len(training.rows) == (8 if condition == "half" else 16)
    assert Counter(pair.original.label for pair in training.pairs) == {0: 4, 1: 4}


@pytest.mark.parametrize("condition", sorted(set(CLAIMED) - {"half"}))
def test_classes_are_balanced_in_every_condition(condition: str) -> None:
    assert Counter(row.label for row in made(condition).rows) == {0: 8, 1: 8}


def test_partner_labels_follow_the_condition() -> None:
    for condition, flipped in (("cod", True), ("unvalidated", True), ("random", False), ("label-preserving", False)):
        for pair in made(condition).pairs:
            assert pair.partner is not None
            assert (pair.partner.label != pair.original.label) is flipped
            assert pair.partner.source == pair.original.source


def test_standards_partners_are_other_originals_of_the_other_class() -> None:
    training = made("standard")
    originals = {pair.original.source for pair in training.pairs}
    for pair in training.pairs:
        assert pair.partner is not None
        assert pair.partner.label == 1 - pair.original.label
        assert pair.partner.source not in originals
    assert len({row.source for row in training.rows}) == 16


def test_an_invalid_slot_takes_an_unused_original_and_the_same_one_wherever_labels_flip_alike() -> None:
    taken: dict[bool, set[tuple[Row | None, ...]]] = {}
    for name in filter(needs_generator, CLAIMED):
        training, own = made(name, invalid=(2, 5)), registered(name)
        assert isinstance(own, Partnered)
        assert training.substituted == 2
        assert len(training.rows) == 16
        taken.setdefault(own.flips, set()).add(tuple(training.pairs[i].partner for i in (2, 5)))
        valid = [pair.partner.text for i, pair in enumerate(training.pairs) if i not in (2, 5) and pair.partner]
        assert all(" of text" in text for text in valid)
    slots = draw().slots(16)
    for flips, ((one, other),) in ((flips, found) for flips, found in taken.items()):
        for row, slot in ((one, slots[2]), (other, slots[5])):
            assert row is not None
            assert row.role == "substitute"
            assert row.label == (slot.target if flips else slot.original.label)
            assert row.source not in {slot.original.id for slot in slots}


@pytest.mark.parametrize("name", [name for name in CLAIMED if name != "half"])
def test_batches_stay_balanced_where_counterfactuals_of_one_class_are_missing(name: str) -> None:
    """As on CoLA, where the sentences of one class have none: the first version of controls trained on 22 : 10."""
    without = tuple(slot.index for slot in draw().slots(32) if slot.original.label == 0)[:6]
    training = made(name, 32, invalid=without)
    assert training.balance == (16, 16)
    labels = [pair.original.label for pair in training.pairs]
    for batch in slot_batches(16, labels, 4, 8, ("t", 0, 32)):
        assert Counter(row.label for i in batch for row in training.pairs[i].rows) == {0: 4, 1: 4}


def test_an_exhausted_control_takes_an_unused_original_of_its_own_class() -> None:
    training = made("random", exhausted=(3,))
    partner = training.pairs[3].partner
    assert partner is not None
    assert (partner.role, partner.label) == ("substitute", training.pairs[3].original.label)
    assert Counter(row.label for row in training.rows) == {0: 8, 1: 8}


def test_the_conditions_without_generator_never_look_at_a_pool() -> None:
    d = draw()
    for condition in ("half", "standard"):
        assert build(d, condition, 16, entries(d, 16, invalid=(0, 1, 2))).hash == build(d, condition, 16).hash


def test_unknown_conditions_suggest_the_near_miss() -> None:
    with pytest.raises(UsageError, match="did you mean 'cod'"):
        build(draw(), "codd", 16)


@given(st.sampled_from([8, 12, 16, 32, 64]), st.integers(0, 9), st.integers(1, 60))
@settings(deadline=None)
def test_batches_are_balanced_and_cover_every_slot_each_epoch(k: int, seed: int, steps: int) -> None:
    labels = [i % 2 for i in range(k // 2)]
    batches = slot_batches(k // 2, labels, 4, steps, ("t", seed, k))
    assert len(batches) == steps
    for batch in batches:
        assert sum(labels[i] for i in batch) * 2 == len(batch)
    epoch = -(-(k // 2) // 4)
    for start in range(0, steps - epoch + 1, epoch):
        assert sorted(i for batch in batches[start : start + epoch] for i in batch) == list(range(k // 2))


def test_class_counts_and_originals_are_equal_batch_by_batch_in_every_condition() -> None:
    labels = [pair.original.label for pair in made("standard").pairs]
    order = slot_batches(8, labels, 4, 12, ("t", 0, 16))
    seen = set()
    for condition in sorted(set(CLAIMED) - {"half"}):
        pairs = made(condition).pairs
        seen.add(
            tuple(
                (tuple(pairs[i].original.source for i in batch), sum(r.label for i in batch for r in pairs[i].rows))
                for batch in order
            )
        )
    assert len(seen) == 1


def test_the_order_is_keyed_by_task_seed_and_k_alone() -> None:
    labels = [i % 2 for i in range(16)]
    one = slot_batches(16, labels, 4, 8, ("t", 0, 32))
    assert one == slot_batches(16, labels, 4, 8, ("t", 0, 32))
    assert one != slot_batches(16, labels, 4, 8, ("t", 1, 32))
    assert one != slot_batches(16, labels, 4, 8, ("u", 0, 32))


def test_rows_shuffled_singly_split_pairs() -> None:
    batches = row_batches(16, 8, 4, ("t", 0, 16))
    assert sorted(batches[0] + batches[1]) == list(range(16))
    assert any((row ^ 1) not in batch for batch in batches for row in batch)


def test_what_is_recorded_about_rows_holds_no_text() -> None:
    training = made("cod", invalid=(1,))
    told = describe(training)
    assert told["roles"].count("s") == 1
    assert "text" not in str(told)
    pair = training.pairs[0]
    changed = TrainingSet((Pair(replace(pair.original, text="x"), pair.partner), *training.pairs[1:]))
    assert describe(changed)["hash"] != told["hash"]


class Anything(Condition):
    """A stranger's condition, for what the core refuses."""

    name = "anything"
    meaning = "whatever it is told"

    def rows(self, draw: Draw, k: int, given: object) -> TrainingSet:
        return TrainingSet(())


class More(Anything):
    equal_k = False
    needs = "texts"


def altered(place: int, **changes: object) -> TrainingSet:
    """`standard` at k = 16 with one partner changed."""
    pairs = list(made("standard").pairs)
    partner = pairs[place].partner
    assert partner is not None
    pairs[place] = replace(pairs[place], partner=replace(partner, **changes))  # type: ignore[arg-type]
    return TrainingSet(tuple(pairs))


WHOLE = made("standard")
TAKEN = WHOLE.rows[3]
SPARE = draw().row(0, 40)


def all_partners(flip: bool = False) -> TrainingSet:
    """The rows of `standard`, each called a partner: nothing is an original."""
    rows = [replace(row, role="partner", label=1 - row.label if flip else row.label) for row in WHOLE.rows]
    return TrainingSet(tuple(Pair(*rows[at : at + 2]) for at in range(0, 16, 2)))


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (TrainingSet(()), "gave no row"),
        (made("standard", 20), "gave 20 rows; give at most k, or say equal_k = False"),
        (altered(0, role="unlabelled"), "trains on unlabelled texts; say equal_k = False"),
        (TrainingSet(WHOLE.pairs[:1]), "has 1 originals of 2 classes; take as many of each"),
        (TrainingSet(WHOLE.pairs[::-1]), "are not those of the draw's first slots in their order"),
        (TrainingSet(made("standard", seed=1).pairs), "are not those of the draw's first slots in their order"),
        (altered(1, source="elsewhere"), "source 'elsewhere' is no row of the training pool"),
        (altered(1, role="substitute", text="made"), "only the partner of its original may be made"),
        (altered(1, text="made of another row"), "only the partner of its original may be made"),
        (altered(1, text=" "), "is empty; give one with words"),
        (altered(1, label=7), "labels row"),
        (altered(1, slot=4), "numbers pair 1 slot 4; number pairs from 0"),
        (altered(2, label=1 - WHOLE.rows[5].label), "against its gold label"),
        (altered(1, text=TAKEN.text, source=TAKEN.source, label=1 - TAKEN.label), "against its gold label"),
        (altered(0, text=TAKEN.text, source=TAKEN.source, label=TAKEN.label), "of the training pool twice"),
        (
            altered(0, text=f" {SPARE.text.upper()}", source=WHOLE.rows[0].source, label=1 - SPARE.label),
            "of the training pool; draw that, with its gold label",
        ),
        (
            altered(0, text=WHOLE.rows[0].text, source=WHOLE.rows[0].source, label=1 - WHOLE.rows[0].label),
            "of the training pool; draw that, with its gold label",
        ),
        (all_partners(flip=True), "against its gold label"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_rows_that_break_a_rule_are_refused_in_a_sentence(found: TrainingSet, told: str) -> None:
    assert told in unfit(found, Anything(), draw(), 16)


@pytest.mark.parametrize("ids", [1, ("elsewhere",), [WHOLE.rows[0].source]], ids=["count", "stranger", "list"])
def test_rows_looked_up_are_told_by_their_ids(ids: object) -> None:
    told = unfit(replace(WHOLE, looked_up=ids), Anything(), draw(), 16)  # type: ignore[arg-type]
    assert "looked up" in told or "looked_up" in told
    assert unfit(replace(WHOLE, looked_up=(WHOLE.rows[0].source,)), Anything(), draw(), 16) == ""


@pytest.mark.parametrize(
    ("what", "arguments", "answer", "form"),
    [
        ("entries_at", (16,), None, "gave None; return a whole number from 0 on"),
        ("texts_at", (16,), 2.5, "gave 2.5; return a whole number from 0 on"),
        ("texts_beside", (16, 1.0), True, "gave True; return a whole number from 0 on"),
        ("substitutes", (16, 1), None, "gave None; return two whole numbers from 0 on: the fewest and the most"),
        ("paid", (16, ()), ["another"], "return some of the entries it was given"),
        ("faults", ((), 16, 1), None, "gave None; return a sentence, empty where there is no fault"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_answers_of_another_form_are_a_sentence(
    what: str, arguments: tuple[Any, ...], answer: object, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Anything, what, lambda *_: answer, raising=True)
    with pytest.raises(UsageError, match="condition 'anything': ") as told:
        ask(Anything(), what, *arguments)
    assert form in str(told.value)


def test_nothing_is_seen_of_entries_that_are_not_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are chosen blindly, and a condition that needs their texts finds none."""
    d, seen = draw(), []
    given = entries(d, 16)

    def paid(self: object, k: int, entries: Sequence[Entry]) -> Sequence[Entry]:
        seen.extend(entries)
        return entries[1:]

    monkeypatch.setattr(type(registered("cod")), "paid", paid, raising=False)
    found = build(d, "cod", 16, given)
    assert [row.role for row in found.rows[1::2]] == ["substitute"] + ["partner"] * 7
    assert {(one.first, one.cfe, one.random, one.preserving, one.margin) for one in seen} == {("", None, None, None, 0)}
    assert [one.id for one in seen] == [one.id for one in given]
    assert paid_entries(registered("cod"), 16, given) == given[1:]


@pytest.mark.parametrize("reads", [False, True])
def test_the_teachers_verdict_on_first_answers_is_seen_by_those_who_say_so(
    reads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    d = draw()
    own = registered("first-relabelled")
    monkeypatch.setattr(type(own), "reads_verdicts", reads)
    given = [replace(entry, first_flips=True) for entry in entries(d, 16)]
    flipped = [row.label != d.slots(16)[place].original.label for place, row in enumerate(
        build(d, own.name, 16, given).rows[1::2]
    )]  # fmt: skip
    assert flipped == [reads] * 8


def test_made_texts_and_fewer_rows_are_fine() -> None:
    own = altered(1, text="made by hand", source=WHOLE.rows[2].source)
    assert unfit(own, Anything(), draw(), 16) == ""
    assert unfit(TrainingSet(WHOLE.pairs[:4]), Anything(), draw(), 16) == ""
    assert unfit(all_partners(), Anything(), draw(), 16) == ""


def test_unlabelled_texts_are_those_that_were_given_with_the_teachers_class() -> None:
    d = draw()
    text = Unlabelled(SPARE.id, SPARE.text, 1)
    extra = Pair(Row(SPARE.text, 1, 8, "unlabelled", SPARE.id))
    assert unfit(TrainingSet((*WHOLE.pairs, extra)), More(), d, 16, [text]) == ""
    assert "is not what it was given" in unfit(TrainingSet((*WHOLE.pairs, extra)), More(), d, 16)
    other = replace(text, said=0)
    assert "is not what it was given" in unfit(TrainingSet((*WHOLE.pairs, extra)), More(), d, 16, [other])
    assert "give at most k" in unfit(TrainingSet((*WHOLE.pairs, extra)), Anything(), d, 16, [text])


def test_an_entrys_text_may_stand_anywhere_and_even_be_the_original() -> None:
    d = draw()
    first = [replace(entry, first=slot.original.text) for entry, slot in zip(entries(d, 16), d.slots(16), strict=True)]
    assert len(build(d, "unvalidated", 16, first).rows) == 16


@given(st.sampled_from(CLAIMED), st.integers(0, 30), st.sampled_from([4, 8, 16, 32]), st.sets(st.integers(0, 15)))
@settings(deadline=None, max_examples=60)
def test_the_declared_conditions_keep_to_the_rules_wherever_counterfactuals_are_missing(
    name: str, seed: int, k: int, holes: set[int]
) -> None:
    invalid = tuple(sorted(i for i in holes if i < k // 2))
    d = draw(seed)
    training = build(d, name, k, entries(d, k, invalid) if needs_generator(name) else None)
    assert len(training.rows) == (k // 2 if name == "half" else k)
    assert training.substituted == (len(invalid) if needs_generator(name) else 0)
    assert len(set(training.balance)) == 1
    assert build(d, name, k, entries(d, k, invalid) if needs_generator(name) else None) == training
