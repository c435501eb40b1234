"""The harness at scale: `pytest --benchmark-only tests/benchmarks/test_scale.py` prints each figure.

No time is asserted.

100,000 runs are planned, 100,000 records are looked through with and without an index, and one worker does 500 runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cod_bench.design import suites
from cod_bench.design.filters import Filters, select
from cod_bench.design.identity import identify
from cod_bench.design.suite import Suite
from cod_bench.records.record import to_json
from cod_bench.records.results import INDEX, Results
from cod_bench.spec import digest
from tests import ROOT
from tests.samples import sample_record

SEEDS = 1250
"""Of the embedded suite: 100,000 runs."""
TRACK = "minilm-fp32"
EVALUATION_ROWS = 200
RUNS = 500
WARM_UP = 250
"""Runs after which most shapes have come up: oneDNN keeps what it made for each, 1,024 at most (some 70 MiB here)."""
ALLOWED_GROWTH = 16.0
"""MiB between the 250th and the 500th run of one worker: keeping a copy of the student alone would take some 25."""

IN_A_PROCESS = """
import json, resource, sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.benchmarks.test_scale import large, Filters, Results, TRACK, plan
start, wall = time.process_time(), time.perf_counter()
made = plan.make(large(), Filters(track=TRACK), Results(Path(sys.argv[1])))
try:  # ru_maxrss is inherited from the process that started this one
    peak = int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
print(json.dumps({{"runs": len(made.runs), "done": made.count("done"), "cpu_seconds": time.process_time() - start,
    "seconds": time.perf_counter() - wall, "peak_mib": peak}}))
"""

WORKER = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from cod_bench.executor import Job
from cod_bench.runner.worker import attempt, prepare_process, warm
from cod_bench.spec import RunSpec

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

prepare_process(())
warm()
found = []
kinds = [("kd", "standard"), ("kd", "cod"), ("lwd", "random"), ("ted", "standard"), ("finetune", "unvalidated")]
for turn in range(int(sys.argv[1])):
    method, condition = kinds[turn % len(kinds)]
    generator = "" if condition == "standard" else "substitution"
    spec = RunSpec("last", "toy", "toy", method, condition, generator, 8, turn)
    outcome = attempt(Job(str(turn), {"stage": "run", "spec": asdict(spec), "provenance": {}}))
    assert outcome.result, outcome.error
    found.append(resident())
print(json.dumps(found))
"""


def large() -> Suite:
    """The embedded suite with so many seeds that it has 100,000 runs."""
    return replace(suites.suite("embedded"), seeds=tuple(range(SEEDS)))


def planned(folder: Path) -> dict[str, Any]:
    """What a process of its own says of planning: runs, seconds, peak memory in MiB."""
    root = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS.format(root=root), str(folder)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of 100,000 records, 4 KB each."""
    results = Results(tmp_path_factory.mktemp("many") / "runs")
    for spec in select(large(), Filters(track=TRACK)):
        found = identify(spec)
        made = sample_record(
            spec=spec, identity=found, run_id=digest(found), predictions="01" * (EVALUATION_ROWS // 2),
            probabilities=[17, 9983] * (EVALUATION_ROWS // 2), history={"loss": [1.0] * 40},
            cost={"cpu_seconds": 2.0}, provenance={"environment": {"device": "cpu", "torch": "2"}},
        )  # fmt: skip
        path = results.path(spec, made.run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_json(made))  # without the fsync of `write`, which would take minutes here
    return results.root


def test_planning_100_000_runs(benchmark: Any, tmp_path: Path) -> None:
    found = benchmark.pedantic(planned, args=(tmp_path / "runs",), rounds=3)
    assert found["runs"] == 100_000
    benchmark.extra_info.update(found)
    print(f"\nplan of {found['runs']} runs: {found['cpu_seconds']:.1f} CPU-s, peak {found['peak_mib']:.0f} MiB")  # noqa: T201


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("indexed", [False, True], ids=["first", "indexed"])
def test_status_of_100_000_records(benchmark: Any, many: Path, indexed: bool) -> None:
    def forget() -> None:
        if not indexed:
            (many / INDEX).unlink(missing_ok=True)

    if indexed and not (many / INDEX).exists():
        planned(many)
    found = benchmark.pedantic(planned, args=(many,), setup=forget, rounds=2)
    assert found["done"] == found["runs"] == 100_000
    benchmark.extra_info.update(found)
    kind = "with the index" if indexed else "reading every record"
    print(f"\nstatus {kind}: {found['seconds']:.1f} s, peak {found['peak_mib']:.0f} MiB")  # noqa: T201


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_workers_memory_does_not_grow_over_500_runs(capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run([sys.executable, "-c", WORKER, str(RUNS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    resident = json.loads(done.stdout)
    shown = ", ".join(f"{n}: {resident[n - 1]:.0f}" for n in (1, 100, WARM_UP, 400, RUNS))
    with capsys.disabled():
        print(f"\nMiB resident after run {shown}")  # noqa: T201
    assert resident[-1] - resident[WARM_UP - 1] < ALLOWED_GROWTH
