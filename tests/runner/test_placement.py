"""Which jobs fit beside one another: by measured peaks, by an estimate before, alone where nothing is known."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cod_bench.executor import Job, Outcome
from cod_bench.runner.placement import CONTEXT, USABLE, Placement, estimate, kind

GB = 1_000_000_000
TEACHER = Job("t", {"stage": "teacher", "track": "a", "task": "x"})


def run(method: str = "kd", k: int = 8, seed: int = 0) -> Job:
    spec = {"track": "a", "task": "x", "method": method, "k": k, "seed": seed}
    return Job(f"{method}/{k}/{seed}", {"stage": "run", "spec": spec})


def test_a_device_whose_memory_is_not_counted_takes_everything() -> None:
    assert Placement(0).fits(run(), [run(seed=1), run(seed=2)])


def test_what_is_not_known_goes_alone() -> None:
    place = Placement(80 * GB)
    assert place.fits(run(), [])
    assert not place.fits(run(), [run(seed=1)])


def test_a_teachers_estimate_serves_until_a_peak_was_measured() -> None:
    place = Placement(20 * GB)
    place.learn(Outcome(TEACHER, {"run_bytes": 8 * GB}, peak=GB, held=GB))
    assert place.need(run()) == 8 * GB + CONTEXT
    assert place.fits(run(), [run(seed=1)])
    assert not place.fits(run(), [run(seed=1), run(seed=2)])
    place.learn(Outcome(run(), {}, peak=2 * GB, held=GB))
    assert place.need(run(seed=5)) == 2 * GB + CONTEXT
    assert place.need(run("ted")) == 8 * GB + CONTEXT
    assert place.fits(run(), [run(seed=s) for s in range(1, 5)])


def test_the_largest_peak_counts_and_idle_processes_hold_memory_too() -> None:
    place = Placement(10 * GB)
    for peak in (2 * GB, 3 * GB, GB):
        place.learn(Outcome(run(), {}, peak=peak, held=GB))
    assert place.need(run()) == 3 * GB + CONTEXT
    assert place.fits(run(), [run(seed=1)], idle=1)
    assert not place.fits(run(), [run(seed=1)], idle=2)


def test_runs_of_one_kind_differ_in_seed_condition_and_protocol_alone() -> None:
    assert kind(run(seed=1).payload) == kind(run(seed=2).payload)
    assert len({kind(job.payload) for job in (TEACHER, run(), run("lwd"), run(k=512))}) == 4


SIZES: dict[str, Any] = {
    "teacher": 183_000_000, "student": 141_000_000, "trained": 44_000_000, "layers": 6, "width": 768, "heads": 12,
    "batch": 8, "length": 64,
}  # fmt: skip


def test_the_papers_pair_is_estimated_at_some_gigabytes() -> None:
    assert 2 * GB < estimate(**SIZES) < 5 * GB


@given(name=st.sampled_from(sorted(SIZES)), times=st.integers(2, 5))
def test_more_of_anything_takes_more(name: str, times: int) -> None:
    assert estimate(**{**SIZES, name: SIZES[name] * times}) > estimate(**SIZES)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(10, 100))
def test_no_more_is_given_out_than_there_is(peaks: list[int], total: int) -> None:
    place, running = Placement(total * GB), []
    for i, peak in enumerate(peaks):
        place.learn(Outcome(run(f"m{i}"), {}, peak=peak * GB))
        if place.fits(run(f"m{i}"), running):
            running.append(run(f"m{i}"))
    taken = sum(place.need(job) or 0 for job in running)
    assert len(running) == 1 or taken <= USABLE * total * GB
