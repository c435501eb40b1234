"""A grid -> the markdown of its page. Pure; every caption names the estimator."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import numpy as np

from cod_bench.analysis import aggregate, paired, quality, stats
from cod_bench.analysis import frontier as frontiers
from cod_bench.analysis.aggregate import About, Grid
from cod_bench.analysis.claims import Findings
from cod_bench.design.suites import in_order
from cod_bench.reports import captions, floors, frontier, gains, standing
from cod_bench.reports.captions import UNEQUAL, conditional, named
from cod_bench.reports.tables import NONE, code, counted, escape, markdown, number, percent, points
from cod_bench.spec import PROTOCOLS

MARK = "†"
METRIC_NAMES = {"mcc": "Matthews correlation", "macro_f1": "macro-F1", "auroc": "AUROC"}
"""Metrics that a task's own table may be ranked by."""


def page(grid: Grid, found: Findings, figures: Sequence[str]) -> str:
    """README.md of a section: floors, main table, per-task tables, counterfactuals, curves, meanings, files."""
    parts = [f"# {captions.heading(grid)}", state(grid), main(grid, found, level=2)]
    parts += [*floors.per_task(grid), *per_task(grid), *own_tables(grid), *counterfactuals(grid)]
    parts += costs(grid)
    parts.append("## Learning curves")
    parts.append(
        f"Accuracy against k; whiskers: 95 % t intervals over seeds{captions.each(grid)}, evaluation rows fixed "
        "(unpaired: the paired comparison is the table of gains). A partial grid has no whiskers. Grey without "
        "markers: floors, the teacher's and the best ceiling's accuracy; in panels of single conditions also "
        "`standard` and `cod`."
    )
    parts += [f"![Learning curves: {escape(name.removesuffix('.svg'))}]({quote(name)})" for name in figures]
    parts.append("## Conditions")
    parts.append("\n".join(f"- {code(name)}: {escape(meaning(grid, name))}" for name in grid.shown))
    parts.append("## Files")
    parts.append(
        "`cells.csv` (one line a task, method, condition and k), `overall.csv` (means over tasks), `significance.csv` "
        "(every comparison; single budgets are exploratory, with Holm over the family and its budgets), `claims.csv`, "
        "[exploratory.md](exploratory.md) (who wins how often, labels saved, ranking), `incomplete.md`, `main.txt`, "
        "[frontier.md](frontier.md) and `frontier.csv` (accuracy against what it costs)"
        f"{', `floors.csv` (`cod` minus each floor)' if grid.floors else ''}. "
        "CSV values are shares: 0.01 is one point. Everything is computed from the stored "
        "predictions of the records."
    )
    return "\n\n".join(parts) + "\n"


def meaning(grid: Grid, condition: str) -> str:
    """What a condition is, in a line."""
    told = grid.conditions_about.get(condition)
    if told is None:
        return NONE
    return told.meaning if told.equal_k else f"{told.meaning} {UNEQUAL}"


def costs(grid: Grid) -> list[str]:
    """What is most accurate at which cost, a sentence an axis; nothing where no record tells its costs."""
    points = frontiers.of(grid)
    if frontier.nothing_counted(points):
        return []
    told = [f"- *{axis.many}*: {frontier.sentence(grid, points, axis)}" for axis in frontiers.AXES.values()]
    return ["## Accuracy against cost", "\n".join(told), "Figures and every point: [frontier.md](frontier.md)."]


def state(grid: Grid) -> str:
    """Whether the grid is complete, and what follows."""
    done, all_runs = len(grid.runs), len(grid.declared)
    protocol = PROTOCOLS[grid.protocol]
    ranked = "" if protocol.ranked else " **Unranked protocol.**"
    unranked = [escape(task) for task in grid.suite.tasks if not grid.about.get(task, About()).ranked]
    ranked += f" **Unranked tasks: {', '.join(unranked)}.**" if unranked else ""
    stale = f" {len(grid.stale)} stale records are not counted" if grid.stale else ""
    if earlier := [one for one in grid.stale if one.revised]:
        which = ", ".join(map(code, in_order(one.spec.condition for one in earlier)))
        stale += f", {len(earlier)} of them of an earlier version of {which}, revised after these had been run"
    stale += "." if stale else ""
    if grid.complete:
        text = " ".join(filter(None, [f"Complete: {done} of {all_runs} runs.", captions.untested(grid)]))
    else:
        text = (
            f"**PARTIAL: {done} of {all_runs} runs. Means and n only; there is no interval, p or claim before the "
            "declared grid is complete.** Missing runs: `incomplete.md`."
        )
    apart = "".join(
        f" {code(method)} is not applicable on this track: it {why}." for method, why in grid.excluded.items()
    )
    told = escape(f"{standing.words(grid)} {standing.declared(grid)}")
    return f"{text}{stale}{apart} Protocol {code(grid.protocol)}: {escape(protocol.meaning)}.{ranked} {told}"


def main(grid: Grid, found: Findings, *, level: int) -> str:
    """The main part: floors and ceilings, accuracy, gains, what remains of them in matched accuracy, claims."""
    parts = [*floors.main_parts(grid, level=level), f"{'#' * level} Accuracy (%)"]
    parts += [accuracy(grid), accuracy_caption(grid)]
    return "\n\n".join([*parts, *gains.main_parts(grid, found, level=level)])


def accuracy(grid: Grid) -> str:
    """Method x condition: mean accuracy over tasks at each k; over the primary ks also matched and agreement."""
    rows = []
    for method in grid.methods:
        for condition in grid.conditions(method):
            ks, primary = grid.ks_of(method, condition), grid.primary(method, condition)
            cells = [
                percent(aggregate.mean_accuracy(grid, method, condition, [k])[0]) if k in ks else NONE for k in grid.ks
            ]
            whole = primary and primary == tuple(k for k in grid.ks if k in grid.suite.primary_k)
            means = [
                percent(aggregate.mean_of(grid, metric, method, condition, primary)[0]) if whole else NONE
                for metric in ("accuracy", "matched", "agreement")
            ]
            runs = [r for t in grid.suite.tasks for k in ks for r in grid.cell(t, method, condition, k)]
            collapsed = sum(bool(run.metrics["collapsed"]) for run in runs)
            share = NONE if not runs else f"{percent(collapsed / len(runs))} ({collapsed}/{len(runs)})"
            valid = percent(quality.validity(grid, condition)) if grid.generated(condition) else NONE
            name = [named(grid, method), captions.condition(grid, condition)]
            rows.append([*name, *cells, *means, str(len(runs)), share, valid])
    rows += [[escape(method), "not applicable", *[NONE] * (len(grid.ks) + 6)] for method in grid.excluded]
    headers = [
        "method",
        "condition",
        *(f"k={k}" for k in grid.ks),
        "mean over k",
        "matched",
        "agreement",
        "n runs",
        "collapsed %",
        "valid slots %",
    ]
    return markdown(headers, rows, left=2)


def accuracy_caption(grid: Grid) -> str:
    """What the accuracy table's numbers are."""
    primary = ", ".join(str(k) for k in grid.ks if k in grid.suite.primary_k) or NONE
    tasks = f"{counted(len(grid.suite.tasks), 'task')} ({', '.join(escape(t) for t in grid.suite.tasks)})"
    return (
        f"Mean over {tasks} of the mean over {captions.seeds(grid)}; `mean over k`: also over k = {primary}. A mean "
        f"that lacks a task is {NONE}; nothing is imputed. `matched`: `mean over k` of the accuracy with the threshold "
        "at the evaluation prior, so that as many rows are called class 1 as gold has, those with the highest "
        "p(class 1). "
        "`agreement`: `mean over k` of the share of rows on which student and teacher name the same class. "
        "`collapsed`: runs whose most predicted class exceeds its gold share by more than 30 points (on balanced rows: "
        "over 80 % of the predictions). "
        "`valid slots`: those with a counterfactual "
        f"that flips the teacher (for `unvalidated`: slots whose first answer does). {_scale(grid)}{states(grid)}"
        + conditional(grid)
    )


def states(grid: Grid) -> str:
    """What the re-runs of the records found, figures included; empty where nobody has re-run any."""
    found = {method: standing.full(grid, method) for method in grid.methods}
    told = "; ".join(f"{escape(m)} {escape(state)}" for m, state in found.items() if state != standing.short(grid, m))
    return f"Re-runs: {told}. " if told else ""


def _scale(grid: Grid) -> str:
    """What the students' accuracies are to be measured against."""
    told = ", ".join(f"{percent(grid.teachers[t])} ({escape(t)})" for t in grid.suite.tasks if t in grid.teachers)
    shares = [(task, grid.majority[task]) for task in grid.suite.tasks if task in grid.majority]
    if all(share == 0.5 for _, share in shares):
        return f"Teachers reach {told}; evaluation splits are balanced, so chance is 50.0. " if told else ""
    larger = ", ".join(f"{percent(share)} ({escape(task)})" for task, share in shares)
    return f"Teachers reach {told}; naming the larger class alone reaches {larger}. "


def per_task(grid: Grid) -> list[str]:
    """cod - standard in each task at each primary k: mean, standard error over seeds, seeds won. No verdict."""
    methods = [m for m in grid.methods if grid.primary(m, "cod", "standard")]
    if not methods:
        return []
    ks = sorted({k for m in methods for k in grid.primary(m, "cod", "standard")})
    marks = quality.marked(grid)
    rows = []
    for task in grid.suite.tasks:
        for method in methods:
            cells = [_task_cell(grid, task, method, k, marks) for k in ks]
            rows.append([escape(task), named(grid, method), *cells])
    what = "mean over seeds (standard error over seeds; seeds won)" if grid.tested else "mean over seeds (n seeds)"
    what += captions.each(grid)
    return [
        "## Per task: `cod` - `standard` (accuracy points)",
        markdown(["task", "method", *(f"k={k}" for k in ks)], rows, left=2),
        (
            f"Paired difference of accuracy, {what}, n = {len(grid.suite.seeds)} seeds declared. Single cells carry no "
            f"verdict. {MARK}: over 20 % of the slots had no valid counterfactual. {conditional(grid)}"
        ),
    ]


def _slots(grid: Grid) -> str:
    """What the figures of counterfactuals are over."""
    if not grid.crossed:
        return "Counts over all seeds' slots; `words edited` and margins: means over seeds"
    return "Counts over the slots of all seeds and teachers; `words edited` and margins: means over seeds and teachers"


def _task_cell(grid: Grid, task: str, method: str, k: int, marks: frozenset[tuple[str, int]]) -> str:
    if k not in grid.ks_of(method, "cod", "standard"):
        return NONE
    found = paired.differences(grid, task, method, ("cod", "standard"), [k]).units
    mark = f" {MARK}" if (task, k) in marks else ""
    if not len(found):
        return NONE
    if not grid.tested:
        return f"{points(float(found.mean()))} ({len(found)}){mark}"
    error = stats.unit_error([found])
    won = f"{int(np.sum(found > 0))}/{len(found)}"
    return f"{points(float(found.mean()))} ({points(error).lstrip('+')}; {won}){mark}"


def own_tables(grid: Grid) -> list[str]:
    """For each task with a metric of its own: every method and condition ranked by it."""
    parts = []
    for task in grid.suite.tasks:
        metric = grid.about.get(task, About()).metric
        if metric == "accuracy" or not any(spec.task == task for spec in grid.runs):
            continue
        parts += [f"## {escape(task)} by {METRIC_NAMES[metric]}", _own_table(grid, task, metric)]
        order = "Best mean over the primary k first" if grid.complete else "PARTIAL, so not ranked"
        parts.append(
            f"Mean {METRIC_NAMES[metric]} over {captions.seeds(grid)}; `mean over k`: over the primary k. {order}; no "
            f"verdict is drawn from it, and accuracy counts in every mean over tasks. {conditional(grid)}"
        )
    return parts


def _own_table(grid: Grid, task: str, metric: str) -> str:
    rows = []
    for method in grid.methods:
        for condition in grid.conditions(method):
            cells = {k: grid.cell(task, method, condition, k) for k in grid.ks_of(method, condition)}
            means = {k: float(np.mean([run.metrics[metric] for run in runs])) for k, runs in cells.items() if runs}
            primary = grid.primary(method, condition)
            overall = float(np.mean([means[k] for k in primary])) if primary and set(primary) <= set(means) else None
            texts = [number(means.get(k), 3) for k in grid.ks]
            n = str(sum(len(runs) for runs in cells.values()))
            rows.append((overall, [named(grid, method), code(condition), *texts, number(overall, 3), n]))
    if grid.complete:  # sorting keeps the suite's order among equals
        rows.sort(key=lambda row: -np.inf if row[0] is None else round(row[0], 9), reverse=True)
    headers = ["method", "condition", *(f"k={k}" for k in grid.ks), "mean over k", "n runs"]
    return markdown(headers, [cells for _, cells in rows], left=2)


def counterfactuals(grid: Grid) -> list[str]:
    """Quality of the counterfactuals per task and budget."""
    cells = [(condition, cell) for condition in grid.shown for cell in quality.table(grid, condition)]
    if not cells:
        return []
    rows = [
        [
            code(condition),
            escape(c.task),
            f"{c.k} {MARK}" if c.marked else str(c.k),
            str(c.slots),
            *(percent(share) for share in (c.valid, c.first_flips, c.edit_fraction)),
            *(number(margin) for margin in (c.margin_before, c.margin_after)),
            *(str(count) for count in (c.redraws, c.exhausted, c.refused)),
        ]
        for condition, c in cells
    ]
    headers = [
        "condition",
        "task",
        "k",
        "slots",
        "valid %",
        "first answer flips %",
        "words edited %",
        "margin before",
        "margin after",
    ]
    return [
        "## Counterfactuals",
        markdown([*headers, "redraws", "exhausted", "refused"], rows, left=2),
        (
            f"{_slots(grid)} of the means over slots. "
            "`valid`: there is a counterfactual that the teacher gives the other class; `first answer flips`: before "
            "any check; `words edited`, `margin after`: of the condition's own texts in valid slots; `margin`: the "
            "teacher's p(target) - p(gold); `redraws`, `exhausted`: control texts turned down, slots left without "
            "one; `refused`: texts equal or near to an evaluation row. A slot that is not valid holds an original of "
            "the other class where the partner's label flips, `unvalidated` too, and of its own class in controls that "
            f"keep the label; so does an exhausted slot. {_kept_answers(grid)}"
            f"{MARK}: over 20 % of the slots take an original instead. {conditional(grid)}"
        ),
    ]


def _kept_answers(grid: Grid) -> str:
    """That one condition does otherwise in slots that are not valid; empty where it is not there."""
    if "first-answer" not in grid.shown:
        return ""
    return (
        "`first-answer` holds its first answer there too, and an original where there is none, it repeats the text or "
        "may be near an evaluation row. "
    )
