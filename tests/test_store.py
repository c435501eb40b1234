"""Where files lie, and that they are whole or not there."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cod_bench.errors import InterruptionError, UsageError, plain
from cod_bench.store import (
    Artifacts,
    home,
    kept,
    lock,
    read_bytes,
    read_text,
    seal,
    set_aside,
    unseal,
    usable_home,
    write_atomic,
)
from tests.cli.test_app import call


def test_home_is_the_users_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "x"))
    assert home() == tmp_path / "x"
    monkeypatch.delenv("COD_BENCH_HOME")
    assert home().name == "cod-bench"


@pytest.mark.parametrize(
    "arguments",
    [("run", "--suite", "toy", "--all"), ("cfe", "inspect", "--task", "toy"), ("cfe", "generate", "--suite", "toy")],
)
def test_a_cache_folder_that_cannot_be_is_told_before_any_job(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = call(*arguments, cwd=tmp_path, COD_BENCH_HOME=str(tmp_path / "file" / "cache"))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"cod-bench: COD_BENCH_HOME {tmp_path}/file/cache: Not a directory; name a folder that can be written"
    ]


def test_a_cache_folder_that_somebody_filled_serves_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "shared"))
    assert usable_home() == tmp_path / "shared"
    monkeypatch.setattr(os, "access", lambda *_: False)  # who runs the tests may be allowed everything
    with pytest.raises(UsageError, match="Permission denied; name a folder that can be written"):
        usable_home()
    (tmp_path / "shared" / "artifacts").mkdir()
    assert usable_home() == tmp_path / "shared"


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.json"
    write_atomic(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InterruptionError, match="No space left on device; make room, then run again"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write .*choose another folder"):
        write_atomic(tmp_path / "file" / "x.json", "")


def test_a_lock_is_freed_when_its_holder_is_killed(tmp_path: Path) -> None:
    from filelock import Timeout

    path = tmp_path / ".lock"
    script = (
        "import time\nfrom pathlib import Path\nfrom cod_bench.store import lock\n"
        f"with lock(Path({str(path)!r})):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Timeout), lock(path, timeout=0):
            pass
        holder.kill()
        holder.wait()
        with lock(path, timeout=5):
            pass


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "device", "large", "bytes"])
def test_only_regular_files_of_a_size_are_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    (tmp_path / "other").write_text("secret")
    makers = {
        "link": lambda: path.symlink_to(tmp_path / "other"), "folder": path.mkdir, "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"), "large": lambda: path.write_bytes(b"x" * 101),
        "bytes": lambda: path.write_bytes(b"\xff"),
    }  # fmt: skip
    makers[kind]()
    told = {"link": "is a link", "device": "is a link", "large": "has 101 bytes, and at most 100", "bytes": "not UTF-8"}
    with pytest.raises(ValueError, match=told.get(kind, f"is a {kind}, and only regular files")):
        read_text(path, 100)


def test_a_device_is_not_read_through_its_own_name() -> None:
    with pytest.raises(ValueError, match="is a device"):
        read_bytes(Path("/dev/zero"), 100)


def test_what_is_there_is_read_and_what_is_not_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    assert read_text(tmp_path / "file", 4) == "text"
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "none", 4)


def test_a_lock_that_is_a_link_empties_nothing(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(UsageError, match=r"lock .*\.lock: is a link and no file; remove it"), lock(tmp_path / ".lock"):
        pass
    assert (tmp_path / "precious").read_text() == "kept"


@given(text=st.text(), key=st.text(), data=st.data())
def test_a_sealed_text_comes_back_or_not_at_all(text: str, key: str, data: st.DataObject) -> None:
    text, key = (value.encode("utf-8", "replace").decode() for value in (text, key))
    whole = seal(text, key)
    assert unseal(whole, key) == text
    raw = bytearray(whole.encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = unseal(raw.decode(), key)
    except (ValueError, UnicodeDecodeError):
        return
    assert found == text


@given(text=st.text(max_size=40), other=st.text(max_size=40))
def test_the_seal_of_one_artifact_is_none_of_another(text: str, other: str) -> None:
    text, other = (value.encode("utf-8", "replace").decode() for value in (text, other))
    if text != other:
        with pytest.raises(ValueError, match="is of"):
            unseal(seal("content", text), other)


def _artifact(path: Path, made: list[str], key: str = "of this") -> list[int]:
    def make() -> str:
        made.append("once")
        return "[1, 2, 3]"

    def read(text: str) -> list[int]:
        first, *rest = json.loads(text)
        return [int(first), *map(int, rest)]

    return kept(path, key, read, make, what="artifact")


def test_a_kept_artifact_is_made_once(tmp_path: Path) -> None:
    made: list[str] = []
    for _ in range(3):
        assert _artifact(tmp_path / "a.json", made) == [1, 2, 3]
    assert made == ["once"]


@pytest.mark.parametrize("turned", ["bit", "short", "empty", "old", "other", "link", "not what it reads"])
def test_what_is_not_what_was_put_there_is_set_aside_and_made_again(
    turned: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, made = tmp_path / "a.json", list[str]()
    _artifact(path, made)
    whole = path.read_bytes()
    if turned == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_bytes(
            {
                "bit": whole.replace(b"[1", b"[3"), "short": whole[:-3], "empty": b"", "old": b"[1, 2, 3]\n",
                "other": seal("[4]", "of that").encode(), "not what it reads": seal("{}", "of this").encode(),
            }[turned]
        )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        assert _artifact(path, made) == [1, 2, 3]
    assert made == ["once"] * 2
    assert [record.message.count("set aside as a.json.aside") for record in caplog.records] == [1]
    assert (tmp_path / "a.json.aside").is_symlink() == (turned == "link")
    assert path.read_bytes() == whole


def test_nothing_that_was_set_aside_is_overwritten(tmp_path: Path) -> None:
    for text in ("first", "second"):
        (tmp_path / "a").write_text(text)
        set_aside(tmp_path / "a", "artifact", "is odd")
    assert (tmp_path / "a.aside").read_text() == "first"
    assert (tmp_path / "a.aside-2").read_text() == "second"


@settings(max_examples=200)
@given(st.text())
def test_plain_text_is_one_line_that_steers_no_terminal(text: str) -> None:
    found = plain(text)
    assert found.splitlines() in ([], [found])
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in found)
    found.encode()
    if text.isalnum():
        assert found == text


def test_plain_text_keeps_what_it_is_told_to() -> None:
    assert plain("a\nb\x1b[31m\u202ec\udc80", keep="\n") == "a\nb\\x1b[31m\\u202ec\\udc80"


def test_a_teachers_folder_of_an_earlier_version_is_found_and_renamed(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    old = tmp_path / "teachers" / "my-track" / "toy-0123456789ab"
    old.mkdir(parents=True)
    (old / "teacher.json").write_text("marker")
    new = artifacts.teacher("bert-01234567", "toy", "0123456789ab")
    assert artifacts.adopted(new) == new
    assert (new / "teacher.json").read_text() == "marker"
    assert not old.exists()
    old.mkdir()  # what is there already is left alone
    assert artifacts.adopted(new) == new
    assert (new / "teacher.json").exists()
    other = artifacts.teacher("bert-01234567", "other", "0123456789ab")
    assert artifacts.adopted(other) == other
    assert not other.exists()


def test_where_nothing_can_be_renamed_the_earlier_folder_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = Artifacts(tmp_path)
    old = tmp_path / "teachers" / "my-track" / "toy-0123456789ab"
    old.mkdir(parents=True)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(Path, "rename", refuse)
    assert artifacts.adopted(artifacts.teacher("bert-01234567", "toy", "0123456789ab")) == old


def test_a_teacher_that_lay_under_a_tracks_name_is_not_fitted_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cod_bench.counterfactuals import warm
    from cod_bench.design import tracks

    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path))
    warm._teachers.clear()
    fitted = warm.teacher("toy", "toy").sha256
    (place,) = (tmp_path / "artifacts" / "teachers").glob("*/toy-*/teacher.json")
    assert place.parents[1].name == tracks.track("toy").teacher_name
    place.parents[1].rename(place.parents[2] / "toy")
    warm._teachers.clear()
    monkeypatch.setattr("cod_bench.training.teacher.fit", lambda *_: pytest.fail("it was there"))
    assert warm.teacher("toy", "toy").sha256 == fitted
    warm._teachers.clear()


def test_texts_that_are_kept_are_shown_without_any_model(tmp_path: Path) -> None:
    env = {**os.environ, "COD_BENCH_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "cod_bench", "cfe", "inspect", "--task", "toy", "--track", "toy", "--texts", "3"]

    def shown(*more: str) -> tuple[str, str]:
        done = subprocess.run([*command, *more], env=env, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    first, told = shown()
    assert "teacher of toy on toy: starts" in told
    run = [sys.executable, "-m", "cod_bench", "run", "--suite", "toy", "--method", "kd", "--condition", "cod"]
    subprocess.run(run, env=env, capture_output=True, check=True, cwd=tmp_path)
    again, told = shown()
    assert told == "teacher of toy on toy: what it said of these texts is kept here\n"
    assert again == first
    for weights in tmp_path.glob("artifacts/teachers/*/toy-*/model.safetensors"):
        weights.unlink()  # so that a model would be fitted anew if one were asked
    assert shown()[0] == first
