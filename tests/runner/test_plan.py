"""Filters, tracks, states and the estimate of what is left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench import device
from cod_bench.design import suites, tracks
from cod_bench.design.filters import Filters, select
from cod_bench.design.identity import expected, identify, run_id, run_ids
from cod_bench.errors import UsageError
from cod_bench.records.record import Record
from cod_bench.records.results import Results
from cod_bench.runner import plan
from cod_bench.spec import RunSpec, digest
from tests.samples import sample_record

TOY = suites.suite("toy")
EMBEDDED = suites.suite("embedded")


def toy_record(spec: RunSpec) -> Record:
    """A record under the id that the installed code gives its spec."""
    found = identify(spec)
    return sample_record(spec=spec, identity=found, run_id=digest(found), cost={"seconds": 2.0, "cpu_seconds": 2.0})


def test_the_embedded_suite_is_the_promised_grid() -> None:
    specs = select(EMBEDDED, Filters(track="minilm-fp32"))
    main = [s for s in specs if s.condition in ("standard", "cod", "random", "unvalidated")]
    assert len(main) == 360
    assert len(specs) == len(set(specs)) == 360 + 30 + 10
    assert {s.k for s in specs if s.condition == "label-preserving"} == {16}
    assert [s.seed for s in specs] == sorted(s.seed for s in specs)


def test_ids_of_many_runs_are_those_of_each() -> None:
    specs = [*select(EMBEDDED, Filters(track="minilm-fp32"))[::7], *select(TOY, Filters())]
    assert run_ids(specs) == {spec: run_id(spec) for spec in specs}


def test_filters_cut_on_every_axis() -> None:
    filters = Filters(
        track="minilm-fp32", task=("rt_quotes",), method=("kd", "ted"), condition=("cod",), k=(8, 16), seed=(0, 4)
    )
    specs = select(EMBEDDED, filters)
    assert len(specs) == 2 * 2 * 2
    assert {(s.task, s.condition) for s in specs} == {("rt_quotes", "cod")}


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        (Filters(task=("rt_quote",)), "unknown task 'rt_quote': did you mean 'rt_quotes'"),
        (Filters(method=("kdd",)), "unknown method 'kdd': did you mean 'kd'"),
        (Filters(condition=("cods",)), "unknown condition 'cods': did you mean 'cod'"),
        (Filters(protocol=("lst",)), "unknown protocol 'lst': did you mean 'last'"),
        (Filters(track="minilm-fp23"), "unknown track 'minilm-fp23': did you mean 'minilm-fp32'"),
        (Filters(track="toy"), "track 'toy': suite 'embedded' runs on minilm, minilm-fp32"),
        (Filters(k=(10,)), "k=10: must be a multiple of 4"),
        (Filters(k=(64,)), "--k 64: suite 'embedded' has only 8, 16, 32"),
        (Filters(seed=(99,)), "--seed 99: suite 'embedded' has only 0, 1, 2, 3, 4"),
        (Filters(method=("finetune",)), "--method finetune: suite 'embedded' has only kd"),
    ],
)
def test_mistakes_are_one_sentence_with_the_remedy(filters: Filters, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(EMBEDDED, filters)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


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


def test_the_track_is_what_the_cpu_supports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("flags : fpu avx2 avx512_bf16\n")
    assert device.supports_bf16(info)
    info.write_text("flags : fpu avx2\n")
    assert not device.supports_bf16(info)
    assert not device.supports_bf16(tmp_path / "absent")
    for supported, track in ((True, "minilm"), (False, "minilm-fp32")):
        monkeypatch.setattr(plan, "supports_bf16", lambda supported=supported: supported)
        assert EMBEDDED.choose_track() == track


def test_a_suites_only_track_is_taken_whatever_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "supports_bf16", lambda: False)
    assert replace(EMBEDDED, tracks=("minilm",)).choose_track() == "minilm"


def test_the_student_recipe_is_part_of_the_run_id_but_titles_are_not() -> None:
    spec = RunSpec("last", "toy", "toy", "kd", "standard", "", 8, 0)
    assert identify(spec)["method"]["hparams"]["learning_rate"] == tracks.track("toy").recipe.learning_rate
    assert "title" not in str(identify(spec))
    assert set(identify(spec)) == {
        "identity_version", "protocol", "track", "task", "method", "condition", "generator", "k", "seed",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "runs", "tasks"),
    [
        ("six-local", 432, 6),
        ("paper", 2160, 6),
        ("paper-xsmall", 2160, 6),
        ("paper-qwen", 2160, 6),
        ("paper-rows", 480, 2),
        ("prompt-ablation", 80, 1),
    ],
)
def test_the_suites_of_the_six_tasks_are_the_promised_grids(name: str, runs: int, tasks: int) -> None:
    suite = suites.suite(name)
    for protocol in suite.protocols:
        specs = list(suite.expand(track=suite.tracks[0], protocol=protocol))
        assert len(specs) == len(set(specs)) == runs
        assert len({spec.task for spec in specs}) == tasks
    assert suite.protocols == (("last", "paper") if runs == 2160 else ("paper",) if name == "paper-rows" else ("last",))
    assert set(suite.primary_k) <= {k for grid in suite.blocks for k in grid.ks}


@pytest.mark.parametrize("name", ["embedded", "paper-qwen", "six-local", "toy"])
def test_expected_ids_are_the_run_ids(name: str) -> None:
    suite = suites.suite(name)
    specs = list(suite.expand(track=suite.tracks[-1]))[::37]
    found = expected(specs)
    assert found
    assert found == {spec: run_id(spec) for spec in found}


def test_a_hub_model_that_is_pinned_while_the_process_lives_enters_run_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    spec = RunSpec("last", "deberta-small", "toy", "kd", "standard", "", 8, 0)
    before = run_id(spec)
    track = tracks.track("deberta-small")
    pins = {
        side.source.removeprefix("hub:"): {"revision": "c" * 40, "sha256": "a" * 64}
        for side in (track.teacher_side, track.student_side)
    }
    (tmp_path / "tasks.lock.json").write_text(json.dumps({"schema": 1, "tasks": {}, "models": pins}))
    assert run_id(spec) != before
