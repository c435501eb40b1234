"""How fast the verbs are that people wait for: `pytest --benchmark-only tests/cli/test_speed.py`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cod_bench.design import suites
from cod_bench.design.filters import Filters, select
from cod_bench.design.identity import identify
from cod_bench.records.evaluate import metrics
from cod_bench.records.record import rounded
from cod_bench.records.results import Results
from cod_bench.spec import digest
from tests.samples import sample_record, sample_reference

EVALUATION_ROWS = 1000


@pytest.mark.parametrize("verb", [["--help"], ["list"], ["plan"], ["plan", "--suite", "embedded-full"]], ids=" ".join)
def test_verb(benchmark: Any, verb: list[str], tmp_path: Path) -> None:
    benchmark.pedantic(_call, args=(verb, tmp_path), rounds=3, warmup_rounds=1)


def test_leaderboard_of_a_complete_embedded_suite(benchmark: Any, tmp_path: Path) -> None:
    _fill(Results(tmp_path / "runs"))
    benchmark.pedantic(_call, args=(["leaderboard"], tmp_path), rounds=2)


def _call(verb: list[str], folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "cod_bench", *verb], cwd=folder, check=True, capture_output=True)


def _fill(results: Results) -> None:
    """Made-up records of every run of the embedded suite."""
    rng = np.random.default_rng(0)
    references = {}
    for task in suites.suite("embedded").tasks:
        gold = "".join(map(str, rng.permutation([0, 1] * (EVALUATION_ROWS // 2))))
        references[task] = replace(
            sample_reference(), track="minilm-fp32", task=task, row_ids=[str(i) for i in range(EVALUATION_ROWS)],
            gold=gold, teacher_predictions=gold, teacher_probabilities=[9000 if g == "1" else 1000 for g in gold],
        )  # fmt: skip
        results.write_reference(references[task])
    for spec in select(suites.suite("embedded"), Filters(track="minilm-fp32")):
        reference, found = references[spec.task], identify(spec)
        chance = np.clip(np.array([int(g) for g in reference.gold]) * 0.2 + rng.normal(0.4, 0.2, EVALUATION_ROWS), 0, 1)
        probabilities = [min(max(int(p * 10_000), 1), 9_999) for p in chance]
        predictions = "".join("1" if p > 5_000 else "0" for p in probabilities)
        results.write(
            sample_record(
                spec=spec, identity=found, run_id=digest(found), predictions=predictions, probabilities=probabilities,
                metrics=rounded(metrics(predictions, probabilities, reference)), reference=f"{spec.task}-abc",
            )
        )  # fmt: skip
