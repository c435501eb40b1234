"""Rows from the hub's cache and from that of `datasets`, the checks of a first load, and the lock file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import datasets
import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cod_bench.data import hub
from cod_bench.data.corpus import arrange
from cod_bench.errors import RunError, UsageError
from cod_bench.task import Hub, RawRow, Task
from tests.data.test_origin import TEST, TRAIN

COMMIT = "ab" * 20
TASK = Task(
    name="made",
    version=1,
    title="Made rows",
    classes=("no", "yes"),
    metric="accuracy",
    licence="none",
    citation="none",
    hub=Hub(
        id="made-up/reviews",
        config="short",
        rows={"train": 83, "test": 20},
        evaluation="test",
        text="content",
        label="stars",
        labels={0: 0, 2: None, 4: 1},
        longest=40,
    ),
    evaluation_rows=20,
)
STARS = {0: 0, 1: 4}


def frame(rows: Sequence[tuple[str, int]]) -> pa.Table:
    return pa.table({"title": ["a"] * len(rows), "content": [r[0] for r in rows], "stars": [STARS[r[1]] for r in rows]})


def train() -> pa.Table:
    """Two files' worth: the rows of TRAIN, two dropped by their label and one by its length."""
    return pa.concat_tables(
        [frame(TRAIN), pa.table({"title": ["a"] * 3, "content": ["three stars are", "in between", "x " * 21],
                                 "stars": [2, 2, 0]})]
    )  # fmt: skip


def cached(monkeypatch: pytest.MonkeyPatch, root: Path, *, whole: pa.Table | None = None, commit: str = COMMIT) -> None:
    """The hub's cache after a download: refs name the commit, snapshots hold the files."""
    folder = root / "hub" / "datasets--made-up--reviews"
    for name in ("refs", f"snapshots/{commit}/short"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(commit)
    whole = train() if whole is None else whole
    files = folder / "snapshots" / commit / "short"
    pq.write_table(whole.slice(0, 50), files / "train-00000-of-00002.parquet")
    pq.write_table(whole.slice(50), files / "train-00001-of-00002.parquet")
    pq.write_table(frame(TEST), files / "test-00000-of-00001.parquet")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(root / "hub"))


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "no-hub"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "no-datasets")
    monkeypatch.chdir(tmp_path)


def lock(tmp_path: Path) -> dict[str, dict[str, object]]:
    tasks: dict[str, dict[str, object]] = json.loads((tmp_path / hub.LOCK).read_text())["tasks"]
    return tasks


def test_the_first_load_maps_filters_checks_and_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(monkeypatch, tmp_path)
    assert not hub.pinned(TASK).pinned
    found = hub.load(TASK)
    expected = arrange(TASK, [RawRow(*row) for row in TRAIN], [RawRow(*row) for row in TEST])
    assert (found.train, found.dev, found.evaluation) == (expected.train, expected.dev, expected.evaluation)
    entry = lock(tmp_path)["made"]
    assert entry["commit"] == COMMIT
    assert entry["rows"] == {"train": 83, "test": 20}
    assert found.task == hub.pinned(TASK)
    assert hub.pinned(TASK).pinned
    assert hub.pinned(TASK).identity()["pool_sha256"] == found.pool_sha256 == entry["pool_sha256"]


def test_later_loads_follow_the_lock_and_need_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(monkeypatch, tmp_path)
    first = hub.load(TASK)
    cached(monkeypatch, tmp_path, whole=train().slice(1), commit="cd" * 20)  # main moved on
    assert hub.load(TASK) == first
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "gone"))
    assert hub.load(TASK) == first
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "other"))
    with pytest.raises(UsageError, match="no source for its rows"):
        hub.load(TASK)


def test_two_tasks_share_the_lock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(monkeypatch, tmp_path)
    hub.load(TASK)
    hub.load(replace(TASK, name="second"))
    assert set(lock(tmp_path)) == {"made", "second"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rows": {"train": 84, "test": 20}}, "split 'train' .* at commit abababababab has 83 rows and should have 84"),
        ({"labels": {0: 0, 4: 1}}, "has label 2; the task knows 0, 4"),
        ({"text": "text"}, r"has no column 'text' \(it has title, content, stars\)"),
        ({"label": "label"}, "has no column 'label'"),
    ],
)
def test_what_the_hub_has_otherwise_is_refused_and_not_locked(
    changes: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(monkeypatch, tmp_path)
    assert TASK.hub is not None
    with pytest.raises(RunError, match=said):
        hub.load(replace(TASK, hub=replace(TASK.hub, **changes)))  # type: ignore[arg-type]
    assert not (tmp_path / hub.LOCK).exists()


def test_pinned_and_fixed_evaluation_rows_are_demanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(monkeypatch, tmp_path)
    with pytest.raises(RunError, match=r"evaluation_sha256 of the prepared rows is .* and the task pins '00'"):
        hub.load(replace(TASK, evaluation_sha256="00"))
    with pytest.raises(RunError, match=r"20 evaluation rows at commit .* and should have 22"):
        hub.load(replace(TASK, evaluation_rows=22))
    assert not (tmp_path / hub.LOCK).exists()


def test_a_lock_for_other_data_and_a_corrupt_one_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(monkeypatch, tmp_path)
    hub.load(TASK)
    with pytest.raises(UsageError, match="entry 'made' is for other data than version 2 of the task; delete that"):
        hub.pinned(replace(TASK, version=2))
    (tmp_path / hub.LOCK).write_text('{"schema": 1}')
    with pytest.raises(UsageError, match=r"is corrupt .*; restore it or delete it"):
        hub.pinned(TASK)


def test_rows_that_datasets_prepared_earlier_do_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(monkeypatch, tmp_path)
    expected = hub.load(TASK)
    (tmp_path / hub.LOCK).unlink()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "gone"))
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "other"))
    snapshot = tmp_path / "hub" / "datasets--made-up--reviews" / "snapshots" / COMMIT / "short"
    files = {split: [str(p) for p in sorted(snapshot.glob(f"{split}-*"))] for split in ("train", "test")}
    from datasets.packaged_modules.parquet.parquet import Parquet

    builder = Parquet(
        cache_dir=str(tmp_path / "datasets"), dataset_name="reviews", config_name="short",
        data_files=files, hash=COMMIT,
    )  # fmt: skip
    builder.download_and_prepare()
    written = Path(builder.cache_dir)
    target = tmp_path / "datasets" / "made-up___reviews" / "short" / "0.0.0" / COMMIT
    if written != target:
        target.parent.mkdir(parents=True)
        written.rename(target)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    assert hub.load(TASK) == expected
    assert lock(tmp_path)["made"]["commit"] == COMMIT


def test_without_hub_and_caches_one_sentence_names_the_ways() -> None:
    with pytest.raises(UsageError, match=r"--data DIR .*--data made=DIR .*'made-up/reviews' on the Hugging Face") as e:
        hub.load(TASK)
    assert "\n" not in str(e.value)


def test_a_part_of_the_files_is_no_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(monkeypatch, tmp_path)
    next((tmp_path / "hub").rglob("test-*.parquet")).unlink()
    with pytest.raises(UsageError, match=r"it has no short/test-\*\.parquet"):
        hub.load(TASK)


def test_a_hub_that_cannot_be_reached_is_known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{port}")
        assert hub.silence() == ""
    assert "127.0.0.1 does not answer" in hub.silence()
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": "http://proxy.example:3128"})
    assert hub.silence() == ""
