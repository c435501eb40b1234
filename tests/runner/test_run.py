"""What a `run` refuses before its first job: a folder whose records were made on another device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench.errors import UsageError
from cod_bench.executor import Job, Outcome
from cod_bench.records.results import Results
from cod_bench.runner import run
from cod_bench.spec import RunSpec

SPEC = RunSpec("last", "toy", "toy", "kd", "standard", "", 8, 0)
TODO = [replace(SPEC, seed=1)]
CPU = {"device": "cpu", "torch": "2.13.0"}
GPU = {"device": "cuda", "gpu": "NVIDIA H100 80GB HBM3", "capability": "9.0", "cuda": "12.8", "torch": "2.13.0"}


def refuse(made_in: dict[str, str], here: dict[str, str], folder: Path, spec: RunSpec = SPEC) -> None:
    run._refuse_other_device(TODO, {spec: ("abc", made_in)}, here, Results(folder))


@pytest.mark.parametrize(
    ("made_in", "here"),
    [(CPU, GPU), (GPU, CPU), (GPU, {**GPU, "gpu": "NVIDIA A100"})],
    ids=["cpu then gpu", "gpu then cpu", "another product"],
)
def test_records_of_another_device_are_not_mixed(made_in: dict[str, str], here: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"records of toy on toy made on .*--device.*--rerun mismatched") as found:
        refuse(made_in, here, tmp_path)
    assert run._device(made_in) in str(found.value)
    assert run._device(here) in str(found.value)


@pytest.mark.parametrize("environment", [CPU, GPU])
def test_those_of_the_same_device_are_gone_on_with(environment: dict[str, str], tmp_path: Path) -> None:
    refuse(environment, {**environment, "torch": "2.14.0"}, tmp_path)


@pytest.mark.parametrize(
    ("spec", "retry"),
    [
        (SPEC, "cod-bench run --rerun failed --suite toy --protocol last --track toy --task toy --method kd "),
        (replace(SPEC, k=16), f"cod_bench.run(cod_bench.{replace(SPEC, k=16)!r}, rerun='failed')"),
    ],
    ids=["of a suite", "of none"],
)
def test_a_run_that_was_named_and_failed_says_how_to_try_again(spec: RunSpec, retry: str) -> None:
    outcome = Outcome(Job("run", {"stage": "run"}), error="why")
    assert run._failure(spec, outcome, "")["retry"].startswith(retry)


def test_another_task_or_track_and_records_that_do_not_say_are_no_matter(tmp_path: Path) -> None:
    refuse(GPU, CPU, tmp_path, replace(SPEC, task="sst2"))
    refuse(GPU, CPU, tmp_path, replace(SPEC, track="minilm"))
    refuse({}, GPU, tmp_path)
