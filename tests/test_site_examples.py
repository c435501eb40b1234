"""Counterfactuals from the local cache folder on the page: kept entries, word for word, and nothing without them."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cod_bench import pool, site_examples
from cod_bench.store import Results
from tests.test_cli import call, finished  # noqa: F401 - a fixture

WORDS = st.lists(st.sampled_from(["a", "b", "good", "bad", "film."]), max_size=8).map(" ".join)


@given(WORDS, WORDS)
def test_a_diff_holds_both_texts(before: str, after: str) -> None:
    found = site_examples.diff(before, after)
    for left_out, text in (("ins", before), ("del", after)):
        assert " ".join(words for tag, words in found if tag != left_out) == text


def test_a_diff_names_what_went_and_what_came() -> None:
    found = site_examples.diff("a dull film", "a bright film")
    assert found == (("equal", "a"), ("del", "dull"), ("ins", "bright"), ("equal", "film"))


def test_kept_entries_end_where_a_block_is_missing(tmp_path: Path) -> None:
    assert pool.kept(tmp_path, 0, 8) == []
    (tmp_path / "seed0-000-004.json").write_text('{"entries": []}')
    assert pool.kept(tmp_path, 0, 8) == []


def test_examples_show_the_pool_beside_the_teachers_words(finished: Path, tmp_path: Path) -> None:  # noqa: F811
    done = call("site", "--results", "runs", "--out", str(tmp_path), "--examples", cwd=finished)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "index.html").read_text()
    assert "Made with <code>--examples</code>" in text
    assert text.count('<article class="example">') == site_examples.SHOWN
    records, _ = Results(finished / "runs").scan()
    assert all(record.teacher_hash in text for record in records)
    assert "p(" in text.split('<article class="example">')[1]
    without = call("site", "--results", "runs", "--out", str(tmp_path), cwd=finished)
    assert without.returncode == 0, without.stderr
    assert '<article class="example">' not in (tmp_path / "index.html").read_text()


def test_examples_without_their_pools_are_a_users_mistake(finished: Path, tmp_path: Path) -> None:  # noqa: F811
    done = call(
        "site", "--results", "runs", "--out", str(tmp_path / "out"), "--examples", cwd=finished,
        COD_BENCH_HOME=str(tmp_path / "elsewhere"),
    )  # fmt: skip
    assert done.returncode == 2
    assert "--examples: the cache folder holds no counterfactuals of these records" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_without_records_is_a_users_mistake(tmp_path: Path) -> None:
    done = call("site", "--results", "nothing", "--out", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "has no counted run" in done.stderr
