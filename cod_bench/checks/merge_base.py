"""Folder, git ref -> which of its files the merge base has and how they differ now. Starts git, changes nothing."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cod_bench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Changes:
    """Paths below the folder, against the merge base, sorted."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    before: Mapping[str, str] = field(default_factory=dict)
    """Text of the wanted files as the merge base has them."""


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
    there = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
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
    )


def _blob(path: Path, kind: str) -> str:
    """The id that git gives a file's content."""
    data = path.read_bytes()
    return hashlib.new(kind, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _git(folder: Path, ref: str, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, errors="replace", check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        told = (getattr(error, "stderr", "") or "").strip().splitlines()
        raise UsageError(
            f"--base {ref}: git finds no merge base of it and HEAD for {folder} ({(told or ['unknown ref'])[-1]}); "
            "name a branch or commit of the repository that holds the folder"
        ) from error
    return done.stdout
