"""Answers that decide nothing -> each figure of ours once, under a label, with the claims it is like. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cod_bench.analysis.aggregate import Grid
from cod_bench.reports.paper.claims import Answer, Claim, Part
from cod_bench.reports.paper.tables import base_name
from cod_bench.reports.tables import NONE, code, escape, interval, markdown, number, points

Answers = Sequence[tuple[Claim, Sequence[Answer]]]

CAPTION = (
    "Other models, tasks or protocols than the paper's: no evidence for or against a claim. Each figure of ours stands "
    "here once, however many claims ask for a difference like it; *beside*: these claims with the published size, of "
    "which the figure is no second, third or fourth confirmation."
)


@dataclass(slots=True)
class Analogue:
    """One difference of ours and what it stands beside."""

    label: str
    difference: str
    ours: str
    figures: tuple[str, str]
    """With `cod`, with `unvalidated`."""
    beside: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Analogues:
    """All of them, and the label under which each part of each answer finds its own."""

    found: tuple[Analogue, ...]
    labels: Mapping[tuple[int, int], str]
    """(place among the answers, place of the part) -> label; a part without a figure has none."""


def of(answers: Answers) -> Analogues:
    """The analogues among answers, in their order; equal differences of one grid are one."""
    found: dict[tuple[str, ...], Analogue] = {}
    labels = {}
    for place, (claim, own) in enumerate(answers):
        if not own or own[0].verdict is not None:
            continue
        for at, part in enumerate(claim.parts):
            grid, figures = own[0].grids[at], tuple(figure(claim, answer, at) for answer in own)
            estimate = next((answer.estimates[at] for answer in own if answer.estimates[at] is not None), None)
            if grid is None or estimate is None:
                continue
            ks = ", ".join(map(str, estimate.ks))
            difference = f"{contrast(claim, part)}, k = {ks}{without(part, grid.suite.tasks)}"
            ours = _ours(grid)
            made = found.setdefault(
                (difference, ours, *figures),
                Analogue(f"A{len(found) + 1}", difference, ours, (figures[0], figures[1])),
            )
            named = f"{escape(claim.name)} ({size(claim, part)})"
            made.beside += [] if named in made.beside else [named]
            labels[place, at] = made.label
    return Analogues(tuple(found.values()), labels)


def text(analogues: Analogues) -> str:
    """Their table and its caption."""
    rows = [[a.label, a.difference, a.ours, *a.figures, "; ".join(a.beside)] for a in analogues.found]
    headers = ["analogue", "difference", "ours", "with `cod`", "with `unvalidated`", "beside"]
    return f"{markdown(headers, rows, left=6)}\n\n{CAPTION}"


def figure(claim: Claim, answer: Answer, place: int) -> str:
    """One estimate with its interval or its number of units; a dash where there is none."""
    e = answer.estimates[place]
    if e is None:
        return NONE
    timed = claim.kind in ("order", "growth")
    told = f"{number(e.estimate, 1)} s" if timed else points(e.estimate)
    if e.low is None:
        return f"{told}, n = {e.units} units"
    if not timed:
        return f"{told} {interval(e.low, e.high)}" + (" (90 %)" if claim.kind == "equivalence" else "")
    steps = ", a step" if claim.kind == "growth" else ""
    return f"{told}{steps} [{number(e.low, 1)}, {number(e.high, 1)}]"


def size(claim: Claim, part: Part) -> str:
    """The published difference."""
    return f"{number(part.published, 1)} s" if claim.kind in ("order", "growth") else points(part.published)


def contrast(claim: Claim, part: Part) -> str:
    """What is taken from what."""
    plus, minus = (
        escape(f"{method} + CoD" if variant == "cod" else method) for method, variant in (part.plus, part.minus)
    )
    return {
        "growth": f"{plus}, by k",
        "interaction": f"({plus} - {escape(part.plus[0])}) - ({minus} - {escape(part.minus[0])})",
    }.get(claim.kind, f"{plus} - {minus}")


def without(part: Part, tasks: Sequence[str]) -> str:
    """The cells in doubt, task by task, as far as they are of these tasks."""
    told = []
    for task in sorted({task for task, _ in part.doubtful} & set(map(base_name, tasks))):
        ks = sorted(k for name, k in part.doubtful if name == task)
        told.append(escape(task) if set(ks) == set(part.ks) else f"{escape(task)} at {', '.join(map(str, ks))}")
    return f", without {' and '.join(told)}" if told else ""


def _ours(grid: Grid) -> str:
    where = f"{code(grid.suite.name)}, {code(grid.track)}, {code(grid.protocol)}"
    pair = _pair(grid)
    return f"{where}: {f'{pair}, on ' if pair else ''}{', '.join(map(escape, grid.suite.tasks))}"


def _pair(grid: Grid) -> str:
    """Teacher and student as the records' identities tell them; empty where they do not."""
    told: Mapping[str, Any] = next((run.record.identity["track"] for run in grid.runs.values()), {})
    student = told.get("student")
    teacher, layers = told.get("weights"), told.get("student_layers")
    if not isinstance(teacher, str):
        return ""
    name = student.get("weights", teacher) if isinstance(student, Mapping) else teacher
    kept = f" (its layers {' and '.join(map(str, layers))})" if isinstance(layers, list) else ""
    return f"{escape(teacher)} to {escape(name)}{kept}"
