"""The claims of the paper's text as data, fixed beforehand -> a verdict from a grid of ours. Pure; arXiv 2510.21631."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np

from cod_bench.analysis import compare, stats
from cod_bench.analysis.aggregate import Grid, Run
from cod_bench.analysis.compare import Comparison
from cod_bench.design import suites
from cod_bench.reports.paper import tables as paper
from cod_bench.reports.paper.tables import base_name
from cod_bench.track import of_teacher

FEW = (8, 16, 32, 64)
"""What the paper's text calls few-shot when it claims a gain."""
MARGIN = 0.01
"""Of equivalence and of `not below`, in shares: one point."""
Kind = Literal["superiority", "equivalence", "not below", "interaction", "order", "growth"]
VERDICTS = ("not run", "contradicted", "inconclusive", "direction only", "reproduced")
"""From worst to best; a claim of several parts has the worst of theirs."""

STANDARD = {"none": ("standard", "standard"), "cod": ("cod", "unvalidated")}


@dataclass(frozen=True, slots=True)
class Part:
    """`plus` minus `minus`, each (method, `none` or `cod`), over tasks and budgets; averaged as every table of ours."""

    plus: tuple[str, str]
    minus: tuple[str, str]
    tasks: tuple[str, ...]
    ks: tuple[int, ...]
    published: float | None
    """The same from the published means, in shares (order and growth: in seconds)."""
    doubtful: frozenset[tuple[str, int]] = frozenset()
    """(task, k) whose printed row is in doubt on either side: left out of the published figure and of ours."""
    generator: str = ""
    """Which variant of the claim's suite answers it, where that is not the suite itself."""

    def budgets(self, tasks: Sequence[str], ks: Sequence[int]) -> dict[str, tuple[int, ...]]:
        """Task, ours or the paper's -> the budgets that count; tasks without any are left out."""
        sure = {task: tuple(k for k in ks if (base_name(task), k) not in self.doubtful) for task in tasks}
        return {task: own for task, own in sure.items() if own}


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement, what decides it, and on which suite."""

    name: str
    text: str
    kind: Kind
    suite: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What grids say of one claim, with the paper's CoD read as `reading`: our `cod` or our `unvalidated`."""

    claim: Claim
    reading: str
    grids: tuple[Grid | None, ...]
    """One a part, all of one protocol and track; None where its suite has no run there."""
    estimates: tuple[Comparison | None, ...]
    """One a part; None where a cell is not whole; without interval before the whole declared grid is there."""
    verdict: str | None
    """None for an analogue."""


def claims() -> list[Claim]:
    """Every claim, in the order of the paper's text."""
    small, tiny, qwen = (_tasks(number) for number in (1, 5, 6))
    ted = _tasks(2)
    return [
        Claim(
            "few-shot gain", "CoD beats the same method without it at k = 8 to 64", "superiority", "paper",
            (*(_gain(1, m, small, FEW) for m in ("kd", "lwd")), _gain(2, "ted", ted, FEW)),
        ),
        Claim(
            "parity at 512", "With k = 512 CoD, half of whose rows are made, is level with 512 labelled rows",
            "equivalence", "paper",
            (*(_gain(1, m, small, (512,)) for m in ("kd", "lwd")), _gain(2, "ted", ted, (512,))),
        ),
        Claim("imdb lwd small", "IMDB, k = 8: LWD gains 10.1 points", "superiority", "paper",
              (_gain(1, "lwd", ("imdb",), (8,)),)),
        Claim("imdb kd xsmall", "IMDB, k = 8: KD gains 15.0 points", "superiority", "paper-xsmall",
              (_gain(5, "kd", ("imdb",), (8,)),)),
        Claim("imdb kd qwen", "IMDB, k = 8: KD gains 12.2 points", "superiority", "paper-qwen",
              (_gain(6, "kd", ("imdb",), (8,)),)),
        Claim(
            "cola everywhere", "CoLA gains at every k for KD and LWD", "superiority", "paper",
            tuple(_gain(1, m, ("cola",), (k,)) for m in ("kd", "lwd") for k in _ks(1)),
        ),
        Claim(
            "ted not above", "In few-shot TED is not above KD and LWD", "not below", "paper",
            tuple(_between(m, "ted", ted, FEW) for m in ("kd", "lwd")),
        ),
        Claim("few-shot gain, xsmall", "The gain holds for the xsmall student", "superiority", "paper-xsmall",
              tuple(_gain(5, m, tiny, FEW) for m in ("kd", "lwd"))),
        Claim("few-shot gain, qwen", "The gain holds for Qwen2.5", "superiority", "paper-qwen",
              tuple(_gain(6, m, qwen, FEW) for m in ("kd", "lwd"))),
        Claim(
            "soft labels matter", "CoD gains more with the teacher's soft labels than without any", "interaction",
            "soft-labels",
            (Part(("kd", "cod"), ("finetune", "cod"), ("sst2",), FEW, _interaction()),),
        ),
        Claim(
            "prompt robustness", "Whichever of four prompts made the counterfactuals, CoD gains at k = 8 to 64",
            "superiority", paper.TABLES[7].suite,
            tuple(
                Part(("kd", "cod"), ("kd", "none"), ("sst2",), FEW, _prompt_gain(prompt), generator=made)
                for prompt, made in _prompt_makers().items()
            ),
        ),
        Claim(
            "lwd costs more", "A run of LWD takes longer than one of KD", "order", "paper",
            (Part(("lwd", "cod"), ("kd", "cod"), ("sst2",), _ks(1), _cost()),),
        ),
        Claim(
            "cost grows", "A run takes longer with k", "growth", "paper",
            tuple(Part((m, "cod"), (m, "cod"), ("sst2",), _ks(1), _growth(m)) for m in ("kd", "lwd")),
        ),
    ]  # fmt: skip


def suite_of(claim: Claim, part: Part) -> str:
    """The suite, or its variant, that answers a part of a claim."""
    return suites.suite(claim.suite).variant(generator=part.generator).name


def settings(claim: Claim, grids: Sequence[Grid]) -> list[tuple[Grid | None, ...]]:
    """For each (protocol, track) where a suite of the claim has a grid: the grid that answers each part, or None."""
    wanted = {suite_of(claim, part) for part in claim.parts}
    own = {(grid.protocol, grid.track, grid.suite.name): grid for grid in grids if grid.suite.name in wanted}
    places = dict.fromkeys((protocol, track) for protocol, track, _ in own)
    return [tuple(own.get((*place, suite_of(claim, part))) for part in claim.parts) for place in places]


def answer(claim: Claim, grids: Sequence[Grid | None], *, decides: bool) -> list[Answer]:
    """What grids, one a part, say of a claim, read both ways; an analogue (`decides` false) takes all of its tasks.

    Args:
        decides: the published model pair on canonical data under protocol `paper`; else there is no verdict.
    """
    found = []
    level = 0.90 if claim.kind == "equivalence" else 0.95
    for reading in STANDARD["cod"]:
        estimates = tuple(
            None if grid is None else _estimate(claim, part, grid, reading, level, decides)
            for part, grid in zip(claim.parts, grids, strict=True)
        )
        told = [_verdict(claim.kind, part, e) for part, e in zip(claim.parts, estimates, strict=True)]
        verdict = min(told, key=VERDICTS.index) if decides else None
        found.append(Answer(claim, reading, tuple(grids), estimates, verdict))
    return found


def _estimate(claim: Claim, part: Part, grid: Grid, reading: str, level: float, decides: bool) -> Comparison | None:
    names = [name for name in grid.suite.tasks if not decides or base_name(name) in part.tasks]
    ks = part.ks if decides else tuple(k for k in part.ks if k in grid.ks)
    if decides and len(names) < len(part.tasks):
        return None
    if claim.kind in ("order", "growth"):
        found = _seconds(claim.kind, part, grid, reading, names, ks)
    else:
        found = _difference(claim.kind, part, grid, reading, level, part.budgets(names, ks))
    return found if found is None or grid.tested else compare.means_only(found)


def _difference(
    kind: Kind, part: Part, grid: Grid, reading: str, level: float, budgets: compare.Budgets
) -> Comparison | None:
    """`plus` minus `minus` over whole cells; None while a run of them is missing."""
    names, ks = list(budgets), sorted({k for own in budgets.values() for k in own})
    sides = [_side(grid, side, reading, names, ks) for side in (part.plus, part.minus)]
    if kind == "interaction":  # (with CoD - without) of one method, minus the same of the other
        plain = [_side(grid, (method, "none"), reading, names, ks) for method, _ in (part.plus, part.minus)]
        sides = [compare.minus(side, base) for side, base in zip(sides, plain, strict=True)]
    wanted = {
        (name, seed, k, teacher)
        for name, own in budgets.items()
        for seed, k, teacher in product(grid.suite.seeds, own, _teachers(grid))
    }
    if not wanted or not all(wanted <= side.keys() for side in sides):
        return None
    labels = [
        " ".join((method, reading if variant == "cod" else "standard")) for method, variant in (part.plus, part.minus)
    ]
    return compare.compare((labels[0], sides[0]), (labels[1], sides[1]), level, test=False, budgets=budgets)


def _side(
    grid: Grid, side: tuple[str, str], reading: str, names: Sequence[str], ks: Sequence[int]
) -> dict[compare.Key, Run]:
    method, variant = side
    condition = reading if variant == "cod" else "standard"
    if method not in grid.methods or condition not in grid.conditions(method):
        return {}
    return {key: run for key, run in compare.side(grid, method, condition, ks).items() if key[0] in names}


def _teachers(grid: Grid) -> list[int]:
    """Seeds of the teachers that its runs are made with."""
    return [of_teacher(name)[1] for name in grid.on_teachers]


def _seconds(
    kind: Kind, part: Part, grid: Grid, reading: str, names: Sequence[str], ks: Sequence[int]
) -> Comparison | None:
    """Mean seconds: `plus` minus `minus` at each k, or each k minus the one before; low and high are the extremes.

    None while a run is missing: seeds and tasks differ in length.
    """
    means: list[list[float]] = [[], []]
    for k in ks:
        for found, side in zip(means, (part.plus, part.minus), strict=True):
            runs = _side(grid, side, reading, names, (k,))
            if not names or len(runs) < len(names) * len(grid.suite.seeds) * len(grid.on_teachers):
                return None
            found.append(float(np.mean([run.record.cost["seconds"] for run in runs.values()])))
    steps = np.diff(means[0]) if kind == "growth" else np.array(means[0]) - np.array(means[1])
    if not len(steps):
        return None
    total = float(steps.sum() if kind == "growth" else steps.mean())
    labels, n = (part.plus[0], part.minus[0]), len(names) * len(grid.suite.seeds)
    low, high = float(steps.min()), float(steps.max())
    return Comparison(*labels, n, len(names), tuple(ks), False, total, low, high, None)


def _verdict(kind: Kind, part: Part, found: Comparison | None) -> str:
    """protocol.md's rules for one part."""
    if found is not None and found.units < stats.FEWEST:
        return "inconclusive"
    if found is None or found.low is None or found.high is None:
        return "not run"
    if kind == "equivalence":
        if found.low >= -MARGIN and found.high <= MARGIN:
            return "reproduced"
        return "contradicted" if found.low > MARGIN or found.high < -MARGIN else "inconclusive"
    if found.high < 0:
        return "contradicted"
    if kind == "not below":
        return "reproduced" if found.low > -MARGIN else "inconclusive"
    if found.low <= 0:
        return "inconclusive"
    sized = kind in ("order", "growth") or (part.published is not None and found.high >= part.published)
    return "reproduced" if sized else "direction only"


def _tasks(number: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(task for task, _, _, _ in paper.accuracies(number)))


def _ks(number: int) -> tuple[int, ...]:
    return tuple(sorted({k for _, _, _, k in paper.accuracies(number)}))


def _gain(number: int, method: str, tasks: Sequence[str], ks: Sequence[int]) -> Part:
    cells = paper.accuracies(number)
    pairs = {(t, k): (cells[t, method, "cod", k], cells[t, method, "none", k]) for t in tasks for k in ks}
    return _part((method, "cod"), (method, "none"), pairs)


def _between(better: str, worse: str, tasks: Sequence[str], ks: Sequence[int]) -> Part:
    tables = {"kd": paper.accuracies(1), "lwd": paper.accuracies(1), "ted": paper.accuracies(2)}
    pairs = {
        (t, k): (tables[better][t, better, "none", k], tables[worse][t, worse, "none", k]) for t in tasks for k in ks
    }
    return _part((better, "none"), (worse, "none"), pairs)


def _part(
    plus: tuple[str, str], minus: tuple[str, str], pairs: Mapping[tuple[str, int], tuple[paper.Value, paper.Value]]
) -> Part:
    """A part from the published cells of both sides, by (task, k); averaged over k first, then over tasks, as ours."""
    tasks, ks = tuple(dict.fromkeys(t for t, _ in pairs)), tuple(sorted({k for _, k in pairs}))
    doubtful = frozenset(cell for cell, (a, b) in pairs.items() if not (a.certain and b.certain))
    part = Part(plus, minus, tasks, ks, None, doubtful)
    means = [
        float(np.mean([pairs[task, k][0].mean - pairs[task, k][1].mean for k in own]))
        for task, own in part.budgets(tasks, ks).items()
    ]
    return replace(part, published=float(np.mean(means)) if means else None)


def _soft() -> Mapping[tuple[str, str, int], float]:
    rows = paper.published("soft_label_ablation")
    return {(row["condition"], row["variant"], int(row["k"])): float(row["accuracy"]) for row in rows}


def _interaction() -> float:
    told = _soft()
    gains = {
        labels: float(np.mean([told[labels, "cod", k] - told[labels, "none", k] for k in FEW]))
        for labels in ("default", "no_soft_label")
    }
    return gains["default"] - gains["no_soft_label"]


def _prompt_makers() -> dict[str, str]:
    """The paper's prompt -> the generator that answers for it where that is not the suite's own, else empty."""
    (own, *others) = paper.PROMPTS.items()
    return {own[0]: ""} | dict(others)


def _prompt_gain(prompt: str) -> float:
    told = {(row["variant"], int(row["k"])): float(row["accuracy"]) for row in paper.published("prompt_ablation")}
    return float(np.mean([told[prompt.replace("prompt ", "cod_v"), k] - told["kd", k] for k in FEW]))


def _cost() -> float:
    told = {(row["method"], row["k"]): float(row["duration_s"]) for row in paper.published("cost")}
    return float(np.mean([told["lwd", k] - told["kd", k] for method, k in told if method == "kd"]))


def _growth(method: str) -> float:
    told = {int(row["k"]): float(row["duration_s"]) for row in paper.published("cost") if row["method"] == method}
    return told[max(told)] - told[min(told)]
