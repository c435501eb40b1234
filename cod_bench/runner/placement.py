"""Jobs on one device -> may another start beside them: by peaks measured so far, else by an estimate. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cod_bench.executor import Job, Outcome

USABLE = 0.92
"""Share of a device's memory that is given out: allocators round up and drivers keep some."""
CONTEXT = 600_000_000
"""Bytes that a process takes by having a CUDA context at all."""
KEPT = 60
"""Values of a hidden state's size that a layer keeps for its backward pass, attention's own aside."""


def estimate(
    *, teacher: int, student: int, trained: int, layers: int, width: int, heads: int, batch: int, length: int,
) -> int:  # fmt: skip
    """Bytes that a training takes, by numbers of parameters (float32) and the shape of its largest batch.

    Teacher; student, its untouched copy; gradients and two moments of what is trained; what backward needs.
    """
    weights = 4 * (teacher + 2 * student + 3 * trained)
    states = batch * layers * (KEPT * length * width + 6 * heads * length * length)
    return weights + 4 * states


@dataclass(slots=True)
class Placement:
    """What is known of memory on one device; 0 bytes of `total` is a device whose memory is not counted."""

    total: int
    _peaks: dict[str, int] = field(default_factory=dict)
    _estimates: dict[str, int] = field(default_factory=dict)
    _held: int = 0

    def need(self, job: Job) -> int | None:
        """Bytes a job will take: the largest measured peak of its kind, else what was estimated; None: not known."""
        measured = self._peaks.get(kind(job.payload))
        if measured is not None:
            return measured
        told = self._estimates.get(str(_spec(job.payload)["track"])) if job.stage in ("run", "dev") else None
        return None if told is None else told + CONTEXT

    def fits(self, job: Job, running: Iterable[Job], idle: int = 0) -> bool:
        """Whether a job may start beside the running ones while so many other processes wait, warm.

        One whose need is not known, or larger than the device, goes alone: it may still succeed.
        """
        beside = list(running)
        if not self.total or not beside:
            return True
        needs = [self.need(one) for one in (job, *beside)]
        known = [need for need in needs if need is not None]
        return len(known) == len(needs) and sum(known) + idle * self._held <= USABLE * self.total

    def learn(self, outcome: Outcome) -> None:
        """Take note of what a job took, and of what a teacher's says that its track's runs will take."""
        name = kind(outcome.job.payload)
        if outcome.peak:
            self._peaks[name] = max(self._peaks.get(name, 0), outcome.peak + CONTEXT)
            self._held = max(self._held, outcome.held + CONTEXT)
        if outcome.job.stage == "teacher" and outcome.result and outcome.result.get("run_bytes"):
            self._estimates[str(outcome.job.payload["track"])] = int(outcome.result["run_bytes"])


def kind(payload: Mapping[str, object]) -> str:
    """Jobs of one kind take alike: stage, track and, of runs, task, method and budget."""
    spec = _spec(payload)
    return "/".join([str(payload["stage"]), *(str(spec.get(name, "")) for name in ("track", "task", "method", "k"))])


def _spec(payload: Mapping[str, object]) -> Mapping[str, object]:
    spec = payload.get("spec")
    return spec if isinstance(spec, Mapping) else payload
