"""Names -> where teachers and pools lie; how files are read, sealed, and written: whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

from cod_bench.errors import NO_ROOM, InterruptionError, UsageError, plain

log = logging.getLogger(__name__)

MOST = 1 << 30
"""Bytes of a cached artifact that is read; the largest, a prepared task of 200,000 long texts, has a third of it."""
SEALED = 1
"""Version of what stands in front of a cached artifact."""
ASIDE = ".aside"
"""End of the name of what was set aside."""
UNFIT = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError)
"""What reading a value raises that is not what was written."""

Made = TypeVar("Made")


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
        UsageError: the folder cannot be written. InterruptionError: there is no room.
    """
    data = text.encode() if isinstance(text, str) else text
    try:
        try:
            _write(path, data)
        except FileNotFoundError:  # somebody removed the folder meanwhile
            _write(path, data)
    except OSError as error:
        told = f"cannot write {path}: {error.strerror}"
        if error.errno in NO_ROOM:
            raise InterruptionError(f"{told}; make room, then run again") from error
        raise UsageError(f"{told}; choose another folder or allow it") from error


def _write(path: Path, data: bytes) -> None:
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
        with suppress(OSError):
            Path(temporary).unlink(missing_ok=True)
        raise


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes; no link is followed and nothing is waited for.

    Raises:
        ValueError: a link, a folder, a pipe or a device, or more bytes; the sentence names the limit.
        OSError: it is not there or cannot be read.
    """
    with opened(path, most) as file:
        return file.read(os.fstat(file.fileno()).st_size)


@contextmanager
def opened(path: Path, most: int) -> Iterator[BufferedReader]:
    """`read_bytes` as a stream: for what is read row by row."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise ValueError(f"is {_kind(path)}, and only regular files are read; remove it") from None
        raise
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"is {_kind(path)}, and only regular files are read; remove it")
        if found.st_size > most:
            raise ValueError(f"has {found.st_size:,} bytes, and at most {most:,} are read")
        with os.fdopen(handle, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(handle)


def read_text(path: Path, most: int) -> str:
    """`read_bytes` of a file of UTF-8.

    Raises:
        ValueError: as `read_bytes`, or no UTF-8. OSError: as `read_bytes`.
    """
    data = read_bytes(path, most)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 ({error.reason} at byte {error.start})") from None


def _kind(path: Path) -> str:
    """What a path is that is no regular file."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return "nothing that can be read"
    kinds = {
        stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    }  # fmt: skip
    return kinds.get(stat.S_IFMT(mode), "no regular file")


def seal(text: str, key: str) -> str:
    """A cached artifact as it is written: before its text a line with what it is of and the digest of both.

    Against accidents: torn and swapped files, a turned bit. Who may write into the cache folder can seal anything.
    """
    head = {"sealed": SEALED, "of": key, "sha256": _sha256(key, text)}
    return f"{json.dumps(head, sort_keys=True)}\n{text}\n"


def unseal(content: str, key: str) -> str:
    """The text of a sealed artifact.

    Raises:
        ValueError: it is not what was sealed for that key; the sentence says why.
    """
    line, mark, rest = content.partition("\n")
    try:
        head = json.loads(line)
    except (ValueError, RecursionError):
        head = None
    if not mark or not isinstance(head, dict) or head.get("sealed") != SEALED:
        raise ValueError("has no seal of this version")
    if head.get("of") != key:
        raise ValueError(f"is of {plain(head.get('of'))[:80]!r} and not of {key!r}")
    text = rest[:-1]
    if not rest.endswith("\n") or head.get("sha256") != _sha256(key, text):
        raise ValueError("is not what was written there: its digest is another one")
    return text


def _sha256(key: str, text: str) -> str:
    return hashlib.sha256(f"{key}\0{text}".encode()).hexdigest()


def sealed(path: Path, key: str, read: Callable[[str], Made]) -> Made:
    """What lies sealed at a path.

    Raises:
        FileNotFoundError: nothing lies there. ValueError: not what was sealed for that key. OSError: unreadable.
    """
    text = unseal(read_text(path, MOST), key)
    try:
        return read(text)
    except UNFIT as error:
        raise ValueError(f"{type(error).__name__}: {plain(error)[:120]}") from error


def kept(
    path: Path, key: str, read: Callable[[str], Made], make: Callable[[], str], *, what: str, guard: Path | None = None
) -> Made:
    """A cached artifact: read where it lies whole, else made, sealed and put there, by one process at a time.

    What lies there and is not what was put there is told in one sentence, set aside, and made again.

    Args:
        key: what the artifact is of: another one's file under its name is not taken for it.
        read: text -> value; whatever it raises of UNFIT means that the file is not what was written.
        make: the text, anew.
        what: what a sentence calls it.
        guard: path of the lock; `.<name>.lock` beside it if left out.

    Raises:
        UsageError, InterruptionError: the folder cannot be written; and what `make` raises.
    """
    with suppress(OSError, ValueError):
        return sealed(path, key, read)
    with lock(guard or path.with_name(f".{path.name}.lock")):
        try:
            return sealed(path, key, read)
        except FileNotFoundError:
            pass
        except ValueError as error:
            set_aside(path, what, str(error))
        except OSError as error:
            raise UsageError(f"{what} {path}: cannot be read: {error.strerror}; allow it or move it away") from error
        text = make()
        write_atomic(path, seal(text, key))
        return read(text)  # as the next process will read it


STAMP = "sha256"
"""Name of the digest in a file of settings."""
SETTINGS = 1 << 26
"""Bytes of a file of settings that is read."""


def stamped(value: Mapping[str, Any]) -> str:
    """Settings as they are written: indented JSON that people can read, with the digest of all the rest."""
    return json.dumps({**value, STAMP: _stamp(value)}, indent=1, sort_keys=True) + "\n"


def settings(path: Path) -> dict[str, Any]:
    """What `stamped` wrote at a path, without the digest; files of earlier versions have none.

    Raises:
        FileNotFoundError: nothing lies there. OSError: unreadable.
        ValueError: no JSON object, or another one than was written.
    """
    try:
        value = json.loads(read_text(path, SETTINGS))
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004 - one kind of error for every broken file
    stamp = value.pop(STAMP, None)
    if stamp not in (None, _stamp(value)):
        raise ValueError("its digest is another one than that of its content")
    return value


def _stamp(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(dict(value), sort_keys=True).encode()).hexdigest()


def set_aside(path: Path, what: str, reason: str, *, then: str = "and made again") -> Path:
    """Rename what is not to be used, tell so in one sentence, and return where it lies now.

    Args:
        then: end of the sentence: what becomes of what it should have been.

    Raises:
        UsageError: it cannot be renamed.
    """
    for turn in range(1, 1000):
        goal = path.with_name(f"{path.name}{ASIDE}{f'-{turn}' if turn > 1 else ''}")
        if not os.path.lexists(goal):
            break
    try:
        path.rename(goal)
    except FileNotFoundError:
        return goal
    except OSError as error:
        raise UsageError(f"{what} {path}: {reason}; it cannot be set aside: {error.strerror}; remove it") from error
    log.warning("%s %s: %s; set aside as %s%s", what, path, reason, goal.name, f" {then}" if then else "")
    return goal


@contextmanager
def lock(path: Path, *, timeout: float = -1) -> Iterator[None]:
    """Hold `path` as a lock between processes; the system frees it when its holder dies.

    Raises:
        filelock.Timeout: somebody else holds it for longer than `timeout` seconds (-1 waits for ever).
        UsageError: the folder cannot be written, or something else than a file lies there. InterruptionError: no room.
    """
    from filelock import FileLock

    guard = FileLock(path, timeout=timeout)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):  # through a link another file is emptied
            raise UsageError(f"lock {path}: is {_kind(path)} and no file; remove it, then run again")
        guard.acquire()
    except OSError as error:
        if isinstance(error, TimeoutError):  # of filelock: somebody else holds it
            raise
        if error.errno in NO_ROOM:
            raise InterruptionError(f"cannot write {path}: {error.strerror}; make room, then run again") from error
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another folder or allow it") from error
    try:
        yield
    finally:
        guard.release()


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Teachers and pools in the cache folder; a folder is complete when its marker is there, which is written last."""

    root: Path

    @classmethod
    def default(cls) -> Artifacts:
        """Under the cache folder."""
        return cls(home() / "artifacts")

    def teacher(self, model: str, task: str, key: str) -> Path:
        """Folder of one fine-tuned teacher.

        Args:
            model: `Track.teacher_name`, so that all tracks that have the teacher find it.
        """
        return self.root / "teachers" / model / f"{task}-{key}"

    def adopted(self, folder: Path) -> Path:
        """A teacher's folder, after renaming the one that an earlier version put under the name of a track.

        Where it cannot be renamed, as in a cache that is only read, it is the earlier one itself.
        """
        if folder.exists():
            return folder
        for other in sorted((self.root / "teachers").glob(f"*/{folder.name}")):
            if other.is_symlink() or other.parent.is_symlink() or not other.is_dir():
                continue
            try:
                folder.parent.mkdir(parents=True, exist_ok=True)
                other.rename(folder)
            except FileNotFoundError:  # another process did the same
                continue
            except OSError:
                return folder if folder.exists() else other
            return folder
        return folder

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
