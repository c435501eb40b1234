"""What a run computes on: names, what an absent device says, what reaches the environment key and the teacher's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cod_bench import device
from cod_bench.counterfactuals import warm
from cod_bench.data import checkpoints
from cod_bench.design import tracks
from cod_bench.device import Gpu, Watch
from cod_bench.errors import RunError, UsageError
from cod_bench.records.provenance import environment

H100 = Gpu(0, "NVIDIA H100 80GB HBM3", "9.0", 85_000_000_000, "12.8")
TWO = (H100, Gpu(1, "NVIDIA H100 80GB HBM3", "9.0", 85_000_000_000, "12.8"), Gpu(2, "RTX", "8.9", 1, "12.8"))


@pytest.fixture(autouse=True)
def unsettled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(device.VARIABLE, "")
    yield
    monkeypatch.undo()


def test_without_a_gpu_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "visible", lambda: ())
    assert device.ask("auto") == device.name() == "cpu"
    assert device.current() == torch.device("cpu")


def test_with_one_auto_is_cuda_and_its_product_is_in_the_environment_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "visible", lambda: (H100,))
    before = environment()
    assert device.ask("auto") == "cuda"
    assert device.current() == torch.device("cuda", 0)
    own = {"device": "cuda", "gpu": "NVIDIA H100 80GB HBM3", "capability": "9.0", "cuda": "12.8"}
    assert environment() == {**before, **own}


def test_the_cpus_environment_key_is_what_published_records_have() -> None:
    assert list(environment())[:3] == ["device", "machine", "instructions"]
    assert environment()["device"] == "cpu"
    assert "gpu" not in environment()


def test_a_teacher_of_a_gpu_is_another_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    track, data = tracks.track("toy"), warm.corpus("toy")
    cpu = checkpoints.teacher_key(track, data.task)
    monkeypatch.setattr(device, "visible", lambda: (H100,))
    device.ask("cuda:0")
    assert checkpoints.teacher_key(track, data.task) != cpu
    device.ask("cpu")
    assert checkpoints.teacher_key(track, data.task) == cpu


def test_products_are_not_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "visible", lambda: TWO)
    assert [gpu.device for gpu in device.chosen("cuda")] == ["cuda:0", "cuda:1"]
    assert device.chosen("cuda:2") == TWO[2:]


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CPU", "", "cuda:1; rm"])
def test_another_name_is_a_users_mistake(name: str) -> None:
    with pytest.raises(UsageError, match=r"--device .* choose auto, cpu, cuda or cuda:N"):
        device.ask(name)


def test_an_absent_device_is_a_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "visible", lambda: ())
    with pytest.raises(UsageError, match="--device cuda: torch sees no CUDA device here; use --device cpu"):
        device.ask("cuda")
    monkeypatch.setattr(device, "visible", lambda: TWO)
    with pytest.raises(UsageError, match="--device cuda:3: devices 0 to 2 are visible"):
        device.ask("cuda:3")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_the_verb_says_so_and_ends_with_two(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cod_bench", "run", "--suite", "toy", "--all", "--device", "cuda"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "cod-bench: --device cuda: torch sees no CUDA device here; use --device cpu\n"


def test_what_the_asked_process_tells_is_read() -> None:
    assert device.parse('a warning\n[[0, "NVIDIA H100 80GB HBM3", "9.0", 85000000000, "12.8"]]\n') == (H100,)
    assert device.parse("[]") == device.parse("") == ()
    with pytest.raises(RunError, match="--device cpu"):
        device.parse("Segmentation fault")


def test_the_process_that_is_asked_answers() -> None:
    told = subprocess.run([sys.executable, "-c", device._ASK], capture_output=True, text=True)
    assert len(device.parse(told.stdout)) == torch.cuda.device_count()


def test_values_are_read_at_every_step_on_the_cpu_and_in_groups_elsewhere() -> None:
    cpu = Watch(torch.device("cpu"))
    assert cpu.note(torch.tensor([1.0, 2.0])) == [[1.0, 2.0]]
    assert cpu.rest() == []
    gpu = Watch(torch.device("cuda"))
    read = [gpu.note(torch.tensor([float(i)])) for i in range(device.READ_EVERY + 2)]
    assert [i for i, rows in enumerate(read) if rows] == [device.READ_EVERY - 1]
    assert read[device.READ_EVERY - 1] == [[float(i)] for i in range(device.READ_EVERY)]
    assert gpu.rest() == [[float(device.READ_EVERY)], [float(device.READ_EVERY + 1)]]


def test_memory_that_ran_out_is_told_from_other_errors() -> None:
    assert device.exhausted(torch.OutOfMemoryError("x"))
    assert device.exhausted(torch.cuda.OutOfMemoryError("x"))
    assert device.exhausted(MemoryError())
    assert not device.exhausted(RuntimeError("x"))
    assert device.memory() == (0, 0)
