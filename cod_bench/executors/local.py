"""Jobs -> outcomes on this machine: warm worker processes, one thread each, that die with their parent."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context

from cod_bench.errors import RunError
from cod_bench.jobs import Job, Outcome, Ready, attempt, prepare_process, warm

STRIKES = 3
"""A job in flight in so many dying worker processes is recorded as failed instead of tried again."""


def execute(jobs: Sequence[Job], *, workers: int, plugins: Sequence[str] = ()) -> Iterator[Outcome]:
    """Do every job once what it needs is done, the earliest ready one first; yields outcomes as they come.

    A worker process that dies is replaced and its job done again. Closing the iterator ends the workers at once.

    Raises:
        RunError: worker processes die again and again before they have done anything.
    """
    ready = Ready(jobs)
    strikes: dict[str, int] = {}
    running: dict[Future[Outcome], Job] = {}
    # Set before the children import torch: with both cores busy, two OpenMP threads are slower than one.
    threads = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    os.environ.update(dict.fromkeys(threads, "1"))
    rebuilt = 0
    pool = _pool(workers, plugins)
    try:
        while ready or running:
            broken = False
            while not broken and len(running) < workers and (job := ready.take()) is not None:
                try:
                    running[pool.submit(attempt, job)] = job
                except BrokenProcessPool:  # a worker died between two jobs: nobody's strike
                    broken = True
                    ready.put_back(job)
            finished = () if broken else wait(running, return_when=FIRST_COMPLETED)[0]
            for future in finished:
                job = running.pop(future)
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    broken = True
                    strikes[job.key] = strikes.get(job.key, 0) + 1
                    if strikes[job.key] < STRIKES:
                        ready.put_back(job)
                        continue
                    outcome = Outcome(job, error=f"its worker process died {STRIKES} times (out of memory?)")
                yield from ready.settle(outcome)
            rebuilt = rebuilt + 1 if broken else 0
            if rebuilt > STRIKES:
                raise RunError(f"worker processes died {rebuilt} times before any job; too little memory?")
            if broken:
                for job in running.values():
                    ready.put_back(job)
                running.clear()
                pool.shutdown(wait=False, cancel_futures=True)
                pool = _pool(workers, plugins)
        pool.shutdown(wait=True)
    finally:
        _end(pool)
        for name, value in threads.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _pool(workers: int, plugins: Sequence[str]) -> ProcessPoolExecutor:
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=prepare_process, initargs=(tuple(plugins),)
    )
    with suppress(BrokenProcessPool):
        for _ in range(workers):  # every process starts now, not with its first job: most wait for a teacher anyway
            pool.submit(warm)
    return pool


def _end(pool: ProcessPoolExecutor) -> None:
    """Stop without waiting for runs in flight: they leave nothing half-written behind."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(timeout=10)
