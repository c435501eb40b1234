"""A declaration is what was written, in the commit that brought its present content; anything else is a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cod_bench.errors import UsageError
from cod_bench.records import declarations
from cod_bench.records.declarations import Committed, committed, from_json, put, read, to_json
from cod_bench.records.results import Results
from tests.declared import commit, git, repository, toy, write
from tests.declared import records as made

NAME = "toy--toy--last.json"


def test_what_is_written_is_what_is_read() -> None:
    text = to_json(toy())
    assert from_json(text) == toy()
    assert to_json(from_json(text)) == text
    assert [json.loads("{" + line.rstrip(",") + "}") for line in text.splitlines()[1:-1]]  # a field a line
    assert list(json.loads(text)) == sorted(json.loads(text))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda v: v.update(schema=2), "schema: 2 is not 1"),
        (lambda v: v.update(schema=True), "schema: True is not 1"),
        (lambda v: v.update(more=1), "more: field is unknown"),
        (lambda v: v.pop("rules"), "rules: field is missing"),
        (lambda v: v.update(families={}), "families: is a dict"),
        (lambda v: v.update(families=[]), "families: must be objects, at least one"),
        (lambda v: v.update(families=["x"]), "families: must be objects"),
        (lambda v: v.update(suite="../x"), "suite: '../x' is no name"),
        (lambda v: v.update(track=""), "track: '' is no name"),
        (lambda v: v.update(protocol="x"), "protocol: unknown value 'x'"),
        (lambda v: v.update(date="2026-13-01"), "date: '2026-13-01' is no date"),
        (lambda v: v.update(date="20260101"), "date: '20260101' is no date"),
        (lambda v: v["code"].update(commit="abc"), "code.commit: 'abc' is not the 40 hex digits"),
        (lambda v: v["code"].pop("cod_bench"), "code: must tell the version"),
        (lambda v: v["grid"].update(runs=0), "grid.runs: 0 is no number of runs"),
        (lambda v: v["grid"].update(run_ids=7), "grid.run_ids: must be the digest"),
        (lambda v: v["teacher"].update(seeds=True), "teacher.seeds: True is no number of seeds"),
        (lambda v: v["rules"].update(test="x\ny"), "rules.test: "),
        (lambda v: v["rules"].update(test="x" * 500), "rules.test: "),
        (lambda v: v["grid"].update(ks=[10**30]), "grid.ks: a whole number of many digits is no number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_declaration_is_told_with_its_field(
    change: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    value = json.loads(to_json(toy()))
    change(value)
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        from_json(json.dumps(value))


def test_it_lies_at_its_own_place(tmp_path: Path) -> None:
    path = declarations.path_of(tmp_path, "toy", "toy", "last")
    assert path == Results(tmp_path).declaration_path("toy", "toy", "last") == tmp_path / "_declared" / NAME
    assert put(path, toy())
    assert read(path) == toy()
    other = path.rename(path.with_name("embedded--toy--last.json"))
    with pytest.raises(ValueError, match=r"its content belongs at _declared/toy--toy--last\.json"):
        read(other)


def test_the_same_again_is_left_alone_and_another_one_never_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / NAME
    assert put(path, toy())
    before = path.read_bytes()
    assert not put(path, toy(date="2026-03-03", code={"cod_bench": "0.2.0", "commit": "b" * 40}, title="other"))
    with pytest.raises(UsageError, match="declares something else since 2026-02-02, and a declaration stays as it is"):
        put(path, toy(rules={"test": "none"}))
    assert path.read_bytes() == before
    path.write_text("{}")
    with pytest.raises(UsageError, match="is no declaration"):
        put(path, toy())
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(UsageError, match="is no declaration"):
        put(path, toy())
    assert not (tmp_path / "elsewhere.json").exists()


def test_a_folder_of_declarations_is_no_folder_of_records(tmp_path: Path) -> None:
    results = Results(tmp_path)
    put(results.declaration_path("toy", "toy", "last"), toy())
    (tmp_path / "_declared" / "link.json").symlink_to(tmp_path / "x")
    write(results, made()[:2])
    found, bad = results.scan()
    assert (len(found), bad) == (2, [])
    assert len(results.glance()[0]) == 2


class TestCommitted:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """In no commit yet; below the top of a repository, as a results folder is."""
        repository(tmp_path / "top")
        path = declarations.path_of(tmp_path / "top" / "results", "toy", "toy", "last")
        put(path, toy())
        return path

    def test_no_repository_cannot_tell(self, tmp_path: Path) -> None:
        put(tmp_path / NAME, toy())
        assert committed(tmp_path / NAME) is None
        assert committed(tmp_path / "nothing.json") is None

    def test_what_is_in_no_commit_has_none(self, path: Path) -> None:
        assert committed(path) == Committed("")

    def test_it_is_the_commit_that_brought_it_and_what_follows(self, path: Path, tmp_path: Path) -> None:
        top = tmp_path / "top"
        before = git(top, "rev-parse", "HEAD")
        brought = commit(top)
        assert committed(path) == Committed(brought, frozenset({brought}))
        later = commit(top)
        assert committed(path) == Committed(brought, frozenset({brought, later}))
        git(top, "checkout", "-q", "-b", "side", before)
        beside = commit(top)
        git(top, "checkout", "-q", "trunk")
        git(top, "merge", "-q", "--no-ff", "-m", "merge", "side")
        found = committed(path)
        assert found is not None
        assert found.commit == brought
        assert {brought, later, git(top, "rev-parse", "HEAD")} == found.after
        assert not {before, beside} & found.after  # in HEAD's history, and made without the declaration

    def test_the_last_change_counts_even_where_it_was_taken_back(self, path: Path, tmp_path: Path) -> None:
        top, text = tmp_path / "top", path.read_text()
        first = commit(top)
        path.write_text(to_json(toy(date="2026-01-01")))
        assert committed(path) == Committed("")
        commit(top)
        path.write_text(text)
        last = commit(top)
        assert committed(path) == Committed(last, frozenset({last}))
        assert first != last

    def test_a_shallow_clone_cannot_tell_and_a_whole_one_tells_the_same(self, path: Path, tmp_path: Path) -> None:
        commit(tmp_path / "top")
        commit(tmp_path / "top")
        for name, options in (("shallow", ["--depth", "1"]), ("whole", [])):
            git(tmp_path, "clone", "-q", *options, (tmp_path / "top").as_uri(), name)
        inside = path.relative_to(tmp_path / "top")
        assert committed(tmp_path / "shallow" / inside) is None
        assert committed(tmp_path / "whole" / inside) == committed(path)

    def test_a_link_is_not_followed(self, path: Path, tmp_path: Path) -> None:
        commit(tmp_path / "top")
        other = path.with_name("other.json")
        other.symlink_to(path)
        assert committed(other) is None


def test_the_content_that_is_held_to_has_no_day_and_no_commit() -> None:
    one = toy()
    again = replace(one, title="x", date="2030-01-01", code={"cod_bench": "9", "commit": "f" * 40})
    assert one.content() == again.content()
    assert one.content() != replace(one, data={}).content()
