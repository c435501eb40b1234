"""The local executor with real processes: what dies is replaced, what keeps dying is an error."""

from __future__ import annotations

import json
import multiprocessing
import re
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench import registry
from cod_bench.errors import RunError, UsageError
from cod_bench.executor import Job

execute = registry.load("executor", "local")
DIED = "its worker process died (out of memory?); this was its last try, alone on this machine"
TEACHER = Job("teacher/toy/toy", {"stage": "teacher", "track": "toy", "task": "toy"})


def test_workers_that_cannot_start_are_told_and_not_tried_for_ever(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("import os\nos._exit(3)\n")
    try:
        (outcome,) = execute([TEACHER], workers=1, plugins=[str(tmp_path / "odd.py")])
    except RunError as error:  # the process may die before or after the job is handed to it
        assert "worker processes died 4 times before any job" in str(error)  # noqa: PT017
    else:
        assert outcome.error == DIED


def test_without_a_job_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", lambda _: pytest.fail("a process was started"))
    assert list(execute([], workers=2)) == []


def test_a_job_whose_worker_always_dies_fails_alone(tmp_path: Path) -> None:
    path = tmp_path / "deadly.py"
    path.write_text(
        "import os\nfrom cod_bench.baselines.kd import KD\n\n\nclass Deadly(KD):\n    name = 'deadly'\n\n"
        "    def loss(self, student, batch):\n        os._exit(3)\n\n\nDISTILLER = Deadly\n"
    )
    jobs = [TEACHER, run("deadly"), run("kd")]
    outcomes = {o.job.key: o.error for o in execute(jobs, workers=1, plugins=[str(path)])}
    assert outcomes == {TEACHER.key: "", "deadly 0": DIED, "kd 0": ""}


def run(method: str, seed: int = 0) -> Job:
    spec = {
        "protocol": "last", "track": "toy", "task": "toy", "method": method, "condition": "standard",
        "generator": "", "k": 8, "seed": seed,
    }  # fmt: skip
    return Job(f"{method} {seed}", {"stage": "run", "spec": spec, "provenance": {}}, (TEACHER.key,))


METHOD = """
import json, os, time
from pathlib import Path
from cod_bench.baselines.kd import KD

NOTES = Path({notes!r})


class Hungry(KD):
    name = {name!r}

    def prepare(self, setup):
        import torch

        super().prepare(setup)
        self._tries = {name!r} + str(setup.spec.seed)
        started = time.time()
        if {hungry!r} and setup.spec.seed == 0:
            tries = len(list(NOTES.glob(self._tries + "-*"))) + 1
            (NOTES / f"{{self._tries}}-{{tries}}.json").write_text(json.dumps([started, time.time(), os.getpid()]))
            if {hungry!r} == "always" or tries == 1:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        time.sleep(0.3)
        note = NOTES / f"{{self._tries}}-done.json"
        note.write_text(json.dumps([started, time.time(), os.getpid()]))


DISTILLER = Hungry
"""


def plugin(folder: Path, name: str, hungry: str) -> str:
    path = folder / f"{name}.py"
    path.write_text(METHOD.format(notes=str(folder), name=name, hungry=hungry))
    return str(path)


def spans(folder: Path) -> dict[str, tuple[float, float, int]]:
    return {path.stem: tuple(json.loads(path.read_text())) for path in folder.glob("*.json")}


def beside(one: tuple[float, float, int], other: tuple[float, float, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def test_a_job_that_ran_out_of_memory_is_done_again_alone_and_others_go_on(tmp_path: Path) -> None:
    jobs = [TEACHER, run("once"), *(run("once", seed) for seed in range(1, 4))]
    outcomes = {o.job.key: o.error for o in execute(jobs, workers=2, plugins=[plugin(tmp_path, "once", "first")])}
    assert outcomes == {job.key: "" for job in jobs}
    found = spans(tmp_path)
    again = found.pop("once0-done")
    first = found.pop("once0-1")
    assert again[2] != first[2]  # a process of its own
    assert not [name for name, other in found.items() if name.endswith("done") and beside(again, other)]


def test_one_that_runs_out_of_memory_twice_has_failed(tmp_path: Path) -> None:
    jobs = [TEACHER, run("always"), run("always", 1)]
    outcomes = {o.job.key: o for o in execute(jobs, workers=1, plugins=[plugin(tmp_path, "always", "always")])}
    assert {key: o.error == "" for key, o in outcomes.items()} == {
        TEACHER.key: True,
        "always 0": False,
        "always 1": True,
    }
    failed = outcomes["always 0"]
    assert failed.error == (
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB.; this was its last try, alone on this "
        "machine"
    )
    assert "OutOfMemoryError" in failed.trace[-1]
    assert sorted(name for name in spans(tmp_path) if name.startswith("always0")) == ["always0-1", "always0-2"]


@pytest.mark.parametrize(("memory", "waits"), [(0, False), (1, True)], ids=["not counted", "too small for two"])
def test_a_job_that_would_not_fit_waits(memory: int, waits: bool, tmp_path: Path) -> None:
    jobs = [TEACHER, *(run("patient", seed) for seed in range(4))]
    options = {"workers": 2, "memory": memory, "plugins": [plugin(tmp_path, "patient", "")]}
    assert {o.error for o in execute(jobs, **options)} == {""}
    found = list(spans(tmp_path).values())
    together = any(beside(one, other) for i, one in enumerate(found) for other in found[:i])
    assert together != waits


def test_workers_per_device_are_of_gpus_alone() -> None:
    with pytest.raises(UsageError, match=r"--workers-per-device 2: .*--workers says"):
        list(execute([TEACHER], workers=1, workers_per_device=2))


ENDS = """
import os, signal, time
from pathlib import Path
from cod_bench.baselines.kd import KD

TRIES = Path({tries!r})


class Ends(KD):
    name = "ends"

    def loss(self, student, batch):
        with TRIES.open("a") as told:
            told.write("x")
        {how}
        return super().loss(student, batch)


DISTILLER = Ends
"""


def ends(tmp_path: Path, how: str) -> str:
    """A method that ends in a way of its own."""
    path = tmp_path / "ends.py"
    path.write_text(ENDS.format(tries=str(tmp_path / "tries"), how=how))
    return str(path)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("raise SystemExit(0)", "SystemExit: 0"), ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
        ("raise BaseException('odd')", "BaseException: odd"),
    ],
)  # fmt: skip
def test_whatever_a_method_raises_fails_its_run_alone(how: str, told: str, tmp_path: Path) -> None:
    outcomes = {
        o.job.key: o for o in execute([TEACHER, run("ends"), run("kd")], workers=1, plugins=[ends(tmp_path, how)])
    }
    assert outcomes["ends 0"].error == told
    assert outcomes["ends 0"].trace
    assert not outcomes["ends 0"].interrupted
    assert outcomes["kd 0"].result is not None


def test_a_full_disk_is_no_fault_of_the_run(tmp_path: Path) -> None:
    plugin_ = ends(tmp_path, "raise OSError(28, 'No space left on device')")
    outcomes = {o.job.key: o for o in execute([TEACHER, run("ends")], workers=1, plugins=[plugin_])}
    assert outcomes["ends 0"].interrupted
    assert outcomes["ends 0"].error == "OSError: [Errno 28] No space left on device"


def test_a_run_whose_process_was_killed_twice_is_done_all_the_same(tmp_path: Path) -> None:
    """Once beside another and once alone, as somebody who kills workers does it."""
    how = "len(TRIES.read_text()) < 3 and os.kill(os.getpid(), signal.SIGKILL)"
    outcomes = {o.job.key: o.error for o in execute([TEACHER, run("ends")], workers=2, plugins=[ends(tmp_path, how)])}
    assert outcomes == {TEACHER.key: "", "ends 0": ""}


def test_a_run_that_hangs_is_ended_and_others_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    late = replace(run("ends"), limit=6.0)
    begun = time.monotonic()
    outcomes = {
        o.job.key: o
        for o in execute([TEACHER, late, run("kd")], workers=2, plugins=[ends(tmp_path, "time.sleep(3600)")])
    }
    assert time.monotonic() - begun < 300
    assert outcomes["ends 0"].error == "did not end within 6 s and was ended; name more by --timeout SECONDS"
    assert not outcomes["ends 0"].interrupted
    assert outcomes["kd 0"].error == ""
    assert re.search(r"ends 0: still at work after \d s; it is ended after 6 s", caplog.text)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells blocked signals on Linux alone")
def test_workers_are_deaf_to_ctrl_c_from_their_first_moment_and_this_process_is_not() -> None:
    def blocked(process: int | str) -> bool:
        (line,) = re.findall(r"SigBlk:\s*([0-9a-f]+)", Path(f"/proc/{process}/status").read_text())
        return bool(int(line, 16) >> (signal.SIGINT - 1) & 1)

    running = execute([TEACHER], workers=1)
    assert next(running).error == ""
    children = [child.pid for child in multiprocessing.active_children()]
    assert children
    assert all(blocked(child) for child in children if child)
    assert not blocked("self")
    list(running)
