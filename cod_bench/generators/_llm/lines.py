"""Lines -> a file that only grows, and a file beside it for those that are none: regular files, no link followed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cod_bench.errors import NO_ROOM, InterruptionError, RunError, UsageError
from cod_bench.generators._llm.rows import LONGEST
from cod_bench.store import ASIDE, lock, read_bytes

MOST = 4 << 30
"""Bytes of a ledger that is read: some two million answers."""


def opened(path: Path, flags: int) -> tuple[int, os.stat_result]:
    """A handle for a regular file and what it is.

    Raises:
        FileNotFoundError: nothing lies there. UsageError: something else, more than MOST, or it cannot be opened.
        InterruptionError: there is no room.
    """
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise _strange(path) from None
        raise _failed(path, error) from error
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and found.st_size <= MOST:
        return handle, found
    os.close(handle)
    if stat.S_ISREG(found.st_mode):
        raise UsageError(f"ledger {path}: has {found.st_size:,} bytes, and at most {MOST:,} are read; move it away")
    raise _strange(path)


def read(path: Path) -> list[bytes]:
    """All lines with their ends; the last one may lack it.

    Raises:
        FileNotFoundError: nothing lies there. UsageError: something else than a file, too much, or unreadable.
    """
    try:
        *ended, rest = read_bytes(path, MOST).split(b"\n")
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise UsageError(f"ledger {path}: {getattr(error, 'strerror', None) or error}") from error
    return [*(line + b"\n" for line in ended), *([rest] if rest else [])]


def append(path: Path, lines: bytes) -> None:
    """Add ended lines and wait until they are on disk; after a failure the file is as it was.

    Raises:
        UsageError: it is no file or cannot be written. InterruptionError: there is no room.
    """
    try:
        handle, found = opened(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    except FileNotFoundError as error:
        raise _failed(path, error) from error
    try:
        # where its last writer died: end that line, start another
        cut = found.st_size > 0 and os.pread(handle, 1, found.st_size - 1) != b"\n"
        left = memoryview((b"\n" if cut else b"") + lines)
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    except OSError as error:
        with suppress(OSError):
            os.ftruncate(handle, found.st_size)
        raise _failed(path, error) from error
    finally:
        os.close(handle)


def keep_aside(path: Path, lines: Sequence[bytes]) -> str:
    """Copy lines of a file into the `.aside` beside it, each once; returns its name, or "" where that cannot be.

    What is too long for a line stays where it is alone.
    """
    aside = path.with_name(path.name + ASIDE)
    try:
        with lock(path.with_name(f".{aside.name}.lock")):
            try:
                there = {kept.rstrip(b"\n") for kept in read(aside)}
            except FileNotFoundError:
                there = set()
            fresh = dict.fromkeys(line.rstrip(b"\n") for line in lines if len(line) <= LONGEST)
            if more := [line + b"\n" for line in fresh if line not in there]:
                append(aside, b"".join(more))
    except (OSError, UsageError, RunError):  # a folder that cannot be written still serves what it has
        return ""
    return aside.name


def _strange(path: Path) -> UsageError:
    return UsageError(
        f"ledger {path}: is a link, a folder, a pipe or a device, and only regular files are read; move it away"
    )


def _failed(path: Path, error: OSError) -> UsageError | InterruptionError:
    told = f"ledger {path}: {error.strerror}"
    if error.errno in NO_ROOM:
        return InterruptionError(f"{told}; make room, then run again")
    return UsageError(f"{told}; choose another folder or allow it")
