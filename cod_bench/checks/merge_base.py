"""Folder, git ref -> what the repository knows of its files and commits; and whether a record tells a commit.

Starts git, changes nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cod_bench.errors import UsageError
from cod_bench.records.provenance import ask_git
from cod_bench.records.record import Record
from cod_bench.store import read_bytes

COMMIT = re.compile(r"[0-9a-f]{40}")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

LARGEST = 4_000_000
"""Bytes of a file that is read; a record of 10,000 evaluation rows has a tenth of it."""
OWN = "cod_bench/registry.py"
"""What a repository of this package holds."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Paths below the folder, against the merge base, sorted."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    before: Mapping[str, str] = field(default_factory=dict)
    """Text of the wanted files as the merge base has them."""
    there: tuple[str, ...] = ()
    """Every path that the merge base has."""


def changes(folder: Path, ref: str, wanted: str = "") -> Changes:
    """What differs between the folder as it lies there and the merge base of HEAD and `ref`.

    Args:
        wanted: a folder inside, whose files' texts are read from the merge base.

    Raises:
        UsageError: no git repository, or no such ref.
    """
    top = Path(_git(folder, ref, "rev-parse", "--show-toplevel").strip())
    commit = _git(folder, ref, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}").strip()
    base = _git(folder, ref, "merge-base", commit, "HEAD").strip()
    inside = folder.resolve().relative_to(top.resolve()).as_posix()
    listed = _git(top, ref, "ls-tree", "-r", "-z", base, "--", inside)
    before = {}
    for entry in filter(None, listed.split("\0")):
        about, _, path = entry.partition("\t")
        before[path.removeprefix(f"{inside}/")] = about.split()[2]
    kind = "sha256" if len(base) == hashlib.sha256().digest_size * 2 else "sha1"
    there = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]  # no pipe, no device
    now = {path.relative_to(folder).as_posix(): _blob(path, kind) for path in there}
    return Changes(
        added=tuple(sorted(now.keys() - before.keys())),
        changed=tuple(sorted(name for name in now.keys() & before.keys() if now[name] != before[name])),
        removed=tuple(sorted(before.keys() - now.keys())),
        before={
            name: _git(top, ref, "cat-file", "blob", blob)
            for name, blob in before.items()
            if wanted and name.startswith(f"{wanted}/")
        },
        there=tuple(sorted(before)),
    )


def uncommitted(folder: Path, records: Mapping[str, Record], *, new: bool = False) -> dict[str, str] | None:
    """Records, by path, that tell of a commit which the repository that holds the folder does not have.

    None where that tells nothing: no repository, a shallow one, one that is not of this package, or one whose history
    begins anew, so that it has none of these commits.

    Args:
        new: the records are those that the merge base does not have; they must be of this very history.
    """
    named: dict[str, list[str]] = {}
    for path, record in records.items():
        git = record.provenance.get("git")
        commit = git.get("commit") if isinstance(git, Mapping) else None
        if isinstance(commit, str) and COMMIT.fullmatch(commit):
            named.setdefault(commit, []).append(path)
    absent = lacking(folder, named)
    if absent is None or (len(absent) == len(named) > 0 and not new):
        return None
    remedy = "is not in this repository; commit the code and run it again"
    return {path: f"provenance.git.commit: {commit} {remedy}" for commit in absent for path in named[commit]}


def lacking(folder: Path, commits: Iterable[str]) -> list[str] | None:
    """Those of the commits that the repository that holds the folder does not have.

    None where no repository of this package holds it, or a shallow one.
    """
    named = list(commits)
    if not named:
        return []
    try:
        top = Path(ask_git(folder, "rev-parse", "--show-toplevel").strip())
        if not (top / OWN).is_file() or ask_git(top, "rev-parse", "--is-shallow-repository").strip() != "false":
            return None
        told = ask_git(top, "cat-file", "--batch-check", given="".join(f"{commit}\n" for commit in named)).splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    return [commit for commit, line in zip(named, told, strict=True) if line.split()[1:2] != ["commit"]]


def _blob(path: Path, kind: str) -> str:
    """The id that git gives a file's content; none for what is no longer a file or is larger than any record."""
    with suppress(ValueError, OSError):
        data = read_bytes(path, LARGEST)
        return hashlib.new(kind, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    return ""


def _git(folder: Path, ref: str, *arguments: str) -> str:
    try:
        return ask_git(folder, *arguments)
    except (OSError, subprocess.CalledProcessError) as error:
        told = (getattr(error, "stderr", "") or "").strip().splitlines()
        raise UsageError(
            f"--base {ref}: git finds no merge base of it and HEAD for {folder} ({(told or ['unknown ref'])[-1]}); "
            "name a branch or commit of the repository that holds the folder"
        ) from error


def provenance(record: Record) -> str:
    """Why a record's `provenance` does not tell a run of committed code; empty if it does."""
    told = record.provenance
    if "git" not in told:
        return "provenance.git: is missing; run it again"
    git = told["git"]  # null where the installed package is of no checkout
    if git is not None:
        if not isinstance(git, Mapping) or not COMMIT.fullmatch(str(git.get("commit"))):
            return "provenance.git.commit: must be a commit; run it again"
        if git.get("dirty") is not False:
            return "provenance.git.dirty: made by changed code; commit it and run again"
    date = told.get("date")
    try:
        day = dt.date.fromisoformat(date) if isinstance(date, str) and DAY.fullmatch(date) else None
    except ValueError:
        day = None
    if day is None:
        return f"provenance.date: {str(date)[:40]!r} is no date; run it again"
    if day > dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1):  # somewhere it may be tomorrow
        return f"provenance.date: {date!r} is yet to come; run it again"
    if not isinstance(told.get("cod_bench"), str) or not told.get("environment"):
        return "provenance: version and environment must be told; run it again"
    return ""
