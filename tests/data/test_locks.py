"""The committed lock file gives a track its identity on a machine that has never loaded a model or chosen a rate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cod_bench.data import hub, locks, origin
from cod_bench.design import tracks
from cod_bench.errors import RunError, UsageError
from cod_bench.store import stamped
from tests.cli.test_app import call

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


def test_lock_writes_down_what_this_machine_took_and_never_replaces(tmp_path: Path) -> None:
    assert "no hub task, hub model or learning rate was taken" in call("lock", cwd=tmp_path).stderr
    (tmp_path / "home" / "locks").mkdir(parents=True)
    (tmp_path / "home" / "locks" / "models.json").write_text(json.dumps(pins()))
    tracks.keep_rate(TRACK, "kd", 1e-5)
    before = tracks.track(TRACK).identity()
    done = call("lock", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "tasks.lock.json: 0 tasks, 2 models, 1 rates; commit it"
    value = json.loads((tmp_path / locks.LOCK).read_text())
    assert set(value.pop("digests")) == {*(f"models/{name}" for name in pins()), f"rates/{TRACK}/kd"}
    assert value == {"schema": 1, "tasks": {}, "models": pins(), "rates": {f"{TRACK}/kd": 1e-5}}
    tracks.keep_rate(TRACK, "kd", 2e-5)
    again = call("lock", cwd=tmp_path)
    assert f"rates: {TRACK}/kd stays as tasks.lock.json has it" in again.stdout
    assert json.loads((tmp_path / locks.LOCK).read_text()).items() > value.items()
    (tmp_path / "home" / "locks" / "models.json").unlink()
    (tmp_path / "home" / "locks" / "rates.json").unlink()
    assert tracks.track(TRACK).identity() == before  # on a machine that has taken nothing
    assert origin.find("sst2").name == "sst2"  # and the file is a lock file of tasks too


@pytest.mark.parametrize("text", ["{", "[]", '{"models": 1}', '{"models": {"x": {}}}', '{"rates": {"a/b": "fast"}}'])
def test_a_corrupt_file_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / locks.LOCK).write_text(text)
    with pytest.raises(UsageError, match=r"tasks\.lock\.json: is corrupt .*restore it or delete it"):
        tracks.track(TRACK)


def test_tasks_models_and_rates_share_one_file() -> None:
    assert hub.LOCK == locks.LOCK


def test_an_entry_that_was_changed_is_told_and_one_that_was_deleted_is_not(tmp_path: Path) -> None:
    tracks.keep_rate(TRACK, "kd", 1e-5)
    tracks.keep_rate(TRACK, "lwd", 2e-5)
    assert call("lock", cwd=tmp_path).returncode == 0
    path = tmp_path / locks.LOCK
    whole = path.read_text()
    path.write_text(whole.replace("1e-05", "1e-04"))
    with pytest.raises(UsageError, match=r"entry rates/deberta-small\+paper-c4/kd is not as it was written"):
        tracks.track(TRACK)
    value = json.loads(whole)
    del value["rates"][f"{TRACK}/kd"]
    path.write_text(json.dumps(value))
    assert locks.committed("rates") == {f"{TRACK}/lwd": 2e-5}


@pytest.mark.parametrize("name", ["rates", "models"])
def test_this_machines_own_settings_are_used_as_they_were_written_or_not_at_all(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracks.keep_rate(TRACK, "kd", 1e-5)
    path = tmp_path / "home" / "locks" / f"{name}.json"
    path.write_text(stamped(pins() if name == "models" else {f"{TRACK}/kd": 1e-5}))
    whole, before = path.read_bytes(), tracks.track(TRACK).identity()
    told = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert tracks.track(TRACK).identity() == before
        except RunError as error:
            told += "is corrupt" in str(error)
    assert told > 0.9 * len(whole)
