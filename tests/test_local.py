"""The local executor with real processes: what dies is replaced, what keeps dying is an error."""

from __future__ import annotations

from pathlib import Path

from cod_bench import registry
from cod_bench.errors import RunError
from cod_bench.jobs import Job

execute = registry.load("executor", "local")
TEACHER = Job("teacher/toy/toy", {"stage": "teacher", "track": "toy", "task": "toy"})


def test_workers_that_cannot_start_are_told_and_not_tried_for_ever(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("import os\nos._exit(3)\n")
    try:
        (outcome,) = execute([TEACHER], workers=1, plugins=[str(tmp_path / "odd.py")])
    except RunError as error:  # the process may die before or after the job is handed to it
        assert "worker processes died 4 times before any job" in str(error)  # noqa: PT017
    else:
        assert outcome.error == "its worker process died 3 times (out of memory?)"


def test_a_job_whose_worker_always_dies_fails_alone(tmp_path: Path) -> None:
    path = tmp_path / "deadly.py"
    path.write_text(
        "import os\nfrom cod_bench.baselines.kd import KD\n\n\nclass Deadly(KD):\n    name = 'deadly'\n\n"
        "    def loss(self, student, batch):\n        os._exit(3)\n\n\nDISTILLER = Deadly\n"
    )
    spec = {
        "protocol": "last", "track": "toy", "task": "toy", "method": "deadly", "condition": "standard",
        "generator": "", "k": 8, "seed": 0,
    }  # fmt: skip
    jobs = [TEACHER]
    jobs += [
        Job(m, {"stage": "run", "spec": {**spec, "method": m}, "provenance": {}}, (TEACHER.key,))
        for m in ("deadly", "kd")
    ]
    outcomes = {o.job.key: o.error for o in execute(jobs, workers=1, plugins=[str(path)])}
    assert outcomes == {TEACHER.key: "", "deadly": "its worker process died 3 times (out of memory?)", "kd": ""}
