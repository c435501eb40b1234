"""A run's draw, condition, rows and entries -> its costs besides training: labels, texts, queries to teacher and LLM.

What was cached when the run began changes nothing: costs are those of somebody who starts with a pool whose labels can
be asked for, a fitted teacher and nothing else. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cod_bench.condition import ask
from cod_bench.counterfactuals.rows import labels_known, paid_entries, rows_judged, searches, teacher_queries

if TYPE_CHECKING:
    from cod_bench.condition import Condition, Told, TrainingSet
    from cod_bench.counterfactuals.pool import Pool
    from cod_bench.generator import Entry
    from cod_bench.split import Draw, Neighbours

NOTHING = {
    "pool_seconds": 0.0, "pool_cpu_seconds": 0.0, "llm_requests": 0.0, "llm_prompt_tokens": 0.0,
    "llm_completion_tokens": 0.0, "dollars": 0.0,
}  # fmt: skip
"""What a run without entries pays for their making."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What of a method and a protocol decides what a run pays for."""

    blind: bool = False
    """The method reads no training row."""
    soft_labels: bool = True
    """It trains on the teacher's answer to each row."""
    judges: bool = True
    """Rows that the teacher gets wrong are passed over, so that it is asked about every one that comes up."""
    reads_pool: bool = False
    """It asked for the texts of the whole training pool."""


def of(
    condition: Condition, k: int, draw: Draw, training: TrainingSet, habits: Habits, *,
    entries: Sequence[Entry] | None = None, pool: Pool | None = None, took: Mapping[str, float] | None = None,
    neighbours: Neighbours | None = None,
) -> dict[str, float]:  # fmt: skip
    """The costs of a run by the names under which they stand in its record.

    Args:
        entries, pool, took: of conditions that are given entries: these, where they lie, and what making them took.
        neighbours: of conditions that are given these: as they were read.

    Returns:
        human_labels: rows whose gold label had to be known (`labels_known`).
        unlabelled_texts: texts of the training pool that were read without their label, by condition, method or the
            generator's survey.
        teacher_passes: texts that the teacher was asked about: each distinct training row where its soft label is
            trained on, what the condition asked, and what the searches did, an edited version each.
        teacher_queries: the same with the rows of the draw on whose right answer it depends whether they are used, and
            with the share of the generator's word survey; without the searches where only first answers are taken,
            which are made before any.
        llm_requests, llm_prompt_tokens, llm_completion_tokens, dollars: of generators that buy their answers, every
            attempt included; dollars are absent where no price is known, and all are 0 without such a generator.
        pool_seconds, pool_cpu_seconds: the share of its entries in the making of their blocks, controls included.
    """
    share = pool.share() if pool is not None else 0.0
    paid = paid_entries(condition, k, entries or ())
    texts = _texts(condition, k, draw, entries or (), share)
    beside = texts | (neighbours.asked if neighbours is not None else frozenset())
    told = {entry.first for entry in paid if entry.cfe is not None} if condition.reads_verdicts else set()
    surveyed = bool(paid) and pool is not None and pool.generator.reads_pool
    whole = habits.reads_pool or neighbours is not None or surveyed
    found = {
        **(NOTHING if pool is None or took is None or not paid else _made(draw, pool, took, entries or (), paid)),
        "unlabelled_texts": float(len(draw.everything()) if whole else len(texts)),
    }
    if habits.blind:
        return {**found, "human_labels": 0.0, "teacher_passes": 0.0, "teacher_queries": 0.0}
    trained_on = {row.text for row in training.rows} if habits.soft_labels else set()
    judged = rows_judged(draw, training, condition, beside) if habits.judges else set()
    searched = searches(condition, training, paid)
    return {
        **found,
        "human_labels": float(labels_known(draw, training, condition, beside)),
        "teacher_passes": float(len(trained_on | beside | told) + teacher_queries(paid, 0.0)),
        "teacher_queries": float(
            len(trained_on | beside | told | judged) + teacher_queries(searched, 0.0) + share * len(paid)
        ),
    }


def faults(condition: Condition, told: Sequence[Told], habits: Habits, cost: Mapping[str, float]) -> str:
    """Why a record cannot have cost what it says; empty if it can. A cost that it does not tell was not counted.

    Args:
        told: what the record tells of its rows.
        cost: its costs, by name.
    """
    labels, passes, queries = (cost.get(name) for name in ("human_labels", "teacher_passes", "teacher_queries"))
    if habits.blind:
        odd = [name for name in ("human_labels", "teacher_passes", "teacher_queries") if cost.get(name)]
        return f"cost.{odd[0]}: {cost[odd[0]]!r}, and the method reads no training row" if odd else ""
    known = len({source for source, _, role in told if role != "u"})
    if labels is not None and labels < known:
        return f"cost.human_labels: {labels!r}, and {known} rows have a gold label or are made of one that has"
    texts, read = sum(role == "u" for _, _, role in told), cost.get("unlabelled_texts")
    if read is not None and read < texts:
        return f"cost.unlabelled_texts: {read!r}, and {texts} rows are such texts"
    originals = {source for source, _, role in told if role == "o"}
    # rows of the pool are different texts; what is made may be alike
    own = "entries" in condition.needs
    drawn = len({source for source, _, role in told if role != "p" or not (own or source in originals)} | originals)
    asked = texts if not habits.soft_labels else drawn
    if queries is None or passes is None:  # of the first edition, which counted passes alone
        return ""
    if passes < asked:
        return f"cost.teacher_passes: {passes!r}, and {asked} rows are texts that the teacher was asked about"
    judged = asked if condition.whole_pool or not habits.judges else drawn
    if queries < judged:
        return f"cost.teacher_queries: {queries!r}, and {judged} rows are texts that the teacher was asked about"
    if queries < passes and condition.text != "first":
        return f"cost.teacher_queries: {queries!r}, and cost.teacher_passes, which are some of them, {passes!r}"
    return ""


def _texts(condition: Condition, k: int, draw: Draw, entries: Sequence[Entry], share: float) -> set[str]:
    """The unlabelled texts that a condition is given."""
    if condition.needs == "entries and texts":
        count = ask(condition, "texts_beside", k, teacher_queries(entries, share))
    else:
        count = ask(condition, "texts_at", k)
    return {one.text for one in draw.unlabelled(count)} if count else set()


def _made(
    draw: Draw, pool: Pool, took: Mapping[str, float], entries: Sequence[Entry], paid: Sequence[Entry]
) -> dict[str, float]:
    """What the entries took that are paid for: seconds by the block, bought answers one by one."""
    part = len(paid) / len(entries)
    found = {**NOTHING, **{f"pool_{name}": seconds * part for name, seconds in took.items()}}
    bought = pool.bought(draw, paid)
    if bought is None:
        return found
    found |= {
        "llm_requests": float(bought.requests), "llm_prompt_tokens": float(bought.prompt_tokens),
        "llm_completion_tokens": float(bought.completion_tokens),
    }  # fmt: skip
    del found["dollars"]
    return found if bought.dollars is None else {**found, "dollars": bought.dollars}
