"""Records, code, settings -> their digest; a rendered folder -> is it still what they say. No torch.

Rendering takes seconds that a `run` with nothing to do need not spend. What is remembered beside the files holds only
for these very inputs and files: deleting it changes nothing but the time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

from cod_bench import registry
from cod_bench.errors import UsageError
from cod_bench.records.declarations import FOLDER as DECLARED
from cod_bench.records.provenance import ask_git, installed
from cod_bench.records.results import REFERENCE, SUITES, Results
from cod_bench.spec import digest
from cod_bench.store import UNFIT, home, read_bytes, read_text, write_atomic

NAME = ".rendered"
VERSION = 1
MOST = 1 << 24
PACKAGES = ("cod_bench", "cod_bench.tasks", "cod_bench.baselines")
LIBRARIES = ("numpy", "scipy", "matplotlib", "tabulate", "jinja2", "markdown-it-py")
"""What else decides how a file looks."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was rendered of some inputs: the digest of every file, and lines for the terminal by what they are of."""

    of: str
    files: Mapping[str, str]
    lines: Mapping[str, Sequence[str]]


def inputs(results: Results, suites: Sequence[str], *given: str) -> str:
    """Digest of everything that the files of these suites depend on.

    Files are known by size, times and inode, so that nothing is read; a changed one is never taken for the old.

    Args:
        given: what else decides: sources of rows, locks, suites of files, plugins of other distributions.
    """
    code = [stamp for package in PACKAGES for stamp in _stamps(Path(str(resources.files(package))))]
    own = [stamp for name in ("tracks", "locks") for stamp in _stamps(home() / name)]
    plugins = [(path, hashlib.sha256(Path(path).read_bytes()).hexdigest()) for path in registry.plugin_files()]
    known = [[kind, *registry.names(kind)] for kind in ("task", "baseline", "condition", "generator")]
    kept = [stamp for name in (REFERENCE, DECLARED, SUITES) for stamp in _stamps(results.root / name)]
    verdicts = results.reproduced_path()
    return digest(
        [
            VERSION, list(suites), list(given), results.stamps(), kept,
            _stamp(verdicts) if verdicts.is_file() else None, _head(results.root / DECLARED), code, own, plugins,
            known, [[name, installed(name)] for name in LIBRARIES],
        ],
        24,
    )  # fmt: skip


def read(out: Path, of: str) -> Rendered | None:
    """What was rendered to a folder of these very inputs; None where a file is not as it was written."""
    try:
        value: dict[str, Any] = json.loads(read_text(out / NAME, MOST))
        found = Rendered(value["of"], dict(value["files"]), dict(value["lines"]))
        told = [line for lines in found.lines.values() for line in lines]
        if found.of != of or not found.files or not all(isinstance(line, str) for line in told):
            return None
        same = all(hashlib.sha256(read_bytes(out / name, MOST)).hexdigest() == sha for name, sha in found.files.items())
    except (OSError, *UNFIT):
        return None
    return found if same else None


def keep(out: Path, of: str, files: Mapping[str, str], lines: Mapping[str, Sequence[str]]) -> Rendered:
    """Remember what was written to a folder; where it cannot be, the next rendering takes as long as this one."""
    made = Rendered(of, {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}, lines)
    _write(out, made)
    return made


def add(out: Path, known: Rendered, key: str, lines: Sequence[str]) -> Rendered:
    """Remember lines besides."""
    made = Rendered(known.of, known.files, {**known.lines, key: lines})
    _write(out, made)
    return made


def _write(out: Path, made: Rendered) -> None:
    value = {"of": made.of, "files": dict(made.files), "lines": {key: list(own) for key, own in made.lines.items()}}
    try:
        write_atomic(out / NAME, json.dumps(value, sort_keys=True) + "\n")
    except UsageError:
        return  # the files themselves were written or their sentence told


def _stamps(folder: Path) -> list[list[Any]]:
    """Every file below a folder but what Python compiled, by its path there."""
    return sorted([path.relative_to(folder).as_posix(), *_stamp(path)] for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(where) / name for name in names if not name.startswith("."))


def _stamp(path: Path) -> list[int]:
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _head(declared: Path) -> str:
    """The commit that a declaration is held against; empty where nothing is declared or no repository is."""
    if not declared.is_dir():
        return ""
    try:
        return ask_git(declared, "rev-parse", "--verify", "--quiet", "HEAD").strip()
    except (OSError, CalledProcessError):
        return ""
