"""What will be compared, said before it is run <-> a file; the file -> the commit that brought it.

A declaration is written by `cod-bench declare` and committed; a grid is as declared if it is what the file says and
every record of it tells a day and a commit that are not the declaration's own past. Tables judge by the files alone, so
that they are the same with and without a repository; `check` asks git whether it says otherwise.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from cod_bench.errors import UsageError, plain
from cod_bench.records.fields import LARGEST, is_name, key, short
from cod_bench.records.provenance import ask_git
from cod_bench.spec import PROTOCOLS, canonical, parsed
from cod_bench.store import UNFIT, read_bytes, read_text, write_atomic

SCHEMA = 1
_SAID = ("title", "expected", "seen", "date", "code")
"""What a declaration says of the day of its writing, which no later code can say again."""
FOLDER = "_declared"
"""Below a results folder."""
LARGEST_FILE = 250_000
"""Bytes of a declaration that is read; one of the main suite has 5,000."""
LONGEST_SENTENCE = 400
"""Characters of any string in it."""
COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class Declaration:
    """A suite on one (track, protocol) as it is going to be run and compared."""

    schema: int
    suite: str
    title: str
    track: str
    protocol: str
    date: str
    """Of its writing; UTC."""
    code: Mapping[str, str]
    """`cod_bench`: version, `commit`: of the code that gave the run ids."""
    grid: Mapping[str, Any]
    """Tasks, methods, conditions, budgets, seeds, number of runs and the digest of all run ids in the suite's order."""
    families: Sequence[Mapping[str, Any]]
    """What is tested: comparisons, each with its direction, in the families over which Holm corrects."""
    expected: Sequence[Mapping[str, str]]
    """What of the comparisons is expected to come out how, and what that rests on."""
    seen: str
    """What had been seen before it was written."""
    rules: Mapping[str, str]
    """Estimand, test, interval, multiplicity and what counts as shown, a sentence each."""
    data: Mapping[str, Any]
    """Task -> hashes of its pool and evaluation rows."""
    versions: Mapping[str, Any]
    """Of conditions, methods and generators, with digests of what they are parametrised by."""
    teacher: Mapping[str, Any]
    """What fine-tunes the teachers, down to the weights they start from, and how many of their seeds there are."""

    @property
    def name(self) -> str:
        """Of its file."""
        return file_name(self.suite, self.track, self.protocol)

    def content(self) -> dict[str, Any]:
        """What a grid is held to: all but the title, what was expected and seen, and when and by which commit it was
        written."""
        value = to_dict(self)
        return {name: item for name, item in value.items() if name not in _SAID}


@dataclass(frozen=True, slots=True)
class Committed:
    """Where a file that lies in a repository has its present content."""

    commit: str
    """The last one that changed it; empty where HEAD has another content or none."""
    after: frozenset[str] = frozenset()
    """That commit and all that follow it up to HEAD."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a declaration says of a grid that has records."""

    date: str
    departs: str = ""
    """In what the grid or its records depart from the declaration; empty if in nothing."""
    teachers: int = 1
    """Seeds of teachers that it rests on."""
    records: int = 0
    """So many were held to it."""
    expected: Sequence[Mapping[str, str]] = ()
    """What it expects of comparisons."""


def file_name(suite: str, track: str, protocol: str) -> str:
    """The file of a declaration below its folder."""
    return f"{suite}--{track}--{protocol}.json"


def path_of(root: Path, suite: str, track: str, protocol: str) -> Path:
    """Where a declaration lies below a results folder."""
    return root / FOLDER / file_name(suite, track, protocol)


def to_dict(declaration: Declaration) -> dict[str, Any]:
    """Plain JSON values."""
    own = {f.name: getattr(declaration, f.name) for f in fields(declaration)}
    value: dict[str, Any] = json.loads(canonical(own))
    return value


def to_json(declaration: Declaration) -> str:
    """Canonical text: sorted keys, one top-level field a line, trailing newline."""
    lines = [f"{json.dumps(name)}:{canonical(item)}" for name, item in sorted(to_dict(declaration).items())]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def from_json(text: str) -> Declaration:
    """The declaration in `text`.

    Raises:
        ValueError: not JSON, another schema, or a field that is missing, unknown or odd; the sentence names it.
    """
    value = parsed(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one kind of error for every broken file
    if type(value.get("schema")) is not int or value["schema"] != SCHEMA:
        raise ValueError(f"schema: {short(value.get('schema'))} is not {SCHEMA}")
    names = {f.name for f in fields(Declaration)}
    if off := sorted(set(value) ^ names):
        raise ValueError(f"{key(off[0])}: field is {'missing' if off[0] in names else 'unknown'}")
    for name, kind in _TYPES.items():
        if type(value[name]) is not kind:
            raise ValueError(f"{name}: is a {type(value[name]).__name__}")
    declaration = Declaration(**value)
    if found := problems(declaration):
        raise ValueError(found)
    return declaration


def problems(declaration: Declaration) -> str:
    """The first thing that is wrong with a declaration by itself; empty when nothing is."""
    for name in ("suite", "track", "protocol"):
        if not is_name(getattr(declaration, name)) or not getattr(declaration, name):
            return f"{name}: {short(getattr(declaration, name))} is no name"
    if declaration.protocol not in PROTOCOLS:
        return f"protocol: unknown value {short(declaration.protocol)}"
    if not is_date(declaration.date):
        return f"date: {short(declaration.date)} is no date"
    if set(declaration.code) != {"cod_bench", "commit"} or not is_name(declaration.code["cod_bench"]):
        return "code: must tell the version of cod_bench and its commit, as words"
    if not isinstance(declaration.code["commit"], str) or not COMMIT.fullmatch(declaration.code["commit"]):
        return f"code.commit: {short(declaration.code['commit'])} is not the 40 hex digits of one"
    runs, seeds = declaration.grid.get("runs"), declaration.teacher.get("seeds")
    if type(runs) is not int or not 0 < runs <= LARGEST:
        return f"grid.runs: {short(runs)} is no number of runs"
    if not isinstance(declaration.grid.get("run_ids"), str):
        return "grid.run_ids: must be the digest of all run ids"
    if not declaration.families or not all(isinstance(family, dict) for family in declaration.families):
        return "families: must be objects, at least one"
    if type(seeds) is not int or not 0 < seeds <= LARGEST:
        return f"teacher.seeds: {short(seeds)} is no number of seeds"
    own = ((f.name, getattr(declaration, f.name)) for f in fields(declaration))
    return next((f"{where}: {told}" for name, value in own for where, told in _odd(value, name)), "")


def read(path: Path) -> Declaration:
    """The declaration at a path.

    Raises:
        ValueError: corrupt, or in another place than its content says. OSError: not there.
    """
    declaration = from_json(read_text(path, LARGEST_FILE))
    if declaration.name != path.name:
        raise ValueError(plain(f"lies at {path.name} but its content belongs at {FOLDER}/{declaration.name}"))
    return declaration


def put(path: Path, declaration: Declaration) -> bool:
    """Write a declaration where none lies; whether it was written: False where one lies that says the same.

    Raises:
        UsageError: another one lies there, or what is none.
    """
    if not os.path.lexists(path):
        write_atomic(path, to_json(declaration))
        return True
    try:
        known = read(path)
    except (OSError, *UNFIT) as error:
        raise UsageError(plain(f"{path}: is no declaration ({error}); move it away, then declare again")) from error
    if known.content() != declaration.content():
        raise UsageError(
            f"{path}: declares something else since {known.date}, and a declaration stays as it is; declare a suite or "
            "track of another name, or, if it was never committed, delete the file and declare again"
        )
    return False


def committed(path: Path) -> Committed | None:
    """In which commit the file at a path got its present content; None where no whole repository can tell.

    Asked of HEAD alone, so that two clones at one commit tell the same. Nothing that the folder brings is run.
    """
    try:
        data = read_bytes(path, LARGEST_FILE)
        if ask_git(path.parent, "rev-parse", "--is-shallow-repository").strip() != "false":
            return None
        head = ask_git(path.parent, "rev-parse", "--verify", "--quiet", "HEAD").strip()
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
    kind = "sha256" if len(head) == hashlib.sha256().digest_size * 2 else "sha1"
    blob = hashlib.new(kind, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    try:
        if ask_git(path.parent, "rev-parse", "--verify", "--quiet", f"{head}:./{path.name}").strip() != blob:
            return Committed("")
        commit = ask_git(path.parent, "--literal-pathspecs", "rev-list", "-1", head, "--", path.name).strip()
        after = ask_git(path.parent, "rev-list", "--ancestry-path", f"{commit}..{head}").split()
    except (OSError, subprocess.CalledProcessError):
        return Committed("")
    return Committed(commit, frozenset({commit, *after}))


_TYPES: Mapping[str, type] = {
    "suite": str, "title": str, "track": str, "protocol": str, "date": str, "code": dict, "grid": dict,
    "families": list, "expected": list, "seen": str, "rules": dict, "data": dict, "versions": dict, "teacher": dict,
}  # fmt: skip


def is_date(text: str) -> bool:
    """Whether it is a day as records and declarations write it."""
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _odd(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """(field, what is wrong) of strings and numbers that nobody would write in a declaration."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if not is_name(name):
                yield where, f"{short(name)} is no name"
            else:
                yield from _odd(item, f"{where}.{key(name)}")
    elif isinstance(value, list):
        for item in value:
            yield from _odd(item, where)
    elif isinstance(value, str) and (len(value) > LONGEST_SENTENCE or plain(value) != value):
        yield where, f"{short(value)} is no sentence of at most {LONGEST_SENTENCE} characters on one line"
    elif type(value) in (int, float) and not -LARGEST <= value <= LARGEST:
        yield where, f"{short(value)} is no number from -{LARGEST} to {LARGEST}"
