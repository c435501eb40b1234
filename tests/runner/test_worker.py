"""What a worker makes of whatever a job raises."""

from __future__ import annotations

import errno

import pytest

from cod_bench.errors import InterruptionError, RunError, UsageError
from cod_bench.executor import Job, Outcome
from cod_bench.runner import work, worker

JOB = Job("run", {"stage": "run"})


class Wordless(Exception):  # noqa: N818 - as a plugin might call it
    def __str__(self) -> str:
        raise ValueError("no words")


def attempted(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(work, "perform", fail)
    return worker.attempt(JOB)


def chained(own: Exception, outside: Exception, *, hidden: bool) -> Exception:
    """An error raised while another was handled."""
    try:
        try:
            raise outside
        except type(outside):
            if hidden:
                raise own from None
            raise own  # noqa: B904 - that is what is looked at
    except type(own) as error:
        return error


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "told", "usage", "interrupted"),
    [
        (SystemExit(0), "SystemExit: 0", False, False),
        (KeyboardInterrupt(), "KeyboardInterrupt: ", False, False),
        (Wordless(), "Wordless: its own words raise ValueError", False, False),
        (UsageError("a mistake"), "a mistake", True, False),
        (RunError("no luck"), "no luck", False, False),
        (InterruptionError("no room"), "no room", False, True),
        (FULL, "OSError: [Errno 28] No space left on device", False, True),
        (OSError(errno.EACCES, "Permission denied"), "PermissionError: [Errno 13] Permission denied", False, False),
        (chained(ValueError("own"), FULL, hidden=False), "ValueError: own", False, True),
        (chained(ValueError("own"), FULL, hidden=True), "ValueError: own", False, False),
    ],
)
def test_what_is_raised_is_an_outcome(
    error: BaseException, told: str, usage: bool, interrupted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = attempted(error, monkeypatch)
    assert (found.error, found.usage, found.interrupted) == (told, usage, interrupted)
    assert found.trace
    assert found.result is None


def test_memory_that_runs_out_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert attempted(MemoryError("none"), monkeypatch).starved
    assert not attempted(ValueError("none"), monkeypatch).starved
