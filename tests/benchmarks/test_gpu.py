"""The bench of a GPU at toy size on this machine: paces, lines, projections, and one sentence without a device."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cod_bench import device
from cod_bench.benchmarks import gpu
from cod_bench.benchmarks import report as bench
from cod_bench.benchmarks.gpu import Pace, Sizes
from cod_bench.benchmarks.loops import Setting
from cod_bench.counterfactuals import warm
from cod_bench.design import suites, tracks
from cod_bench.distiller import brings_fit
from cod_bench.errors import RunError
from cod_bench.runner import work
from tests import ROOT

SIZES = Sizes(turns=1, steps=2, rows=8, ks=(8, 64))


def toy() -> Setting:
    """The toy track, as `loops` would make it."""
    spec = replace(next(iter(suites.suite("toy").expand(track="toy", protocol="last"))), method="kd", generator="")
    judge = warm.teacher("toy", "toy")
    return Setting("toy", tracks.track("toy"), judge, work.fresh_student(spec), judge.tokenizer, "toy")


def test_the_grids_have_the_runs_that_their_names_say() -> None:
    every = suites.suite("paper").expand(track="deberta-small", protocol="last")
    specs = [spec for spec in every if not brings_fit(spec.method)]
    for grid, conditions in gpu.GRIDS.items():
        assert sum(not conditions or spec.condition in conditions for spec in specs) == int(grid)


def test_a_run_is_scaled_from_its_parts() -> None:
    pace = Pace(reset=1.0, asked=0.5, step=0.01, evaluation=2.0)
    assert gpu.steps_at(8) == 100
    assert gpu.steps_at(512) == 6400
    assert pace.run(8) == pytest.approx(1 + 4 + 1 + 2)
    assert replace(pace, epochs=100).run(8) == pytest.approx(1 + 4 + 1 + 200)
    assert gpu.an_hour([pace, pace], 8) == pytest.approx(900)
    one, two = (gpu.hours([pace] * n, ()) for n in (1, 2))
    assert one == pytest.approx(2 * two)
    assert gpu.hours([pace], ("standard", "cod")) == pytest.approx(one / 2)


@pytest.mark.slow
def test_every_mode_is_timed_at_toy_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)  # its worker processes import `toy` from here
    device.set_threads()
    lines = list(gpu.measure("toy", toy, SIZES, workers=2, told=lambda: 50.0))
    modes = ("plain", "one", "many", "graphs")
    assert [line.name for line in lines] == [
        name for mode in modes for name in (f"gpu-toy-k8-{mode}", f"gpu-toy-k64-{mode}", f"gpu-toy-{mode}")
    ]
    assert lines[0].extra["times the plain loop"] == 1.0
    assert all(line.extra["utilisation %"] == 50.0 for line in lines[2::3])
    assert all(line.extra["hours, 1080 runs"] < line.extra["hours, 2160 runs"] for line in lines[2::3])
    assert "runs an hour" in bench.row(lines[0])


@pytest.mark.slow
def test_a_worker_that_dies_is_one_sentence() -> None:
    with pytest.raises(RunError, match="one of 1 workers failed"):
        gpu.side_by_side(_broken, SIZES, 1, captured=False)


def _broken() -> Setting:
    raise MemoryError


def test_utilisation_is_the_mean_of_what_was_told(tmp_path: Path) -> None:
    fake = tmp_path / "smi"
    fake.write_text("#!/bin/sh\necho 20; echo 40; exec sleep 20\n")
    fake.chmod(0o755)
    with gpu.utilisation(command=str(fake)) as told:
        found = None
        while found is None:
            found = told()
        assert found == pytest.approx(30.0, abs=10.0)
    with gpu.utilisation(command=str(tmp_path / "absent")) as told:
        assert told() is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_the_verb_says_so_in_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cod_bench", "bench", "--gpu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "cod-bench: --gpu: torch sees no CUDA device here; leave it out to measure the CPU\n"
