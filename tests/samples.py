"""Small records and reference files that several test modules start from."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from cod_bench import registry
from cod_bench.condition import condition
from cod_bench.records.record import Record, Reference, _digest
from cod_bench.spec import RunSpec, digest, identity


def timeless(path: Path) -> str:
    """A table's text without the seconds that runs took: lines of pages, columns of frontier.csv."""
    text = path.read_text(encoding="utf-8")
    if path.name == "frontier.csv":
        rows = csv.DictReader(text.splitlines())
        return str([{name: value for name, value in row.items() if "seconds" not in name} for row in rows])
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("- *seconds*"))


def sample_cfe(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "slots": 4, "valid": 4, "first_flips": 2, "edit_fraction": 0.1, "margin_before": -0.5, "margin_after": 0.5,
        "redraws": 0, "exhausted": 0, "refused": 0,
    }  # fmt: skip
    return {**values, **changes}


def sample_cost(**changes: float) -> dict[str, float]:
    values = {
        "seconds": 1.0, "cpu_seconds": 0.9, "rows_seconds": 0.1, "prepare_seconds": 0.0, "train_seconds": 0.7,
        "evaluate_seconds": 0.1, "steps": 2.0, "prepare_steps": 0.0, "teacher_passes": 8.0,
    }  # fmt: skip
    return {**values, **changes}


def sample_record(**changes: Any) -> Record:
    spec = changes.pop("spec", RunSpec("last", "toy", "toy", "kd", "cod", "substitution", 8, 0))
    generator = None if not spec.generator else {"version": 1, "params": {}}
    version = condition(spec.condition).version if spec.condition in registry.names("condition") else 1
    found = identity(
        spec, task={"version": 1}, track={}, method={"version": 1}, generator=generator, condition_version=version
    )
    values: dict[str, Any] = {
        "schema": 1, "run_id": digest(found), "spec": spec, "identity": found, "metrics": {"accuracy": 0.5},
        "history": {"loss": [1.0, 0.5]}, "predictions": "0110", "probabilities": [1, 9999, 5001, 20],
        "reference": "toy-abc", "eval_hash": "e", "train_hash": "t", "teacher_hash": "abc", "rows": {},
        "cfe": sample_cfe() if spec.generator else None,
        "cost": {"seconds": 1.0}, "provenance": {},
    }  # fmt: skip
    return Record(**{**values, **changes})


def forged(value: dict[str, Any]) -> str:
    """The text of a changed record as a forger writes it: under the digest of what it says now."""
    return json.dumps({**value, "digest": _digest(value)} if "digest" in value else value)


def sample_reference(**changes: Any) -> Reference:
    values: dict[str, Any] = {
        "schema": 1, "track": "toy", "task": "toy", "teacher_hash": "abc", "eval_hash": "e", "classes": ["bad", "good"],
        "row_ids": ["a", "b"], "gold": "01", "teacher_predictions": "01", "teacher_probabilities": [1, 9999],
        "teacher_metrics": {}, "teacher_cost": {},
    }  # fmt: skip
    return Reference(**{**values, **changes})
