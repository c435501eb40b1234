"""States of a suite's runs, and the estimate of what is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench.design import built_in, suites
from cod_bench.design.filters import Filters, select
from cod_bench.design.identity import identify, run_id
from cod_bench.records.record import Record, summary
from cod_bench.records.results import Results
from cod_bench.runner import plan
from cod_bench.spec import RunSpec, digest
from tests.samples import sample_record

TOY = suites.suite("toy")


def toy_record(spec: RunSpec) -> Record:
    """A record under the id that the installed code gives its spec."""
    found = identify(spec)
    return sample_record(spec=spec, identity=found, run_id=digest(found), cost={"seconds": 2.0, "cpu_seconds": 2.0})


def test_states_come_from_the_folder(tmp_path: Path) -> None:
    results = Results(tmp_path)
    specs = select(TOY, Filters(method=("kd",), seed=(0,)))
    results.write(toy_record(specs[0]))
    results.write_failure(specs[1], run_id(specs[1]), {"reason": "x"})
    made = plan.make(TOY, Filters(method=("kd",), seed=(0,)), results)
    assert [made.count(state) for state in ("done", "missing", "failed")] == [1, len(specs) - 2, 1]
    assert len(made.todo()) == len(specs) - 2
    assert len(made.todo("failed")) == len(specs) - 1
    assert len(made.todo("all")) == len(specs)


def test_a_record_of_other_settings_is_not_done(tmp_path: Path) -> None:
    spec = select(TOY, Filters(method=("kd",)))[0]
    found = {**identify(spec), "method": {"name": "kd", "version": 99}}
    Results(tmp_path).write(sample_record(spec=spec, identity=found, run_id=digest(found)))
    assert plan.make(TOY, Filters(method=("kd",)), Results(tmp_path)).count("done") == 0


def test_time_left_is_that_of_like_runs(tmp_path: Path) -> None:
    results = Results(tmp_path)
    filters = Filters(method=("kd",), condition=("standard",))
    done, missing = select(TOY, filters)
    results.write(toy_record(done))
    assert plan.make(TOY, filters, results).seconds == {missing: 2.0}
    assert plan.make(TOY, filters, results).hours(2) == pytest.approx(1 / 3600)


def test_a_run_hangs_after_ten_times_the_longest_of_its_kind_and_ten_minutes_at_least() -> None:
    quick, slow, other = (
        RunSpec("last", "toy", "toy", method, "standard", "", 8, 0) for method in ("kd", "lwd", "ted")
    )
    seen = [
        summary(replace(toy_record(replace(spec, seed=seed)), cost={"seconds": 1.0, "cpu_seconds": seconds}))
        for spec, seed, seconds in ((quick, 1, 2.0), (slow, 1, 90.0), (slow, 2, 100.0))
    ]
    assert plan.limits([quick, slow, other], seen, {other: 120.0}) == {quick: 600.0, slow: 1000.0, other: 1200.0}
    assert plan.limits([quick, slow], seen, {}, 5.0) == {quick: 5.0, slow: 5.0}


def test_a_pair_of_known_size_is_estimated_by_parameters_tokens_and_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    track = replace(built_in.TRACKS["minilm-fp32"], sizes=(86_000_000, 43_000_000))
    monkeypatch.setattr(plan.origin, "at_hand", lambda _task: None)
    texts = plan._texts(track, "rt_quotes")
    assert texts == (plan.ROWS, plan.TOKENS)
    one = plan._teacher_seconds(track, texts)
    eight = plan._teacher_seconds(replace(track, teacher=replace(track.teacher, epochs=8)), texts)
    asked = 2 * 86e6 * plan.TOKENS / plan.PRODUCTS["float32"] * plan.ASKED
    assert (eight - asked) == pytest.approx(8 * (one - asked))
    half = plan._teacher_seconds(replace(track, sizes=(43_000_000, 1)), texts)
    assert half == pytest.approx(one / 2)
    step, evaluation = plan._step_seconds(track, texts)
    assert step == pytest.approx(6 * 43e6 * plan.TOKENS * track.recipe.batch_size / plan.PRODUCTS["float32"])
    assert evaluation > 0


def test_what_comes_before_the_first_run_takes_a_worker_a_teacher(tmp_path: Path) -> None:
    made = plan.make(suites.suite("embedded"), Filters(track="minilm-fp32"), Results(tmp_path))
    assert set(made.first) == {("minilm-fp32", "rt_quotes"), ("minilm-fp32", "brand_tweets")}
    assert made.first_hours(2) == made.first_hours(64) == pytest.approx(made.first_hours(1) / 2)
    assert made.hours(2) == pytest.approx(made.first_hours(2) + sum(made.seconds.values()) / 2 / 3600)
