"""Jobs -> outcomes on this machine: warm worker processes, one thread each, that die with their parent.

On the CPU they are one group. On CUDA each device has a group of its own, and a job starts where the memory that it
will take is free. A job that ran out of memory, or whose process died, is done again alone on its device, in a process
of its own. It has failed when memory runs out again, or its process dies ALONE times with nothing beside it; and when
it outlasts its limit.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context

from cod_bench import device
from cod_bench.errors import RunError, UsageError
from cod_bench.executor import ALONE, Clock, Job, Outcome, Ready, overdue
from cod_bench.runner.placement import Placement
from cod_bench.runner.worker import attempt, prepare_process, warm

log = logging.getLogger(__name__)

BARREN = 3
"""So many times in a row may worker processes die before they have done anything."""
LOOK = 1.0
"""Seconds between looks at whether a job hangs."""
MOST = 8
"""Workers a GPU where nobody says how many: as many as half the cores, up to this."""


def execute(
    jobs: Sequence[Job], *, workers: int, plugins: Sequence[str] = (), workers_per_device: int = 0, memory: int = 0
) -> Iterator[Outcome]:
    """Do every job once what it needs is done, the earliest ready one first; yields outcomes as they come.

    A worker process that dies is replaced. Closing the iterator ends the workers at once.

    Args:
        workers: processes on the CPU; on CUDA, cores to feed the devices with.
        workers_per_device: processes on each CUDA device; 0 for half as many as there are cores for it, at most MOST.
        memory: bytes of each device that jobs may take together; 0 for what a GPU has, and no count on the CPU.

    Raises:
        UsageError: `workers_per_device` on the CPU.
        RunError: worker processes die again and again before they have done anything.
    """
    ready = Ready(jobs)
    groups = _groups(workers, workers_per_device, memory, tuple(plugins))
    if not ready:
        return  # nothing to do: no process is started that would import torch first
    counted = sum(group.workers for group in groups) if len(groups) > 1 or workers_per_device else 0
    # Set before the children import torch: with both cores busy, two OpenMP threads are slower than one.
    threads = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    os.environ.update(dict.fromkeys(threads, "1"))
    try:
        for group in groups:
            group.start(group.workers)
        while ready or any(group.running for group in groups):
            for group in sorted(groups, key=lambda group: len(group.running)):
                group.fill(ready, [other for other in groups if other is not group])
            calls = [call for group in groups for call in group.running]
            some_broken = any(group.broken for group in groups)
            done = set() if some_broken else wait(calls, timeout=LOOK, return_when=FIRST_COMPLETED)[0]
            for group in groups:
                yield from group.expire(done, ready)
                for outcome in group.take([call for call in group.running if call in done], ready):
                    yield replace(outcome, workers=counted) if counted else outcome
                group.mend(ready)
    finally:
        for group in groups:
            group.end()
        for name, value in threads.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _unheard() -> Iterator[None]:
    """Processes that start meanwhile never hear Ctrl-C, also while they import what would make them deaf to it.

    It is meant for this process, which hears one that comes meanwhile right afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _groups(workers: int, per_device: int, memory: int, plugins: tuple[str, ...]) -> list[_Group]:
    name = device.name()
    if name == device.CPU:
        if per_device:
            raise UsageError(
                f"--workers-per-device {per_device}: these runs compute on the CPU, where --workers says how many "
                "processes there are; leave it out"
            )
        return [_Group("", workers, Placement(memory), plugins)]
    gpus = device.chosen(name)
    each = per_device or max(1, min(MOST, workers // (2 * len(gpus))))
    return [_Group(gpu.device, each, Placement(memory or gpu.memory), plugins) for gpu in gpus]


@dataclass(slots=True, eq=False)
class _Group:
    """The workers of one device."""

    device: str
    """Empty for what the environment says."""
    workers: int
    placement: Placement
    plugins: tuple[str, ...]
    pool: ProcessPoolExecutor = field(init=False)
    warming: list[Future[None]] = field(default_factory=list)
    processes: int = 0
    fresh: bool = True
    """Whether no job has been given to the processes yet."""
    running: dict[Future[Outcome], Job] = field(default_factory=dict)
    again: dict[str, str] = field(default_factory=dict)
    """Jobs that are to be done once more, alone here: key -> what went wrong."""
    alone: str = ""
    """Key of the one that is being done alone."""
    broken: bool = False
    barren: int = 0
    """Times in a row that no process had come to life when one died."""
    deaths: dict[str, int] = field(default_factory=dict)
    """Times that the process of a job has died with nothing beside it."""
    clock: Clock = field(default_factory=Clock)

    def start(self, processes: int) -> None:
        """Start so many processes."""
        self.processes, self.broken, self.fresh = processes, False, True
        self.pool = ProcessPoolExecutor(
            processes, mp_context=get_context("spawn"),
            initializer=prepare_process, initargs=(self.plugins, self.device),
        )  # fmt: skip
        self.warming = []
        with suppress(BrokenProcessPool), _unheard():
            for _ in range(processes):  # every process starts now, not with its first job: most wait for a teacher
                self.warming.append(self.pool.submit(warm))

    def end(self) -> None:
        """Stop without waiting for runs in flight: they leave nothing half-written behind."""
        if not hasattr(self, "pool"):
            return
        processes = list((self.pool._processes or {}).values())
        self.pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(timeout=10)
            if process.is_alive():  # what it does holds signals back
                process.kill()

    def fill(self, ready: Ready, others: Sequence[_Group]) -> None:
        """Give idle workers the earliest jobs that fit."""
        elsewhere = {key for other in others for key in other.again}
        if self.again:
            # Nothing new starts here until the jobs that must be alone have been.
            if self.running:
                return
            job = ready.take(lambda job: job.key in self.again)
            if job is not None:
                if self.processes > 1 or not self.fresh:
                    self.end()
                    self.start(1)
                self.alone = job.key
                self._submit(job, ready)
            return
        if self.processes != self.workers and not self.running:
            self.end()
            self.start(self.workers)
        while not self.broken and len(self.running) < self.workers:
            job = ready.take(lambda job: job.key not in elsewhere and self._fits(job))
            if job is None:
                return
            self._submit(job, ready)

    def _fits(self, job: Job) -> bool:
        return self.placement.fits(job, self.running.values(), self.workers - len(self.running) - 1)

    def _submit(self, job: Job, ready: Ready) -> None:
        self.fresh = False
        try:
            self.running[self.pool.submit(attempt, job)] = job
            self.clock.start(job)
        except BrokenProcessPool:  # a worker died between two jobs: nobody's fault
            self.broken = True
            self.alone = ""
            ready.put_back(job)

    def expire(self, done: Collection[Future[Outcome]], ready: Ready) -> Iterator[Outcome]:
        """End what hangs, and the processes of this device with it; what else was in flight there is done again."""
        if not all(call.done() for call in self.warming):  # what is imported first is not the job's time
            for job in self.running.values():
                self.clock.start(job)
            return
        late = self.clock.over(job for call, job in self.running.items() if call not in done)
        if not late:
            return
        self.end()
        for call, job in self.running.items():
            if call not in done and job not in late:
                ready.put_back(job)
        self.running = {call: job for call, job in self.running.items() if call in done}
        self.alone = ""
        self.start(1 if self.again else self.workers)
        for job in late:
            self.again.pop(job.key, None)
            yield from ready.settle(overdue(job))

    def take(self, done: Sequence[Future[Outcome]], ready: Ready) -> Iterator[Outcome]:
        """Go on with the jobs that have ended."""
        for call in done:
            job = self.running.pop(call)
            self.clock.stop(job)
            died = False
            try:
                outcome = call.result()
            except BrokenProcessPool:
                self.broken = died = True
                outcome = Outcome(job, error="its worker process died (out of memory?)", starved=True)
            else:
                self.placement.learn(outcome)
            before = self.again.pop(job.key, "") if self.alone == job.key else ""
            self.alone = "" if self.alone == job.key else self.alone
            if died and before:
                self.deaths[job.key] = self.deaths.get(job.key, 0) + 1
            if not outcome.starved:
                yield from ready.settle(outcome)
            elif before and not (died and self.deaths[job.key] < ALONE):
                told = f"{outcome.error}; this was its last try, alone on {self.device or 'this machine'}"
                yield from ready.settle(replace(outcome, error=told))
            else:
                log.warning("%s: %s; it is tried again alone", job.key, outcome.error)
                self.again[job.key] = outcome.error
                ready.put_back(job)

    def mend(self, ready: Ready) -> None:
        """Replace what died.

        Raises:
            RunError: it has died too often before any job was done.
        """
        if not self.broken:
            return
        alive = any(call.done() and not call.cancelled() and call.exception() is None for call in self.warming)
        self.barren = 0 if alive else self.barren + 1
        if self.barren > BARREN:
            raise RunError(f"worker processes died {self.barren} times before any job; too little memory?")
        for job in self.running.values():
            ready.put_back(job)
        self.running.clear()
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.start(1 if self.again else self.workers)
