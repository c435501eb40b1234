"""A folder of records against its merge base, in real repositories."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench.checks.merge_base import LARGEST, OWN, uncommitted
from cod_bench.checks.records import check
from cod_bench.errors import UsageError
from cod_bench.records import verdicts
from cod_bench.records.record import Record
from cod_bench.records.results import Results
from tests.checks.test_records import edit, failed, first, folder, forge_gold, submitted  # noqa: F401 - fixtures
from tests.samples import sample_record


def git(top: Path, *arguments: str) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=top, check=True, capture_output=True)


class TestMergeBase:
    @pytest.fixture
    def repository(self, folder: Path) -> Path:  # noqa: F811
        top = folder.parent
        git(top, "init", "-q", "-b", "trunk")
        git(top, "add", "-A")
        git(top, "commit", "-q", "-m", "records")
        git(top, "checkout", "-q", "-b", "mine")
        return folder

    def test_adding_is_allowed(self, repository: Path) -> None:
        shutil.copy(first(repository), repository / "_reference" / "copy.json")  # whatever else is wrong with it
        results = {r.check: r for r in check(repository, base="trunk")}
        assert results["nothing removed"].state == "ok"

    def test_the_gold_of_the_merge_base_is_what_counts(self, repository: Path) -> None:
        forge_gold(repository)
        results = {r.check: r for r in check(repository, base="trunk")}
        assert "gold differs from the merge base in" in results["gold labels"].reason

    def test_removing_and_changing_are_not(self, repository: Path) -> None:
        path = first(repository)
        text = path.read_text()
        path.write_text(text.replace('"seconds"', '"seconds" '))
        changed = {r.check: r for r in check(repository, base="trunk")}
        assert changed["nothing removed"].reason.endswith("was changed; published records stay")
        path.unlink()
        removed = {r.check: r for r in check(repository, base="trunk")}
        assert removed["nothing removed"].reason.endswith("was removed; published records stay")

    def test_what_the_base_got_since_the_fork_is_not_missed(self, repository: Path) -> None:
        top = repository.parent
        git(top, "checkout", "-q", "trunk")
        (repository / "later.json").write_text("{}")
        git(top, "add", "-A")
        git(top, "commit", "-q", "-m", "later")
        git(top, "checkout", "-q", "mine")
        assert {r.check: r for r in check(repository, base="trunk")}["nothing removed"].state == "ok"

    @pytest.mark.parametrize("alone", [True, False])
    def test_verdicts_are_neither_added_changed_nor_removed(self, alone: bool, repository: Path) -> None:
        def told() -> str:
            return {r.check: r for r in check(repository, base="trunk")}["verdicts"].reason

        assert told() == ""
        if not alone:
            shutil.copy(first(repository), repository / "new.json")
        path, top = repository / "reproduced.json", repository.parent
        path.write_text('{"schema": 3, "verdicts": []}')
        assert "reproduced.json: was added; only a maintainer's `cod-bench reproduce` on the merged records" in told()
        git(top, "checkout", "-q", "trunk")
        git(top, "add", "results/reproduced.json")
        git(top, "commit", "-q", "-m", "verdicts")
        assert told() == ""
        path.write_text('{"schema": 3, "verdicts": [ ]}')
        assert "was changed; only a maintainer's" in told()
        path.unlink()
        assert "was removed; only a maintainer's" in told()

    def test_without_a_base_sound_verdicts_pass_and_odd_ones_do_not(self, repository: Path) -> None:
        results = Results(repository)
        parts: dict[verdicts.Part, list[Record]] = {}
        for record in results.scan()[0]:
            parts.setdefault(verdicts.part(record.spec), []).append(record)
        (about, own), *_ = parts.items()
        cells = tuple(verdicts.Cell(r.run_id, verdicts.REPRODUCED, 1.0) for r in verdicts.sample(own, 0.05, 1))
        date = max(r.provenance["date"] for r in own)
        known = verdicts.Verdict(
            *about,
            tuple(sorted(r.run_id for r in own)),
            verdicts.records_digest(own),
            verdicts.TOLERANCE,
            0.05,
            1,
            "",
            {},
            date,
            cells,
        )
        for changes, reason in (
            ({}, ""),
            ({"date": "9999-01-01"}, "date: 9999-01-01 of 'mine' is to come"),
            ({"date": "2000-01-01"}, "date: 2000-01-01 of 'mine' is before its records"),
            ({"records": "0" * 12}, "records of 'mine': are not those that it is about"),
            ({"sample": 1.0}, "are not those that seed 1 draws"),
        ):
            results.reproduced_path().write_text(verdicts.to_json([replace(known, **changes)]))
            assert failed(check(repository)) == (["verdicts"] if reason else [])
            assert reason in {r.check: r for r in check(repository)}["verdicts"].reason

    def test_an_unknown_ref_and_no_repository_are_sentences(self, repository: Path, submitted: Path) -> None:  # noqa: F811
        with pytest.raises(UsageError, match="--base nowhere: git finds no merge base"):
            check(repository, base="nowhere")
        with pytest.raises(UsageError, match="--base --output=x: git finds no merge base"):
            check(repository, base="--output=x")
        with pytest.raises(UsageError, match="git finds no merge base"):
            check(submitted, base="HEAD")

    def test_what_else_the_merge_base_holds_vouches_for_nothing(self, repository: Path) -> None:
        top = repository.parent
        git(top, "checkout", "-q", "trunk")
        for name, data in (("README.md", b"# notes"), ("x.json", b"{}"), ("y.json", b"\xff\xfe")):
            (repository / "_reference" / name).write_bytes(data)
        git(top, "add", "-A")
        git(top, "commit", "-q", "-m", "more")
        results = {r.check: r for r in check(repository, base="trunk")}
        assert results["gold labels"].state == "ok"
        assert results["schema"].state == "FAILED"

    def test_a_path_that_differs_from_the_base_in_capitals_is_told(self, repository: Path) -> None:
        path = first(repository)
        other = repository / path.relative_to(repository).as_posix().replace("/mine/", "/MINE/")
        other.parent.mkdir(parents=True)
        path.rename(other)
        shutil.rmtree(repository / "last" / "toy" / "toy" / "mine")
        results = {r.check: r for r in check(repository, base="trunk")}
        assert "differs from last/toy/toy/mine in capitals" in results["path equals content"].reason

    def test_what_is_no_file_and_what_is_too_large_is_not_read(self, repository: Path, tmp_path: Path) -> None:
        big, pipe, link = (repository / name for name in ("big.json", "pipe.json", "link.json"))
        with big.open("wb") as file:
            file.truncate(8 * 10**9)
        os.mkfifo(pipe)
        link.symlink_to(tmp_path / "secret")
        (tmp_path / "secret").write_text("x")
        results = {r.check: r for r in check(repository, base="trunk")}
        assert results["nothing removed"].state == "ok"
        assert "(and 2 more)" in results["schema"].reason
        path = first(repository)
        with path.open("ab") as file:
            file.truncate(LARGEST + 1)
        assert "was changed" in {r.check: r for r in check(repository, base="trunk")}["nothing removed"].reason


class TestCommits:
    """Whether the commit that a record names is one of the repository that it lies in."""

    @pytest.fixture
    def repository(self, folder: Path) -> Path:  # noqa: F811
        top = folder.parent
        (top / OWN).parent.mkdir()
        (top / OWN).write_text("")
        git(top, "init", "-q", "-b", "trunk")
        git(top, "add", "-A")
        git(top, "commit", "-q", "-m", "records")
        return folder

    @staticmethod
    def say(repository: Path, commit: str, place: int = 0) -> None:
        path = Results(repository).record_paths()[place]
        edit(path, lambda v: v["provenance"].update(git={"commit": commit, "dirty": False}))

    @staticmethod
    def named() -> dict[str, Record]:
        return {"x": sample_record(provenance={"git": {"commit": "a" * 40}})}

    @staticmethod
    def head(repository: Path, what: str = "HEAD") -> str:
        asked = ["git", "rev-parse", what]
        return subprocess.run(asked, cwd=repository, check=True, capture_output=True, text=True).stdout.strip()

    def test_one_that_is_there_is_ok_and_another_is_not(self, repository: Path) -> None:
        for place in (0, 1):
            self.say(repository, self.head(repository), place)
        assert failed(check(repository)) == []
        for commit in ("a" * 40, self.head(repository, "HEAD^{tree}")):
            self.say(repository, commit)
            results = {r.check: r for r in check(repository)}
            assert f"provenance.git.commit: {commit} is not in this repository" in results["clean code"].reason
            assert failed(list(results.values())) == ["clean code"]

    def test_a_new_record_is_of_this_history_and_an_old_one_may_be_of_another(self, repository: Path) -> None:
        """Where a repository began anew, or a branch was squashed, what was published stays."""
        self.say(repository, "a" * 40)
        assert failed(check(repository)) == []
        path = Results(repository).record_paths()[0]
        content = path.read_text()
        path.unlink()
        git(repository.parent, "commit", "-q", "-am", "without one")
        path.write_text(content)
        results = {r.check: r for r in check(repository, base="HEAD")}
        assert f"provenance.git.commit: {'a' * 40} is not in this repository" in results["clean code"].reason
        git(repository.parent, "add", "-A")
        git(repository.parent, "commit", "-q", "-m", "published")
        assert {r.check: r for r in check(repository, base="HEAD")}["clean code"].state == "ok"

    def test_where_the_history_is_not_whole_nothing_is_told(self, repository: Path, tmp_path: Path) -> None:
        self.say(repository, "a" * 40)
        git(repository.parent, "commit", "-q", "-am", "more")
        git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository.parent}", "shallow")
        shallow = tmp_path / "shallow" / "results"
        results = {r.check: r for r in check(shallow)}
        assert results["clean code"].line == "ok      clean code: commits not looked up: no whole repository"
        assert uncommitted(shallow, self.named(), new=True) is None
        assert uncommitted(repository, self.named(), new=True) is not None

    def test_the_repository_of_something_else_tells_nothing(self, repository: Path) -> None:
        (repository.parent / OWN).unlink()
        assert uncommitted(repository, self.named(), new=True) is None

    def test_a_folder_that_looks_like_the_inside_of_a_repository_is_none(self, repository: Path) -> None:
        """Its settings could name commands."""
        inside = repository.parent / ".git"
        for name in ("HEAD", "objects", "refs", "config"):
            (shutil.copytree if (inside / name).is_dir() else shutil.copy)(inside / name, repository / name)
        with (repository / "config").open("a") as file:
            file.write(f"[core]\n\tworktree = {repository.parent}\n")
        assert uncommitted(repository, self.named(), new=True) is None

    def test_all_commits_are_asked_for_at_once(self, repository: Path) -> None:
        records = {str(n): sample_record(provenance={"git": {"commit": f"{n:040x}"}}) for n in range(2000)}
        assert uncommitted(repository, records) is None
        told = uncommitted(repository, records, new=True)
        assert told is not None
        assert len(told) == 2000
