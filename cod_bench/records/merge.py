"""Results folders of shards -> one folder: every record, reference file and failure, refused where two disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cod_bench.condition import outdated
from cod_bench.errors import UsageError, plain
from cod_bench.records import failures
from cod_bench.records.record import LARGEST_FILE, Record, agree
from cod_bench.records.results import FAILURES, UNREADABLE, Results
from cod_bench.store import lock, read_bytes, write_atomic


@dataclass(frozen=True, slots=True)
class Merged:
    """What `merge` did, in files."""

    records: int
    """Copied."""
    there: int
    """Records that the target had already, equal but for cost and provenance; they stay."""
    failures: int
    """Copied failures of runs that have no record."""


def merge(sources: Sequence[Results], target: Results) -> Merged:
    """Copy what the sources hold into the target, byte for byte; nothing is written unless everything agrees.

    Raises:
        UsageError: a folder without records or a corrupt file, two teachers of one (track, task), two records of one
            run that differ, or a `run` at work in the target.
    """
    from filelock import Timeout

    for source in sources:
        if source.root == target.root:
            raise UsageError(f"merge {source.root}: is the target itself; leave it out")
        if not source.root.is_dir():
            raise UsageError(f"merge {source.root}: no such folder; name the --results folders of the shards")
        if not source.record_paths() and not source.failed():
            raise UsageError(f"merge {source.root}: has no records; name the --results folders of the shards")
    try:
        with lock(target.lock_path(), timeout=0):
            return _merge(sources, target)
    except Timeout:
        raise UsageError(
            f"--results {target.root}: a `cod-bench run` is at work there; wait for it or name another folder"
        ) from None


def _merge(sources: Sequence[Results], target: Results) -> Merged:
    teachers: dict[tuple[str, str], tuple[str, Path]] = {}
    for path in target.record_paths():
        _agree(_read(target, path), path, teachers)
    new: dict[Path, Path] = {}
    there = 0
    for source in sources:
        for path in source.record_paths():
            record = _read(source, path)
            _agree(record, path, teachers)
            goal = target.path(record.spec, record.run_id)
            other = goal if goal.exists() else new.get(goal)
            if other is None:
                new[goal] = path
            elif not agree(_read(target if other == goal else Results(_root(other)), other), record):
                raise UsageError(f"merge {path}: differs from {other}, a record of the same run; keep one of the two")
            else:
                there += other == goal
    failures = [found for source in sources for found in _failures(source, target, new)]
    for reference in [one for source in sources for one in source.references().values()]:
        target.write_reference(reference)
    for goal, path in new.items():
        write_atomic(goal, _bytes(path, LARGEST_FILE))
        with suppress(OSError):  # the record counts, whatever lies where its failure would
            (target.root / FAILURES / goal.relative_to(target.root)).unlink()
    for goal, content in failures:
        write_atomic(goal, content)
    target.glance()  # an index for the next `status`
    return Merged(len(new), there, len(failures))


def _read(results: Results, path: Path) -> Record:
    try:
        return results.read(path)
    except UNREADABLE as error:
        told = plain(f"merge: record {path} is corrupt ({error}); delete it and run its shard again")
        raise UsageError(told) from error


def _root(record: Path) -> Path:
    """The results folder of a record: <root>/<protocol>/<track>/<task>/<method>/<condition>/<file>."""
    return record.parents[5]


def _agree(record: Record, path: Path, teachers: dict[tuple[str, str], tuple[str, Path]]) -> None:
    """Remember the teacher of a record's (track, task); another one than before is an error.

    Not of records of an earlier version of their condition, which stand in no table.
    """
    spec = record.spec
    if outdated(spec.condition, record.identity):
        return
    known, first = teachers.setdefault((spec.track, spec.task), (record.teacher_hash, path))
    if known != record.teacher_hash:
        raise UsageError(
            f"merge {path}: its teacher of {spec.task} on {spec.track} is {record.teacher_hash}, that of {first} is "
            f"{known}; give all shards one COD_BENCH_HOME, so that they share a teacher, and run one of them again"
        )


def _failures(source: Results, target: Results, new: Mapping[Path, Path]) -> list[tuple[Path, bytes]]:
    """(where to, content) of the failures of runs that failed in a shard and are nowhere done."""
    goals = {name: target.root / name for name in sorted(source.failed())}
    return [
        (target.root / FAILURES / name, _bytes(source.root / FAILURES / name, failures.LARGEST))
        for name, goal in goals.items()
        if goal not in new and not goal.exists()
    ]


def _bytes(path: Path, most: int) -> bytes:
    try:
        return read_bytes(path, most)
    except (OSError, ValueError) as error:
        raise UsageError(plain(f"merge {path}: {error}; delete it and merge again")) from error
