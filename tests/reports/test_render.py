"""Which suites a folder shows, and where its leaderboard goes."""

from __future__ import annotations

from pathlib import Path

from cod_bench.analysis import grids
from cod_bench.design import suites
from cod_bench.design.filters import Filters, select, suite_for
from cod_bench.design.identity import identify
from cod_bench.records.results import Results
from cod_bench.reports import render
from cod_bench.spec import digest
from tests.samples import sample_record


def write(results: Results, suite: str, count: int, **filters: object) -> None:
    found = suite_for(suite, Filters(**filters))  # type: ignore[arg-type]
    for spec in select(found, Filters(**filters))[:count]:  # type: ignore[arg-type]
        identity = identify(spec)
        results.write(sample_record(spec=spec, identity=identity, run_id=digest(identity)))


def test_publishing_goes_beside_the_folder_and_everything_else_inside(tmp_path: Path) -> None:
    assert render.out_folder(Results(tmp_path / "results")) == tmp_path / "leaderboard"
    assert render.out_folder(Results(tmp_path / "runs")) == tmp_path / "runs" / "leaderboard"


def test_a_larger_suite_is_shown_only_for_records_of_its_own(tmp_path: Path) -> None:
    results = Results(tmp_path)
    write(results, "embedded", 3, track="minilm-fp32")
    assert [s.name for s in grids.suites_with_records(results)] == ["embedded"]
    write(results, "embedded-full", 1, track="minilm-fp32", k=(64,))
    assert [s.name for s in grids.suites_with_records(results)] == ["embedded", "embedded-full"]


def test_another_generator_makes_a_variant_with_tables_of_its_own(tmp_path: Path) -> None:
    results = Results(tmp_path)
    write(results, "toy", 2, condition=("cod",), generator="llm")
    assert [s.name for s in grids.suites_with_records(results)] == ["toy+llm"]
    assert suite_for("toy", Filters(generator="substitution")) is suites.suite("toy")


def test_the_figure_of_a_suite_that_was_never_published_is_empty() -> None:
    assert render.published_figure(suite_for("toy", Filters(generator="llm"))) == []


def slices(results: Results, *names: str) -> None:
    suite = suites.suite("six-local").with_tasks(names)
    for spec in select(suite, Filters(track="minilm-fp32", method=("kd",), condition=("standard",), seed=(0,))):
        identity = identify(spec)
        results.write(sample_record(spec=spec, identity=identity, run_id=digest(identity)))


def test_records_of_other_slices_are_shown_without_their_rows_and_never_mixed(tmp_path: Path) -> None:
    results = Results(tmp_path)
    slices(results, "yelp+local-00000001", "sst2")
    (found,) = grids.suites_with_records(results)
    assert found.name == "six-local+local"
    assert found.tasks == (*suites.suite("six-local").tasks[:-1], "yelp+local-00000001")
    slices(results, "yelp+local-00000002")
    assert [(s.name, s.tasks[-1]) for s in grids.suites_with_records(results)] == [
        ("six-local+local", "yelp+local-00000001"),
        ("six-local+yelp+local-00000002", "yelp+local-00000002"),
    ]


def test_tables_know_metric_and_rank_of_a_task_by_its_plain_name() -> None:
    assert grids.about("cola+local-00000000").metric == "mcc"
    assert grids.about("sst2+local-00000000") == grids.about("toy")
    assert not grids.about("yelp_paper").ranked
