"""Suites: the promised grids, every combination once, and the track that a machine takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench import device
from cod_bench.design import suites
from cod_bench.design.filters import Filters, select
from cod_bench.design.suite import Block, Suite
from cod_bench.spec import base_name

EMBEDDED = suites.suite("embedded")


def test_a_suite_holds_every_combination_once() -> None:
    blocks = (Block(("kd", "lwd"), ("standard", "cod"), (8, 16)), Block(("kd",), ("cod", "half"), (8,)))
    suite = Suite("s", "", ("toy",), ("a", "b"), (0, 1), (8,), blocks, "substitution")
    runs = list(suite.expand(track="toy"))
    assert len(runs) == len(set(runs)) == 2 * 2 * (2 * 2 * 2 + 1)
    assert {run.generator for run in runs if run.condition == "cod"} == {"substitution"}
    assert {run.generator for run in runs if run.condition in ("standard", "half")} == {""}


def test_the_embedded_suite_is_the_promised_grid() -> None:
    specs = [s for s in select(EMBEDDED, Filters(track="minilm-fp32")) if s.method not in suites.FLOORS]
    main = [s for s in specs if s.condition in ("standard", "cod", "random", "unvalidated")]
    assert len(main) == 360
    assert len(specs) == len(set(specs)) == 360 + 90 + 30
    assert {s.k for s in specs if s.condition == "label-preserving"} == {8, 16, 32}
    assert [s.seed for s in specs] == sorted(s.seed for s in specs)


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
        every = list(suite.expand(track=suite.tracks[0], protocol=protocol))
        specs = [spec for spec in every if spec.method not in suites.FLOORS]
        assert len(specs) == len(set(specs)) == runs
        assert len({spec.task for spec in specs}) == tasks
    assert suite.protocols == (("last", "paper") if runs == 2160 else ("paper",) if name == "paper-rows" else ("last",))
    assert set(suite.primary_k) <= {k for block in suite.blocks for k in block.ks}


def test_the_track_is_what_the_cpu_supports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("flags : fpu avx2 avx512_bf16\n")
    assert device.supports_bf16(info)
    info.write_text("flags : fpu avx2\n")
    assert not device.supports_bf16(info)
    assert not device.supports_bf16(tmp_path / "absent")
    for supported, track in ((True, "minilm"), (False, "minilm-fp32")):
        monkeypatch.setattr(device, "supports_bf16", lambda supported=supported: supported)
        assert EMBEDDED.choose_track() == track


def test_a_suites_only_track_is_taken_whatever_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "supports_bf16", lambda: False)
    assert replace(EMBEDDED, tracks=("minilm",)).choose_track() == "minilm"


def test_a_variant_tells_by_its_fields_what_it_departs_from() -> None:
    made = EMBEDDED.variant(submitted=("mine",), generator="llm").with_tasks(
        ("rt_quotes", "brand_tweets+local-01234567")
    )
    assert (made.name, made.family, made.submitted, made.generator) == (
        "embedded+mine+llm+local", "embedded", ("mine",), "llm",
    )  # fmt: skip
    tried = EMBEDDED.variant(tried=("own",))
    assert (tried.name, tried.family, tried.tried, tried.conditions) == (
        "embedded+own", "embedded", ("own",), ("standard", "cod", "own"),
    )  # fmt: skip
    assert (EMBEDDED.family, EMBEDDED.submitted, EMBEDDED.tried) == ("embedded", (), ())
    assert EMBEDDED.variant(generator=EMBEDDED.generator) is EMBEDDED
    assert EMBEDDED.with_tasks(EMBEDDED.tasks) is EMBEDDED


@pytest.mark.parametrize("name", suites.SUITES)
def test_every_declared_suite_keeps_to_the_declared_conditions(name: str) -> None:
    assert set(suites.suite(name).conditions) <= set(suites.CONDITIONS)


def test_others_stand_behind_the_declared_conditions_by_name() -> None:
    assert suites.in_order(["zebra", "half", "ape", "cod", "half"]) == ("cod", "half", "ape", "zebra")


def test_a_suite_of_several_teachers_runs_everything_with_each_of_them() -> None:
    one = replace(suites.suite("toy"), teachers=(0, 2))
    alone = list(suites.suite("toy").expand(track="toy"))
    specs = list(one.expand(track="toy"))
    assert specs == [*alone, *(replace(spec, track="toy@2") for spec in alone)]
    assert list(one.expand(track="toy@2")) == specs[len(alone) :]
    assert (one.placed("toy@2"), one.placed("toy"), one.placed("toy@1")) == ("toy", "toy", "toy@1")
    assert suites.suite("toy").placed("toy@2") == "toy@2"
    assert one.on_tracks(["toy@2", "toy"]) is one
    assert one.on_tracks(["toy@5"]).tracks == ("toy", "toy@5")
    assert one.declares(specs[-1])
    assert [spec.track for spec in select(one, Filters(track="toy"))][:: len(alone)] == ["toy", "toy@2"]


def test_confirmation_rests_on_fresh_corpora_seeds_and_three_teachers() -> None:
    found = suites.suite("confirm")
    assert not {*map(base_name, found.tasks)} & suites.DEVELOPED
    assert not {*found.seeds} & suites.DEVELOPED_SEEDS
    assert (len(found.seeds), found.teachers) == (10, (0, 1, 2))
    everywhere = {seed for suite in suites.SUITES.values() if suite.seeds != found.seeds for seed in suite.seeds}
    assert not {*found.seeds} & everywhere
    for one in found.asked:
        assert {one.condition, one.over} <= {*found.conditions}
