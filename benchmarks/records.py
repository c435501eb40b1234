"""Runs -> made-up records of them, for timing what reads records. Their figures mean nothing. No torch."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np

from cod_bench import registry
from cod_bench.design import suites
from cod_bench.design.identity import identify
from cod_bench.records.evaluate import metrics
from cod_bench.records.record import CFE_COUNTS, SCHEMA, Record, Reference, rounded, to_json
from cod_bench.records.results import Results
from cod_bench.spec import RunSpec, digest, stream

SUITE = "embedded-full"
PROTOCOLS = ("last", "dev")
ROWS = 1000
DISTINCT = 40
"""Sets of predictions a task has; records share them, since making them takes longer than reading them."""


def fill(results: Results, count: int) -> int:
    """Write that many records of the suite's runs under two protocols and on both its tracks; returns how many."""
    suite = suites.suite(SUITE)
    kinds = {task: _kinds(task) for task in suite.tasks}
    specs = (
        spec
        for protocol in PROTOCOLS
        for track in suite.tracks
        for spec in suite.expand(track=track, protocol=protocol)
    )
    for track in suite.tracks:
        for task in suite.tasks:
            results.write_reference(replace(kinds[task][0][2], track=track))
    written = 0
    for number, spec in enumerate(islice(specs, count)):
        made = _record(spec, *kinds[spec.task][number % DISTINCT])
        path = results.path(spec, made.run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_json(made), encoding="utf-8")  # not `write`: nothing here is worth an fsync
        written += 1
    return written


def _kinds(task: str) -> list[tuple[str, list[int], Reference]]:
    rng = stream("bench-records", task)
    gold = "".join(map(str, rng.permutation([0, 1] * (ROWS // 2))))
    classes = list(registry.load("task", task).classes)
    reference = Reference(
        schema=SCHEMA, track="", task=task, teacher_hash="made-up", eval_hash="made-up", classes=classes,
        row_ids=[str(i) for i in range(ROWS)], gold=gold, teacher_predictions=gold,
        teacher_probabilities=[9000 if g == "1" else 1000 for g in gold], teacher_metrics={}, teacher_cost={},
    )  # fmt: skip
    found = []
    for _ in range(DISTINCT):
        chance = np.clip(np.array([int(g) for g in gold]) * 0.2 + rng.normal(0.4, 0.2, ROWS), 0, 1)
        probabilities = [min(max(int(p * 10_000), 1), 9_999) for p in chance]
        found.append(("".join("1" if p > 5_000 else "0" for p in probabilities), probabilities, reference))
    return found


def _record(spec: RunSpec, predictions: str, probabilities: list[int], reference: Reference) -> Record:
    found = identify(spec)
    return Record(
        schema=SCHEMA, run_id=digest(found), spec=spec, identity=found,
        metrics=rounded(metrics(predictions, probabilities, reference)), history={"loss": [1.0, 0.5]},
        predictions=predictions, probabilities=probabilities, reference=f"{spec.task}-{reference.teacher_hash}",
        eval_hash="made-up", train_hash="made-up", teacher_hash=reference.teacher_hash, rows={},
        cfe=_cfe(spec.k // 2) if spec.generator else None,
        cost={"seconds": 1.0}, provenance={},
    )  # fmt: skip


def _cfe(slots: int) -> dict[str, float]:
    counts = {**dict.fromkeys(CFE_COUNTS, 0), "slots": slots, "valid": slots, "first_flips": slots // 2}
    return {**counts, "edit_fraction": 0.1, "margin_before": -0.7, "margin_after": 0.5}
