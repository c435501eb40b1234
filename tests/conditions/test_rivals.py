"""The rivals and controls that tell why counterfactuals work: what each row is, and which rows none of them has."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cod_bench.condition import Told, TrainingSet
from cod_bench.condition import condition as registered
from cod_bench.counterfactuals import warm
from cod_bench.counterfactuals.pool import summary
from cod_bench.counterfactuals.rows import build, describe, labels_known, rows_judged, teacher_queries
from cod_bench.design.suites import CLAIMED, CONDITIONS
from cod_bench.errors import UsageError
from cod_bench.generator import Entry
from cod_bench.spec import RunSpec, generator_for, needs_generator
from cod_bench.split import Draw, Neighbours
from cod_bench.task import Example
from cod_bench.training.batches import batches_of, slot_batches
from tests.test_condition import entries as partners

NEW = CONDITIONS[len(CLAIMED) :]
PER_CLASS = 400
WRONG = 5
"""The teacher gets every fifth row of a class wrong."""
SHARE = 0.25


def number(text: str) -> int:
    return int(text.split()[2])


def says(text: str) -> tuple[int, float]:
    """A teacher that is wrong on every fifth row of a class, and the surer of a row the higher its number."""
    label, place = int(text.split()[1]), number(text)
    return (1 - label if place % WRONG == label else label), 0.5 + place / 1000


POOL = [Example(f"{label}-{i:03d}", f"text {label} {i}", label) for label in (0, 1) for i in range(PER_CLASS)]
TEXTS = {row.text for row in POOL}


def draw(seed: int = 0) -> Draw:
    return Draw(
        POOL, task="t", classes=2, seed=seed, says=says, eligible=lambda row: says(row.text)[0] == row.label,
    )  # fmt: skip


def entries(d: Draw, slots: int, invalid: Sequence[int] = ()) -> list[Entry]:
    return [
        replace(one, first_flips=one.first_flips and one.cfe is not None)
        for one in partners(d, 2 * slots, tuple(i for i in invalid if i < slots))
    ]


def neighbours() -> Neighbours:
    """Rows are the nearer the less their numbers differ."""

    def nearest(text: str) -> list[int]:
        return sorted(range(len(POOL)), key=lambda place: (abs(number(POOL[place].text) - number(text)), place))

    return Neighbours(POOL, nearest, says)


def same(one: Entry) -> Entry:
    return one


def made(
    name: str, k: int = 16, invalid: Sequence[int] = (), seed: int = 0, change: Callable[[Entry], Entry] = same
) -> TrainingSet:
    d, own = draw(seed), registered(name)
    given = [change(one) for one in entries(d, own.entries_at(k), invalid)] if needs_generator(name) else None
    near = neighbours() if own.needs == "neighbours" else None
    return build(d, name, 0 if own.whole_pool else k, given, share=SHARE, neighbours=near)


def told(training: TrainingSet) -> list[Told]:
    rows = describe(training)
    return list(zip(rows["sources"], rows["labels"], rows["roles"], strict=True))


def budget(name: str, k: int = 16) -> int:
    return 0 if registered(name).whole_pool else k


# What each row is


def test_split_pairs_has_the_rows_of_cod_and_keeps_them_apart() -> None:
    own, cod = made("split-pairs", invalid=(2,)), made("cod", invalid=(2,))
    assert own.apart
    assert not cod.apart
    assert own.rows == cod.rows


@pytest.mark.parametrize("name", ["near", "far"])
def test_near_and_far_are_cod_with_other_counterfactuals(name: str) -> None:
    assert made(name, invalid=(1,)).rows == made("cod", invalid=(1,)).rows
    assert generator_for(name, "substitution") == f"substitution_{name}"
    with pytest.raises(UsageError, match=f"name one that ends in '_{name}'"):
        RunSpec("last", "toy", "toy", "kd", name, "substitution", 8, 0)


def test_shuffled_has_counterfactuals_of_originals_that_are_not_there() -> None:
    training, slots = made("shuffled"), draw().first_slots(16)
    for place, pair in enumerate(training.pairs):
        other = slots[8 + place]
        assert pair.partner is not None
        assert pair.original.source == slots[place].original.id
        assert (pair.partner.source, pair.partner.text) == (other.original.id, f"cfe of {other.original.text}")
        assert pair.partner.label == other.target == 1 - pair.original.label
    assert len({row.source for row in training.rows}) == 16


def test_shuffled_takes_substitutes_for_holes_of_the_others_alone() -> None:
    assert made("shuffled", invalid=(0, 3)).rows == made("shuffled").rows
    holes = made("shuffled", invalid=(8, 13))
    assert [place for place, pair in enumerate(holes.pairs) if pair.rows[1].role == "substitute"] == [0, 5]
    assert holes.balance == (8, 8)
    drawn = {slot.original.id for slot in draw().first_slots(16)}
    assert not drawn & {row.source for row in holes.rows if row.role == "substitute"}


def test_cfe_only_has_a_counterfactual_a_row_and_no_original() -> None:
    training, slots = made("cfe-only", invalid=(3,)), draw().first_slots(16)
    for place, (row, slot) in enumerate(zip(training.rows, slots, strict=True)):
        assert row.label == slot.target
        assert row.slot == place // 2
        if place == 3:
            assert row.role == "substitute"
            assert row.source not in {one.original.id for one in slots}
        else:
            assert (row.role, row.source, row.text) == ("partner", slot.original.id, f"cfe of {slot.original.text}")
    assert training.balance == (8, 8)


def test_words_only_is_the_words_that_are_put_in() -> None:
    def longer(one: Entry) -> Entry:
        words = draw().find(one.id).text.split()  # type: ignore[union-attr]
        return replace(one, cfe=" ".join(["truly", *words[:-1], "dull"]))

    training = made("words-only", change=longer)
    assert {pair.rows[1].text for pair in training.pairs} == {"truly dull"}
    assert all(pair.rows[1].label == 1 - pair.original.label for pair in training.pairs)
    assert all(pair.rows[1].source == pair.original.source for pair in training.pairs)


def test_words_only_takes_a_substitute_where_words_are_only_taken_away() -> None:
    def shorter(one: Entry) -> Entry:
        found = draw().find(one.id)
        assert found is not None
        return replace(one, cfe=" ".join(found.text.split()[1:])) if one.cfe and one.first_flips else one

    training = made("words-only", invalid=(1,), change=shorter)
    assert [pair.rows[1].role[0] for pair in training.pairs] == list("ssspspsp")
    assert training.balance == (8, 8)


def test_first_relabelled_has_the_class_that_the_teacher_gives() -> None:
    training = made("first-relabelled", invalid=(4,))
    for place, (pair, one) in enumerate(zip(training.pairs, entries(draw(), 8, (4,)), strict=True)):
        partner = pair.rows[1]
        if place == 4:
            assert (partner.role, partner.label) == ("substitute", 1 - pair.original.label)
        else:
            assert partner.text == one.first
            assert partner.label == (1 - pair.original.label if one.first_flips else pair.original.label)
    assert [row.text for row in made("first-relabelled").rows] == [row.text for row in made("unvalidated").rows]


@pytest.mark.parametrize("k", [8, 16, 32])
def test_teacher_labelled_has_as_many_texts_as_the_counterfactuals_asked_about(k: int) -> None:
    training, own = made("teacher-labelled", k), entries(draw(), k // 2)
    n = math.ceil(teacher_queries(own, SHARE))
    assert n == math.ceil((k // 2) * (9 + SHARE))
    assert len(training.rows) == k + n
    assert training.rows[:k] == made("standard", k).rows
    alone = made("teacher-only", k)
    assert [row.text for row in alone.rows] == [row.text for row in training.rows[k:]]
    for row in alone.rows:
        assert row.role == "unlabelled"
        assert row.label == says(row.text)[0]
    assert {row.source for row in alone.rows} == {one.id for one in draw().unlabelled(n)}
    wrong = [row for row in alone.rows if row.label != int(row.text.split()[1])]
    assert wrong, "labels are the teacher's, right or wrong"


def test_texts_of_two_classes_stand_beside_each_other_while_there_are_such() -> None:
    pairs = made("teacher-only", 32).pairs
    counts = Counter(row.label for pair in pairs for row in pair.rows)
    both = [pair for pair in pairs if pair.partner]
    assert len(both) == min(counts.values())
    assert all(pair.original.label != pair.rows[1].label for pair in both)
    front = Counter(pair.original.label for pair in both)
    assert abs(front[0] - front[1]) <= 1


def test_nearest_unlike_takes_the_nearest_right_row_of_the_other_class() -> None:
    training, used = made("nearest-unlike"), {slot.original.id for slot in draw().slots(16)}
    for pair in training.pairs:
        partner, here = pair.rows[1], number(pair.original.text)
        assert partner.label == 1 - pair.original.label == says(partner.text)[0]
        free = [row for row in POOL if row.label == partner.label == says(row.text)[0] and row.id not in used]
        assert abs(number(partner.text) - here) == min(abs(number(row.text) - here) for row in free)
        used.add(partner.source)
    assert len({row.source for row in training.rows}) == 16


def test_nearest_unlike_asks_no_further_than_it_must_and_counts_what_it_looked_up() -> None:
    in_vain = []
    for seed in range(6):
        near = neighbours()
        training = build(draw(seed), "nearest-unlike", 16, neighbours=near)
        assert 8 <= len(near.asked) < 100
        looked = set()
        for pair in training.pairs:
            for one in neighbours().of(pair.original.text):
                if one.id == pair.rows[1].source:
                    break
                if one.said == pair.rows[1].label and int(one.text.split()[1]) != one.said:
                    looked.add(one.id)
        assert sorted(training.looked_up) == sorted(looked)
        in_vain.append(len(looked))
    assert max(in_vain) > 0


def test_least_margin_takes_the_least_sure_of_each_class() -> None:
    training, looked_at = made("least-margin", 8), draw().unlabelled(41 * 8)
    assert training.balance == (4, 4)
    in_vain: set[str] = set()
    for label in (0, 1):
        said = sorted((one for one in looked_at if one.said == label), key=lambda one: one.sure)
        right = [one for one in said if int(one.text.split()[1]) == label][:4]
        assert {one.id for one in right} == {row.source for row in training.rows if row.label == label}
        in_vain |= {one.id for one in said[: said.index(right[-1])]} - {one.id for one in right}
    assert {*training.looked_up} == in_vain
    assert [pair.original.label for pair in training.pairs] == [0, 1, 0, 1]
    assert all(pair.original.label != pair.rows[1].label for pair in training.pairs)


def test_whole_pool_is_every_row_once_under_its_gold_label_at_no_budget() -> None:
    training = made("whole-pool")
    assert sorted((row.source, row.label) for row in training.rows) == sorted((row.id, row.label) for row in POOL)
    with pytest.raises(UsageError, match="takes the whole training pool, whatever the budget; give k=0"):
        build(draw(), "whole-pool", 8)
    with pytest.raises(UsageError, match="k=0: must be a multiple"):
        build(draw(), "standard", 0)


# Of all of them


@given(st.sampled_from(NEW), st.integers(0, 20), st.sampled_from([4, 8, 16]), st.sets(st.integers(0, 15), max_size=8))
@settings(deadline=None, max_examples=60)
def test_they_keep_to_the_rules_wherever_counterfactuals_are_missing(
    name: str, seed: int, k: int, holes: set[int]
) -> None:
    own, training = registered(name), made(name, k, sorted(holes), seed)
    assert own.faults(told(training), budget(name, k), own.version) == ""
    assert training == made(name, k, sorted(holes), seed)
    if own.equal_k:
        assert len(training.rows) == k
    if own.equal_k and name != "first-relabelled":
        assert training.balance == (k // 2, k // 2)
    fewest, most = own.substitutes(k, sum(hole < own.entries_at(k) for hole in holes))
    assert not needs_generator(name) or fewest <= training.substituted <= most


@pytest.mark.parametrize("name", [name for name in NEW if registered(name).equal_k])
def test_originals_are_those_of_every_other_condition(name: str) -> None:
    originals = [row for row in made(name).rows if row.role == "original"]
    assert originals in ([], [row for row in made("cod").rows if row.role == "original"])


@pytest.mark.parametrize("name", NEW)
def test_rows_of_another_condition_are_refused(name: str) -> None:
    """But where two have rows of one form: those are told apart by nothing that a record says of its rows."""
    flipped = {"cod", "near", "far", "words-only", "unvalidated", "split-pairs", "first-answer"}
    drawn = {"standard", "nearest-unlike", "shuffled"}
    chosen = {"least-margin", "cfe-only", "whole-pool"}
    alike = {
        **{one: {*flipped, "first-relabelled"} for one in ("near", "far", "words-only", "split-pairs", "first-answer")},
        "first-relabelled": {*flipped, "random", "label-preserving"},
        **dict.fromkeys(("nearest-unlike", "shuffled"), drawn),
        **dict.fromkeys(chosen, chosen),
    }
    own = registered(name)
    for other in CONDITIONS:
        if other != name and other not in alike.get(name, ()):
            assert own.faults(told(made(other)), budget(name), own.version), other


@pytest.mark.parametrize("name", sorted(set(NEW) - {"whole-pool", "teacher-only", "teacher-labelled"}))
def test_a_row_more_or_another_role_is_refused(name: str) -> None:
    own, rows = registered(name), told(made(name))
    assert own.faults(rows[:-1], 16, 1)
    assert own.faults([*rows[:-1], (rows[-1][0], rows[-1][1], "u")], 16, 1)


def test_a_counterfactual_of_an_original_that_is_there_is_not_shuffled() -> None:
    rows = told(made("shuffled"))
    forged = [*rows[:1], (rows[4][0], *rows[1][1:]), *rows[2:]]
    assert "may have no counterfactual" in registered("shuffled").faults(forged, 16, 1)


# Batches


@pytest.mark.parametrize(("k", "rows"), [(8, 4), (16, 8), (32, 8), (64, 8)])
def test_split_batches_are_as_balanced_as_whole_ones(k: int, rows: int) -> None:
    training, spec = made("split-pairs", k), RunSpec("last", "toy", "toy", "kd", "split-pairs", "substitution", k, 0)
    batches, epoch = batches_of(training, spec, 8, 40)
    every = training.rows
    assert len(batches) == 40
    assert epoch == k // rows
    for batch in batches:
        assert Counter(every[i].label for i in batch) == {0: rows // 2, 1: rows // 2}
        assert Counter(every[i].role for i in batch) == {"original": rows // 2, "partner": rows // 2}
    whole, _ = batches_of(replace(training, apart=False), spec, 8, 40)
    assert all({i ^ 1 for i in batch} == set(batch) for batch in whole)
    if k > 8:
        order = slot_batches(k // 2, [pair.original.label for pair in training.pairs], 4, 40, ("toy", 0, k))
        assert [[i // 2 for i in batch[:4]] for batch in batches] == order


# Neighbours, and what is counted


def test_neighbours_come_nearest_first_and_the_teacher_is_asked_row_by_row() -> None:
    asked: list[str] = []

    def noting(text: str) -> tuple[int, float]:
        asked.append(text)
        return says(text)

    near = Neighbours(POOL, lambda _: range(len(POOL)), noting)
    walk = near.of(POOL[1].text)
    assert [next(walk).id for _ in range(3)] == [POOL[0].id, POOL[2].id, POOL[3].id]
    assert asked == [POOL[0].text, POOL[2].text, POOL[3].text]
    assert near.asked == set(asked)
    first = next(near.of("another text"))
    assert (first.said, first.sure) == says(POOL[0].text)


def test_labels_are_counted_once_up_to_the_last_row_that_was_drawn() -> None:
    d = draw()
    places = {row.id: place for place, row in enumerate(d.everything())}
    for name in ("standard", "cod", "shuffled", "cfe-only"):
        training = made(name)
        assert labels_known(d, training, registered(name)) == 1 + max(places[row.source] for row in training.rows)
    near, cod = made("nearest-unlike"), labels_known(d, made("cod"), registered("cod"))
    beyond = sum(places[pair.rows[1].source] >= cod for pair in near.pairs)
    assert labels_known(d, near, registered("nearest-unlike"), TEXTS) == cod + beyond + sum(
        places[one] >= cod for one in near.looked_up
    )
    standard = made("standard")
    for beside in ((), {POOL[0].text}):  # what it might have been given makes no row of the draw's a found one
        assert labels_known(d, standard, registered("least-margin"), beside) == labels_known(
            d, standard, registered("standard")
        )
    least = made("least-margin", 8)
    assert labels_known(d, least, registered("least-margin"), TEXTS) == 8 + len(least.looked_up)
    assert labels_known(d, made("teacher-only"), registered("teacher-only")) == 0
    assert labels_known(d, made("whole-pool"), registered("whole-pool")) == len(POOL)
    both = made("teacher-labelled")
    assert labels_known(d, both, registered("teacher-labelled")) == labels_known(
        d, made("standard"), registered("standard")
    )


def test_judged_rows_are_those_of_each_class_up_to_its_last() -> None:
    d, training = draw(), made("cod")
    judged = rows_judged(d, training, registered("cod"))
    assert {row.text for row in training.rows if row.role == "original"} <= judged
    assert len(judged) == 8 + training.passed_over
    assert rows_judged(d, made("least-margin", 8), registered("least-margin"), TEXTS) == set()
    assert rows_judged(d, made("whole-pool"), registered("whole-pool")) == set()


# The generator's other parameters


def test_near_edits_least_and_far_is_surest() -> None:
    """Of the same originals, on the toy task: the mean share of words edited, and the teacher's margin on the flips."""
    d = warm.draw("toy", "toy", 0, False)
    told = {}
    for name in ("near", "cod", "far"):
        found = warm.pool("toy", "toy", generator_for(name, "substitution")).entries(d, 16)
        told[name] = summary(found, "cfe")
        assert told[name]["valid"] > 4
    assert told["near"]["edit_fraction"] <= told["cod"]["edit_fraction"] <= told["far"]["edit_fraction"]
    assert told["near"]["margin_after"] <= told["cod"]["margin_after"] <= told["far"]["margin_after"]
