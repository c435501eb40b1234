"""The committed lock file gives a track its identity on a machine that has never loaded a model or chosen a rate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cod_bench import hub, locks, tracks
from cod_bench.errors import UsageError

TRACK = "deberta-small+paper-c4"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder and a cache folder with nothing in them."""
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def pins() -> dict[str, dict[str, str]]:
    track = tracks.track(TRACK)
    names = [side.source.removeprefix("hub:") for side in (track.teacher_side, track.student_side)]
    return {name: {"revision": "c" * 40, "sha256": "a" * 64} for name in names}


def test_models_and_rates_come_from_the_committed_file(tmp_path: Path) -> None:
    assert not tracks.track(TRACK).pinned
    assert tracks.track(TRACK).recipe_for("kd").learning_rate is None
    tracks.keep_rate(TRACK, "kd", 1e-5)
    tracks.keep_rate(TRACK, "lwd", 2e-5)
    value = {"schema": 1, "tasks": {}, "models": pins(), "rates": {f"{TRACK}/kd": 3e-5}}
    (tmp_path / locks.LOCK).write_text(json.dumps(value))
    found = tracks.track(TRACK)
    assert found.pinned
    assert found.identity()["teacher_revision"] == "c" * 40
    assert [found.recipe_for(method).learning_rate for method in ("kd", "lwd")] == [3e-5, 2e-5]
    tracks.keep_rate(TRACK, "ted", 2e-5)  # of this machine: what is committed is not copied into its own file
    assert json.loads((tmp_path / "home" / "locks" / "rates.json").read_text())[f"{TRACK}/kd"] == 1e-5


@pytest.mark.parametrize("text", ["{", "[]", '{"models": 1}', '{"models": {"x": {}}}', '{"rates": {"a/b": "fast"}}'])
def test_a_corrupt_file_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / locks.LOCK).write_text(text)
    with pytest.raises(UsageError, match=r"tasks\.lock\.json: is corrupt .*restore it or delete it"):
        tracks.track(TRACK)


def test_tasks_models_and_rates_share_one_file() -> None:
    assert hub.LOCK == locks.LOCK
