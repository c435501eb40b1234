"""Names -> where teachers and pools lie in the cache folder, and how files are written: whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cod_bench.errors import UsageError


def home() -> Path:
    """The cache folder for assets, prepared tasks, teachers and pools: COD_BENCH_HOME or the platform's own."""
    override = os.environ.get("COD_BENCH_HOME")
    if override:
        return Path(override).expanduser().resolve()
    import platformdirs

    return Path(platformdirs.user_cache_dir("cod-bench", appauthor=False))


def usable_home() -> Path:
    """`home`, made where it is not there: before many jobs, so that they do not fail one by one.

    Raises:
        UsageError: it cannot be made, or is empty and cannot be written.
    """
    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # one that somebody filled serves as it is, even read-only
        if not os.access(folder, os.W_OK) and not (folder / "artifacts").is_dir():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UsageError(f"COD_BENCH_HOME {folder}: {error.strerror}; name a folder that can be written") from error
    return folder


def write_atomic(path: Path, text: str | bytes) -> None:
    """Write whole or not at all: temporary file beside it, fsync, rename.

    Raises:
        UsageError: the folder cannot be written.
    """
    data = text.encode() if isinstance(text, str) else text
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another folder or make room") from error


@contextmanager
def lock(path: Path, *, timeout: float = -1) -> Iterator[None]:
    """Hold `path` as a lock between processes; the system frees it when its holder dies.

    Raises:
        filelock.Timeout: somebody else holds it for longer than `timeout` seconds (-1 waits for ever).
        UsageError: the folder cannot be written.
    """
    from filelock import FileLock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {path.parent}: {error.strerror}; choose another folder") from error
    with FileLock(path, timeout=timeout):
        yield


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Teachers and pools in the cache folder; a folder is complete when its marker is there, which is written last."""

    root: Path

    @classmethod
    def default(cls) -> Artifacts:
        """Under the cache folder."""
        return cls(home() / "artifacts")

    def teacher(self, track: str, task: str, key: str) -> Path:
        """Folder of one fine-tuned teacher."""
        return self.root / "teachers" / track / f"{task}-{key}"

    def pool(self, task: str, teacher_hash: str, generator: str, key: str) -> Path:
        """Folder of one generator's pool for one teacher."""
        return self.root / "pools" / task / teacher_hash / f"{generator}-{key}"


FIRST_BLOCK = 4
"""Slots in the first block; every later block ends at twice its start: 0-4, 4-8, 8-16, 16-32 ..."""


def blocks(slots: int) -> Iterator[tuple[int, int]]:
    """The blocks [start, end) that hold the first `slots` slots."""
    start, end = 0, FIRST_BLOCK
    while start < slots:
        yield start, end
        start, end = end, 2 * end


def block_name(seed: int, start: int, end: int, kept_wrong: bool, bought: str = "") -> str:
    """The file of a pool's slots [start, end) under a seed; `bought` marks what costs something and is there apart."""
    return f"seed{seed}{'-all' if kept_wrong else ''}-{start:03d}-{end:03d}{bought}.json"
