"""This machine's results, caches, locks, assets and settings -> what is wrong with them, and mending it.

Nothing that is good is ever deleted: what cannot be used is set aside under another name, and made again when it is
needed. Only torn temporary files go.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from cod_bench import registry
from cod_bench.counterfactuals import pool
from cod_bench.data import assets, checkpoints, locks
from cod_bench.data.checkpoints import MARKER, WHOLE
from cod_bench.errors import RunError, UsageError
from cod_bench.generator import Generator
from cod_bench.records import failures
from cod_bench.records.provenance import environment
from cod_bench.records.results import FAILURES, INDEX, Results
from cod_bench.store import ASIDE, home, lock, sealed, set_aside, settings

log = logging.getLogger(__name__)

ROOM = 2_000_000_000
"""Bytes that should be free where caches lie: a suite's teachers and pools take a tenth, fetched models more."""
TORN_AFTER = 3600.0
"""Seconds after which a temporary file is the rest of a process that died."""
TEMPORARY = re.compile(r"\..+\.tmp")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    place: str
    state: Literal["ok", "wrong", "mended"]
    told: str


Ill = tuple[str, str, "Callable[[], str] | None"]
"""(what it is, what is wrong and how to mend it, what mends it)."""


def examine(results: Results | None, *, fix: bool = False) -> Iterator[Finding]:
    """Look at everything, and mend what can be mended if asked to.

    Args:
        results: a folder of records; None for none.
        fix: set aside what cannot be used, delete torn temporary files, take over old answers as they are.
    """
    from filelock import Timeout

    looks: list[tuple[str, Callable[[], Iterator[Ill]]]] = [
        ("environment", _environment), ("assets", _assets), ("cached artifacts", _artifacts), ("settings", _settings),
        ("kept answers", _answers), ("temporary files", partial(_temporary, home())),
        ("locks", partial(_locks, home())),
    ]  # fmt: skip
    if results is not None:
        looks += [
            ("records", partial(_records, results)), ("failures", partial(_failures, results)),
            ("index", partial(_index, results)), ("temporary files of results", partial(_temporary, results.root)),
            ("locks of results", partial(_locks, results.root)),
        ]  # fmt: skip
    with ExitStack() as held:
        if fix and results is not None:
            try:
                held.enter_context(lock(results.lock_path(), timeout=0))
            except Timeout:
                told = f"{results.root}: a `cod-bench run` is at work there; let it finish, then add --fix again"
                yield Finding("records", "wrong", told)
                return
            except UsageError as error:  # what lies in the lock's place is found below
                log.debug("no lock: %s", error)
        for place, look in looks:
            clean = True
            for what, told, mend in look():
                clean = False
                yield _mended(place, what, told, mend if fix else None)
            if clean:
                yield Finding(place, "ok", _said(place))


def _mended(place: str, what: str, told: str, mend: Callable[[], str] | None) -> Finding:
    """What became of something that is wrong: mended, or still wrong where nothing can or may be done."""
    if mend is None:
        return Finding(place, "wrong", f"{what}: {told}")
    try:
        return Finding(place, "mended", f"{what}: {mend()}")
    except (UsageError, RunError, OSError) as error:
        why = getattr(error, "strerror", None) or error
        return Finding(place, "wrong", f"{what}: {told}; it could not be mended: {why}")


def _said(place: str) -> str:
    """What a place that is well says of itself."""
    if place == "environment":
        return ", ".join(f"{name} {value}" for name, value in environment().items())
    if place == "assets":
        begun = {name: size for name in assets.ASSETS if (size := assets.unfinished(name))}
        told = (
            f"{name}: {size / 1e6:.1f} MB of a fetch that ended; its next use goes on" for name, size in begun.items()
        )
        return "; ".join(told)
    if place == "cached artifacts":
        aside = sum(1 for path in home().rglob(f"*{ASIDE}*") if path.name.partition(ASIDE)[1])
        return f"{home()}" + (f"; {aside} set aside earlier, to be looked at and deleted" if aside else "")
    return ""


def _environment() -> Iterator[Ill]:
    try:
        folder = home()
        free = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
        if free < ROOM:
            yield str(folder), f"{free / 1e9:.1f} GB are free; make room or set COD_BENCH_HOME to another disk", None
        if folder.exists() and not os.access(folder, os.W_OK):
            yield str(folder), "cannot be written; set COD_BENCH_HOME to a folder of yours", None
    except OSError as error:
        yield str(home()), f"{error.strerror}; set COD_BENCH_HOME to a folder of yours", None
    wheels = os.environ.get("COD_BENCH_WHEELS")
    if wheels and not Path(wheels).expanduser().is_dir():
        yield "COD_BENCH_WHEELS", f"{wheels} is no folder; name one that holds wheels, or unset it", None
    for kind in registry.KINDS:
        try:
            registry.names(kind)
        except UsageError as error:
            yield f"plugins of kind {kind}", str(error), None


def _assets() -> Iterator[Ill]:
    for name in assets.ASSETS:
        if told := assets.fault(name):
            yield name, f"{told}; --fix deletes it, and its next use fetches it anew", partial(_fetch_anew, name)


def _fetch_anew(name: str) -> str:
    try:
        assets.verify(name)
    except RunError:
        return "deleted; its next use fetches it anew"
    return "is what it should be now"


def _artifacts() -> Iterator[Ill]:
    """Whatever lies sealed in the cache folder, by where it lies."""
    root = home()
    for path in sorted((root / "tasks").glob("*.json")):
        yield from _sealed(path, "prepared task", path.stem, json.loads)
    for path in sorted((root / "artifacts" / "teachers").glob(f"*/*/{MARKER}")):
        if ASIDE not in path.parent.name:
            yield from _sealed(path, "teacher", path.parent.name, partial(checkpoints.teacher, path.parent))
    for path in sorted((root / "artifacts" / "pools").glob("*/*/*/*.json")):
        yield from _sealed(path, "pool file", pool.block_key(path), partial(pool.demand, path))
    for path in sorted((root / "dequantised").glob(f"*/{WHOLE}")):
        if ASIDE not in path.parent.name:
            whole = partial(checkpoints.demand_whole, path.parent)
            yield from _sealed(path, "dequantised model", path.parent.name, whole)


def _sealed(path: Path, what: str, key: str, read: Callable[[str], Any]) -> Iterator[Ill]:
    try:
        sealed(path, key, read)
    except (ValueError, OSError) as error:
        why = str(getattr(error, "strerror", None) or error)
        yield str(path), f"{what}: {why}; --fix sets it aside, and it is made again", partial(_aside, path, what, why)


def _aside(path: Path, what: str, why: str) -> str:
    return f"set aside as {set_aside(path, what, why, then='').name}"


def _settings() -> Iterator[Ill]:
    for path in sorted([*(home() / "locks").glob("*.json"), *(home() / "tracks").glob("*.json")]):
        try:
            settings(path)
        except (ValueError, OSError, RecursionError) as error:
            told = f"{error}; put back what it said, or --fix sets it aside and what it said is chosen anew"
            yield str(path), told, partial(_aside, path, "settings", str(error))
    try:
        locks.committed()
    except UsageError as error:
        yield locks.LOCK, str(error), None


def _answers() -> Iterator[Ill]:
    seen: set[str] = set()  # generators of one kind share what they keep
    for name in registry.names("generator"):
        try:
            own = registry.load("generator", name)
        except UsageError as error:
            yield f"generator {name}", str(error), None
            continue
        for told in [told for told in own.faults() if told not in seen]:
            seen.add(told)
            yield f"generator {name}", told, partial(_mend, own, told)


def _mend(own: Generator, told: str) -> str:
    done = own.mend()
    if told in own.faults():
        raise UsageError("nothing can be done about it here")
    return "; ".join(done) or "mended with the others"


def _temporary(root: Path) -> Iterator[Ill]:
    """The rest of processes that died while they wrote."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            try:
                old = time.time() - path.lstat().st_mtime > TORN_AFTER
            except OSError:
                continue
            if TEMPORARY.fullmatch(name) and old:
                yield str(path), "is the rest of a killed process; --fix deletes it", partial(_delete, path)


def _delete(path: Path) -> str:
    path.unlink(missing_ok=True)
    return "deleted"


def _locks(root: Path) -> Iterator[Ill]:
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(folder, name)
            if name.endswith(".lock") and os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
                why = "is no regular file, so that nothing can be locked by it"
                yield str(path), f"{why}; --fix sets it aside", partial(_aside, path, "lock", why)


def _records(results: Results) -> Iterator[Ill]:
    remedy = "restore it from version control, or --fix sets it aside and `run` makes it again"
    for file in results.scan(anew=True)[1]:
        if file.path.is_symlink():  # what it points to may be good records
            yield str(file.path), f"{file.reason}; put the files themselves there", None
            continue
        yield str(file.path), f"{file.reason}; {remedy}", partial(_aside, file.path, "record", file.reason)
    for file in results.bad_references():
        yield str(file.path), f"{file.reason}; {remedy}", partial(_aside, file.path, "reference file", file.reason)
    try:
        results.verdicts()
    except UsageError as error:
        yield str(results.reproduced_path()), str(error), None


def _failures(results: Results) -> Iterator[Ill]:
    for path in sorted((results.root / FAILURES).rglob("*.json")):
        if fault := failures.fault(path):
            why = f"{fault}; --fix sets it aside, and the run counts as missing again"
            yield str(path), why, partial(_aside, path, "failure", fault)


def _index(results: Results) -> Iterator[Ill]:
    path = results.root / INDEX
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        yield str(path), "is no regular file; --fix sets it aside", partial(_aside, path, "index", "is no file")
