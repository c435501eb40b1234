"""Results folder <-> records, reference files, failures and verdicts: the only module that knows its paths."""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from cod_bench.errors import UsageError, plain
from cod_bench.records import declarations, failures, index
from cod_bench.records.record import (
    LARGEST_FILE,
    Record,
    Reference,
    Summary,
    record_from_json,
    reference_from_json,
    sealed,
    to_json,
)
from cod_bench.records.verdicts import Verdict
from cod_bench.records.verdicts import from_json as verdicts_from_json
from cod_bench.records.walk import inside, walk
from cod_bench.spec import RunSpec
from cod_bench.store import read_text, write_atomic

log = logging.getLogger(__name__)

REFERENCE = "_reference"
SUITES = "_suites"
"""Copies of the files of suites that were run there, so that readers know them; never in the published folder."""
PUBLISHED = "results"
"""The folder name that means publishing."""
FAILURES = "failures"
REPRODUCED = "reproduced.json"
LARGEST_VERDICTS = 16_000_000
"""Bytes of reproduced.json; a verdict on a method's records of one task has some thousand."""
INDEXED, INDEX_HEAD = 1_000, 1_000_000
"""Bytes of an index per record, which has a third of it, and of what it says but once."""
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, OSError)
"""What `Results.read` raises for a file that should be a record and is not."""
INDEX = ".index"
PLUGINS = ".plugins"
"""What the files of plugins were when runs were made there."""
WORTH_INDEXING = 256
"""So many records read for their summaries take a tenth of a second or more."""
WORTH_PROCESSES = 8192
"""So many take as long as starting processes that share the work, twice over."""
SHARE = 1024
"""Records that such a process reads before it tells what it found."""


DEPTH = 6
"""Parts of a record's path under its results folder."""


@contextmanager
def _no_collection() -> Iterator[None]:
    """Reading makes millions of objects that all stay: looking for garbage among them is a fifth of the time.

    What was read is left out of later collections too.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if on:
            gc.enable()


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file that should be a record and is not."""

    path: Path
    reason: str

    @property
    def line(self) -> str:
        """Both on one line, whatever the name and the content are made of."""
        return plain(f"{self.path}: {self.reason}")


_read: dict[str, tuple[index.Stamp, Record]] = {}
"""Records that this process has read, by path and what tells that the file is still the same: verbs look twice."""


@dataclass(frozen=True, slots=True)
class Results:
    """A results folder: one JSON a run, one reference file per (track, task, teacher), failures apart."""

    root: Path

    def path(self, spec: RunSpec, run_id: str) -> Path:
        """Where the record of this run lies; the one function for writer, skipper and checker."""
        return self.root / self.name(spec, run_id)

    @staticmethod
    def name(spec: RunSpec, run_id: str) -> str:
        """The same under the root."""
        variant = f"{spec.condition}+{spec.generator}" if spec.generator else spec.condition
        return (
            f"{spec.protocol}/{spec.track}/{spec.task}/{spec.method}/{variant}/"
            f"k{spec.k:03d}-seed{spec.seed}-{run_id}.json"
        )

    def failure_path(self, spec: RunSpec, run_id: str) -> Path:
        """Where the failure of this run lies."""
        return self.root / FAILURES / self.name(spec, run_id)

    def reference_path(self, track: str, task: str, teacher_hash: str) -> Path:
        """Where the reference file of this teacher lies."""
        return self.root / REFERENCE / track / f"{task}-{teacher_hash}.json"

    def reproduced_path(self) -> Path:
        """What a maintainer's `reproduce` found."""
        return self.root / REPRODUCED

    def declaration_path(self, suite: str, track: str, protocol: str) -> Path:
        """Where the declaration of a suite on this (track, protocol) lies."""
        return declarations.path_of(self.root, suite, track, protocol)

    @property
    def published(self) -> bool:
        """Whether it is the published folder, by its name."""
        return self.root.name == PUBLISHED

    def suite_files(self) -> list[Path]:
        """Copies of suites' files; none in the published folder, whose tables nobody else declares."""
        folder = self.root / SUITES
        return [] if self.published or folder.is_symlink() else sorted(folder.glob("*.toml"))

    def keep_suite(self, name: str, text: str) -> None:
        """Keep a copy of a suite's file; an equal one is left alone."""
        path = self.root / SUITES / f"{name}.toml"
        if not self.published and not (path.is_file() and path.read_bytes() == text.encode()):
            write_atomic(path, text)

    def lock_path(self) -> Path:
        """The lock that one `run` at a time holds."""
        return self.root / ".lock"

    def write(self, record: Record) -> Path:
        """Write a finished run with its digest and forget its earlier failure."""
        path = self.path(record.spec, record.run_id)
        write_atomic(path, to_json(sealed(record)))
        with suppress(OSError):  # the record counts, whatever lies where its failure would
            self.failure_path(record.spec, record.run_id).unlink()
        return path

    def write_reference(self, reference: Reference) -> None:
        """Write a reference file; an equal one is left alone."""
        path = self.reference_path(reference.track, reference.task, reference.teacher_hash)
        if not path.exists():
            write_atomic(path, to_json(reference))

    def write_failure(self, spec: RunSpec, run_id: str, reason: dict[str, Any]) -> Path:
        """Write why a run failed and how to try it again; what is too long to be read again is cut."""
        path = self.failure_path(spec, run_id)
        write_atomic(path, failures.to_json(reason))
        return path

    def failure(self, spec: RunSpec, run_id: str) -> failures.Failure:
        """Why a run failed and how to try it again, or a sentence that its failure file is corrupt."""
        return failures.read(self.failure_path(spec, run_id))

    def read(self, path: Path, *, judged: bool = False) -> Record:
        """The record at `path`.

        Args:
            judged: whether its content was found sound before and is taken as such.

        Raises:
            ValueError: corrupt, or in another place than its content says.
        """
        record = record_from_json(read_text(path, LARGEST_FILE), judged=judged)
        expected = self.path(record.spec, record.run_id)
        if expected != path:
            goal = expected.relative_to(self.root)
            raise ValueError(plain(f"lies at {path.name} but its content belongs at {goal}"))
        return record

    def sweep(self) -> None:
        """Remove what killed writers left half-written; only for the holder of the folder's lock."""
        for path in self.root.rglob(".*.tmp"):
            with suppress(OSError):  # a folder of that name is none of ours
                path.unlink()

    def record_paths(self) -> list[Path]:
        """Every file that claims to be a record, sorted."""
        return [self.root / name for name, _ in self._files()]

    def _files(self) -> list[tuple[str, os.DirEntry[str]]]:
        """(path under the root, entry) of every file that claims to be a record, sorted by the parts of the path."""
        found = walk(str(self.root), DEPTH, apart=(REFERENCE, FAILURES, declarations.FOLDER))
        return sorted(found, key=lambda item: item[0].split("/"))

    def stamps(self) -> list[tuple[str, int, int, int, int]]:
        """(path under the root, size, two times of change, inode) of every file that claims to be a record, sorted."""
        found = []
        for name, file in self._files():
            stat = file.stat(follow_symlinks=False)
            found.append((name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))
        return found

    def failed(self) -> set[str]:
        """The `name` of every run that left a failure."""
        return set(inside(self.root / FAILURES, DEPTH))

    def glance(self, workers: int = 1) -> tuple[list[Summary], list[BadFile]]:
        """`scan` for those who need summaries alone: records that have not changed since they were read are not read.

        What was read is remembered in an index beside the records. It is replaced whole, so that several processes may
        glance and write at once; where it cannot be written, the next glance takes as long as this one.

        Args:
            workers: processes that share the reading where there is much of it.
        """
        now = time.time_ns()
        files = self._files()
        known = self._known(len(files))
        entries: dict[str, index.Entry | str] = {}
        waiting: dict[str, index.Stamp] = {}
        for name, file in files:
            try:
                stamp = index.stamp(file.stat(follow_symlinks=False))
            except (OSError, ValueError) as error:
                entries[name] = str(error)
                continue
            entry = known.get(name)
            if entry is None or entry.stamp != stamp:
                waiting[name] = stamp
                entries[name] = ""  # keeps its place
            else:
                entries[name] = entry
        with _no_collection():
            for name, found in zip(waiting, self._facts(list(waiting), workers), strict=True):
                entries[name] = found if isinstance(found, str) else index.entry(name, waiting[name], found)
        sound = {name: entry for name, entry in entries.items() if not isinstance(entry, str)}
        self._remember(sound, len(waiting), now)
        bad = [BadFile(self.root / name, reason) for name, reason in entries.items() if isinstance(reason, str)]
        return [entry.summary for entry in sound.values()], bad

    def _known(self, records: int) -> dict[str, index.Entry]:
        """What the index says of so many records; nothing where there is none."""
        try:
            return index.decode(read_text(self.root / INDEX, INDEX_HEAD + INDEXED * records))
        except (OSError, ValueError):
            return {}

    def _remember(self, entries: Mapping[str, index.Entry], new: int, now: int) -> None:
        """Write the index where that spares the next reader much."""
        if new < WORTH_INDEXING:
            return
        try:
            write_atomic(self.root / INDEX, index.encode(entries, now))
        except UsageError as error:
            log.debug("no index: %s", error)

    def _facts(self, names: Sequence[str], workers: int) -> list[index.Facts | str]:
        """What the index keeps of each record besides its path, or why it is none; in the order of the names."""
        if workers > 1 and len(names) >= WORTH_PROCESSES:
            shares = [names[start : start + SHARE] for start in range(0, len(names), SHARE)]
            try:
                with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                    return [one for found in pool.map(partial(_facts, self.root), shares) for one in found]
            except (BrokenProcessPool, OSError) as error:
                log.debug("no processes to read with: %s", error)
        return _facts(self.root, names)

    def scan(self, *, anew: bool = False) -> tuple[list[Record], list[BadFile]]:
        """Every record, and every file that should be one and is not; neither hides the other.

        Readers share through the index what they found sound: of files that have not changed since, only the content
        is read.

        Args:
            anew: judge every record again, whatever the index says of it.
        """
        with _no_collection():
            return self._scan(anew)

    def _scan(self, anew: bool) -> tuple[list[Record], list[BadFile]]:
        records, bad, now, new = [], [], time.time_ns(), 0
        files = self._files()
        judged = {} if anew else self._known(len(files))
        entries: dict[str, index.Entry] = {}
        for name, file in files:
            try:
                stamp = index.stamp(file.stat(follow_symlinks=False))
                known, record = _read.get(file.path, (None, None))
                entry = judged.get(name)
                if entry is not None and entry.stamp != stamp:
                    entry = None
                if anew or record is None or known != stamp:
                    record = self.read(self.root / name, judged=entry is not None)
                    if entry is not None and index.stamp((self.root / name).lstat()) != stamp:
                        record = self.read(self.root / name)  # replaced a moment ago: nobody has judged it
                    _read[file.path] = stamp, record
                new += entry is None
                entries[name] = entry or index.entry(name, stamp, index.facts(record))
                records.append(record)
            except UNREADABLE as error:
                bad.append(BadFile(self.root / name, plain(error)))
        self._remember(entries, new, now)
        return records, bad

    def references(self) -> dict[tuple[str, str, str], Reference]:
        """Every reference file by (track, task, teacher_hash).

        Raises:
            UsageError: one is corrupt.
        """
        found = {}
        for path in self._reference_paths():
            try:
                reference = self.read_reference(path)
            except UNREADABLE as error:
                told = plain(f"reference file {path} is corrupt ({error}); delete it and run again")
                raise UsageError(told) from error
            found[reference.track, reference.task, reference.teacher_hash] = reference
        return found

    def bad_references(self) -> list[BadFile]:
        """Every file that should be a reference file and is not."""
        found = []
        for path in self._reference_paths():
            try:
                self.read_reference(path)
            except UNREADABLE as error:
                found.append(BadFile(path, plain(error)))
        return found

    def read_reference(self, path: Path) -> Reference:
        """The reference file at a path; raises what stands in UNREADABLE where it is none, or lies elsewhere."""
        reference = reference_from_json(read_text(path, LARGEST_FILE))
        if self.reference_path(reference.track, reference.task, reference.teacher_hash) != path:
            raise ValueError("its content belongs elsewhere")
        return reference

    def _reference_paths(self) -> list[Path]:
        folder = self.root / REFERENCE
        return [folder / name for name in sorted(inside(folder, 2))]

    def verdicts(self) -> tuple[Verdict, ...]:
        """What maintainers' re-runs found; none where there is no file.

        Raises:
            UsageError: the file is corrupt.
        """
        path = self.reproduced_path()
        try:
            return verdicts_from_json(read_text(path, LARGEST_VERDICTS))
        except FileNotFoundError:
            return ()
        except UNREADABLE as error:
            raise UsageError(
                f"verdicts {path} are corrupt ({plain(error)[:200]}); take them from version control again, or delete "
                "them and run `cod-bench reproduce`"
            ) from error


def results_folder(folder: Path, *, there: bool = False) -> Results:
    """The folder of records that a user names; it need not be there yet, unless it is to be read.

    Raises:
        UsageError: the working folder itself, something else than a folder, or nothing there to be read.
    """
    if (folder == Path() and not there) or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"--results {str(folder)!r}: is not a folder of its own; name one, for example runs")
    if there and not folder.exists():
        raise UsageError(
            f"--results {str(folder)!r}: is not there; name a folder with records, or run `cod-bench run --all` first"
        )
    return Results(folder.resolve())


def _facts(root: Path, names: Sequence[str]) -> list[index.Facts | str]:
    """`Results._facts` in one process."""
    results, found = Results(root), list[index.Facts | str]()
    for name in names:
        try:
            found.append(index.facts(results.read(root / name)))
        except UNREADABLE as error:
            found.append(str(error))
    return found
