"""Runs -> jobs that depend on one another, and what any executor needs to do them. No torch before the first job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from cod_bench import registry
from cod_bench.condition import ask, condition
from cod_bench.design import tracks
from cod_bench.executor import Job
from cod_bench.spec import RunSpec

BLOCK = 3600.0
"""Seconds after which the search of a block of counterfactuals counts as hanging; the largest take minutes."""


def jobs_for(
    specs: Sequence[RunSpec], provenance: Mapping[str, Any], limits: Mapping[RunSpec, float] | None = None,
    timeout: float = 0.0,
) -> list[Job]:  # fmt: skip
    """Teachers first, then seed by seed the pool blocks that the seed's runs need and the runs themselves.

    Args:
        limits: seconds after which a run counts as hanging.
        timeout: the same for blocks of counterfactuals; 0 for BLOCK, and no limit where answers are bought.
    """
    from cod_bench.store import blocks

    jobs: dict[str, Job] = {}
    for spec in specs:
        job = teacher_job(spec.track, spec.task)
        jobs.setdefault(job.key, job)
    for spec in specs:
        needs = [teacher_key(spec.track, spec.task)]
        if spec.generator:
            kept_wrong = tracks.keeps_wrong(spec.protocol, spec.track)
            for start, end in blocks(ask(condition(spec.condition), "entries_at", spec.k)):
                payload = {
                    "stage": "pool", "track": spec.track, "task": spec.task, "generator": spec.generator,
                    "seed": spec.seed, "start": start, "end": end, "kept_wrong": kept_wrong,
                }  # fmt: skip
                key = "/".join(str(value) for value in payload.values())
                limit = timeout or (0.0 if registry.load("generator", spec.generator).costly else BLOCK)
                jobs.setdefault(key, Job(key, payload, tuple(needs[:1]), limit))
                needs.append(key)
        key = "run/" + "/".join(str(value) for value in asdict(spec).values())
        payload = {"stage": "run", "spec": asdict(spec), "provenance": dict(provenance)}
        jobs[key] = Job(key, payload, tuple(needs), (limits or {}).get(spec, 0.0))
    return list(jobs.values())


def teacher_job(track: str, task: str) -> Job:
    """The job that provides a teacher and its reference file."""
    return Job(teacher_key(track, task), {"stage": "teacher", "track": track, "task": task})


def teacher_key(track: str, task: str) -> str:
    """Key of the job that provides a teacher."""
    return f"teacher/{track}/{task}"
