"""Records of an earlier version of a condition: valid, kept, told apart, and counted by nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cod_bench.analysis import grids
from cod_bench.checks import records as checks
from cod_bench.checks import suites as check_suites
from cod_bench.condition import condition, outdated, version_of
from cod_bench.design import suites
from cod_bench.design.filters import Filters, select
from cod_bench.design.identity import identify, run_id
from cod_bench.errors import UsageError
from cod_bench.records import merge
from cod_bench.records.record import Record
from cod_bench.records.results import Results
from cod_bench.reports import page
from cod_bench.runner import plan, reproduce
from cod_bench.spec import RunSpec, digest
from tests.samples import sample_record

TOY = suites.suite("toy")
CONTROL = RunSpec("last", "toy", "toy", "kd", "random", "substitution", 8, 0)


def record(spec: RunSpec = CONTROL, version: int | None = None, **changes: Any) -> Record:
    found = identify(spec, version=version)
    return sample_record(spec=spec, identity=found, run_id=digest(found), **changes)


def test_the_first_version_is_told_by_silence_and_has_the_id_that_it_always_had() -> None:
    earlier, present = record(version=1), record()
    assert "condition_version" not in earlier.identity
    assert present.identity["condition_version"] == condition("random").version == 2
    assert (version_of(earlier.identity), version_of(present.identity)) == (1, 2)
    assert outdated("random", earlier.identity)
    assert not outdated("random", present.identity)
    assert not outdated("nobody-has-this", earlier.identity)
    assert earlier.run_id != present.run_id == run_id(CONTROL)
    assert grids.identity_of(earlier) == earlier.identity


@pytest.mark.parametrize("told", [0, 3, "1", None, True])
def test_a_version_that_never_was_is_none(told: Any) -> None:
    made = record()
    odd = {**made.identity, "condition_version": told}
    changed = sample_record(spec=CONTROL, identity=odd, run_id=digest(odd))
    assert digest(grids.identity_of(changed)) != changed.run_id
    assert "identity" in checks._identity(changed)


def test_an_earlier_record_is_valid_and_does_not_stand_for_the_present_one(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.write(record(version=1))
    assert checks._identity(record(version=1)) == ""
    (planned,) = plan.make(TOY, Filters(method=("kd",), condition=("random",), seed=(0,)), results).runs
    assert planned.state == "missing"
    results.write(record())
    (planned,) = plan.make(TOY, Filters(method=("kd",), condition=("random",), seed=(0,)), results).runs
    assert planned.state == "done"
    assert len(results.record_paths()) == 2


def test_earlier_records_make_no_suite_whole() -> None:
    every = {str(i): record(spec) for i, spec in enumerate(select(TOY, Filters()))}
    assert check_suites.complete(every) == {}
    lacking = {
        path: record(one.spec, version=1) if one.spec.condition == "random" else one for path, one in every.items()
    }
    assert "belong to no complete suite; suite toy lacks" in str(check_suites.complete(lacking))


def test_an_earlier_record_by_another_teacher_hinders_neither_check_nor_merge(tmp_path: Path) -> None:
    here, there = Results(tmp_path / "here"), Results(tmp_path / "there")
    here.write(record(version=1, teacher_hash="abc", reference="toy-abc"))
    there.write(record(teacher_hash="fed", reference="toy-fed"))
    merge.merge([there], here)
    assert len(here.record_paths()) == 2


def test_there_is_nothing_to_reproduce_of_earlier_records_alone(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.write(record(version=1))
    with pytest.raises(UsageError, match="or only of earlier versions"):
        reproduce.reproduce(results, share=1.0, listen=lambda _spec, _cell: None)
    assert not results.reproduced_path().exists()


def test_tables_say_that_a_condition_was_revised(tmp_path: Path) -> None:
    records = [record(version=1)]
    (grid,) = grids.of(TOY, records=records, references={})
    assert [(one.revised, one.reason) for one in grid.stale] == [
        (True, f"version 1 of condition random; version 2 counts: run {record().run_id}")
    ]
    told = page.state(grid)
    assert "1 stale records are not counted, 1 of them of an earlier version of `random`, revised after" in told
