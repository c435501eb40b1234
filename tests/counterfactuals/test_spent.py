"""What runs cost besides their training, counted by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from cod_bench.condition import condition
from cod_bench.conditions.unvalidated import Unvalidated
from cod_bench.counterfactuals import spent, warm
from cod_bench.counterfactuals.rows import build
from cod_bench.counterfactuals.spent import Habits
from cod_bench.generator import Answer, Bought, Entry, Generator, Oracle, Query
from cod_bench.runner import work
from cod_bench.spec import RunSpec, generator_for, needs_generator
from cod_bench.split import Draw, Slot
from cod_bench.task import Example
from tests.conditions.test_rivals import POOL, SHARE, draw, entries, neighbours

SURVEY = int(SHARE * len(POOL))
TOOK = {"seconds": 8.0, "cpu_seconds": 4.0}


class Bill(Generator):
    """A generator that costs something, of which only the bill is looked at."""

    name: ClassVar[str] = "bill"
    version: ClassVar[int] = 1
    card: ClassVar[str] = "for tests"
    reads_pool: ClassVar[bool] = True

    def __init__(self, bought: Bought | None) -> None:
        self.bought = bought
        self.costly = bought is not None  # type: ignore[misc]

    def params(self) -> dict[str, Any]:
        return {}

    def prepare(self, train: Sequence[Example], oracle: Oracle) -> dict[str, Any]:
        raise NotImplementedError

    def answer(self, query: Query, oracle: Oracle, state: Mapping[str, Any]) -> Answer:
        return Answer("first", (), 0, self.bought)

    def preserve(self, query: Query, counterfactual: str, oracle: Oracle, state: Mapping[str, Any]) -> tuple[str, ...]:
        return ()


class Shelf:
    """A pool as far as costs look at it."""

    def __init__(self, bought: Bought | None = None) -> None:
        self.generator = Bill(bought)

    def share(self) -> float:
        return SHARE

    def bought(self, d: Draw, paid: Sequence[Entry]) -> Bought | None:
        one = self.generator.bought
        if one is None:
            return None
        n = len(paid)
        dollars = None if one.dollars is None else n * one.dollars
        return Bought(n * one.requests, n * one.prompt_tokens, n * one.completion_tokens, dollars)


def cost(name: str, k: int = 16, bought: Bought | None = None, **habits: bool) -> dict[str, float]:
    d, own = draw(), condition(name)
    given = entries(d, own.entries_at(k)) if needs_generator(name) else None
    near = neighbours() if own.needs == "neighbours" else None
    k = 0 if own.whole_pool else k
    training = build(d, name, k, given, share=SHARE, neighbours=near)
    shelf: Any = Shelf(bought) if given is not None else None
    return spent.of(
        own, k, d, training, Habits(**habits), entries=given, pool=shelf, took=TOOK if given is not None else None,
        neighbours=near,
    )  # fmt: skip


def order(last: str = "standard", k: int = 16) -> tuple[int, int]:
    """Rows of the draw up to the last that it gives, and how many of them the teacher gets wrong in each class."""
    d = draw()
    there = d.slots(k) if last == "cod" else ()
    rows = [slot.original for slot in there] or [
        *(slot.original for slot in d.slots(k)),
        *d.partners(k),
    ]
    places = {label: max(d.place(row.id) for row in rows if row.label == label) for label in (0, 1)}
    judged = [row for place, row in enumerate(d.everything()) if place <= places[row.label]]
    return max(places.values()) + 1, len(judged)


NOTHING = {
    "pool_seconds": 0, "pool_cpu_seconds": 0, "llm_requests": 0, "llm_prompt_tokens": 0, "llm_completion_tokens": 0,
    "dollars": 0,
}  # fmt: skip
MADE = {**NOTHING, "pool_seconds": 8, "pool_cpu_seconds": 4, "unlabelled_texts": len(POOL)}


def test_standard_costs_its_labels_and_a_query_a_row() -> None:
    labels, judged = order()
    assert cost("standard") == {
        **NOTHING, "unlabelled_texts": 0, "human_labels": labels, "teacher_passes": 16, "teacher_queries": judged,
    }  # fmt: skip
    assert judged > 16


def test_cod_costs_labels_of_its_originals_and_the_search() -> None:
    labels, judged = order("cod")
    assert cost("cod") == {
        **MADE, "human_labels": labels, "teacher_passes": 16 + 8 * 9, "teacher_queries": judged + 8 + 8 * (9 + SHARE),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["unvalidated", "first-relabelled", "first-answer"])
def test_first_answers_cost_no_search(name: str) -> None:
    labels, judged = order("cod")
    assert cost(name) == {
        **MADE, "human_labels": labels, "teacher_passes": 16 + 8 * 9, "teacher_queries": judged + 8 + 8 * SHARE,
    }  # fmt: skip


def test_shuffled_pays_for_the_others_counterfactuals_alone() -> None:
    d = draw()
    last = max(d.place(slot.original.id) for slot in d.first_slots(16))
    found = cost("shuffled")
    assert found["human_labels"] == last + 1
    assert found["teacher_passes"] == 16 + 8 * 9
    assert found["pool_seconds"] == 4
    assert found["unlabelled_texts"] == len(POOL)


def test_teacher_labelled_pays_no_search_and_reads_only_its_texts() -> None:
    labels, judged = order()
    n = math.ceil(8 * (9 + SHARE))
    assert cost("teacher-labelled") == {
        **NOTHING, "unlabelled_texts": n, "human_labels": labels, "teacher_passes": 16 + n,
        "teacher_queries": judged + n,
    }  # fmt: skip
    assert cost("teacher-only") == {
        **NOTHING, "unlabelled_texts": n, "human_labels": 0, "teacher_passes": n, "teacher_queries": n,
    }  # fmt: skip


def test_a_rival_asks_as_often_as_what_it_is_a_rival_of() -> None:
    """But for wrong rows among the partners of `standard`, which `cod` need not look at."""
    spared = order()[1] - 8 - order("cod")[1]
    assert cost("teacher-labelled")["teacher_queries"] - cost("cod")["teacher_queries"] == spared


def test_least_margin_pays_for_every_text_that_it_looks_at() -> None:
    training = build(draw(), "least-margin", 8)
    assert cost("least-margin", 8) == {
        **NOTHING, "unlabelled_texts": 328, "human_labels": 8 + len(training.looked_up), "teacher_passes": 328,
        "teacher_queries": 328,
    }  # fmt: skip


def test_nearest_unlike_reads_the_pool_and_pays_for_the_rows_on_its_way() -> None:
    near, d = neighbours(), draw()
    training = build(d, "nearest-unlike", 16, neighbours=near)
    labels, _ = order("cod")
    beyond = sum(d.place(pair.rows[1].source) >= labels for pair in training.pairs)
    originals = {row.text for row in training.rows if row.role == "original"}
    found = cost("nearest-unlike")
    assert found["unlabelled_texts"] == len(POOL)
    assert found["human_labels"] == labels + beyond + sum(d.place(one) >= labels for one in training.looked_up)
    assert found["teacher_passes"] == len(originals | near.asked)
    assert found["teacher_queries"] == len(originals | near.asked | judged_texts())


def judged_texts() -> set[str]:
    """Of the originals of `cod` at k = 16 and the rows that were passed over for them."""
    from cod_bench.counterfactuals.rows import rows_judged

    return rows_judged(draw(), build(draw(), "cod", 16, entries(draw(), 8)), condition("cod"))


@pytest.mark.parametrize(("name", "reads_pool"), [("standard", False), ("standard", True), ("whole-pool", False)])
def test_a_method_that_reads_no_row_costs_no_label_and_no_query(name: str, reads_pool: bool) -> None:
    assert cost(name, blind=True, soft_labels=False, reads_pool=reads_pool) == {
        **NOTHING, "unlabelled_texts": len(POOL) if reads_pool else 0, "human_labels": 0, "teacher_passes": 0,
        "teacher_queries": 0,
    }  # fmt: skip


def test_a_method_without_soft_labels_asks_the_teacher_only_which_rows_are_right() -> None:
    labels, judged = order()
    found = cost("standard", soft_labels=False)
    assert (found["human_labels"], found["teacher_passes"], found["teacher_queries"]) == (labels, 0, judged)
    kept = cost("standard", soft_labels=False, judges=False)
    assert (kept["teacher_passes"], kept["teacher_queries"]) == (0, 0)
    whole = cost("whole-pool", soft_labels=False)
    assert (whole["human_labels"], whole["teacher_queries"]) == (len(POOL), 0)


def test_bought_answers_are_counted_and_a_price_that_nobody_knows_is_absent() -> None:
    one = Bought(requests=2, prompt_tokens=100, completion_tokens=30, dollars=0.5)
    found = cost("cod", bought=one)
    assert (found["llm_requests"], found["llm_prompt_tokens"], found["llm_completion_tokens"]) == (16, 800, 240)
    assert found["dollars"] == 4
    assert cost("shuffled", bought=one)["llm_requests"] == 16
    assert cost("teacher-only", bought=one)["dollars"] == 0
    unknown = cost("cod", bought=Bought(requests=1, dollars=None))
    assert "dollars" not in unknown
    assert unknown["llm_requests"] == 8


@pytest.mark.parametrize("name", ["standard", "cod", "shuffled", "teacher-labelled", "teacher-only", "least-margin"])
def test_every_cost_of_a_run_can_be(name: str) -> None:
    training_of = RunSpec("last", "toy", "toy", "kd", name, generator_for(name, "substitution"), 8, 0)
    run = work.resolve(training_of)
    training, own = run.rows()
    told = [(row.source, str(row.label), row.role[0]) for row in training.rows]
    found = run.spent(training, own, reads_pool=False)
    assert spent.faults(run.condition, told, Habits(), found) == ""
    assert spent.faults(run.condition, told, Habits(), {}) == "", "what was not counted is not told"


@pytest.mark.parametrize(
    ("name", "habits", "changes", "reason"),
    [
        ("standard", {}, {"human_labels": 15}, "16 rows have a gold label"),
        ("cod", {}, {"human_labels": 7}, "8 rows have a gold label"),
        ("standard", {}, {"teacher_passes": 15}, "16 rows are texts that the teacher was asked about"),
        ("standard", {}, {"teacher_queries": 15}, "16 rows are texts that the teacher was asked about"),
        ("standard", {}, {"teacher_passes": 100}, "cost.teacher_passes, which are some of them"),
        ("standard", {"soft_labels": False}, {"teacher_passes": 0, "teacher_queries": 0}, "cost.teacher_queries: 0"),
        ("standard", {"soft_labels": False, "judges": False}, {"teacher_passes": 0, "teacher_queries": 0}, ""),
        ("whole-pool", {"soft_labels": False}, {"teacher_passes": 0, "teacher_queries": 0}, ""),
        ("teacher-only", {}, {"unlabelled_texts": 10}, "rows are such texts"),
        ("teacher-only", {}, {"human_labels": 0}, ""),
        ("unvalidated", {}, {"teacher_queries": 20}, ""),
        ("cod", {}, {"teacher_queries": 20}, "cost.teacher_queries: 20, and cost.teacher_passes"),
        ("standard", {"blind": True}, {}, "reads no training row"),
    ],
)
def test_costs_that_cannot_be_are_told(
    name: str, habits: dict[str, bool], changes: dict[str, float], reason: str
) -> None:
    d, own = draw(), condition(name)
    given = entries(d, own.entries_at(16)) if needs_generator(name) else None
    training = build(d, name, 0 if own.whole_pool else 16, given, share=SHARE)
    told = [(row.source, str(row.label), row.role[0]) for row in training.rows]
    found = spent.faults(own, told, Habits(**habits), {**cost(name), **changes})
    assert (reason in found) if reason else found == ""


def test_what_making_the_state_took_is_no_blocks() -> None:
    """Who makes the first block of all would pay for the word survey alone."""
    pool = warm.pool("toy", "toy", "substitution")
    took = pool.took(warm.draw("toy", "toy", 0, False), 16)
    half = pool.took(warm.draw("toy", "toy", 0, False), 12)
    assert took["seconds"] > half["seconds"] > 0
    assert SURVEY > 0
    assert pool.share() == len(pool.state()["words"]) / len(pool.corpus.train)


def test_whoever_reads_the_teachers_verdict_on_first_answers_pays_for_it() -> None:
    """A student asks about them anyhow, for their soft labels; what fits hard labels does not."""
    fitted = {"soft_labels": False}
    made = sum(row.role == "partner" for row in build(draw(), "first-relabelled", 16, entries(draw(), 8)).rows)
    own, other = (cost(name, **fitted)["teacher_queries"] for name in ("first-relabelled", "unvalidated"))
    assert own - other == made > 0
    assert cost("first-relabelled")["teacher_queries"] == cost("unvalidated")["teacher_queries"]


class FirstOrFound(Unvalidated):
    """Says that it takes first answers, and takes a counterfactual in its first slot."""

    name: ClassVar[str] = "first-or-found"

    def made(self, slot: Slot, entry: Entry) -> str | None:
        return entry.cfe if slot.index == 0 else entry.first


def test_a_search_is_paid_for_wherever_more_than_its_first_answer_is_taken() -> None:
    d = draw()
    given = entries(d, 8)
    own = FirstOrFound()
    training = own.rows(d, 16, given)
    found = spent.of(own, 16, d, training, Habits(), entries=given, pool=Shelf(), took=TOOK)  # type: ignore[arg-type]
    assert found["teacher_queries"] - cost("unvalidated")["teacher_queries"] == given[0].teacher_passes > 0
