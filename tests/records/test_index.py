"""The index of records: it spares reading, and nothing that it says outlives what it says it about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cod_bench.records import index
from cod_bench.records import record as records_of
from cod_bench.records import results as folders
from cod_bench.records.index import Entry, decode, encode
from cod_bench.records.record import Record, summary
from cod_bench.records.results import INDEX, Results
from cod_bench.spec import RunSpec
from tests import ROOT
from tests.samples import sample_record

OLD = time.time_ns() - 10**12


@pytest.fixture(autouse=True)
def always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "WORTH_INDEXING", 1)
    monkeypatch.setattr(index, "SETTLED", -(10**12))


def record(seed: int, **changes: object) -> Record:
    return sample_record(spec=RunSpec("last", "toy", "toy", "kd", "cod", "substitution", 8, seed), **changes)


@pytest.fixture
def filled(tmp_path: Path) -> Results:
    results = Results(tmp_path / "runs")
    for seed in range(4):
        results.write(
            record(seed, provenance={"environment": {"device": "cpu"}}, cost={"seconds": 3.0, "cpu_seconds": 2.5})
        )
    return results


def reads(results: Results, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many records a glance reads; what it says is checked against reading all."""
    count, original = 0, Results.read

    def read(self: Results, path: Path) -> Record:
        nonlocal count
        count += 1
        return original(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(Results, "read", read)
        found, bad = results.glance()
    records, broken = results.scan()
    assert found == [summary(r) for r in records]
    assert bad == broken
    return count


def test_what_has_not_changed_is_not_read_again(filled: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reads(filled, monkeypatch) == 4
    assert (filled.root / INDEX).exists()
    assert reads(filled, monkeypatch) == 0
    filled.write(record(7))
    assert reads(filled, monkeypatch) == 1
    filled.record_paths()[0].unlink()
    assert reads(filled, monkeypatch) == 0


def test_readers_take_what_was_judged_as_it_is_and_judge_what_changed(
    filled: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []
    original = records_of.problems
    monkeypatch.setattr(records_of, "problems", lambda record: judged.append(record.run_id) or original(record))

    def scanned(**how: bool) -> int:
        folders._read.clear()  # as another process
        judged.clear()
        assert len(filled.scan(**how)[0]) == 4
        return len(judged)

    first = filled.scan()[0]
    assert len(judged) == 4
    assert scanned() == 0
    folders._read.clear()
    assert filled.scan()[0] == first  # the very same values
    assert scanned(anew=True) == 4
    scanned()
    judged.clear()
    filled.scan(anew=True)  # in the process that took them on the index's word
    assert len(judged) == 4
    filled.write(replace(first[0], cost={**first[0].cost, "seconds": 5.0}))
    assert scanned() == 1
    broken = filled.record_paths()[1]
    broken.write_text(broken.read_text().replace('"device":"cpu"', '"device":"gpu"'))
    folders._read.clear()
    assert [file.path for file in filled.scan()[1]] == [broken]


def test_a_record_changed_to_the_same_size_and_time_is_read_again(
    filled: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads(filled, monkeypatch)
    path = filled.record_paths()[0]
    before = path.stat()
    path.write_text(path.read_text().replace('"0110"', '"01x0"'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert reads(filled, monkeypatch) == 1
    assert len(filled.glance()[1]) == 1
    assert reads(filled, monkeypatch) == 1  # what is corrupt is never remembered


@pytest.mark.parametrize("damage", ["", "{", "[]\n[]\n", "\x00\xff", "cut", "flip", "sum", "judge", "version", "rows"])
def test_a_corrupt_or_foreign_index_is_ignored(damage: str, filled: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    reads(filled, monkeypatch)
    path = filled.root / INDEX
    head, body, _ = path.read_text().split("\n")
    changed = {
        "cut": path.read_text()[:-20],
        "flip": path.read_text().replace('"abc"', '"abd"', 1),
        "sum": head.replace('"sha256": "', '"sha256": "0', 1) + "\n" + body,
        "judge": head.replace('"judge": "', '"judge": "0', 1) + "\n" + body,
        "version": head.replace('"index": 1', '"index": 0', 1) + "\n" + body,
        "rows": head + '\n{"environments": [], "records": {"a": []}}\n',
    }
    path.write_text(changed.get(damage, damage))
    assert reads(filled, monkeypatch) == 4
    assert reads(filled, monkeypatch) == 0


def test_entries_that_make_no_sense_under_a_right_sum_are_ignored() -> None:
    body = json.dumps({"environments": [], "records": {"a/b": [1, 2]}})
    head = {"index": index.VERSION, "judge": index._judge(), "sha256": index.hashlib.sha256(body.encode()).hexdigest()}
    assert decode(json.dumps(head) + "\n" + body + "\n") == {}


def test_a_record_that_changed_just_now_is_not_remembered(filled: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "SETTLED", 2 * 10**9)
    assert reads(filled, monkeypatch) == 4
    assert reads(filled, monkeypatch) == 4
    monkeypatch.setattr(time, "time_ns", lambda: max(p.stat().st_ctime_ns for p in filled.record_paths()) + 3 * 10**9)
    assert reads(filled, monkeypatch) == 4
    assert reads(filled, monkeypatch) == 0


def test_a_folder_that_cannot_be_written_is_only_slower(filled: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    (filled.root / INDEX).mkdir()  # cannot be replaced by a file, whoever runs this
    assert reads(filled, monkeypatch) == 4
    assert reads(filled, monkeypatch) == 4
    assert {path.name for path in filled.root.iterdir()} == {INDEX, "last"}


def test_the_index_is_no_record_and_its_leftovers_are_swept(filled: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    reads(filled, monkeypatch)
    assert len(filled.record_paths()) == 4
    (filled.root / f".{INDEX}.x.tmp").write_text("")
    filled.sweep()
    assert {path.name for path in filled.root.iterdir()} == {INDEX, "last"}


def test_two_processes_find_what_one_finds(filled: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.record_paths()[1].write_text("{")
    whole, broken = filled.record_paths()[0], filled.record_paths()[2]
    broken.write_text(broken.read_text().replace('"seed":2', '"seed":1'))
    alone = filled.glance()
    assert (len(alone[0]), [file.path for file in alone[1]]) == (2, filled.record_paths()[1:3])
    monkeypatch.setattr(folders, "WORTH_PROCESSES", 1)
    monkeypatch.setattr(folders, "SHARE", 1)
    (filled.root / INDEX).unlink()
    assert filled.glance(workers=2) == alone
    assert whole.relative_to(filled.root).as_posix() in decode((filled.root / INDEX).read_text())


def test_small_folders_get_no_index(filled: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "WORTH_INDEXING", 256)
    filled.glance()
    assert not (filled.root / INDEX).exists()


names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)


@given(
    st.lists(
        st.builds(
            RunSpec, names, names, names, names, st.just("cod"), names, st.integers(4, 2048), st.integers(0, 9999)
        ),
        unique=True, max_size=5,
    ),
    st.sampled_from([None, {}, {"device": "cpu", "torch": "2"}]),
)  # fmt: skip
def test_what_is_encoded_is_decoded(specs: list[RunSpec], environment: dict[str, str] | None) -> None:
    plain = summary(sample_record())
    entries = {
        Results.name(spec, "0123456789ab"): Entry(
            (10 + i, OLD, OLD + i), replace(plain, spec=spec, run_id="0123456789ab", environment=environment)
        )
        for i, spec in enumerate(specs)
    }
    assert decode(encode(entries, time.time_ns())) == entries


def test_writers_and_readers_at_once_never_see_a_wrong_summary(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom cod_bench.records import index, results as folders\n"
        "from cod_bench.records.results import Results\n"
        "folders.WORTH_INDEXING = 1\nindex.SETTLED = -10**12\n"
        "from tests.records.test_index import record\nfrom cod_bench.records.record import summary\n"
        "results, number = Results(Path(sys.argv[1])), int(sys.argv[2])\n"
        "for turn in range(30):\n"
        "    own = record(number, cost={'seconds': 1.0, 'cpu_seconds': float(turn)})\n"
        "    results.write(own)\n"
        "    found, bad = results.glance()\n"
        "    assert not bad, bad\n"
        "    assert summary(own) in found, (own, found)\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "runs"), str(number)], cwd=ROOT,
            stderr=subprocess.PIPE, text=True,
        )
        for number in range(3)
    ]  # fmt: skip
    for process in started:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert len(Results(tmp_path / "runs").glance()[0]) == 3
