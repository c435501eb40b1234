"""The loops -> pytest-benchmark cases: `pytest --benchmark-only benchmarks`, with the ratios of `cod-bench bench`."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from cod_bench import device
from cod_bench.design import suites
from cod_bench.records.results import Results
from cod_bench.reports import render
from cod_bench.training import model as models

from . import loops, parts
from . import records as bench_records
from .loops import Setting

ROWS = 96
STEPS = 4


@pytest.fixture(scope="module")
def minilm() -> Setting:
    device.set_threads()
    return loops.minilm()


def test_plain_step(benchmark: Any, minilm: Setting) -> None:
    loop = loops.plain_loop(minilm, STEPS + 1)
    benchmark.pedantic(loop.step, rounds=STEPS, warmup_rounds=1)


def test_fast_steps(benchmark: Any, minilm: Setting) -> None:
    student = copy.deepcopy(minilm.student)
    benchmark.pedantic(loops.fast_steps, args=(minilm, student, STEPS), rounds=2, warmup_rounds=1)


def test_plain_evaluation(benchmark: Any, minilm: Setting) -> None:
    loop, ids = loops.plain_loop(minilm, 1), loops.evaluation(minilm, ROWS)
    benchmark.pedantic(loop.evaluate, args=(ids,), rounds=2)


def test_fast_evaluation(benchmark: Any, minilm: Setting) -> None:
    student, ids = copy.deepcopy(minilm.student), loops.evaluation(minilm, ROWS)
    benchmark.pedantic(models.predict, args=(student, ids), kwargs={"pad_id": 0}, rounds=2)


@pytest.mark.parametrize("part", ["smoke", "search", "teacher", "plan"])
def test_part(benchmark: Any, part: str) -> None:
    benchmark.pedantic(parts.PARTS[part], args=(True,), rounds=1)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Results:
    results = Results(tmp_path_factory.mktemp("bench") / "runs")
    bench_records.fill(results, parts.READ)
    return results


def test_leaderboard(benchmark: Any, records: Results) -> None:
    benchmark.pedantic(render.files, args=(records, [suites.suite(bench_records.SUITE)]), rounds=1)


def test_page(benchmark: Any, records: Results, tmp_path: Path) -> None:
    benchmark.pedantic(render.build, args=(records, tmp_path), rounds=1)
