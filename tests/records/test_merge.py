"""Results folders of shards brought together: the same files as one undivided run, and no mixture of teachers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cod_bench.errors import UsageError
from cod_bench.records.merge import merge
from cod_bench.records.record import to_json
from cod_bench.records.results import Results
from cod_bench.spec import RunSpec
from cod_bench.store import lock, write_atomic
from tests.samples import sample_record, sample_reference, timeless

COD = RunSpec("last", "toy", "toy", "kd", "cod", "substitution", 8, 0)
STANDARD = RunSpec("last", "toy", "toy", "kd", "standard", "", 8, 0)


def test_records_failures_and_reference_files_come_together(tmp_path: Path) -> None:
    one, two, whole = (Results(tmp_path / name) for name in ("one", "two", "whole"))
    first, second = sample_record(spec=COD), sample_record(spec=STANDARD)
    path = one.write(first)
    two.write(second)
    for results in (one, two):
        results.write_reference(sample_reference())
    two.write_failure(COD, first.run_id, {"reason": "x"})  # done in the other shard: forgotten
    two.write_failure(COD, "0123456789ab", {"reason": "y"})
    done = merge([one, two], whole)
    assert (done.records, done.there, done.failures) == (2, 0, 1)
    assert whole.path(COD, first.run_id).read_bytes() == path.read_bytes()
    assert whole.references() == one.references()
    assert whole.failure_path(COD, "0123456789ab").exists()
    assert not whole.failure_path(COD, first.run_id).exists()
    assert merge([one, two], whole).records == 0
    assert merge([one, two], whole).there == 2


def test_equal_but_for_cost_is_the_same_record_and_the_first_stays(tmp_path: Path) -> None:
    one, two, whole = (Results(tmp_path / name) for name in ("one", "two", "whole"))
    one.write(sample_record(cost={"seconds": 1.0}))
    two.write(sample_record(cost={"seconds": 2.0}))
    assert merge([one, two], whole).records == 1
    assert whole.scan()[0][0].cost == {"seconds": 1.0}


def test_an_old_record_that_says_not_what_it_rests_on_is_the_same_record(tmp_path: Path) -> None:
    one, two, three, whole = (Results(tmp_path / name) for name in ("one", "two", "three", "whole"))
    old = one.path(COD, sample_record().run_id)
    write_atomic(old, to_json(sample_record()))
    two.write(sample_record(rests_on={"teacher": "a"}))
    three.write(sample_record(rests_on={"teacher": "b"}))
    assert merge([one, two], whole).records == 1
    assert whole.path(COD, sample_record().run_id).read_bytes() == old.read_bytes()
    with pytest.raises(UsageError, match="differs from"):
        merge([two, three], Results(tmp_path / "other"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"predictions": "1110", "probabilities": [9999, 9999, 5001, 20]},
            "differs from .* a record of the same run; keep one of the two",
        ),
        ({"teacher_hash": "other"}, "its teacher of toy on toy is other, that of .* is abc; give all shards one COD_B"),
    ],
)
def test_what_does_not_belong_together_is_refused_and_nothing_is_written(
    change: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    one, two, whole = (Results(tmp_path / name) for name in ("one", "two", "whole"))
    one.write(sample_record())
    two.write(sample_record(**change))
    with pytest.raises(UsageError, match=sentence) as caught:
        merge([one, two], whole)
    assert "\n" not in str(caught.value)
    assert not whole.record_paths()
    merge([one], whole)
    with pytest.raises(UsageError, match=sentence):
        merge([two], whole)


def test_mistakes_are_told(tmp_path: Path) -> None:
    one, whole = Results(tmp_path / "one"), Results(tmp_path / "whole")
    path = one.write(sample_record())
    with pytest.raises(UsageError, match="no such folder"):
        merge([Results(tmp_path / "none")], whole)
    with pytest.raises(UsageError, match="is the target itself"):
        merge([one], one)
    with lock(whole.lock_path()), pytest.raises(UsageError, match="is at work there"):
        merge([one], whole)
    path.write_text("{")
    with pytest.raises(UsageError, match="is corrupt"):
        merge([one], whole)


def _call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COD_BENCH_HOME": str(folder / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "cod_bench", *arguments], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def essentials(root: Path) -> dict[str, str]:
    """Every file of records and references by its name, byte for byte but for what machines and clocks put there."""
    found = {}
    for path in sorted(root.glob("*/*/**/*.json")):
        value = json.loads(path.read_text())
        lines = path.read_text().splitlines()
        apart = ("cost", "provenance", "digest", "teacher_cost")  # the digest is of what a run took too
        kept = [line for line in lines if not line.startswith(tuple(f'"{name}":' for name in apart))]
        assert len(lines) - len(kept) == len({*apart} & set(value))
        found[str(path.relative_to(root))] = "\n".join(kept)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_merged_shards_are_the_undivided_run_byte_for_byte_but_for_cost_and_provenance(tmp_path: Path) -> None:
    suite = ["run", "--suite", "toy", "--all"]
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    _call(tmp_path / "whole", *suite)
    for i in range(1, 4):
        done = _call(tmp_path / "parts", *suite, "--shard", f"{i}/3", "--results", f"shard-{i}")
        assert "this folder holds 16 of the 48 runs of the undivided command and its tables are partial" in done.stderr
        assert f"shard {i}/3 of suite toy" in done.stderr
        assert "PARTIAL: 16 of 48 runs; no interval or p before all are there" in done.stdout
    assert "48 records copied" in _call(tmp_path / "parts", "merge", *(f"shard-{i}" for i in range(1, 4))).stdout
    _call(tmp_path / "parts", "leaderboard")
    whole, parts = tmp_path / "whole" / "runs", tmp_path / "parts" / "runs"
    assert len(essentials(whole)) == 49
    assert essentials(parts) == essentials(whole)
    for path in (whole / "leaderboard").rglob("*.csv"):
        assert timeless(parts / "leaderboard" / path.relative_to(whole / "leaderboard")) == timeless(path)


def test_a_folder_without_records_is_no_shard_and_makes_no_target(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: has no records"):
        merge([Results(tmp_path / "empty")], Results(tmp_path / "target"))
    assert not (tmp_path / "target").exists()
