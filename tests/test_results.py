"""The published records: whole, recomputable, free of texts, and what the committed leaderboard says."""

from __future__ import annotations

import json
import re

import pytest

from cod_bench.analysis import grids
from cod_bench.checks.texts import text_in
from cod_bench.condition import condition, outdated, version_of
from cod_bench.design import suites
from cod_bench.design.filters import Filters, select
from cod_bench.design.identity import expected
from cod_bench.records import declarations
from cod_bench.records.record import Record
from cod_bench.records.results import Results
from cod_bench.reports import leaderboard, render
from tests import ROOT

RESULTS = Results(ROOT / "results")


@pytest.fixture(scope="module")
def records() -> list[Record]:
    found, bad = RESULTS.scan()
    assert not bad
    return found


def test_the_embedded_suite_is_published_completely_on_one_track(records: list[Record]) -> None:
    tracks = {record.spec.track for record in records}
    complete = [
        track
        for track in tracks
        if not set(select(suites.suite("embedded"), Filters(track=track))) - {r.spec for r in records}
    ]
    assert complete


def test_every_record_is_one_that_this_code_would_make(records: list[Record]) -> None:
    present = [r for r in records if not outdated(r.spec.condition, r.identity)]
    assert {record.spec: record.run_id for record in present} == expected(record.spec for record in records)
    assert len({record.spec for record in present}) == len(present)


def test_records_of_an_earlier_version_of_a_control_stay_and_are_told_apart(records: list[Record]) -> None:
    earlier = [r for r in records if outdated(r.spec.condition, r.identity)]
    assert {r.spec.condition for r in earlier} == {"random", "label-preserving"}
    there = {suite.name: suite for suite in grids.suites_with_records(RESULTS)}
    references = RESULTS.references()
    stale = [
        s
        for suite in there.values()
        for grid in grids.of(suite, records=records, references=references)
        for s in grid.stale
    ]
    assert {s.run_id for s in stale} == {r.run_id for r in earlier}
    assert all("version 1 of condition" in s.reason and "version 2 counts" in s.reason for s in stale)


def test_every_control_that_counts_is_balanced(records: list[Record]) -> None:
    """But for what takes the pool, texts or first answers as they are."""
    for record in records:
        own = condition(record.spec.condition)
        if own.equal_k and own.name != "first-relabelled" and not outdated(record.spec.condition, record.identity):
            assert len(set(record.rows["balance"])) == 1, record.run_id


def test_every_record_comes_from_a_clean_commit_and_one_environment(records: list[Record]) -> None:
    assert {record.provenance["git"]["dirty"] for record in records} == {False}
    environments = {(r.spec.track, json.dumps(r.provenance["environment"], sort_keys=True)) for r in records}
    assert len(environments) == len({record.spec.track for record in records})


def test_originals_are_equal_in_all_conditions_and_methods(records: list[Record]) -> None:
    seen: dict[tuple[object, ...], set[str]] = {}
    for record in records:
        spec, rows = record.spec, record.rows
        originals = [s for s, role in zip(rows["sources"], rows["roles"], strict=True) if role == "o"]
        if condition(spec.condition).equal_k or spec.condition == "half":
            assert len(rows["sources"]) == (spec.k // 2 if spec.condition == "half" else spec.k)
        key = (spec.protocol, spec.track, spec.task, spec.k, spec.seed)
        if originals:
            seen.setdefault(key, set()).add(json.dumps([originals, rows["passed_over"]]))
    assert all(len(variants) == 1 for variants in seen.values())


def test_the_same_condition_gives_every_method_the_same_rows(records: list[Record]) -> None:
    seen: dict[tuple[object, ...], set[str]] = {}
    for record in records:
        spec = record.spec
        version = version_of(record.identity)
        key = (spec.track, spec.task, spec.condition, version, spec.k, spec.seed)
        seen.setdefault(key, set()).add(record.rows["hash"])
    assert all(len(hashes) == 1 for hashes in seen.values())


def test_the_committed_leaderboard_is_what_the_records_say() -> None:
    files = render.files(RESULTS, grids.suites_with_records(RESULTS), figures=False)
    assert leaderboard.check(ROOT / "leaderboard", files) == [], (
        "render it again: cod-bench leaderboard --results results"
    )


def test_no_text_stands_in_a_published_file() -> None:
    for path in sorted(RESULTS.root.rglob("*.json")):
        if path.parent == RESULTS.root / declarations.FOLDER:  # its sentences are the package's own
            assert text_in(path.read_text()) == ""
            continue
        words = re.findall(r'"[^"]*[a-z]+ [a-z]+ [a-z]+[^"]*"', path.read_text())
        assert not words, (path, words[:1])
