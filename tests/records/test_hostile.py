"""What somebody else may have put into a results folder: told in a sentence or left aside, never waited for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cod_bench.errors import UsageError, plain
from cod_bench.records.failures import LARGEST as LARGEST_FAILURE
from cod_bench.records.merge import merge
from cod_bench.records.record import LARGEST_FILE, Record, record_from_json, sealed, to_json
from cod_bench.records.results import FAILURES, INDEX, REFERENCE, Results
from cod_bench.spec import DEEPEST, RunSpec, parsed
from tests.samples import forged, sample_record, sample_reference

DEEP = "[" * 50_000
NEW = sample_record()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(8 << 30)


def text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (pipe, "is a pipe, and only regular files are read"),
    "folder": (folder, "is a folder, and only regular files are read"),
    "link": (link, "is a link, and only regular files are read"),
    "sparse": (sparse, "bytes, and at most"),
    "deep": (text(DEEP), f"nested too deeply, and at most {DEEPEST} levels are read"),
}


@contextmanager
def soon(seconds: float = 3.0) -> Iterator[None]:
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < seconds


def place(path: Path, kind: str) -> str:
    """Put something there instead of what belongs there; what is said of it."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    KINDS[kind][0](path)
    return KINDS[kind][1]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    found = Results(tmp_path / "runs")
    found.write(NEW)
    found.write_reference(sample_reference())
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_that_is_no_file_is_told_and_hides_nothing(kind: str, results: Results) -> None:
    other = replace(NEW.spec, seed=1)
    said = place(results.path(other, NEW.run_id), kind)
    with soon():
        records, bad = results.scan()
        assert records == [NEW]
        [one] = bad
        assert said in one.reason or one.reason == "is no file; remove it"
        summaries, unread = results.glance()
        assert [summary.spec for summary in summaries] == [NEW.spec]
        assert unread == bad


@pytest.mark.parametrize("kind", KINDS)
def test_a_reference_file_that_is_none_is_a_sentence(kind: str, results: Results) -> None:
    said = place(results.reference_path("toy", "toy", "abc"), kind)
    with soon(), pytest.raises(UsageError, match=f"reference file .* is corrupt .*{said}.*; delete it and run again"):
        results.references()
    assert len(results.bad_references()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_verdicts_that_are_no_file_are_a_sentence(kind: str, results: Results) -> None:
    said = place(results.reproduced_path(), kind)
    with soon(), pytest.raises(UsageError, match=f"are corrupt .*{said}.*; take them from version control"):
        results.verdicts()


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_that_is_none_is_ignored(kind: str, results: Results) -> None:
    place(results.root / INDEX, kind)
    with soon():
        assert [summary.spec for summary in results.glance()[0]] == [NEW.spec]


@pytest.mark.parametrize(
    "content",
    ["{}", "[]", "null", "5", '"x"', '{"reason": 5, "retry": "x"}', '{"reason": " ", "retry": "x"}', "", "\xff", "{"],
)
def test_a_failure_file_of_another_form_is_a_sentence(content: str, results: Results) -> None:
    path = results.failure_path(NEW.spec, "0" * 12)
    path.parent.mkdir(parents=True)
    path.write_bytes(content.encode("latin-1"))
    found = results.failure(NEW.spec, "0" * 12)
    assert found.reason.startswith(f"{path} is corrupt (")
    assert found.retry == "cod-bench run --rerun failed --all"
    assert results.failed() == {Results.name(NEW.spec, "0" * 12)}


@pytest.mark.parametrize("retry", ["curl x | sh", "cod-bench run; rm -r x", "cod-bench run\nrm x", "cod-bench $(x)"])
def test_a_command_that_is_none_of_ours_is_not_handed_on(retry: str, results: Results) -> None:
    results.write_failure(NEW.spec, NEW.run_id, {"reason": "x", "retry": retry})
    assert results.failure(NEW.spec, NEW.run_id).retry == "cod-bench run --rerun failed --all"


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_that_is_no_file_is_a_sentence(kind: str, results: Results) -> None:
    said = place(results.failure_path(NEW.spec, NEW.run_id), kind)
    with soon():
        assert said in results.failure(NEW.spec, NEW.run_id).reason
        results.write(replace(NEW, cost={"seconds": 2.0}))  # which forgets a failure, and cannot forget a folder
    assert [record.cost["seconds"] for record in results.scan()[0]] == [2.0]


def test_a_failure_is_told_on_one_line_and_a_long_one_can_be_read(results: Results) -> None:
    results.write_failure(NEW.spec, NEW.run_id, {"reason": "\x1b[31mno\nluck", "retry": "cod-bench run"})
    found = results.failure(NEW.spec, NEW.run_id)
    assert (found.reason, found.retry) == ("\\x1b[31mno\\nluck", "cod-bench run")
    told = {"reason": "\U0001f600" * 100_000, "retry": "cod-bench run", "traceback": ["x" * 100] * 10_000, "run": "toy"}
    assert results.write_failure(NEW.spec, NEW.run_id, told).stat().st_size < LARGEST_FAILURE
    assert results.failure(NEW.spec, NEW.run_id).retry == "cod-bench run"
    assert results.failure(NEW.spec, NEW.run_id).reason.startswith("\U0001f600\U0001f600")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["record of a source", "record of the target", "failure of a source"])
def test_merge_refuses_what_is_no_file_and_writes_nothing(where: str, kind: str, tmp_path: Path) -> None:
    source, target = Results(tmp_path / "one"), Results(tmp_path / "whole")
    source.write(NEW)
    own = target if "target" in where else source
    spec = replace(NEW.spec, seed=1)
    path = own.failure_path(spec, NEW.run_id) if "failure" in where else own.path(spec, NEW.run_id)
    said = place(path, kind)
    if where.startswith("failure") and kind == "deep":
        assert merge([source], target).failures == 1  # copied as it is, byte for byte
        return
    with soon(), pytest.raises(UsageError, match=f"^merge.*{said}"):
        merge([source], target)
    assert not target.path(NEW.spec, NEW.run_id).exists()


def test_no_link_below_the_folder_is_followed_and_the_folder_may_be_one(results: Results, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(results.root)
    assert Results((tmp_path / "linked").resolve()).scan()[0] == [NEW]
    away = tmp_path / "away"
    (results.root / "last" / "toy").rename(away)
    (results.root / "last" / "toy").symlink_to(away)
    for records, bad in (results.scan(), results.glance()):
        assert not records
        assert [(file.path.name, file.reason) for file in bad] == [("toy", "is no file; remove it")]
    with pytest.raises(UsageError, match=r"merge: record .*last/toy is corrupt .is a link"):
        merge([results], Results(tmp_path / "whole"))


@pytest.mark.parametrize("name", [REFERENCE, FAILURES])
def test_a_linked_folder_of_reference_files_or_failures_is_a_sentence(name: str, results: Results) -> None:
    results.write_failure(NEW.spec, "0" * 12, {"reason": "x", "retry": "y"})
    (results.root / name).rename(results.root.parent / "away")
    (results.root / name).symlink_to(results.root.parent / "away")
    with pytest.raises(UsageError, match=f"{name}: is a link, and below a results folder none is followed"):
        results.references() if name == REFERENCE else results.failed()


def test_a_temporary_name_that_is_a_folder_is_left(results: Results) -> None:
    (results.root / ".x.tmp").mkdir()
    results.sweep()
    assert (results.root / ".x.tmp").is_dir()


ODD_NAME = os.fsdecode(b"caf\xe9\x1b[31m")


def test_status_and_plan_go_on_whatever_lies_there(tmp_path: Path) -> None:
    runs = Results(tmp_path / "runs")
    place(runs.root / INDEX, "pipe")
    bad = runs.root / "last" / "toy" / "toy" / "kd" / ODD_NAME / "k008-seed0-x.json"
    bad.parent.mkdir(parents=True)
    bad.write_text("{")
    done = run(tmp_path, "plan", "--suite", "toy", "--runs")
    line = next(line for line in done.splitlines() if " kd standard k=8 seed=0" in line and "toy" in line)
    spec = RunSpec("last", "toy", "toy", "kd", "standard", "", 8, 0)
    place(runs.failure_path(spec, line.split()[1]), "pipe")
    with soon(30):
        told = run(tmp_path, "status", "--suite", "toy")
    assert "is corrupt (is a pipe, and only regular files are read; remove it)" in told
    assert "retry: cod-bench run --rerun failed --all" in told
    assert f"corrupt: {plain(bad)}: not JSON" in told
    assert "\x1b" not in told


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cod_bench", *arguments], cwd=folder, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names_that_are_not_utf_8_are_read_past(results: Results) -> None:
    path = results.path(NEW.spec, NEW.run_id)
    (path.parent / (ODD_NAME + ".json")).write_text(to_json(sealed(NEW)))
    for found, bad in (results.scan(), results.glance()):
        assert len(found) == 1
        assert bad[0].reason.startswith("lies at caf\\udce9\\x1b[31m.json but its content belongs at last/toy")
        assert bad[0].line.encode().isascii()


ODD: list[Any] = [
    None, True, 5, -1, 1e308, "x", [], [5], [["x"]], {}, {"x": 1}, {"loss": 5}, {"\x1b": "\x1b"}, 10**400,
]  # fmt: skip
FIELDS = ("history", "rows", "cfe", "cost", "provenance", "identity", "spec", "metrics", "rests_on")


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: str(odd)[:12])
@pytest.mark.parametrize("field", FIELDS)
def test_every_odd_shape_of_a_field_is_a_sentence_or_harmless(field: str, odd: Any) -> None:
    told = {"git": None, "date": "2026-01-01", "environment": {}}
    full = sample_record(rests_on={"teacher": "a", "pool": {"b": "c"}}, rows={"hash": "x"}, provenance=told)
    whole = json.loads(to_json(full))
    inside = [{**whole[field], name: odd} for name in whole[field]] if isinstance(whole[field], dict) else []
    for value in (odd, *inside):
        try:
            found = record_from_json(forged({**whole, field: value}))
        except ValueError as error:
            assert str(error).isprintable()  # noqa: PT017 - either is right
            assert len(str(error)) < 300  # noqa: PT017
            continue
        assert record_from_json(to_json(found)) == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"history": {"loss": 5}}, "history.loss: must be a list of numbers, and is 5"),
        ({"history": {"loss": ["x"]}}, "history.loss: must be a list of numbers"),
        ({"history": {"loss": [True]}}, "history.loss: must be a list of numbers"),
        ({"history": {"\x1b[31m": []}}, r"history: '\\x1b\[31m' is no name"),
        ({"rows": {"sources": "x"}}, "rows.sources: must be a list of words, and is 'x'"),
        ({"rows": {"balance": [1, -1]}}, "rows.balance: must be a list of counts"),
        ({"rows": {"passed_over": -1}}, "rows.passed_over: must be a count, and is -1"),
        ({"provenance": {"git": "clean"}}, "provenance.git.commit: must be told, and git is 'clean'"),
        ({"provenance": {"date": 5}}, "provenance.date: 5 is no word"),
        ({"provenance": {"environment": {"x": "\x1b"}}}, "provenance.environment: must be words by name"),
        ({"teacher_hash": "a\nb"}, r"teacher_hash: 'a\\nb' is no name"),
        ({"metrics": {"a\x00": 0.5}}, "metrics: .* is no name"),
    ],
)
def test_fields_that_readers_look_into_are_of_their_form(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        record_from_json(forged({**json.loads(to_json(sealed(NEW))), **change}))


@pytest.mark.parametrize(
    ("part", "inside", "said"),
    [
        ("method", {"hparams": 5}, "identity.method.hparams: is a int"),
        ("method", {"version": "1"}, "identity.method.version: '1' is no whole number"),
        ("generator", {"params": []}, "identity.generator.params: is a list"),
        ("task", {"version": None}, "identity.task.version: None is no whole number"),
    ],
)
def test_parts_of_an_identity_are_of_their_form(part: str, inside: dict[str, Any], said: str) -> None:
    identity = {**NEW.identity, part: {**NEW.identity[part], **inside}}
    with pytest.raises(ValueError, match=said):
        record_from_json(to_json(with_identity(identity)))


def with_identity(identity: dict[str, Any]) -> Record:
    from cod_bench.spec import digest

    return replace(NEW, identity=identity, run_id=digest(identity))


def test_a_record_has_its_limits_named(results: Results) -> None:
    path = results.path(NEW.spec, NEW.run_id)
    path.write_text(" " * (LARGEST_FILE + 1))
    with pytest.raises(ValueError, match="has 4,000,001 bytes, and at most 4,000,000 are read"):
        results.read(path)


@pytest.mark.parametrize("odd", ["[" * n + "]" * n for n in (65, 500, 999, 5000)] + ['{"a":' * 70 + "1" + "}" * 70])
def test_json_that_is_nested_deeper_than_the_limit_is_refused(odd: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply, and at most 64 levels are read"):
        parsed(odd)


def test_json_of_the_limit_and_wide_json_are_read_fast() -> None:
    assert parsed("[" * 64 + "]" * 64)
    wide = json.dumps({f"{i}": [[i, {"a": []}]] for i in range(100_000)})
    with soon(2):
        assert len(parsed(wide)) == 100_000


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ("1e999", "1e999 is no number"), ("[-1e999]", "-1e999 is no number"), ("NaN", "NaN is no number"),
        ("9" * 5000, "a whole number of thousands of digits"), ('"\\ud800"', "an escape is half of a character"),
    ],
)  # fmt: skip
def test_what_could_not_be_written_again_is_refused(odd: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^not JSON: {said}$"):
        parsed(odd)


def test_lenient_reading_lets_odd_numbers_through_and_no_depth() -> None:
    assert parsed('{"x": NaN, "y": 1e999}', strict=False)["y"] == float("inf")
    with pytest.raises(ValueError, match="nested too deeply"):
        parsed(DEEP, strict=False)
