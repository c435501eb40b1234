"""A folder and a depth -> the JSON files so far below it, without following links."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cod_bench.errors import UsageError
from cod_bench.spec import PROTOCOLS


def walk(
    folder: str, depth: int, apart: tuple[str, ...] = (), prefix: str = ""
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """(path under the first folder, entry) of the .json files `depth` levels down; none where there is no folder.

    No link is followed: one that lies where a folder should is told as if it were a file, which reading then refuses.
    """
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if depth > 1:
            if entry.name not in apart and entry.is_dir(follow_symlinks=False):
                yield from walk(entry.path, depth - 1, (), f"{prefix}{entry.name}/")
            elif entry.is_symlink() and (prefix or entry.name in PROTOCOLS):  # else nobody would miss what is behind it
                yield prefix + entry.name, entry
        elif entry.name.endswith(".json") and not entry.name.startswith("."):
            yield prefix + entry.name, entry


def inside(folder: Path, depth: int) -> Iterator[str]:
    """`walk` of a folder of the results, which may be no link itself; its names alone.

    Raises:
        UsageError: it is a link.
    """
    if folder.is_symlink():
        raise UsageError(f"{folder}: is a link, and below a results folder none is followed; remove it")
    yield from (name for name, _ in walk(str(folder), depth))
