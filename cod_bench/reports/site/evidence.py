"""A grid -> what leads from a line of the main table to its records, its command and what is known of both. Pure."""

from __future__ import annotations

from typing import Any

from cod_bench import registry
from cod_bench.analysis.aggregate import Grid
from cod_bench.design import suites
from cod_bench.reports import standing
from cod_bench.spec import LOCAL, base_name

REFERENCE = "_reference"
"""Folder of the teachers' files among the records."""


def of(grid: Grid) -> dict[str, Any]:
    """One section as JSON: the page's script makes links and commands of it, so that no line repeats them.

    `folders`: condition -> its records' folder under `<protocol>/<track>/<task>/<method>/`; `teachers`: the names under
    which the track's records lie, one a teacher; `tasks`: task -> the name that a command line takes; `references`:
    task -> its teachers' files; `states`: method -> what re-runs found.
    """
    declared = suites.SUITES.get(grid.suite.family)
    folders: dict[str, str] = {}
    for spec in grid.declared:
        folders[spec.condition] = f"{spec.condition}+{spec.generator}" if spec.generator else spec.condition
    other = declared is not None and declared.generator != grid.suite.generator
    return {
        "suite": grid.suite.name,
        "track": grid.track,
        "protocol": grid.protocol,
        "teachers": list(grid.on_teachers),
        "run": grid.suite.family if declared is not None else f"{grid.suite.family}.toml",
        "generator": grid.suite.generator if other else "",
        "local": LOCAL,
        "tasks": {task: base_name(task) for task in grid.suite.tasks},
        "data": {task: _data(task) for task in grid.suite.tasks if LOCAL in task},
        "ks": [k for k in grid.ks if k in grid.suite.primary_k],
        "folders": folders,
        "references": _references(grid),
        "states": {method: standing.full(grid, method) for method in (*grid.methods, *grid.floors)},
    }


def _data(task: str) -> str:
    """What `--data` names for local rows: a file of one's own, or the folder of a declared task's slices."""
    name = base_name(task)
    return f"{name}=FILE" if name in registry.value_names("task") else "DIR"


def _references(grid: Grid) -> dict[str, list[str]]:
    """Task -> paths of its teachers' files under the records' folder."""
    found: dict[str, dict[str, None]] = {}
    for spec, run in grid.runs.items():
        found.setdefault(spec.task, {})[f"{REFERENCE}/{spec.track}/{run.record.reference}.json"] = None
    return {task: [*paths] for task, paths in found.items()}
