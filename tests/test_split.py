"""The budget rule: balanced, nested in k, blind to counterfactuals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cod_bench.errors import UsageError
from cod_bench.split import Draw, check_budget
from cod_bench.task import Example


def rows(per_class: int, classes: int = 2) -> list[Example]:
    return [
        Example(f"{label}-{i:03d}", f"text {label} {i}", label) for label in range(classes) for i in range(per_class)
    ]


def draw(
    seed: int = 0, per_class: int = 60, classes: int = 2, wrong: frozenset[str] = frozenset(),
    says: Callable[[str], tuple[int, float]] | None = None,
) -> Draw:  # fmt: skip
    return Draw(
        rows(per_class, classes), task="t", classes=classes, seed=seed, eligible=lambda e: e.id not in wrong, says=says
    )


@given(st.integers(0, 50), st.sampled_from([(2, 4), (2, 8), (2, 12), (2, 64), (3, 6), (3, 30), (4, 8)]))
@settings(deadline=None)
def test_originals_and_partners_are_balanced_and_apart(seed: int, shape: tuple[int, int]) -> None:
    classes, k = shape
    d = draw(seed, classes=classes)
    slots, partners = d.slots(k), d.partners(k)
    assert len(slots) == len(partners) == k // 2
    assert set(Counter(s.original.label for s in slots).values()) == {k // 2 // classes}
    assert all(s.target == p.label != s.original.label for s, p in zip(slots, partners, strict=True))
    used = [s.original.id for s in slots] + [p.id for p in partners]
    assert len(set(used)) == k


@given(st.integers(0, 20))
@settings(deadline=None)
def test_a_smaller_budget_is_a_prefix(seed: int) -> None:
    d = draw(seed)
    assert d.slots(32)[:4] == d.slots(8) == draw(seed).slots(8)


def test_seeds_and_tasks_draw_apart() -> None:
    assert draw(0).slots(32) != draw(1).slots(32)


def test_rows_that_are_not_eligible_are_passed_over_and_counted() -> None:
    plain = draw().slots(16)
    wrong = frozenset({plain[0].original.id, plain[3].original.id})
    d = draw(wrong=wrong)
    slots = d.slots(16)
    assert wrong.isdisjoint(s.original.id for s in slots)
    assert d.passed_over(0, 4) + d.passed_over(1, 4) == 2
    assert d.passed_over(0, 0) == 0
    # the others move up but keep their order
    kept = [s.original.id for s in plain if s.original.id not in wrong and s.original.label == 0]
    assert [s.original.id for s in slots if s.original.label == 0][: len(kept)] == kept


def test_eligibility_is_asked_only_for_rows_that_a_budget_needs() -> None:
    asked: list[str] = []
    d = Draw(rows(60), task="t", classes=2, seed=0, eligible=lambda e: bool(asked.append(e.id)) or True)
    d.partners(8)
    assert len(asked) == 8


def test_unlabelled_texts_are_the_same_ones_and_then_others_and_blind_to_labels() -> None:
    turned = [replace(row, label=1 - row.label) for row in rows(60)]
    d, asked = draw(says=lambda text: (len(text) % 2, 0.5)), list[str]()
    other = Draw(
        turned, task="t", classes=2, seed=0, eligible=lambda _: True, says=lambda text: (asked.append(text) or 0, 0.5)
    )
    few, more = d.unlabelled(3), d.unlabelled(9)
    assert more[:3] == few
    assert [text.id for text in other.unlabelled(9)] == [text.id for text in more]
    assert len(asked) == 9
    assert {text.id for text in more}.isdisjoint(slot.original.id for slot in d.slots(16))
    assert all(text.said == len(text.text) % 2 for text in more)


def test_more_texts_than_there_are_and_texts_without_a_teacher_are_refused() -> None:
    with pytest.raises(UsageError, match="41 unlabelled texts, and the training pool has 40; take fewer"):
        draw(per_class=20, says=len).unlabelled(41)
    with pytest.raises(UsageError, match="need a teacher"):
        draw().unlabelled(1)


@pytest.mark.parametrize("k", [0, -4, 2, 6, 10, 33])
def test_budgets_that_cannot_be_balanced_are_refused(k: int) -> None:
    with pytest.raises(UsageError, match=f"k={k}: must be a multiple of 4"):
        check_budget(k, 2)


def test_a_class_with_too_few_rows_is_named() -> None:
    with pytest.raises(UsageError, match=r"task 't', class 0: only 3 usable training rows; choose a smaller k"):
        draw(per_class=3).slots(16)
