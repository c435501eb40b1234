"""A run, its rows and entries -> its costs besides training: labels, texts, queries to teacher and LLM. No torch.

What was cached when the run began changes nothing: costs are those of somebody who starts with a pool whose labels can
be asked for, a fitted teacher and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cod_bench.condition import ask
from cod_bench.counterfactuals.rows import labels_known, rows_judged, teacher_queries
from cod_bench.distiller import Fitted

if TYPE_CHECKING:
    from cod_bench.condition import TrainingSet
    from cod_bench.generator import Entry
    from cod_bench.runner.work import Resolved


def of(
    run: Resolved, training: TrainingSet, entries: Sequence[Entry] | None, *, read_pool: bool = False
) -> dict[str, float]:
    """The costs of a run by the names under which they stand in its record.

    Args:
        read_pool: whether its method asked for the texts of the training pool.

    Returns:
        human_labels: rows whose gold label had to be known (`labels_known`).
        unlabelled_texts: texts of the training pool that were read without their label, by condition, method or the
            generator's survey.
        teacher_passes: texts that the teacher was asked about: each distinct training row where its soft label is
            trained on, what the condition asked, and what the searches did, an edited version each.
        teacher_queries: the same with the rows of the draw on whose right answer it depends whether they are used, and
            with the share of the generator's word survey.
        llm_requests, llm_prompt_tokens, llm_completion_tokens, dollars: of generators that buy their answers; dollars
            are absent where no price is known, and all are 0 without such a generator.
        pool_seconds, pool_cpu_seconds: the share of its entries in the making of their blocks, controls included.
    """
    share = run.pool().share() if entries is not None else 0.0
    paid = ask(run.condition, "paid", run.spec.k, entries or ())
    texts = _texts(run, entries or (), share)
    beside = texts | (run.neighbours.asked if run.neighbours is not None else set())
    reads = read_pool or run.neighbours is not None or (bool(paid) and run.pool().generator.reads_pool)
    found = {
        **_made(run, entries or (), paid), "unlabelled_texts": float(len(run.corpus.train) if reads else len(texts)),
    }  # fmt: skip
    if issubclass(run.method, Fitted) and run.method.blind:
        return {**found, "human_labels": 0.0, "teacher_passes": 0.0, "teacher_queries": 0.0}
    trained_on = set() if issubclass(run.method, Fitted) else {row.text for row in training.rows}
    judged = set() if run.protocol.reference_habits else rows_judged(run.draw, training, run.condition)
    return {
        **found,
        "human_labels": float(labels_known(run.draw, training, run.condition)),
        "teacher_passes": float(len(trained_on | beside) + teacher_queries(paid, 0.0)),
        "teacher_queries": float(len(trained_on | beside | judged) + teacher_queries(paid, share)),
    }


def _texts(run: Resolved, entries: Sequence[Entry], share: float) -> set[str]:
    """The unlabelled texts that its condition is given."""
    if run.condition.needs == "entries and texts":
        count = ask(run.condition, "texts_beside", run.spec.k, teacher_queries(entries, share))
    else:
        count = ask(run.condition, "texts_at", run.spec.k)
    return {one.text for one in run.draw.unlabelled(count)} if count else set()


def _made(run: Resolved, entries: Sequence[Entry], paid: Sequence[Entry]) -> dict[str, float]:
    """What the entries took that are paid for: seconds by the block, answers of a source that costs something one by
    one."""
    found = {
        "pool_seconds": 0.0, "pool_cpu_seconds": 0.0, "llm_requests": 0.0, "llm_prompt_tokens": 0.0,
        "llm_completion_tokens": 0.0, "dollars": 0.0,
    }  # fmt: skip
    if not paid:
        return found
    part = len(paid) / len(entries)
    took: dict[str, float] = run.of_pool(run.pool().took)
    found |= {f"pool_{name}": seconds * part for name, seconds in took.items()}
    bought = run.pool().bought(run.draw, paid)
    if bought is not None:
        found |= {
            "llm_requests": float(bought.requests), "llm_prompt_tokens": float(bought.prompt_tokens),
            "llm_completion_tokens": float(bought.completion_tokens),
        }  # fmt: skip
        found.pop("dollars")
        found |= {} if bought.dollars is None else {"dollars": bought.dollars}
    return found
