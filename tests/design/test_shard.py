"""Shards: disjoint, complete, the same on every machine, and cut where it costs the fewest teachers and pools."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cod_bench.cli import show
from cod_bench.design import suites
from cod_bench.design.filters import Filters, select
from cod_bench.design.shard import MOST, Shard, cut, parse
from cod_bench.design.suite import Block, Suite
from cod_bench.errors import UsageError
from cod_bench.records.results import Results
from cod_bench.runner import plan
from cod_bench.spec import RunSpec

EMBEDDED = select(suites.suite("embedded"), Filters(track="minilm-fp32"))


@st.composite
def grids(draw: st.DrawFn) -> list[RunSpec]:
    suite = Suite(
        "any", "", ("toy",), tuple("abcdef"[: draw(st.integers(1, 6))]), tuple(range(draw(st.integers(1, 5)))), (8,),
        (
            Block(("kd", "lwd")[: draw(st.integers(1, 2))], ("standard", "cod"), (8, 16)[: draw(st.integers(1, 2))]),
            Block(("kd",), draw(st.sampled_from([("half",), ()])), (8,)),
        ),
        "substitution",
    )  # fmt: skip
    return [spec for protocol in ("last", "paper") for spec in suite.expand(track="toy", protocol=protocol)]


@given(grids(), st.integers(1, 70), st.randoms(use_true_random=False))
def test_shards_are_disjoint_and_complete_and_do_not_depend_on_the_order(
    specs: list[RunSpec], n: int, rng: random.Random
) -> None:
    parts = [cut(specs, Shard(i, n)) for i in range(1, n + 1)]
    assert Counter(spec for part in parts for spec in part) == Counter(specs)
    position = {spec: i for i, spec in enumerate(specs)}
    assert all(part == sorted(part, key=position.__getitem__) for part in parts)
    shuffled = rng.sample(specs, len(specs))
    assert [set(cut(shuffled, Shard(i, n))) for i in range(1, n + 1)] == [set(part) for part in parts]


@given(grids(), st.integers(1, 70))
def test_no_shard_is_empty_or_large_and_blocks_stay_whole_where_there_are_enough(specs: list[RunSpec], n: int) -> None:
    parts = [cut(specs, Shard(i, n)) for i in range(1, n + 1)]
    blocks = Counter((spec.task, spec.seed, spec.protocol) for spec in specs)
    touched = sum(len({(spec.task, spec.seed, spec.protocol) for spec in part}) for part in parts)
    largest = max(blocks.values())
    if n <= len(blocks):
        assert touched == len(blocks)
        assert all(parts)
        assert max(map(len, parts)) <= len(specs) / n + largest
    else:
        assert touched <= len(blocks) + n - 1
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(
    ("n", "sizes", "teachers"), [(2, {379}, 2), (5, {150, 154}, 6), (10, {75, 79}, 10), (20, {37, 38}, 20)]
)
def test_the_embedded_suite_fits_its_teachers_about_once(n: int, sizes: set[int], teachers: int) -> None:
    parts = [cut(EMBEDDED, Shard(i, n)) for i in range(1, n + 1)]
    assert {len(part) for part in parts} == sizes
    assert sum(len({spec.task for spec in part}) for part in parts) == teachers


def test_runs_without_a_generator_are_apart_where_a_block_is_divided() -> None:
    block = [spec for spec in EMBEDDED if (spec.task, spec.seed) == ("rt_quotes", 0)]
    parts = [cut(block, Shard(i, 4)) for i in range(1, 5)]
    assert {spec.generator for spec in parts[0]} == {""}
    assert all(spec.generator for spec in parts[2] + parts[3])


@pytest.mark.parametrize(
    "text",
    ["3", "0/3", "4/3", "1/0", "-1/3", "1/3/2", "a/b", "1 / 3", "1.0/3", "١/٣", "/", f"1/{MOST + 1}", "1/" + "9" * 20],
)
def test_what_is_no_shard_is_one_sentence(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert f"--shard {text!r}: write i/n" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_shard_reads_as_it_is_written() -> None:
    assert parse("") is None
    assert str(parse("3/8")) == "3/8"
    assert parse("1/1") == Shard(1, 1)


def test_a_plan_of_a_shard_says_so_and_may_be_empty(tmp_path: Path) -> None:
    toy = suites.suite("toy")
    made = plan.make(toy, Filters(shard=Shard(1, 3)), Results(tmp_path))
    assert show.plan_line(made, 2).startswith("shard 1/3 of suite toy on track toy: 16 runs: 0 done, 16 missing")
    sizes = [len(plan.make(toy, Filters(shard=Shard(i, 50)), Results(tmp_path)).runs) for i in range(1, 51)]
    assert sorted(sizes) == [0, 0, *[1] * 48]


def test_a_shard_of_a_suite_with_several_tracks_needs_one_named() -> None:
    embedded = suites.suite("embedded")
    with pytest.raises(UsageError, match="--shard 1/2: suite 'embedded' runs on the first track"):
        select(embedded, Filters(shard=Shard(1, 2)))
    assert len(select(embedded, Filters(track="minilm-fp32", shard=Shard(1, 2)))) == 379
    assert len(select(replace(embedded, tracks=("minilm",)), Filters(shard=Shard(1, 2)))) == 379
