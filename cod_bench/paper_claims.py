"""The claims of the paper's text as data, fixed beforehand -> a verdict from a grid of ours. Pure; arXiv 2510.21631."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cod_bench import compare, paper
from cod_bench.aggregate import Grid, Run
from cod_bench.compare import Comparison
from cod_bench.paper import base_name

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
    """The same from the published means, uncertain cells left out; in shares (order and growth: in seconds)."""


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
    """What a grid says of one claim, with the paper's CoD read as `reading`: our `cod` or our `unvalidated`."""

    claim: Claim
    reading: str
    estimates: tuple[Comparison | None, ...]
    """One a part; None where a side was not run at some budget."""
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
        *(
            Claim(
                f"prompt robustness, {prompt}",
                f"Whichever of four prompts made the counterfactuals, CoD gains at k = 8 to 64: {prompt}",
                "superiority", suite, (Part(("kd", "cod"), ("kd", "none"), ("sst2",), FEW, _prompt_gain(prompt)),),
            )
            for prompt, suite in _prompt_suites().items()
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


def answer(claim: Claim, grid: Grid, *, decides: bool) -> list[Answer]:
    """What a grid says of a claim, read both ways; an analogue (`decides` false) takes all of its tasks.

    Args:
        decides: the published model pair on canonical data under protocol `paper`; else there is no verdict.
    """
    found = []
    level = 0.90 if claim.kind == "equivalence" else 0.95
    for reading in STANDARD["cod"]:
        estimates = tuple(_estimate(claim, part, grid, reading, level, decides) for part in claim.parts)
        told = [_verdict(claim.kind, part, e) for part, e in zip(claim.parts, estimates, strict=True)]
        verdict = min(told, key=VERDICTS.index) if decides else None
        found.append(Answer(claim, reading, estimates, verdict))
    return found


def _estimate(claim: Claim, part: Part, grid: Grid, reading: str, level: float, decides: bool) -> Comparison | None:
    names = [name for name in grid.suite.tasks if not decides or base_name(name) in part.tasks]
    ks = part.ks if decides else tuple(k for k in part.ks if k in grid.ks)
    if claim.kind in ("order", "growth"):
        return _seconds(claim.kind, part, grid, reading, names, ks)
    sides = [_side(grid, side, reading, names, ks) for side in (part.plus, part.minus)]
    if claim.kind == "interaction":  # (with CoD - without) of one method, minus the same of the other
        plain = [_side(grid, (method, "none"), reading, names, ks) for method, _ in (part.plus, part.minus)]
        sides = [compare.minus(side, base) for side, base in zip(sides, plain, strict=True)]
    whole = len(names) * len(ks) * len(grid.suite.seeds)
    if not whole or any(len(side) < whole for side in sides) or (decides and len(names) < len(part.tasks)):
        return None  # before every cell is there, nothing is said
    labels = [
        " ".join((method, reading if variant == "cod" else "standard")) for method, variant in (part.plus, part.minus)
    ]
    return compare.compare((labels[0], sides[0]), (labels[1], sides[1]), level, test=False)


def _side(
    grid: Grid, side: tuple[str, str], reading: str, names: Sequence[str], ks: Sequence[int]
) -> dict[tuple[str, int, int], Run]:
    method, variant = side
    condition = reading if variant == "cod" else "standard"
    if method not in grid.methods or condition not in grid.conditions(method):
        return {}
    return {key: run for key, run in compare.side(grid, method, condition, ks).items() if key[0] in names}


def _seconds(
    kind: Kind, part: Part, grid: Grid, reading: str, names: Sequence[str], ks: Sequence[int]
) -> Comparison | None:
    """Mean seconds: `plus` minus `minus` at each k, or each k minus the one before; low and high are the extremes."""
    means: list[list[float]] = [[], []]
    for k in ks:
        for found, side in zip(means, (part.plus, part.minus), strict=True):
            runs = _side(grid, side, reading, names, (k,))
            if not runs:
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
    pairs = [(cells[t, method, "cod", k], cells[t, method, "none", k]) for t in tasks for k in ks]
    return Part((method, "cod"), (method, "none"), tuple(tasks), tuple(ks), _mean(pairs))


def _between(better: str, worse: str, tasks: Sequence[str], ks: Sequence[int]) -> Part:
    tables = {"kd": paper.accuracies(1), "lwd": paper.accuracies(1), "ted": paper.accuracies(2)}
    pairs = [(tables[better][t, better, "none", k], tables[worse][t, worse, "none", k]) for t in tasks for k in ks]
    return Part((better, "none"), (worse, "none"), tuple(tasks), tuple(ks), _mean(pairs))


def _mean(pairs: Sequence[tuple[paper.Value, paper.Value]]) -> float | None:
    certain = [a.mean - b.mean for a, b in pairs if a.certain and b.certain]
    return float(np.mean(certain)) if certain else None


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


def _prompt_suites() -> dict[str, str]:
    """The paper's prompt -> the suite, or its variant for that generator, which answers for it."""
    (own, *others), suite = paper.PROMPTS.items(), paper.TABLES[7].suite
    return {own[0]: suite} | {prompt: f"{suite}+{made}" for prompt, made in others}


def _prompt_gain(prompt: str) -> float:
    told = {(row["variant"], int(row["k"])): float(row["accuracy"]) for row in paper.published("prompt_ablation")}
    return float(np.mean([told[prompt.replace("prompt ", "cod_v"), k] - told["kd", k] for k in FEW]))


def _cost() -> float:
    told = {(row["method"], row["k"]): float(row["duration_s"]) for row in paper.published("cost")}
    return float(np.mean([told["lwd", k] - told["kd", k] for method, k in told if method == "kd"]))


def _growth(method: str) -> float:
    told = {int(row["k"]): float(row["duration_s"]) for row in paper.published("cost") if row["method"] == method}
    return told[max(told)] - told[min(told)]
