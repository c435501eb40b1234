"""The paper's tables beside ours -> markdown, CSV and LaTeX. Pure; every caption says what stands there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from cod_bench.aggregate import Grid
from cod_bench.paper import OTHER_NAMES, RUNS, Row, Table, Value, base_name, columns, needs
from cod_bench.paper import published as published_rows
from cod_bench.paper_claims import Answer, Claim
from cod_bench.spec import PROTOCOLS
from cod_bench.tables import NONE, code, csv_text, escape, interval, markdown, number, percent, points

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
        n = f"{len(grid.runs)} of {len(grid.declared)} runs, mean ± standard deviation over seeds"
        kind = (
            "the published pair on canonical data"
            if direct(table, grid)
            else "an analogue, no comparison of like with like"
        )
        lines.append(f"{named}: {n}; {kind}.")
        theirs = {row["task"] for row in published_rows("accuracy")}
        theirs = theirs if table.kind in ("accuracy", "teachers") else {"sst2"}
        if theirs.isdisjoint(map(base_name, grid.suite.tasks)):
            lines.append("It has no task in common with this table.")
        other = sorted(task for task in grid.suite.tasks if base_name(task) in OTHER_NAMES.values())
        if table.kind == "accuracy" and other:
            lines.append(f"The texts of {', '.join(other)} are selected by another length than in the paper.")
    missing = needs(table, [grid for grid in grids if direct(table, grid)])
    lines += [f"{what}: not run; `{command}`, then this command again." for what, command in missing]
    if not grids and not missing:
        lines.append(f"Ours: not run; `cod-bench run --suite {table.suite} --all`, then this command again.")
    return lines


def direct(table: Table, grid: Grid) -> bool:
    """Whether a grid is the published model pair on canonical data: a local slice or another suite is an analogue."""
    return grid.suite.name.split("+")[0] == table.suite and not any("+" in task for task in grid.suite.tasks)


def decides(claim: Claim, grid: Grid) -> bool:
    """Whether a grid gives a verdict: the claim's own suite on canonical data, under the protocol the paper used."""
    canonical = not any("+" in task for task in grid.suite.tasks)
    return grid.suite.name == claim.suite and canonical and grid.protocol == VERDICT_PROTOCOL


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
    "margin 1 point, which *not below* allows too; order and growth: seconds, smallest and largest over k). "
    "*reproduced*: the interval lies in the claim's direction and reaches the published size; *direction only*; "
    "*inconclusive*; *contradicted*; *not run*. A verdict needs canonical data, the published pair of models and "
    "protocol `paper`; anything else is an *analogue* over all of its own tasks. Published cells whose row is in "
    "doubt are left out."
)


def claims_text(answers: Sequence[tuple[Claim, Grid | None, Sequence[Answer]]]) -> str:
    """The claims with what each grid says of them; a claim without a grid says what to run."""
    body = []
    for claim, grid, found in answers:
        where = NONE if grid is None else f"{code(grid.suite.name)}, {code(grid.track)}, {code(grid.protocol)}"
        for place, part in enumerate(claim.parts):
            plus, minus = (
                f"{method} + CoD" if variant == "cod" else method for method, variant in (part.plus, part.minus)
            )
            difference = f"{escape(plus)}, by k" if claim.kind == "growth" else f"{escape(plus)} - {escape(minus)}"
            timed = claim.kind in ("order", "growth")
            told = f"{number(part.published, 1)} s" if timed else points(part.published)
            shown = ["" if place else escape(claim.text), claim.kind, f"{difference}, k = {_ks(part.ks)}", told, where]
            body.append([*shown, *(cell for reading in (0, 1) for cell in _told(claim, found, reading, place))])
    headers = ["claim", "kind", "difference", "published", "ours"]
    headers += ["with `cod`", "verdict", "with `unvalidated`", "verdict"]
    lines = ["# The paper's claims", CLAIMS_CAPTION, markdown(headers, body, left=5)]
    missing = sorted({claim.suite for claim, grid, _ in answers if grid is None})
    for base, _, made in (suite.partition("+") for suite in missing):
        variant = f" --generator {made}" if made else ""
        lines.append(f"Not run: `cod-bench run --suite {base}{variant} --all --protocol paper`.")
    return "\n\n".join(lines) + "\n"


def _told(claim: Claim, answers: Sequence[Answer], reading: int, place: int) -> list[str]:
    found = answers[reading] if answers else None
    e = found.estimates[place] if found else None
    if found is None or e is None:
        return [NONE, "not run"]
    told = f"{points(e.estimate)} {interval(e.low, e.high)}"
    if claim.kind in ("order", "growth"):
        told = f"{number(e.estimate, 1)} s [{number(e.low, 1)}, {number(e.high, 1)}]"
    other = "" if e.ks == claim.parts[place].ks else f", k = {_ks(e.ks)}"
    return [told + other, found.verdict or "analogue"]


def _ks(ks: Sequence[int]) -> str:
    return ", ".join(map(str, ks))
