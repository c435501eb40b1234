"""Runs -> jobs that depend on one another, and what any executor needs to do them. No torch before the first job."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cod_bench import device
from cod_bench.errors import RunError, UsageError
from cod_bench.spec import PROTOCOLS, RunSpec

TAIL = 12
"""Lines of a traceback that are kept with a failure."""


@dataclass(frozen=True, slots=True)
class Job:
    """One unit of work as plain JSON values; `needs` are keys of jobs that must have succeeded before."""

    key: str
    payload: Mapping[str, Any]
    needs: tuple[str, ...] = ()

    @property
    def stage(self) -> str:
        """teacher | pool | run | dev"""
        return str(self.payload["stage"])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job: a result, or an error with the tail of its traceback."""

    job: Job
    result: Mapping[str, Any] | None = None
    error: str = ""
    trace: tuple[str, ...] = ()
    usage: bool = False
    """Whether the error is a user's mistake rather than a failed computation."""
    workers: int = 0
    """How many worked when it came, where the executor's number changes."""
    starved: bool = False
    """Whether the error is that memory ran out."""
    peak: int = 0
    """Bytes of its GPU's memory that the process took at most; 0 on the CPU."""
    held: int = 0
    """Bytes of it that the process keeps."""


def jobs_for(specs: Sequence[RunSpec], provenance: Mapping[str, Any]) -> list[Job]:
    """Teachers first, then seed by seed the pool blocks that the seed's runs need and the runs themselves."""
    from cod_bench.pool import blocks

    jobs: dict[str, Job] = {}
    for spec in specs:
        job = teacher_job(spec.track, spec.task)
        jobs.setdefault(job.key, job)
    for spec in specs:
        needs = [teacher_key(spec.track, spec.task)]
        if spec.generator:
            kept_wrong = PROTOCOLS[spec.protocol].reference_habits
            for start, end in blocks(spec.k // 2):
                payload = {
                    "stage": "pool", "track": spec.track, "task": spec.task, "generator": spec.generator,
                    "seed": spec.seed, "start": start, "end": end, "kept_wrong": kept_wrong,
                }  # fmt: skip
                key = "/".join(str(value) for value in payload.values())
                jobs.setdefault(key, Job(key, payload, tuple(needs[:1])))
                needs.append(key)
        key = "run/" + "/".join(str(value) for value in asdict(spec).values())
        jobs[key] = Job(key, {"stage": "run", "spec": asdict(spec), "provenance": dict(provenance)}, tuple(needs))
    return list(jobs.values())


def teacher_job(track: str, task: str) -> Job:
    """The job that provides a teacher and its reference file."""
    return Job(teacher_key(track, task), {"stage": "teacher", "track": track, "task": task})


def teacher_key(track: str, task: str) -> str:
    """Key of the job that provides a teacher."""
    return f"teacher/{track}/{task}"


@dataclass(slots=True)
class Ready:
    """Which job may start next. Truthy while any job waits."""

    jobs: Iterable[Job]
    _waiting: dict[str, Job] = field(init=False)
    _rank: dict[str, int] = field(init=False)
    _done: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._waiting = {job.key: job for job in self.jobs}
        self._rank = {key: i for i, key in enumerate(self._waiting)}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(self, fits: Callable[[Job], bool] = lambda job: True) -> Job | None:  # noqa: ARG005
        """The earliest job that fits and whose needs are met; None while all wait for jobs in flight."""
        for key, job in self._waiting.items():
            if self._done.issuperset(job.needs) and fits(job):
                return self._waiting.pop(key)
        return None

    def put_back(self, job: Job) -> None:
        """Wait again, at the job's old place."""
        self._waiting[job.key] = job
        self._waiting = dict(sorted(self._waiting.items(), key=lambda item: self._rank[item[0]]))

    def settle(self, outcome: Outcome) -> Iterator[Outcome]:
        """Take note of an outcome; yields it, and those of the jobs that a failure makes impossible."""
        yield outcome
        if not outcome.error:
            self._done.add(outcome.job.key)
            return
        for job in [job for job in self._waiting.values() if outcome.job.key in job.needs]:
            if self._waiting.pop(job.key, None) is not None:
                yield from self.settle(Outcome(job, error=outcome.error, trace=outcome.trace, usage=outcome.usage))


def attempt(job: Job) -> Outcome:
    """Do one job; the one boundary at which exceptions become outcomes."""
    outcome = _attempt(job)  # what a failed job held is free again here, where its exception is gone
    peak, held = device.memory()
    return replace(outcome, peak=peak, held=held)


def _attempt(job: Job) -> Outcome:
    from cod_bench.work import perform

    try:
        return Outcome(job, perform(job.payload))
    except (UsageError, RunError) as error:
        return Outcome(job, error=str(error), trace=_tail(), usage=isinstance(error, UsageError))
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything; one run must not end the others
        told = f"{type(error).__name__}: {error}"
        return Outcome(job, error=told, trace=_tail(), starved=device.exhausted(error))


def prepare_process(plugins: Sequence[str], on: str = "") -> None:
    """Make a process a worker: it leaves Ctrl-C to its parent, dies with it, and knows the user's plugins.

    It computes `on` that device; on the one that its environment names if empty.
    """
    import logging
    import signal
    from multiprocessing import parent_process

    from cod_bench import registry
    from cod_bench.work import set_threads

    if on:
        os.environ[device.VARIABLE] = on
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    for path in plugins:
        registry.add_plugin(Path(path))
    set_threads()


def warm() -> None:
    """Import what every run needs, some seconds of a worker's life."""
    import cod_bench.distil
    import cod_bench.metrics
    import cod_bench.teacher  # noqa: F401


def _die_with(sentinel: int) -> None:
    """End this process when its parent has: a killed `run` must not leave workers behind."""
    from multiprocessing.connection import wait

    wait([sentinel])
    os._exit(1)


def _tail() -> tuple[str, ...]:
    """The traceback's last lines without the folders of this machine."""
    lines = traceback.format_exc().strip().splitlines()[-TAIL:]
    return tuple(line.replace(str(Path(__file__).parent.parent) + os.sep, "") for line in lines)
