"""A grid -> what the page shows of it: headline, comparisons, charts, rows of the main table. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cod_bench.analysis import aggregate, claims
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import Claim, Gain
from cod_bench.records.results import BadFile
from cod_bench.records.verdicts import REPRODUCED
from cod_bench.reports import captions, floors, leaderboard, page, standing
from cod_bench.reports import gains as gain_tables
from cod_bench.reports.site import charts as site_charts
from cod_bench.reports.site.charts import Forest, Panel
from cod_bench.reports.tables import counted, p_value, percent

ALL_TASKS = "all tasks"
MEAN_K = "mean"
MAIN_PAIR = claims.MAIN_PAIR
HALF = "half"
SHOWN = ("matched", "agreement", "macro_f1", "mcc", "kl", "ece")
"""Metrics beside accuracy in the main table."""


@dataclass(frozen=True, slots=True)
class Section:
    """One (suite, protocol, track): everything that never shares a table with another."""

    grid: Grid
    gains: tuple[Gain, ...]
    claims: tuple[Claim, ...]
    answer: Forest
    """What `cod` gains over `standard`, a row a method: of the reproduced ones if there are any."""
    groups: tuple[tuple[str, tuple[tuple[str, str, Forest], ...]], ...]
    """Every comparison, in titled groups: (condition, over, a row a method), all on one scale."""
    panels: tuple[tuple[Panel, ...], ...]
    conditions: tuple[str, ...]
    parts: Mapping[str, str]
    """The leaderboard's own tables and captions, as markdown."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The answer in one sentence, and what it rests on."""

    sentence: str
    basis: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the main table. Accuracies and gains are shares; None where nothing was run or declared."""

    suite: str
    track: str
    protocol: str
    task: str
    method: str
    condition: str
    k: str
    order: int
    """Of k: 0 for the mean."""
    n: int
    declared: int
    accuracy: float | None
    sd: float | None
    """Standard deviation over seeds of the line's own mean."""
    gain: float | None
    """Over `standard`, paired."""
    collapsed: float | None
    state: str
    """Of the method's records, in short."""
    metrics: Mapping[str, float | None]


def section(grid: Grid, bad: Sequence[BadFile] = (), conditions: Sequence[str] = ()) -> Section:
    """What one grid gives to the page, which shows these conditions besides its own."""
    found = claims.findings(grid)
    told, worth = gain_tables.gain_caption(grid, found), claims.by_conditions(grid)
    parts = {
        "heading": captions.heading(grid),
        "state": page.state(grid),
        "floors": "\n\n".join(floors.main_parts(grid, level=3)[1:]),
        "accuracy": f"{page.accuracy(grid)}\n\n{page.accuracy_caption(grid)}",
        "gains": f"{gain_tables.gain_table(grid, found)}\n\n{told}"
        if found.gains and not (worth and grid.tested)
        else "",
        "gain caption": told,
        "matched": "\n\n".join(gain_tables.matched_parts(grid, found, level=3)[1:]),
        "claims": "\n\n".join(
            gain_tables.worth(grid, found) if worth and grid.tested else gain_tables.claim_parts(grid, found.claims)
        ),
        "per task": "\n\n".join(page.per_task(grid)[1:]),
        "counterfactuals": "\n\n".join(page.counterfactuals(grid)[1:]),
        "incomplete": "" if grid.complete and not grid.stale and not bad else leaderboard.incomplete(grid, bad),
    }
    return Section(
        grid, found.gains, found.claims,
        answer=site_charts.forest(_main(grid, found.gains)),
        groups=_groups(grid, found.gains),
        panels=tuple(tuple(row) for row in site_charts.panels(grid, [*grid.shown, *conditions])),
        conditions=grid.shown,
        parts=parts,
    )  # fmt: skip


def _main(grid: Grid, gains: Sequence[Gain]) -> list[Gain]:
    """What the headline is made of."""
    return standing.headed(grid, claims.main_gains(gains))


def _groups(grid: Grid, gains: Sequence[Gain]) -> tuple[tuple[str, tuple[tuple[str, str, Forest], ...]], ...]:
    whole = site_charts.forest(gains)
    found: dict[str, list[tuple[str, str, Forest]]] = {}
    for condition, over in dict.fromkeys((gain.condition, gain.over) for gain in gains):
        every = {row.method: row for row in whole.rows[::-1] if (row.condition, row.over) == (condition, over)}
        own = tuple(row for row in whole.rows if every.get(row.method) is row)  # two families may have the same gain
        title = "Over half as many labelled texts, trained as long" if over == HALF else "At the same k"
        told = (grid.conditions_about.get(name) for name in (condition, over))
        if over != HALF and not all(one is None or one.equal_k for one in told):
            title = "Not at the same k"
        found.setdefault(title, []).append((condition, over, replace(whole, rows=own)))
    return tuple((title, tuple(forests)) for title, forests in found.items())


def headline(shown: Section, *others: Section) -> Headline:
    """The main answer: what `cod` gains over `standard`, or why nothing can be said; and what others show to be ahead.

    Args:
        others: the page's other sections; of a suite the first is its main one.
    """
    answer = _answer(shown)
    first = {one.grid.suite.name: one for one in reversed((shown, *others))}
    ahead = gain_tables.rivals(((one.grid, one.claims) for one in first.values()), str)
    return replace(answer, sentence=f"{answer.sentence} {ahead}") if ahead else answer


def _answer(shown: Section) -> Headline:
    grid = shown.grid
    done, declared = len(grid.runs), len(grid.declared)
    main = _main(grid, shown.gains)
    where = f"Suite {grid.suite.name}, track {grid.track}, protocol {grid.protocol}: {done} of {declared} trainings."
    where += f" Records: {standing.brief(grid)}. {standing.declared(grid)}"
    tried = [gain for gain in shown.gains if gain.condition in grid.suite.tried and gain.mean is not None]
    tried = standing.headed(grid, tried)
    if not main and tried:
        named = ", ".join(dict.fromkeys(f"{gain.condition} over {gain.over}" for gain in tried))
        said = f"Exploratory, no claim: {named} {_range(tried)} accuracy points."
        return Headline(f"{said}{_unproven(grid, tried)}", where)
    if not main:
        return Headline("Not asked here: this suite does not compare cod with standard.", where)
    n, tasks, seeds = captions.units(grid)
    ks = ", ".join(map(str, dict.fromkeys(k for gain in main for k in gain.ks)))
    basis = (
        f"Points of accuracy over standard at the same number of labelled texts, mean over k = {ks} and over "
        f"{counted(tasks, 'task')} × {counted(seeds, 'seed')}. "
    )
    ending = f"Conditional on one teacher and one generator per task. {where}"
    others = [m for m in grid.methods if grid.primary(m, *MAIN_PAIR) and all(gain.method != m for gain in main)]
    left_out = f" Not in this headline: {', '.join(others)}. {standing.words(grid, others)}" if others else ""
    if not grid.complete:
        what = "Means so far; no interval, p or claim before every declared run is there. "
        return Headline(f"Not decided yet: {done} of {declared} trainings are there.", basis + what + ending + left_out)
    if not grid.tested:
        return Headline(
            f"Not decided: {_range(main)} accuracy points. {captions.untested(grid)}", basis + ending + left_out
        )
    verdicts = claims.main_verdicts(shown.claims)
    p = max((gain.holm for gain in main if gain.holm is not None), default=None)
    basis += f"Bars: 95 % intervals, n = {n} units; Holm p at most {p_value(p)}. {ending}{left_out}"
    return Headline(f"{_sentence(main, verdicts)}{_unproven(grid, main)}", basis)


def _unproven(grid: Grid, gains: Sequence[Gain]) -> str:
    """What a headline says behind its numbers where they are of records that were not found again."""
    if any(standing.short(grid, gain.method) == REPRODUCED for gain in gains):
        return ""
    return f" {standing.words(grid, list(dict.fromkeys(gain.method for gain in gains)))}"


def _sentence(main: Sequence[Gain], verdicts: Mapping[str, str | None]) -> str:
    by_verdict: dict[str, list[Gain]] = {}
    for gain in main:
        by_verdict.setdefault(verdicts.get(gain.method) or "not shown", []).append(gain)
    of, same = len(main), "at the same number of labels"
    up, down = by_verdict.get("shown", []), by_verdict.get("reversed", [])
    if up and down:
        return f"It depends on the method: {len(up)} of {of} gain and {len(down)} lose {same}."
    if up:
        whom = "" if len(up) == of else f" for {len(up)} of {of} methods"
        return f"Here they do{whom}: {_range(up)} accuracy points {same}."
    if down:
        whom = "" if len(down) == of else f" for {len(down)} of {of} methods"
        return f"Here they hurt{whom}: {_range(down)} accuracy points {same}."
    return f"Not shown: {_range(main)} accuracy points {same}, too little to tell from chance."


def _range(gains: Sequence[Gain]) -> str:
    values = sorted(gain.mean or 0.0 for gain in gains)
    texts = [text if text.startswith("-") else f"+{text}" for text in (percent(values[0]), percent(values[-1]))]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} to {texts[1]}"


def rows(shown: Section) -> Iterator[Row]:
    """The main table's lines of one section: means over tasks and budgets first, then single cells."""
    grid = shown.grid
    known = {(c["task"], c["method"], c["condition"], c["k"]): c for c in aggregate.cells(grid)}
    primary = tuple(k for k in grid.ks if k in grid.suite.primary_k)
    many = len(grid.suite.tasks) > 1
    for task in (ALL_TASKS, *grid.suite.tasks) if many else grid.suite.tasks:
        tasks = grid.suite.tasks if task == ALL_TASKS else (task,)
        for method in grid.methods:
            for condition in grid.conditions(method):
                own = grid.ks_of(method, condition)
                scopes: list[tuple[str, int, tuple[int, ...]]] = [(str(k), k, (k,)) for k in own]
                if len(primary) > 1 and set(primary) <= set(own):
                    scopes.insert(0, (MEAN_K, 0, primary))
                for text, order, ks in scopes:
                    cells = [[known[t, method, condition, k] for k in ks] for t in tasks]
                    yield _row(grid, task, method, condition, text, order, cells, ks, tasks)


def _row(
    grid: Grid, task: str, method: str, condition: str, k: str, order: int,
    cells: Sequence[Sequence[Mapping[str, Any]]], ks: Sequence[int], tasks: Sequence[str],
) -> Row:  # fmt: skip
    flat = [cell for line in cells for cell in line]

    def mean(name: str) -> float | None:
        if any(cell[name] is None for cell in flat):
            return None  # a mean that lacks a cell is not shown; nothing is imputed
        return float(np.mean([np.mean([cell[name] for cell in line]) for line in cells]))

    gain = None
    if condition != "standard" and "standard" in grid.conditions(method):
        parts = [aggregate.differences(grid, t, method, (condition, "standard"), ks).units for t in tasks]
        gain = float(np.mean([part.mean() for part in parts])) if all(len(part) for part in parts) else None
    return Row(
        grid.suite.name, grid.track, grid.protocol, task, method, condition, k, order,
        n=sum(cell["n"] for cell in flat),
        declared=sum(cell["declared"] for cell in flat),
        accuracy=mean("accuracy"),
        sd=_spread(grid, method, condition, ks, tasks),
        gain=gain,
        collapsed=mean("collapsed_share"),
        state=standing.short(grid, method),
        metrics={name: mean(name) for name in SHOWN},
    )  # fmt: skip


def _spread(grid: Grid, method: str, condition: str, ks: Sequence[int], tasks: Sequence[str]) -> float | None:
    """Standard deviation over the seeds that have every cell of a line; None under two."""
    of_seed: dict[int, list[float]] = {}
    for task in tasks:
        for k in ks:
            for run in grid.cell(task, method, condition, k):
                of_seed.setdefault(run.record.spec.seed, []).append(float(run.metrics["accuracy"]))
    means = [np.mean(values) for values in of_seed.values() if len(values) == len(tasks) * len(ks)]
    return float(np.std(means, ddof=1)) if len(means) > 1 else None
