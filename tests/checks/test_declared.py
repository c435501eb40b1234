"""Declarations in a folder that is checked: sound ones are held, odd ones refused, and none is changed or removed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cod_bench.checks.merge_base import OWN
from cod_bench.checks.records import check
from cod_bench.checks.report import Result
from cod_bench.checks.texts import text_in
from cod_bench.records import declarations
from cod_bench.records.declarations import Declaration, to_json
from cod_bench.records.results import Results
from tests.checks.test_records import failed
from tests.declared import commit, git, records, repository, toy, write

NAME = "_declared/toy--toy--last.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A results folder in a repository of this package, with a declaration on trunk that no record keeps yet."""
    top = tmp_path / "top"
    repository(top)
    (top / OWN).parent.mkdir()
    (top / OWN).write_text("")
    put(top / "results", toy(code={"cod_bench": "0.1.0", "commit": git(top, "rev-parse", "HEAD")}))
    brought = commit(top)
    write(Results(top / "results"), records(commit=brought))
    commit(top)
    git(top, "checkout", "-q", "-b", "mine")
    return top / "results"


def put(folder: Path, declaration: Declaration, name: str = "") -> None:
    path = folder / "_declared" / (name or declaration.name)
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(to_json(declaration))


def lines(folder: Path, base: str = "") -> dict[str, Result]:
    return {one.check: one for one in check(folder, base=base)}


def test_a_declaration_that_is_kept_is_told(folder: Path) -> None:
    for base in ("", "trunk"):
        assert lines(folder, base)["declarations"].line == (
            "ok      declarations: toy on toy, protocol last: declared on 2026-02-02"
        )


def test_where_git_cannot_say_whether_it_came_first_that_is_told(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "archive" / "results")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{folder.parent}", "shallow")
    for place in ("archive", "shallow"):
        found = lines(tmp_path / place / "results")["declarations"]
        assert found.state == "ok"
        assert found.reason.endswith("by dates and commits in the files; no whole repository of these commits to ask")


def test_records_that_only_say_that_they_came_after_it_are_refused(folder: Path) -> None:
    beside = git(folder.parent, "commit-tree", "HEAD^{tree}", "-m", "beside")
    shutil.rmtree(folder / "last")
    write(Results(folder), records(commit=beside))
    found = lines(folder)["declarations"]
    assert found.state == "FAILED"
    assert f"{NAME}: 48 of 48 records were made by code that does not follow commit" in found.reason


def test_records_of_a_declaration_that_is_in_no_commit_are_refused(folder: Path) -> None:
    put(folder, toy(date="2026-02-01", code={"cod_bench": "0.1.0", "commit": "b" * 40}))
    assert "is in no commit as it lies there, and 48 records rest on it" in lines(folder)["declarations"].reason
    commit(folder.parent)
    assert "made by code that does not follow commit" in lines(folder)["declarations"].reason


def test_a_folder_of_declarations_alone_can_be_checked(folder: Path) -> None:
    shutil.rmtree(folder / "last")
    shutil.rmtree(folder / "_reference")
    assert failed(check(folder)) == []
    assert lines(folder)["declarations"].reason.endswith("declared on 2026-02-02, and no record yet")


def test_what_departs_is_told_and_not_refused(folder: Path) -> None:
    put(folder, toy(data={}))
    commit(folder.parent)
    found = lines(folder)["declarations"]
    assert (found.state, found.reason[:60]) == ("ok", "toy on toy, protocol last: exploratory: data.toy was declare")


@pytest.mark.parametrize(
    ("change", "name", "line", "reason"),
    [
        (lambda: toy(date="9999-01-01"), "", "declarations", "date: 9999-01-01 is to come; declare it again"),
        (toy, "other.json", "path equals content", "its content belongs elsewhere"),
        (lambda: toy(schema=2), "", "schema", "schema: 2 is not 1"),
        (
            lambda: toy(rules={**toy().rules, "shown": "a dull film, really"}),
            "",
            "no text",
            "rules.shown: 'a dull film",
        ),
        (lambda: toy(title="a <dull> film"), "", "no text", "title: 'a <dull> film'"),
        (lambda: toy(suite="no such"), "", "no text", "suite: 'no such' reads like a text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_nobody_can_have_declared_is_refused(
    folder: Path, change: Callable[[], Declaration], name: str, line: str, reason: str
) -> None:
    put(folder, change(), name)
    found = lines(folder)[line]
    assert found.state == "FAILED"
    assert reason in found.reason


def test_no_declaration_of_the_merge_base_is_changed_or_removed(folder: Path) -> None:
    assert lines(folder, "trunk")["nothing removed"].state == "ok"
    put(folder, toy(date="2026-02-03"))
    assert lines(folder, "trunk")["nothing removed"].reason == f"{NAME}: was changed; declarations stay"
    (folder / NAME).unlink()
    assert lines(folder, "trunk")["nothing removed"].reason == f"{NAME}: was removed; declarations stay"


def test_a_new_one_names_a_commit_of_this_repository(folder: Path) -> None:
    put(folder, toy(protocol="dev"))
    found = lines(folder, "trunk")["declarations"]
    assert (found.state, found.reason) == (
        "FAILED",
        f"_declared/toy--toy--dev.json: code.commit: {'a' * 40} is not in this repository; declare by committed code",
    )
    assert lines(folder)["declarations"].state == "ok"  # published ones outlive a history that begins anew


def test_one_of_a_suite_that_is_not_here_is_told(folder: Path) -> None:
    put(folder, toy(suite="elsewhere"))
    assert "elsewhere on toy, protocol last: exploratory: no such suite here" in lines(folder)["declarations"].reason


def test_what_is_no_file_is_no_declaration(folder: Path) -> None:
    (folder / "_declared" / "link.json").symlink_to(folder / NAME)
    (folder / "_declared" / "large.json").write_text(" " * (declarations.LARGEST_FILE + 1))
    reasons = lines(folder)["schema"]
    assert reasons.state == "FAILED"
    assert "_declared/large.json: has 250,001 bytes, and at most 250,000 are read (and 1 more)" in reasons.reason


def test_nothing_in_a_declaration_reads_like_a_text() -> None:
    assert text_in(to_json(toy())) == ""
