"""A grid, its gains and claims -> CSV text. Pure; values are shares (0.01 is one point), no value is empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cod_bench.analysis import aggregate, quality
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import PRIMARY, Claim, Gain
from cod_bench.reports.tables import csv_text

MATCHED = ("matched_mean", "matched_low", "matched_high")
"""Columns of the same comparison with the threshold at the evaluation prior; empty for single budgets."""


def cells_csv(grid: Grid) -> str:
    """One line a declared cell."""
    marks = quality.marked(grid)
    rows: list[dict[str, Any]] = []
    for cell in aggregate.cells(grid):
        found = quality.of_condition(grid, cell["condition"], cell["task"], cell["k"])
        valid = found.valid if found else None
        over = (cell["task"], cell["k"]) in marks and grid.generated(cell["condition"])
        rows.append({**_where(grid), **cell, "valid_share": valid, "over_20_replaced": over})
    columns = ["suite", "protocol", "track", "task", "method", "condition", "k", "n", "declared", *aggregate.METRICS]
    columns += ["accuracy_sd", "collapsed_share", "valid_share", "over_20_replaced"]
    return csv_text(columns, rows)


def overall_csv(grid: Grid) -> str:
    """One line a (method, condition) and k, and one over the primary ks: mean over tasks; floors, ceilings last."""
    rows = []
    for method in (*grid.methods, *grid.floors):
        for condition in grid.conditions(method):
            scopes: list[tuple[str, tuple[int, ...]]] = [(f"k={k}", (k,)) for k in grid.ks_of(method, condition)]
            primary = grid.primary(method, condition)
            if primary and primary == tuple(k for k in grid.ks if k in grid.suite.primary_k):
                scopes.append((PRIMARY, primary))
            if not scopes:
                scopes.append((condition, (0,)))  # a ceiling, at no budget
            for scope, ks in scopes:
                mean, n = aggregate.mean_accuracy(grid, method, condition, ks)
                row = {"method": method, "condition": condition, "scope": scope, "ks": " ".join(map(str, ks))}
                rows.append({**_where(grid), **row, "tasks": len(grid.suite.tasks), "runs": n, "accuracy": mean})
    columns = ["suite", "protocol", "track", "method", "condition", "scope", "ks", "tasks", "runs", "accuracy"]
    return csv_text(columns, rows)


def significance_csv(grid: Grid, gains: Sequence[Gain]) -> str:
    """One line a comparison, primary and exploratory; statistics are empty before the grid is complete."""
    fields = ["low", "high", "se_units", "se_rows", "df", "p", "smallest_p", "exact", "units", "tasks", "won"]
    rows = []
    for gain in gains:
        e = gain.effect
        row = {name: None if e is None else getattr(e, name) for name in fields}
        low, high = (None, None) if e is None or e.new_tasks is None else e.new_tasks
        row |= {"method": gain.method, "condition": gain.condition, "over": gain.over, "scope": gain.scope}
        row |= {"ks": " ".join(map(str, gain.ks)), "mean": gain.mean, "pairs": gain.pairs, "holm_p": gain.holm}
        m = gain.matched
        matched = dict.fromkeys(MATCHED) if m is None else dict(zip(MATCHED, (m.estimate, m.low, m.high), strict=True))
        row |= matched | {"family": gain.family_told}
        rows.append({**_where(grid), **row, "new_tasks_low": low, "new_tasks_high": high})
    columns = ["suite", "protocol", "track", "method", "condition", "over", "scope", "ks", "mean", "pairs", *fields]
    return csv_text([*columns, "holm_p", "new_tasks_low", "new_tasks_high", *MATCHED, "family"], rows)


def claims_csv(grid: Grid, claims: Sequence[Claim]) -> str:
    """One line a claim; p and verdict are empty before the grid is complete."""
    rows = [
        {
            **_where(grid),
            "method": claim.method,
            "claim": claim.name,
            "over": " ".join(gain.over for gain in claim.gains),
            "smallest_mean": None
            if any(g.mean is None for g in claim.gains)
            else min(g.mean or 0 for g in claim.gains),
            "p": claim.p,
            "holm_p": claim.holm,
            "verdict": claim.verdict,
            "condition": claim.gains[0].condition,
            "family": claim.gains[0].family_told,
        }
        for claim in claims
    ]
    columns = ["suite", "protocol", "track", "method", "claim", "over", "smallest_mean", "p", "holm_p", "verdict"]
    columns += ["condition", "family"]
    return csv_text(columns, rows)


def _where(grid: Grid) -> dict[str, Any]:
    return {"suite": grid.suite.name, "protocol": grid.protocol, "track": grid.track}
