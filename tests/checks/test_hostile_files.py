"""Whatever lies in a folder of records is a sentence at once: links, pipes, bottomless and endless files, odd names."""

# ruff: noqa: F811 - fixtures

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cod_bench.checks.records import check
from cod_bench.records.results import INDEX, Results
from tests.checks.test_records import failed, first, folder, submitted  # noqa: F401 - fixtures


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    path = first(folder)
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    results = {r.check: r for r in check(folder)}
    assert "is a link, and only regular files are read; remove it" in results["schema"].reason


@pytest.mark.parametrize("name", [".lock", INDEX])
def test_nothing_of_what_a_link_leads_to_is_told(name: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('"a key that nobody else may see"\n')
    (folder / name).symlink_to(tmp_path / "secret")
    results = check(folder)
    assert failed(results) == ["schema"]
    assert "nobody else" not in "".join(result.line for result in results)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(8 * 10**9)


@pytest.mark.parametrize("name", [".lock", INDEX, "reproduced.json", "last/x.json", "_reference/toy/x.json"])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkfifo, "is a pipe, and only regular files are read"),
        (_sparse, "has 8,000,000,000 bytes, and at most "),
        (lambda path: path.symlink_to("/dev/zero"), "is a link"),
        (lambda path: path.write_text("[" * 1_000_000), "nested too deeply"),
        (lambda path: path.write_bytes(b"\xff"), "is not UTF-8"),
    ],
)
def test_whatever_lies_there_is_a_sentence_at_once(
    name: str, make: Callable[[Path], object], reason: str, folder: Path
) -> None:
    (folder / name).unlink(missing_ok=True)
    make(folder / name)
    start = time.process_time()
    (told,) = [result.reason for result in check(folder) if result.check == "schema"]
    assert time.process_time() - start < 3
    assert told.startswith(f"{name}: {reason}") or f"{name}: not JSON: {reason}" in told


def test_names_cannot_steer_a_terminal_and_are_such_as_every_system_has(folder: Path) -> None:
    for name in (b"caf\xe9.json", b"\x1b[2Jx.json", b"nul.json"):
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + name))).write_text("{}")
    lines = {result.check: result.line for result in check(folder)}
    assert all(line.isprintable() for line in lines.values())
    assert "\\x1b[2Jx.json: schema" in lines["schema"]
    assert lines["path equals content"].endswith("caf\\udce9.json: its name is not UTF-8; rename it (and 1 more)")


@pytest.mark.parametrize("name", ["reproduced.json", "last/deep.json", "_reference/toy/deep.json"])
def test_a_bottomless_file_is_told(name: str, folder: Path) -> None:
    (folder / name).write_text("[" * 100_000)
    assert "nested too deeply" in {r.check: r for r in check(folder)}["schema"].reason


def test_a_pipe_that_is_named_as_a_record_is_not_waited_for(folder: Path) -> None:
    path = first(folder).with_name("pipe.json")
    os.mkfifo(path)
    assert "is a pipe" in {r.check: r for r in check(folder)}["schema"].reason
    (bad,) = Results(folder).scan()[1]
    assert Results(folder).glance()[1] == [bad]
    assert (bad.path, bad.reason) == (path, "is no file; remove it")
