"""Jobs -> outcomes, one after the other in this process: the smallest executor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cod_bench import Job, Outcome, Ready
from cod_bench.runner.worker import attempt


def execute(jobs: Sequence[Job], *, workers: int, plugins: Sequence[str] = ()) -> Iterator[Outcome]:
    """Do every job once what it needs is done; an outcome each."""
    from cod_bench.device import set_threads

    set_threads()
    ready = Ready(jobs)
    while (job := ready.take()) is not None:
        yield from ready.settle(attempt(job))
