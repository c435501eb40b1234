"""A process -> a worker: it is prepared once and does one job after the other; exceptions become outcomes here."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cod_bench import device
from cod_bench.errors import NO_ROOM, InterruptionError, RunError, UsageError
from cod_bench.executor import Job, Outcome

TAIL = 12
"""Lines of a traceback that are kept with a failure."""


def attempt(job: Job) -> Outcome:
    """Do one job; the one boundary at which exceptions become outcomes."""
    outcome = _attempt(job)  # what a failed job held is free again here, where its exception is gone
    peak, held = device.memory()
    return replace(outcome, peak=peak, held=held)


def _attempt(job: Job) -> Outcome:
    from cod_bench.runner.work import perform

    try:
        return Outcome(job, perform(job.payload))
    except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit too; others must go on
        own = isinstance(error, (UsageError, RunError))
        return Outcome(
            job, error=_words(error) if own else f"{type(error).__name__}: {_words(error)}", trace=_tail(),
            usage=isinstance(error, UsageError), starved=device.exhausted(error), interrupted=_from_outside(error),
        )  # fmt: skip


def _from_outside(error: BaseException | None) -> bool:
    """Whether a full or failing disk is what an error comes from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, InterruptionError) or (isinstance(error, OSError) and error.errno in NO_ROOM):
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def _words(error: BaseException) -> str:
    """An error's own words; a plugin's may fail to have any."""
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001 - as above
        return f"its own words raise {type(second).__name__}"


def prepare_process(plugins: Sequence[str], on: str = "") -> None:
    """Make a process a worker: it leaves Ctrl-C to its parent, dies with it, and knows the user's plugins.

    It computes `on` that device; on the one that its environment names if empty.
    """
    import logging
    import signal
    from multiprocessing import parent_process

    from cod_bench import registry
    from cod_bench.data import origin
    from cod_bench.device import set_threads

    if on:
        os.environ[device.VARIABLE] = on
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    for path in plugins:
        registry.add_plugin(Path(path))
    origin.choose(None)  # tasks of the user's own files
    set_threads()


def warm() -> None:
    """Import what every run needs, some seconds of a worker's life."""
    import cod_bench.runner.metrics
    import cod_bench.training.distil
    import cod_bench.training.teacher  # noqa: F401


def _die_with(sentinel: int) -> None:
    """End this process when its parent has: a killed `run` must not leave workers behind."""
    from multiprocessing.connection import wait

    wait([sentinel])
    os._exit(1)


def _tail() -> tuple[str, ...]:
    """The traceback's last lines without the folders of this machine."""
    try:
        lines = traceback.format_exc().strip().splitlines()[-TAIL:]
    except Exception as second:  # noqa: BLE001 - an error whose words cannot be had
        lines = [f"its traceback cannot be written: {type(second).__name__}"]
    return tuple(line.replace(str(Path(__file__).parents[2]) + os.sep, "") for line in lines)
