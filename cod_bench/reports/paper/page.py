"""The paper's tables beside ours -> markdown, CSV and LaTeX. Pure; every caption says what stands there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from cod_bench.analysis.aggregate import Grid
from cod_bench.design import suites
from cod_bench.reports import captions, standing
from cod_bench.reports.paper import analogues as paper_analogues
from cod_bench.reports.paper.analogues import Analogues, Answers, contrast, figure, size, without
from cod_bench.reports.paper.claims import Answer, Claim, suite_of
from cod_bench.reports.paper.tables import (
    DEPARTURES,
    EDITOR,
    PROMPTS,
    RUNS,
    TABLES,
    Row,
    Table,
    Value,
    base_name,
    columns,
    needs,
)
from cod_bench.reports.paper.tables import published as published_rows
from cod_bench.reports.tables import NONE, code, csv_text, escape, markdown, number, percent, points
from cod_bench.spec import PROTOCOLS

UNSURE = "?"
"""Behind a published cell whose row in the printed table is in doubt."""
VERDICT_PROTOCOL = "paper"


def caption(table: Table, grids: Sequence[Grid]) -> list[str]:
    """What the table shows, and what of ours does not stand there and how to run it; one sentence an entry."""
    published = f"Published: mean ± standard deviation of {RUNS} runs where told"
    selected = "the best epoch on the evaluation split (inferred from the released scripts)"
    lines = [f"Table {table.number} of arXiv 2510.21631: {table.title}. {published}, {selected}."]
    if table.kind == "accuracy":
        lines.append(
            "Accuracies in %, differences in points. A sign is compared where the published difference exceeds its "
            f"standard error (sides taken as independent); {UNSURE}: the row of a printed cell is in doubt. The "
            "released code validated no counterfactual, so that `unvalidated` is the nearer of our two."
        )
    if table.kind == "cost":
        lines.append(
            "The paper does not say whether a figure is one run, nor how many shared the GPU. Ours: mean over seeds of "
            "one training with its evaluation, without the teacher's and the counterfactuals' cost; energy is what "
            f"codecarbon's offline tracker estimates for the process, RAM at 10 W or more each ({NONE}: not asked for)."
        )
    for grid in grids:
        ranked = "as published" if grid.protocol == VERDICT_PROTOCOL else PROTOCOLS[grid.protocol].meaning
        named = (
            f"Ours: suite {code(grid.suite.name)}, track {code(grid.track)}, protocol {code(grid.protocol)} ({ranked})"
        )
        n = f"{len(grid.runs)} of {len(grid.declared)} runs, mean ± standard deviation over {captions.seeds(grid)}"
        kind = (
            "the published pair on canonical data"
            if direct(table, grid)
            else "an analogue, no comparison of like with like"
        )
        lines.append(f"{named}: {n}; {kind}. Records: {standing.words(grid)}")
        theirs = {row["task"] for row in published_rows("accuracy")}
        theirs = theirs if table.kind in ("accuracy", "teachers") else {"sst2"}
        if theirs.isdisjoint(map(base_name, grid.suite.tasks)):
            lines.append("It has no task in common with this table.")
    if table.kind in ("accuracy", "teachers"):
        shown = dict.fromkeys(task for grid in grids for task in grid.suite.tasks)
        lines += [f"{code(task)}: {DEPARTURES[task]}." for task in shown if task in DEPARTURES]
    missing = needs(table, [grid for grid in grids if direct(table, grid)])
    lines += [f"{what}: not run; `{command}`, then this command again." for what, command in missing]
    if not grids and not missing:
        lines.append(f"Ours: not run; `cod-bench run --suite {table.suite} --all`, then this command again.")
    return lines


def direct(table: Table, grid: Grid) -> bool:
    """Whether a grid is the published experiment: a local slice, other models or another suite are an analogue."""
    return grid.suite.family == table.suite and _published(grid)


def decides(claim: Claim, grids: Sequence[Grid | None]) -> bool:
    """Whether grids, one a part, give a verdict: the published experiment under the protocol that the paper used."""
    there = [(suite_of(claim, part), grid) for part, grid in zip(claim.parts, grids, strict=True) if grid is not None]
    return bool(there) and all(
        grid.suite.name == name and grid.protocol == VERDICT_PROTOCOL and _published(grid) for name, grid in there
    )


def _published(grid: Grid) -> bool:
    """Whether models, recipe and data are those the suite was made for, and the paper's model edited the texts."""
    declared = suites.SUITES.get(grid.suite.family)
    if declared is None or grid.track != declared.tracks[0] or not set(grid.suite.tasks) <= set(declared.tasks):
        return False
    makers = PROMPTS.values() if declared.name == TABLES[7].suite else (declared.generator,)
    told = [run.record.identity.get("generator") for run in grid.runs.values()]
    models = {str((one.get("params") or {}).get("model", "")) for one in told if one is not None}
    return grid.suite.generator in makers and all(map(EDITOR.fullmatch, models))


def markdown_text(table: Table, found: Sequence[Row], grids: Sequence[Grid]) -> str:
    """The table for a reader."""
    names = columns(found)
    parts = [f"# Table {table.number}: {escape(table.title)}", *caption(table, grids)]
    for block, own in groupby(found, key=lambda row: row.block):
        body = [[escape(r.whose), escape(r.what), *(escape(text(r, name)) for name in names)] for r in own]
        parts += [f"## {escape(block)}", markdown(["whose", "row", *names], body, left=2)]
    return "\n\n".join(parts) + "\n"


def csv_of(found: Sequence[Row]) -> str:
    """One line a cell, in shares: its mean, spread, n and certainty, or its word."""
    lines: list[dict[str, Any]] = []
    for row in found:
        for name, cell in row.cells.items():
            line: dict[str, Any] = {"block": row.block, "whose": row.whose, "row": row.what, "column": name}
            line |= {"unit": row.unit, "value": None, "sd": None, "n": None, "certain": None, "word": None}
            if isinstance(cell, Value):
                line |= {"value": cell.mean, "sd": cell.sd, "n": cell.n, "certain": cell.certain}
            elif isinstance(cell, str):
                line["word"] = cell
            else:
                line["value"] = cell
            lines.append(line)
    return csv_text(["block", "whose", "row", "column", "unit", "value", "sd", "n", "certain", "word"], lines)


def latex(table: Table, found: Sequence[Row], grids: Sequence[Grid]) -> str:
    """A booktabs table to paste into a paper, its caption included."""
    from tabulate import tabulate

    names = columns(found)
    body = [[row.block, row.whose, row.what, *(text(row, name) for name in names)] for row in found]
    inner = str(tabulate(body, ["block", "whose", "row", *names], tablefmt="latex_booktabs", disable_numparse=True))
    told = " ".join(caption(table, grids)).replace("`", "").replace("±", r"$\pm$")
    for mark in "%_&#":
        told = told.replace(mark, f"\\{mark}")
    lines = ["\\begin{table}", "\\centering", inner.replace("±", r"$\pm$").replace("†", r"\dag")]
    return "\n".join([*lines, f"\\caption{{{told}}}", "\\end{table}"]) + "\n"


def text(row: Row, name: str) -> str:
    """One cell for a reader."""
    cell = row.cells.get(name)
    if cell is None:
        return NONE
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Value):
        spread = "" if cell.sd is None else f" ± {percent(cell.sd)}"
        return f"{percent(cell.mean)}{spread}{'' if cell.certain else UNSURE}"
    if row.unit == "share":
        return points(cell)
    return number(cell, 1 if row.unit == "s" else 5)


CLAIMS_CAPTION = (
    "Differences in points, mean over tasks of the mean over seeds and k, with 95 % intervals (equivalence: 90 %, "
    "margin 1 point, which *not below* allows too; order: seconds, smallest and largest over k; growth: from the "
    "smallest k to the largest, smallest and largest step from k to k). "
    "*reproduced*: the interval lies in the claim's direction and reaches the published size; *direction only*; "
    "*inconclusive*; *contradicted*; *not run*. A verdict needs canonical data, the published pair of models with the "
    "released recipe, counterfactuals by GPT-4o and protocol `paper`; anything else is an *analogue* over all of its "
    "own tasks, shown once under its label below. Before all declared runs are there, means stand alone and the "
    "verdict is *not run*. A claim of several lines has the worst of their verdicts. Where the row of a published "
    "cell is in doubt, its task and k are left out of both sides."
)


def claims_text(answers: Answers) -> str:
    """The claims, each with its two answers from one setting or with none; what has no grid says what to run."""
    analogues = paper_analogues.of(answers)
    parts = ["# The paper's claims", claims_parts(answers, analogues)]
    if analogues.found:
        parts += ["## Analogues", paper_analogues.text(analogues)]
    return "\n\n".join([*parts, *not_run(answers)]) + "\n"


def not_run(answers: Answers) -> list[str]:
    """What to run for the parts of claims that have no grid."""
    missing = sorted({
        (claim.suite, part.generator)
        for claim, found in answers
        for place, part in enumerate(claim.parts)
        if not found or found[0].grids[place] is None
    })  # fmt: skip
    variants = [f"{suite} --generator {made}" if made else suite for suite, made in missing]
    return [f"Not run: `cod-bench run --suite {variant} --all --protocol paper`." for variant in variants]


def claims_parts(answers: Answers, analogues: Analogues) -> str:
    """A line a part of a claim; an analogue's is a label, its figure stands in the table of analogues."""
    body = []
    for at, (claim, found) in enumerate(answers):
        several = any(part.generator for part in claim.parts)
        for place, part in enumerate(claim.parts):
            grid = found[0].grids[place] if found else None
            where = NONE if grid is None else f"{code(grid.suite.name)}, {code(grid.track)}, {code(grid.protocol)}"
            named = f"{contrast(claim, part)}{f', {code(suite_of(claim, part))}' if several else ''}"
            difference = f"{named}, k = {', '.join(map(str, part.ks))}{without(part, part.tasks)}"
            shown = ["" if place else escape(claim.text), claim.kind, difference, size(claim, part), where]
            label = analogues.labels.get((at, place))
            body.append([*shown, *(cell for reading in (0, 1) for cell in _told(claim, found, reading, place, label))])
    headers = ["claim", "kind", "difference", "published", "ours"]
    headers += ["with `cod`", "verdict", "with `unvalidated`", "verdict"]
    return f"{CLAIMS_CAPTION}\n\n{markdown(headers, body, left=5)}"


def _told(claim: Claim, answers: Sequence[Answer], reading: int, place: int, label: str | None) -> list[str]:
    found = answers[reading] if answers else None
    if found is None or found.estimates[place] is None:
        return [NONE, "not run"]
    return [label, "analogue"] if label else [figure(claim, found, place), found.verdict or NONE]
