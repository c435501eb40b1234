"""Which job may start, and what a failure takes with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cod_bench.executor import Clock, Job, Outcome, Ready
from cod_bench.runner.jobs import jobs_for
from cod_bench.spec import RunSpec


def job(key: str, *needs: str) -> Job:
    return Job(key, {"stage": "run"}, needs)


def test_the_earliest_ready_job_is_taken() -> None:
    ready = Ready([job("teacher"), job("pool", "teacher"), job("standard", "teacher"), job("cod", "teacher", "pool")])
    first = ready.take()
    assert first is not None
    assert first.key == "teacher"
    assert ready.take() is None
    list(ready.settle(Outcome(first, {})))
    assert [found.key for found in (ready.take(), ready.take()) if found] == ["pool", "standard"]
    assert ready.take() is None
    assert ready


def test_the_earliest_job_that_fits_is_taken() -> None:
    ready = Ready([job("a"), job("b"), job("c")])
    found = ready.take(lambda found: found.key != "a")
    assert found is not None
    assert found.key == "b"
    assert ready.take(lambda found: False) is None
    assert [left.key for left in (ready.take(), ready.take()) if left] == ["a", "c"]


def test_a_failure_takes_what_depends_on_it() -> None:
    ready = Ready([job("teacher"), job("pool", "teacher"), job("standard", "teacher"), job("cod", "teacher", "pool")])
    teacher = ready.take()
    assert teacher is not None
    list(ready.settle(Outcome(teacher, {})))
    pool = ready.take()
    assert pool is not None
    outcomes = list(ready.settle(Outcome(pool, error="boom")))
    assert [(o.job.key, o.error, o.blocked) for o in outcomes] == [("pool", "boom", False), ("cod", "boom", True)]
    left = ready.take()
    assert left is not None
    assert left.key == "standard"
    assert not ready


def test_a_job_put_back_keeps_its_place() -> None:
    ready = Ready([job("a"), job("b"), job("c")])
    a = ready.take()
    assert a is not None
    ready.put_back(a)
    assert [found.key for found in (ready.take(), ready.take(), ready.take()) if found] == ["a", "b", "c"]


def test_runs_need_their_teacher_and_the_pool_blocks_of_their_budget() -> None:
    specs = [
        RunSpec("last", "toy", "toy", "kd", "standard", "", 16, 0),
        RunSpec("last", "toy", "toy", "kd", "cod", "substitution", 16, 0),
        RunSpec("last", "toy", "toy", "lwd", "cod", "substitution", 8, 0),
    ]
    jobs = jobs_for(specs, {"date": "x"})
    assert [j.stage for j in jobs] == ["teacher", "run", "pool", "pool", "run", "run"]
    standard, cod, small = (j for j in jobs if j.stage == "run")
    assert standard.needs == ("teacher/toy/toy",)
    assert len(cod.needs) == 3
    assert len(small.needs) == 2
    assert set(small.needs) < set(cod.needs)


def test_protocols_that_keep_wrong_rows_have_pools_of_their_own() -> None:
    specs = [RunSpec(p, "toy", "toy", "kd", "cod", "substitution", 8, 0) for p in ("last", "dev", "paper")]
    pools = [j for j in jobs_for(specs, {}) if j.stage == "pool"]
    assert [j.payload["kept_wrong"] for j in pools] == [False, True]


def test_a_clock_tells_of_what_lasts_and_ends_what_hangs(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    clock = Clock(now=lambda: now[0])
    late, free = replace(job("late"), limit=100.0), job("free")
    for one in (late, free):
        clock.start(one)
    told = []
    for second in (49.0, 50.0, 60.0, 99.9):
        now[0] = second
        assert clock.over([late, free]) == []
        told.append(caplog.text.count("late: still at work after"))
    assert told == [0, 1, 1, 1]
    now[0] = 100.0
    assert clock.over([late, free]) == [late]
    clock.start(late)
    assert clock.over([late, free]) == []
    now[0] = 1e9
    clock.stop(late)
    assert clock.over([late, free]) == []


def test_runs_are_given_their_limits() -> None:
    spec = RunSpec("last", "toy", "toy", "kd", "standard", "", 8, 0)
    assert [j.limit for j in jobs_for([spec], {}, {spec: 700.0})] == [0.0, 700.0]
