"""Runs of erring teachers -> repeated errors against a plain count over the rows, and the worst group."""

from __future__ import annotations

import runpy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cod_bench.analysis.aggregate import Grid, Run
from cod_bench.design.suite import Block, Suite
from cod_bench.records import evaluate
from cod_bench.records.record import Reference
from cod_bench.reports.findings import errors
from cod_bench.spec import RunSpec
from tests import ROOT

made = runpy.run_path(str(ROOT / "tests" / "golden" / "regenerate.py"))

SUITE = Suite(
    name="erring", title="", tracks=("kept", "noisy"), tasks=("rt_quotes",), seeds=(0, 1), primary_k=(8,),
    blocks=(Block(("kd",), ("standard",), (8,)),), generator="",
)  # fmt: skip


def reference(track: str, gold: str, taught: str, strata: str = "") -> Reference:
    found = made["reference"]("rt_quotes", track=track, rows=len(gold))
    return replace(found, teacher_hash=f"{track}-teacher", gold=gold, teacher_predictions=taught, strata=strata)


def grid(track: str, target: Reference, said: dict[int, str]) -> Grid:
    runs = {}
    for seed, predictions in said.items():
        spec = RunSpec("last", track, "rt_quotes", "kd", "standard", "", 8, seed)
        record = made["from_predictions"](spec, target, predictions, [5000] * len(predictions))
        runs[spec] = Run(record, {}, np.zeros(0, np.int8), np.zeros(0, np.float32))
    return Grid(SUITE, "last", track, tuple(runs), runs, (), (), {})


def found(*pairs: tuple[Grid, Reference]) -> list[dict[str, object]]:
    return errors.rows([one for one, _ in pairs], {(r.track, r.task, r.teacher_hash): r for _, r in pairs})


@given(data=st.data(), rows=st.integers(4, 40))
def test_shares_are_those_of_a_plain_count(data: st.DataObject, rows: int) -> None:
    bits = st.text("01", min_size=rows, max_size=rows)
    gold, taught, own, clean = "01" + data.draw(bits)[2:], data.draw(bits), data.draw(bits), data.draw(bits)
    kept, noisy = reference("kept", gold, gold), reference("noisy", gold, taught)
    first, second = found((grid("kept", kept, {0: clean}), kept), (grid("noisy", noisy, {0: own}), noisy))
    wrong = [i for i in range(rows) if taught[i] != gold[i]]
    assert (first["errors"], first["repeated"], first["clean"], first["worst"]) == (0, None, None, None)
    assert second["errors"] == len(wrong)
    if wrong:
        assert second["repeated"] == pytest.approx(sum(own[i] == taught[i] for i in wrong) / len(wrong))
        assert second["clean"] == pytest.approx(sum(clean[i] == taught[i] for i in wrong) / len(wrong))


def test_only_the_same_seed_and_rows_are_beside_it() -> None:
    kept, noisy = reference("kept", "0101", "0101"), reference("noisy", "0101", "0001")
    _, first, second = found(
        (grid("kept", kept, {0: "0001"}), kept), (grid("noisy", noisy, {0: "0101", 1: "0001"}), noisy)
    )
    assert (first["repeated"], first["clean"]) == (0.0, 1.0)
    assert (second["repeated"], second["clean"]) == (1.0, None)
    other = replace(kept, eval_hash="others")
    assert (
        found((grid("kept", other, {0: "0001"}), other), (grid("noisy", noisy, {0: "0101"}), noisy))[1]["clean"] is None
    )


def test_rows_with_strata_have_a_worst_group_and_single_tracks_without_have_no_row() -> None:
    plain, planted = reference("kept", "0101", "0101"), reference("kept", "0101", "0101", strata="0011")
    assert found((grid("kept", plain, {0: "0100"}), plain)) == []
    (row,) = found((grid("kept", planted, {0: "0100"}), planted))
    assert row["worst"] == evaluate.worst_group("0100", planted) == 0.0
    assert (row["suite"], row["track"], row["seed"]) == ("erring", "kept", 0)


def test_a_student_is_beside_that_of_the_teacher_with_its_seed() -> None:
    kept, noisy = reference("kept@1", "0101", "0101"), reference("noisy@1", "0101", "0001")
    first, other = grid("kept@1", kept, {0: "0001"}), reference("kept", "0101", "0101")
    both = Grid(SUITE, "last", "kept", (), {**first.runs, **grid("kept", other, {0: "0101"}).runs}, (), (), {})
    known = {(r.track, r.task, r.teacher_hash): r for r in (kept, noisy, other)}
    rows = errors.rows([both, replace(grid("noisy@1", noisy, {0: "0101"}), track="noisy")], known)
    assert [row["clean"] for row in rows if row["track"] == "noisy@1"] == [1.0]
