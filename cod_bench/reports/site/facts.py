"""Grids -> the page's facts about methods, the paper's claims and where the records come from. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cod_bench.analysis import aggregate, paired
from cod_bench.analysis.aggregate import Grid, Run
from cod_bench.reports import beside, standing
from cod_bench.reports.paper import analogues as paper_analogues
from cod_bench.reports.paper import claims as paper_claims
from cod_bench.reports.paper import page as paper_page
from cod_bench.reports.site.data import MAIN_PAIR, Section
from cod_bench.reports.tables import NONE, percent, points
from cod_bench.spec import RunSpec, canonical


@dataclass(frozen=True, slots=True)
class Recipe:
    """A method's hyperparameters on one track, as the records' identities tell them."""

    track: str
    version: str
    ks: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """(name, value at each k); one value where it is the same at every k."""


@dataclass(frozen=True, slots=True)
class Results:
    """A method's accuracies in one section: (task, condition, text at each k)."""

    section: Section
    ks: tuple[int, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Method:
    """Everything about one method."""

    name: str
    about: tuple[str, ...]
    """Paragraphs: its summary, then its docstring."""
    states: tuple[tuple[Section, str], ...]
    """What is known of its records, section by section."""
    recipes: tuple[Recipe, ...]
    results: tuple[Results, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission beside the declared methods; the tables with their captions as markdown."""

    section: Section
    accuracies: str
    differences: str
    """Empty where there is nothing to compare with."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One claim of the paper in one line."""

    text: str
    kind: str
    suite: str
    readings: tuple[str, str]
    """Verdict with `cod` and with `unvalidated`; `not run` where no records of the named pair are there."""
    analogues: str
    """Labels of the figures of ours that are like it and decide nothing."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What the page says of the paper's claims; the tables as markdown."""

    verdicts: tuple[Verdict, ...]
    analogues: str
    """Every figure that decides nothing, once; empty without any."""
    parts: str
    records: str
    """Whether the records behind all of this are submitted or have been re-run, grid by grid; empty without any."""


def methods(sections: Sequence[Section], about: Mapping[str, str]) -> list[Method]:
    """Every declared method that has a run, in order of appearance.

    Args:
        about: method -> paragraphs with blank lines between; a method without any shows its name alone.
    """
    names = dict.fromkeys(m for s in sections for m in s.grid.methods if any(r.method == m for r in s.grid.runs))
    return [
        Method(
            name,
            tuple(" ".join(part.split()) for part in about.get(name, "").split("\n\n") if part.strip()),
            tuple((s, standing.full(s.grid, name)) for s in sections if any(r.method == name for r in s.grid.runs)),
            tuple(_recipes(sections, name)),
            tuple(_results(s, name) for s in sections if any(spec.method == name for spec in s.grid.runs)),
        )
        for name in names
    ]  # fmt: skip


def submissions(sections: Sequence[Section]) -> list[Submission]:
    """Every submission among the sections, in their order."""
    grids = [shown.grid for shown in sections]
    found = []
    for shown in filter(lambda shown: beside.submitted(shown.grid), sections):
        declared = beside.counterpart(shown.grid, grids)
        compared = beside.differences(shown.grid, declared) if declared else []
        accuracies = beside.figures(shown.grid, declared)
        found.append(Submission(shown, "\n\n".join(accuracies), "\n\n".join(compared)))
    return found


def _recipes(sections: Sequence[Section], method: str) -> Iterator[Recipe]:
    told: dict[tuple[str, str], dict[int, Mapping[str, Any]]] = {}
    for shown in sections:
        for spec, run in shown.grid.runs.items():
            if spec.method == method:
                identity = run.record.identity["method"]
                key = (shown.grid.track, str(identity.get("version", NONE)))  # whatever the teacher's seed
                told.setdefault(key, {})[spec.k] = identity.get("hparams", {})
    for (track, version), by_k in sorted(told.items()):
        ks = sorted(by_k)
        lines = []
        for name in sorted({name for hparams in by_k.values() for name in hparams}):
            values = tuple(_value(by_k[k].get(name)) for k in ks)
            lines.append((name, values[:1] if len(set(values)) == 1 else values))
        yield Recipe(track, version, tuple(map(str, ks)), tuple(lines))


def _value(value: object) -> str:
    return NONE if value is None else value if isinstance(value, str) else json.dumps(value)


def _results(shown: Section, method: str) -> Results:
    grid = shown.grid
    ks = tuple(sorted({k for condition in grid.conditions(method) for k in grid.ks_of(method, condition)}))
    known = {(c["task"], c["condition"], c["k"]): c for c in aggregate.cells(grid) if c["method"] == method}
    lines = []
    for task in grid.suite.tasks:
        for condition in grid.conditions(method):
            cells = [known.get((task, condition, k)) for k in ks]
            lines.append((task, condition, tuple(_accuracy(cell) for cell in cells)))
        if set(MAIN_PAIR) <= set(grid.conditions(method)):
            parts = [paired.differences(grid, task, method, MAIN_PAIR, [k]).units for k in ks]
            told = tuple(points(float(part.mean())) if len(part) else NONE for part in parts)
            lines.append((task, " - ".join(MAIN_PAIR), told))
    return Results(shown, ks, tuple(lines))


def _accuracy(cell: Mapping[str, Any] | None) -> str:
    if cell is None or cell["accuracy"] is None:
        return NONE
    return percent(cell["accuracy"]) + ("" if cell["accuracy_sd"] is None else f" ± {percent(cell['accuracy_sd'])}")


def paper_answers(grids: Sequence[Grid]) -> Claims:
    """The paper's claims with the records' answers; the main grid, if complete, is an analogue of each."""
    told: list[tuple[paper_claims.Claim, list[paper_claims.Answer]]] = []
    places: list[range] = []
    used: list[Grid] = []
    for claim in paper_claims.claims():
        own = paper_claims.settings(claim, grids)
        answers = [(sides, paper_page.decides(claim, sides)) for sides in own]
        if grids[0].complete and not any(grids[0] is grid for sides in own for grid in sides):
            answers.append(((grids[0],) * len(claim.parts), False))  # nothing to see before every run is there
        found = [(claim, paper_claims.answer(claim, sides, decides=decides)) for sides, decides in answers]
        used += [side for sides, _ in answers for side in sides if side is not None]
        start = len(told)
        told += found if own else [(claim, []), *found]
        places.append(range(start, len(told)))
    analogues = paper_analogues.of(told)
    verdicts = []
    for own_places in places:
        claim = told[own_places[0]][0]
        deciding = [answer for place in own_places for answer in told[place][1] if answer.verdict is not None]
        first, second = (
            next((a.verdict for a in deciding if a.reading == reading and a.verdict), "not run")
            for reading in paper_claims.STANDARD["cod"]
        )
        labels = dict.fromkeys(label for (place, _), label in analogues.labels.items() if place in own_places)
        verdicts.append(Verdict(claim.text, claim.kind, claim.suite, (first, second), ", ".join(labels) or NONE))
    parts = "\n\n".join([paper_page.claims_parts(told, analogues), *paper_page.not_run(told)])
    states = dict.fromkeys(f"suite {g.suite.name} on track {g.track} {standing.brief(g)}" for g in used)
    return Claims(tuple(verdicts), paper_analogues.text(analogues) if analogues.found else "", parts, "; ".join(states))


def teachers(grids: Sequence[Grid]) -> list[tuple[str, ...]]:
    """(track, task, teacher, evaluation rows, training pool, its accuracy in %, runs) behind the records."""
    found: Counter[tuple[str, ...]] = Counter()
    for runs in _distinct(grids):
        for spec, run in runs.items():
            r = run.record
            found[spec.track, spec.task, r.teacher_hash, r.eval_hash, r.train_hash] += 1
    accuracy = {
        (spec.track, spec.task, run.record.teacher_hash): grid.each_teacher[spec.task, spec.track]
        for grid in grids
        for spec, run in grid.runs.items()
    }
    return [
        (track, task, teacher, rows, pool, percent(accuracy[track, task, teacher]), str(n))
        for (track, task, teacher, rows, pool), n in sorted(found.items())
    ]


def environments(grids: Sequence[Grid]) -> list[tuple[str, str, int]]:
    """(what, value, number of runs): versions, commits, dates and environments that made the records."""
    found: Counter[tuple[str, str]] = Counter()
    for runs in _distinct(grids):
        for run in runs.values():
            known = run.record.provenance
            found["cod-bench", str(known.get("cod_bench", "not told"))] += 1
            git = known.get("git")
            commit = f"{git.get('commit')}{' (changed)' if git.get('dirty') else ''}" if isinstance(git, dict) else ""
            found["commit", commit or "not told"] += 1
            found["date", str(known.get("date", "not told"))] += 1
            environment = known.get("environment", "not told")
            if isinstance(environment, Mapping):
                environment = ", ".join(f"{key} {environment[key]}" for key in sorted(environment))
            found["environment", str(environment)] += 1
    order = ("cod-bench", "commit", "environment", "date")
    return [(*key, n) for key, n in sorted(found.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))]


def generators(grids: Sequence[Grid]) -> list[tuple[str, str, str, int]]:
    """(tasks, generator and version, parameters, runs) of every generator behind counted runs."""
    found: Counter[tuple[str, str]] = Counter()
    tasks: dict[tuple[str, str], set[str]] = {}
    for runs in _distinct(grids):
        for spec, run in runs.items():
            told = run.record.identity.get("generator")
            if isinstance(told, Mapping):
                key = f"{told.get('name')} {told.get('version', '')}".strip(), canonical(told.get("params", {}))
                found[key] += 1
                tasks.setdefault(key, set()).add(spec.task)
    return [(", ".join(sorted(tasks[key])), *key, n) for key, n in sorted(found.items())]


def _distinct(grids: Sequence[Grid]) -> list[dict[RunSpec, Run]]:
    """The runs of each grid, those that an earlier one shows left out: suites may share runs."""
    seen: set[RunSpec] = set()
    found = []
    for grid in grids:
        found.append({spec: run for spec, run in grid.runs.items() if spec not in seen})
        seen.update(grid.runs)
    return found
