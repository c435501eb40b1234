"""Exploratory figures of a grid -> exploratory.md. Pure; nothing in it is a claim."""

from __future__ import annotations

from cod_bench.analysis import explore
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.stats import TASKS_NEEDED
from cod_bench.reports import captions, page
from cod_bench.reports.tables import code, escape, markdown, number, percent

CHANCE = (
    "Chance that a run of the first is more accurate than one of the second, seeds taken apart, ties half; mean over "
    "tasks. 50: no difference."
)
SAVED = (
    "Smallest declared budget at which the mean accuracy of `standard` is as high as that of `cod` at k; means over "
    "seeds, without their noise."
)
RANKED = (
    "Accuracy: mean over tasks, seeds and primary budgets; rank: within a task, then mean over tasks. Intervals of "
    f"ranks are told from {TASKS_NEEDED} tasks on."
)
PAIRS = (("cod", "standard"), ("cod", "random"), ("cod", "unvalidated"))


def text(grid: Grid) -> str:
    """The page: probability of improvement, labels saved, ranking with the pairwise matrix."""
    parts = [
        f"# Exploratory: {captions.heading(grid)}",
        page.state(grid),
        "No claim is made here and no p is computed; the claims stand in the main table.",
    ]
    parts += ["## Probability of improvement (%)", *_improvement(grid)]
    parts += ["## Label efficiency", *_saving(grid)]
    parts += ["## Ranking", *_ranking(grid)]
    return "\n\n".join(parts) + "\n"


def _improvement(grid: Grid) -> list[str]:
    pairs = [pair for pair in PAIRS if any(set(pair) <= set(grid.conditions(method)) for method in grid.methods)]
    found = {(e.method, e.condition, e.over, e.k): e.probability for e in explore.improvements(grid, pairs)}
    lines = dict.fromkeys((method, condition, over) for method, condition, over, _ in found)
    rows = [
        [escape(m), f"{code(a)} over {code(b)}", *(percent(found.get((m, a, b, k))) for k in grid.ks)]
        for m, a, b in lines
    ]
    if not rows:
        return ["The suite declares no such pair."]
    return [
        markdown(["method", "pair", *(f"k={k}" for k in grid.ks)], rows, left=2),
        f"{CHANCE}{' Both with the same teacher; mean over teachers.' if grid.crossed else ''}",
    ]


def _saving(grid: Grid) -> list[str]:
    found = explore.savings(grid)
    largest = max(grid.ks)
    rows = [
        [
            escape(e.task), escape(e.method), str(e.k), percent(e.reached),
            f"more than {largest}" if e.needed is None else str(e.needed),
        ]
        for e in found
    ]  # fmt: skip
    if not rows:
        return ["No run of `cod` where `standard` is declared too."]
    return [
        markdown(["task", "method", "k of `cod`", "its accuracy (%)", "k that `standard` needs"], rows, left=2),
        SAVED.replace("seeds", captions.seeds(grid), 1),
    ]


def _ranking(grid: Grid) -> list[str]:
    found = explore.ranking(grid)
    if not found:
        return ["Nothing is complete over the primary budgets yet."]
    rows = [
        [str(place), escape(e.method), code(e.condition), percent(e.mean), number(e.rank, 1), _ranks(e)]
        for place, e in enumerate(found, 1)
    ]
    chances = explore.matrix(grid, found)
    names = [f"{escape(e.method)} {code(e.condition)}" for e in found]
    against = [[name, *(percent(value, 0) for value in own)] for name, own in zip(names, chances, strict=True)]
    return [
        markdown(["place", "method", "condition", "accuracy (%)", "mean rank", "95 % interval"], rows, left=3),
        RANKED.replace("seeds", "seeds, teachers", 1) if grid.crossed else RANKED,
        markdown(["chance (%) that the row beats", *(str(place) for place in range(1, len(found) + 1))], against),
    ]


def _ranks(entry: explore.Rank) -> str:
    if entry.low is None or entry.high is None:
        return "not estimable"
    return f"[{number(entry.low, 1)}, {number(entry.high, 1)}]"
