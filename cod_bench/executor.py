"""Jobs -> outcomes: what an executor is given and gives back, and which job may start next."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger(__name__)

ALONE = 2
"""Deaths of a job's process, with nothing else beside it, after which it is the job's own fault."""
TELL_AFTER = 300.0
"""Seconds after which a job that may be ended by its limit is told to be still at work, or half of the limit."""


@dataclass(frozen=True, slots=True)
class Job:
    """One unit of work as plain JSON values; `needs` are keys of jobs that must have succeeded before."""

    key: str
    payload: Mapping[str, Any]
    needs: tuple[str, ...] = ()
    limit: float = 0.0
    """Seconds after which it counts as hanging: its process is ended and it has failed. 0: never."""

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
    interrupted: bool = False
    """Whether something outside the job ended it, such as a full disk: it has not failed, and is done again."""
    blocked: bool = False
    """Whether it was not tried, since a job that it needs was not had: it stays missing."""
    workers: int = 0
    """How many worked when it came, where the executor's number changes."""
    starved: bool = False
    """Whether the error is that memory ran out."""
    peak: int = 0
    """Bytes of its GPU's memory that the process took at most; 0 on the CPU."""
    held: int = 0
    """Bytes of it that the process keeps."""


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
                yield from self.settle(
                    Outcome(job, error=outcome.error, trace=outcome.trace, usage=outcome.usage, blocked=True)
                )


@dataclass(slots=True)
class Clock:
    """Which of the jobs in flight have run out of their time; tells of each once while it lasts."""

    now: Callable[[], float] = time.monotonic
    _begun: dict[str, float] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def start(self, job: Job) -> None:
        """A job begins, or begins again."""
        self._begun[job.key] = self.now()
        self._told.discard(job.key)

    def stop(self, job: Job) -> None:
        """It has ended, however it did."""
        self._begun.pop(job.key, None)

    def over(self, jobs: Iterable[Job]) -> list[Job]:
        """Those of these jobs that have run out of their time."""
        found, now = [], self.now()
        for job in jobs:
            lasted = now - self._begun.get(job.key, now)
            if not job.limit:
                continue
            if lasted >= job.limit:
                found.append(job)
            elif lasted >= min(TELL_AFTER, job.limit / 2) and job.key not in self._told:
                self._told.add(job.key)
                log.warning("%s: still at work after %.0f s; it is ended after %.0f s", job.key, lasted, job.limit)
        return found


def overdue(job: Job) -> Outcome:
    """What becomes of a job that was ended since it hung."""
    return Outcome(job, error=f"did not end within {job.limit:.0f} s and was ended; name more by --timeout SECONDS")
