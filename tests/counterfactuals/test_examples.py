"""Counterfactuals from the local cache folder on the page: kept entries, word for word, and nothing without them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cod_bench.counterfactuals import examples as site_examples
from cod_bench.counterfactuals import pool
from cod_bench.data import origin
from cod_bench.records.results import Results
from cod_bench.spec import RunSpec
from cod_bench.store import seal
from tests.cli.test_app import call, finished  # noqa: F401 - a fixture
from tests.samples import sample_record


def test_kept_entries_end_where_a_block_is_missing(tmp_path: Path) -> None:
    assert pool.stored(tmp_path, 0, 8) == []
    (tmp_path / "seed0-000-004.json").write_text('{"entries": []}')
    assert pool.stored(tmp_path, 0, 8) == []


def keep(path: Path, entries: list[dict[str, object]]) -> None:
    path.write_text(seal(json.dumps({"entries": entries}), pool.block_key(path)))


def entry(name: str, preserving: str | None) -> dict[str, object]:
    made = {"first": "a fine film", "cfe": "a fine film", "random": "a dull shed", "preserving": preserving}
    there = [key for key, text in made.items() if text]
    return {
        "id": name, "target": 1, "first_flips": True, "words": 3, "margin": -0.5, "refused": 0, "teacher_passes": 1,
        "redraws": {}, "edited": dict.fromkeys(there, 1), "margins": dict.fromkeys(there, 0.5), **made,
    }  # fmt: skip


@pytest.mark.parametrize("bought", [True, False])
def test_a_costly_generators_rewrites_are_shown_where_they_were_bought(
    bought: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = origin.corpus("toy").train[:4]
    record = sample_record(spec=RunSpec("last", "toy", "toy", "kd", "cod", "llm", 8, 0))
    monkeypatch.setattr(pool, "folder", lambda *_: tmp_path)
    kept = [entry(row.id, None) for row in rows]
    keep(tmp_path / "seed0-000-004.json", kept)
    if bought:
        kept = [entry(row.id, "a grim film") for row in rows]
        keep(tmp_path / "seed0-000-004-preserving.json", kept)
    shown = list(site_examples._of(record))
    assert len(shown) == 4
    rewrites = [v for s in shown for v in s.versions if v.condition == "label-preserving"]
    assert [v.words is not None for v in rewrites] == [True] * 4 * bought


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
    (tmp_path / "nothing").mkdir()
    done = call("site", "--results", "nothing", "--out", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "has no counted run" in done.stderr
