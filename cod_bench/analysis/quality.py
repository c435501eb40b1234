"""What records say about their counterfactuals -> validity, edits, teacher margins per task and budget. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cod_bench.analysis.aggregate import Grid
from cod_bench.records.record import Record

REPLACED = 0.2
"""Cells where more than this share of the slots had no valid counterfactual are marked."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Counterfactuals of one task and budget over all seeds and teachers. Shares in 0..1, None where nothing was
    counted."""

    task: str
    k: int
    slots: int
    valid: float | None
    """Share of slots whose counterfactual flips the teacher."""
    first_flips: float | None
    """Share of slots whose first answer, never checked, flips the teacher."""
    edit_fraction: float | None
    """Share of words edited, mean over the slots of a seed, then over seeds and teachers."""
    margin_before: float | None
    """Teacher's p(target) - p(gold) on the original, mean as above."""
    margin_after: float | None
    """The same on the condition's own texts."""
    redraws: int
    """Control texts turned down, because they changed the teacher's mind or were refused."""
    exhausted: int
    """Slots for which no such text was found."""
    refused: int
    """Texts refused for being equal or near to an evaluation row."""
    replaced: float | None
    """Share of slots that had to take an original instead: those that are not valid; of conditions that train on first
    answers, those that did."""

    @property
    def marked(self) -> bool:
        """Whether over 20 % of the slots had to take an original instead."""
        return self.replaced is not None and self.replaced > REPLACED


@dataclass(frozen=True, slots=True)
class Selected:
    """What the rows of `unvalidated` are, over every (task, seed, k) of a grid, with every teacher."""

    answers: int
    """Slots that have their own first answer."""
    originals: int
    """Slots that have an original instead, because they have no valid counterfactual."""
    pairs: int
    """How many (task, seed, k) have its rows and those of `cod`, with each teacher."""
    equal: int
    """In how many of these the rows are the same, one by one."""


def of_condition(grid: Grid, condition: str, task: str, k: int) -> Quality | None:
    """The counterfactuals behind one condition; methods share them, so each seed counts once with each teacher. None
    without any."""
    per_seed: dict[tuple[str, int], Record] = {}
    for method in grid.methods:
        if k in grid.ks_of(method, condition):
            for run in grid.cell(task, method, condition, k):
                if run.record.cfe is not None:
                    per_seed.setdefault((run.record.spec.track, run.record.spec.seed), run.record)
    found = [record.cfe for record in per_seed.values() if record.cfe is not None]
    if not found:
        return None
    slots = _total(found, "slots")
    kept = _total(found, "valid")
    taken = [record.rows["substituted"] for record in per_seed.values() if "substituted" in record.rows]
    if _takes_first(grid, condition) and len(taken) == len(found):
        kept = slots - sum(map(int, taken))
    return Quality(
        task=task,
        k=k,
        slots=slots,
        valid=_total(found, "valid") / slots if slots else None,
        first_flips=_total(found, "first_flips") / slots if slots else None,
        edit_fraction=_mean(found, "edit_fraction"),
        margin_before=_mean(found, "margin_before"),
        margin_after=_mean(found, "margin_after"),
        redraws=_total(found, "redraws"),
        exhausted=_total(found, "exhausted"),
        refused=_total(found, "refused"),
        replaced=1 - kept / slots if slots else None,
    )


def selected(grid: Grid) -> Selected | None:
    """What `unvalidated` compares with `cod`; None without any run of it. Methods share rows, so each counts once."""
    own, cod = (_rows_of(grid, condition) for condition in ("unvalidated", "cod"))
    if not own:
        return None
    roles = "".join(str(rows["roles"]) for rows in own.values())
    both = [(rows["hash"], cod[place]["hash"]) for place, rows in own.items() if place in cod]
    return Selected(roles.count("p"), roles.count("s"), len(both), sum(one == other for one, other in both))


def _rows_of(grid: Grid, condition: str) -> dict[tuple[str, str, int, int], Mapping[str, Any]]:
    """(task, track with its teacher's seed, seed, k) -> what the records tell of the rows of a condition, where they
    do."""
    return {
        (spec.task, spec.track, spec.seed, spec.k): run.record.rows
        for spec, run in grid.runs.items()
        if spec.condition == condition and {"roles", "hash"} <= run.record.rows.keys()
    }


def table(grid: Grid, condition: str) -> list[Quality]:
    """Every task and budget with counterfactuals behind `condition`."""
    cells = (of_condition(grid, condition, task, k) for task in grid.suite.tasks for k in grid.ks)
    return [cell for cell in cells if cell is not None]


def marked(grid: Grid) -> frozenset[tuple[str, int]]:
    """The (task, k) with over 20 % replaced slots, in any condition that has counterfactuals."""
    conditions = dict.fromkeys(c for method in grid.methods for c in grid.conditions(method))
    return frozenset((cell.task, cell.k) for c in conditions for cell in table(grid, c) if cell.marked)


def validity(grid: Grid, condition: str) -> float | None:
    """Share of slots that flip the teacher, over all tasks and budgets; of first answers where these are trained on."""
    first = _takes_first(grid, condition)
    cells = table(grid, condition)
    slots = sum(cell.slots for cell in cells)
    share = [(cell.first_flips if first else cell.valid, cell.slots) for cell in cells]
    return sum((value or 0.0) * n for value, n in share) / slots if slots else None


def _takes_first(grid: Grid, condition: str) -> bool:
    told = grid.conditions_about.get(condition)
    return told is not None and told.text == "first"


def _total(found: list[Mapping[str, Any]], key: str) -> int:
    return sum(int(cfe[key]) for cfe in found)


def _mean(found: list[Mapping[str, Any]], key: str) -> float | None:
    values = [float(cfe[key]) for cfe in found if cfe.get(key) is not None]
    return sum(values) / len(values) if values else None
