"""The bench: ratios and scales are arithmetic, files round-trip, parts run, the verb filters and compares."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cod_bench.benchmarks import parts
from cod_bench.benchmarks import records as bench_records
from cod_bench.benchmarks import report as bench
from cod_bench.benchmarks.report import Clock, Cost, Line
from cod_bench.cli.app import app
from cod_bench.design import suites
from cod_bench.errors import UsageError
from cod_bench.records.results import Results

LINE = Line("a-step", "one step", Cost(2.0, 1.0), Cost(6.0, 4.0), floor=3.5, measured="4 steps", extra={"share": 0.5})


def test_a_ratio_is_plain_cpu_over_fast_cpu() -> None:
    assert LINE.ratio == 4.0
    assert "4.00x (3.00x), floor 3.5x kept" in bench.row(LINE)
    assert "MISSED" in bench.row(replace(LINE, floor=4.5))
    assert Line("b", "alone", Cost(1, 1)).ratio is None
    promised = replace(LINE, promised={"share": 0.5})
    assert bench.row(promised).endswith("share 0.5, floor 0.5 kept\n" + " " * 25 + "measured: 4 steps")
    assert "share 0.4, floor 0.5 MISSED" in bench.row(replace(promised, extra={"share": 0.4}))
    assert Cost(1, 2) * 3 + Cost(1, 1) == Cost(4, 7)


def test_a_clock_adds_up() -> None:
    clock = Clock()
    for _ in range(2):
        with clock.of():
            sum(range(200_000))
    assert 0 < clock.cost.cpu < 5
    assert clock.cost.wall > 0


def test_a_file_is_read_as_it_was_written_and_names_no_host(tmp_path: Path) -> None:
    made = bench.report([LINE, replace(LINE, promised={"share": 0.5})], quick=True)
    path = tmp_path / "bench.json"
    path.write_text(bench.to_json(made))
    assert bench.read(path) == made
    assert not {"host", "hostname", "node"} & set(made.machine)
    assert made.machine["torch"] in bench.heading(made.machine)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 9}', '{"schema": 1, "lines": [{}]}'])
def test_any_other_file_is_a_users_mistake(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="--compare"):
        bench.read(path)


def test_a_comparison_goes_line_by_line() -> None:
    before = bench.report([replace(LINE, fast=Cost(4.0, 2.0))], quick=False)
    told = bench.comparison(bench.report([LINE, replace(LINE, name="new")], quick=True), before)
    assert "2.0 s -> 1.0 s of CPU, ratio 2.00x -> 4.00x" in told[2]
    assert "not in the earlier file" in told[3]
    assert "--quick" in told[1]


def test_made_up_records_are_read_as_a_suites_own(tmp_path: Path) -> None:
    results = Results(tmp_path / "runs")
    assert bench_records.fill(results, 30) == 30
    records, bad = results.scan()
    assert len(records) == 30
    assert not bad
    assert {record.spec.task for record in records} == set(suites.suite(bench_records.SUITE).tasks)


def test_every_part_is_described() -> None:
    assert parts.PARTS.keys() == parts.ABOUT.keys()


def test_the_verb_prints_writes_and_compares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PARTS", {"one": lambda quick: [LINE], "two": lambda quick: []})
    out = tmp_path / "bench.json"
    first = CliRunner().invoke(app, ["bench", "--only", "one", "--quick", "--out", str(out)])
    assert first.exit_code == 0, first.output
    assert json.loads(out.read_text())["lines"][0]["name"] == "a-step"
    second = CliRunner().invoke(app, ["bench", "--quick", "--compare", str(out)])
    assert "ratio 4.00x -> 4.00x" in second.output
    with pytest.raises(UsageError, match="--only"):
        CliRunner().invoke(app, ["bench", "--only", "three"], catch_exceptions=False)


def test_parts_are_named() -> None:
    told = CliRunner().invoke(app, ["bench", "--parts"]).output
    assert all(name in told for name in parts.PARTS)
