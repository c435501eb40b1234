"""This machine -> what workers on others need: proof of the same code and environment, plugins, teachers and pools.

Teachers and pools travel as the files of the cache folder that they are: the coordinator's folder is where they come
together, and a file that is there already is never replaced.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from cod_bench import registry
from cod_bench.data.checkpoints import HEAVIEST
from cod_bench.design import tracks
from cod_bench.errors import RunError
from cod_bench.records.provenance import environment
from cod_bench.store import ASIDE, Artifacts, block_name, home, read_bytes, write_atomic

OWN = ("COD_BENCH_HOME", "COD_BENCH_WHEELS")
"""Variables that name folders of a machine; all other COD_BENCH_* are those of the coordinator everywhere."""

Files = Mapping[str, bytes]
"""Content by path under the cache folder."""


def credentials() -> dict[str, str]:
    """What must be equal on every machine, or its records would be of another environment or other code."""
    return {**environment(), "code": _code()}


def difference(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """Why a machine cannot take part, in words; empty if it can."""
    for name in here:
        if there.get(name) != here[name]:
            return f"{name} is {there.get(name)!r} there and {here[name]!r} here"
    return ""


def variables() -> dict[str, str]:
    """The environment variables that workers elsewhere take over. Keys of paid endpoints are not among them."""
    return {name: value for name, value in os.environ.items() if name.startswith("COD_BENCH_") and name not in OWN}


def leave_mark() -> Path:
    """A file in this cache folder, by which others see whether it is theirs too; the caller removes it."""
    path = Artifacts.default().root / f".shared-{uuid.uuid4().hex}"
    write_atomic(path, "")
    return path


def sees(mark: str) -> bool:
    """Whether a mark of that name lies in this machine's cache folder."""
    return (Artifacts.default().root / mark).exists()


def sources(plugins: Sequence[str]) -> dict[str, bytes]:
    """The user's plugin files as they are here."""
    return {path: Path(path).read_bytes() for path in plugins}


def place(plugins: Mapping[str, bytes]) -> list[str]:
    """Paths at which the same plugin files lie on this machine; written to a folder of their own where they do not."""
    found = []
    for name, content in plugins.items():
        path = Path(name)
        if not path.is_file() or path.read_bytes() != content:
            path = Path(tempfile.mkdtemp(prefix="cod-bench-plugin-")) / path.name
            path.write_bytes(content)
        found.append(str(path))
    return found


def settings() -> dict[str, bytes]:
    """The user's tracks, pinned models and chosen learning rates, which are part of run ids."""
    root = home()
    chosen = [*(root / "tracks").glob("*.json"), root / "locks" / "models.json", root / "locks" / "rates.json"]
    return pack(path for path in chosen if path.is_file())


def held(payload: Mapping[str, Any]) -> dict[str, bytes]:
    """What this cache folder has of a teacher's or pool block's files, of whatever version; none for other jobs."""
    artifacts = Artifacts.default()
    if payload["stage"] == "teacher":
        track = tracks.track(payload["track"])
        # under the teacher's name, or under that of the track where an earlier version put it
        places = [artifacts.teacher(name, payload["task"], "x").parent for name in (track.teacher_name, track.base)]
        name = re.compile(re.escape(payload["task"]) + r"-[0-9a-f]{12}")
        return pack(
            path
            for place in places
            for f in _folders(place)
            if name.fullmatch(f.name)
            for path in _whole(f, "teacher.json")
        )
    if payload["stage"] != "pool":
        return {}
    block = block_name(payload["seed"], payload["start"], payload["end"], payload["kept_wrong"], "*")
    name = re.compile(re.escape(payload["generator"]) + r"-[0-9a-f]{12}")
    folders = [
        folder
        for teacher in _folders(artifacts.pool(payload["task"], "x", "x", "x").parents[1])
        for folder in _folders(teacher)
        if name.fullmatch(folder.name)
    ]
    bought = (home() / "generations").glob("*.jsonl") if registry.load("generator", payload["generator"]).costly else ()
    return pack([*(p for f in folders for p in [*f.glob("state.json"), *f.glob(block)]), *bought])


def pack(paths: Iterable[Path]) -> dict[str, bytes]:
    """Files of the cache folder by their path under it; what is no regular file does not travel."""
    found = {}
    for path in sorted(paths):
        with suppress(ValueError, FileNotFoundError):  # set aside by a reader a moment ago
            found[path.relative_to(home()).as_posix()] = read_bytes(path, HEAVIEST)
    return found


def unpack(files: Files) -> None:
    """Write those files that are not in this cache folder yet; what marks a folder as whole comes last.

    Raises:
        RunError: a path that leaves the folder.
    """
    for name in sorted(files, key=lambda name: (name.endswith(".json"), name)):
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            raise RunError(f"file {name!r} of another machine: lies outside the cache folder")
        path = home() / parts
        if not path.exists():
            write_atomic(path, files[name])


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_dir())


def _whole(folder: Path, marker: str) -> list[Path]:
    """The files of a folder that is complete; none of one that is being written, and nothing that was set aside."""
    if not (folder / marker).exists():
        return []
    return [path for path in folder.iterdir() if not path.name.startswith(".") and ASIDE not in path.name]


NO_RUN = ("cod_bench/benchmarks/", "cod_bench/published/")
"""What lies in an installed package and beside a checkout's, and makes no record."""


@cache
def _code() -> str:
    """Digest of the sources of this package, its rooms and its plugins, installed or in a checkout."""
    found: dict[str, bytes] = {}
    for package in ("cod_bench", *(f"cod_bench.{folder}" for folder in registry.KINDS.values())):
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for path in Path(folder).rglob("*.py"):
                name = f"{package.replace('.', '/')}/{path.relative_to(folder).as_posix()}"
                if not name.startswith(NO_RUN):
                    found[name] = path.read_bytes()
    digest = hashlib.sha256()
    for name, content in sorted(found.items()):
        digest.update(f"{name}\n".encode() + content)
    return digest.hexdigest()[:12]
