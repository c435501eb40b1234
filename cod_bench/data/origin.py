"""Task name -> its rows: from its package, from local files (--data), or from the hub; and which name they go by.

`--data NAME=PATH` with a name that nobody has makes a task of that file (own.py).

A local copy of exactly the canonical rows is the canonical task. Any other rows are `<task>+local-<hash8>`: the hash is
of the prepared rows, so that names, run ids and tables can be made from the name alone, without the files.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from pathlib import Path

from cod_bench import registry
from cod_bench.data import corpus as corpora
from cod_bench.data import hub, losses, own
from cod_bench.data import local as localfiles
from cod_bench.errors import UsageError, unknown
from cod_bench.spec import LOCAL
from cod_bench.task import Corpus, Task

VARIABLE = "COD_BENCH_DATA"
"""Default of --data, several with the path separator between; worker processes inherit it."""
NEAR = 0.75
"""Likeness from which a new name is taken for a slip of a task's own."""


def choose(data: Sequence[str] | None) -> None:
    """Make what `--data` names the sources of this process and of the workers it starts; nothing keeps the variable.

    Raises:
        UsageError: not a folder, or a task of that name does not exist or takes no files.
    """
    if odd := [value for value in data or () if os.pathsep in value]:
        raise UsageError(f"--data {odd[0]}: a path with {os.pathsep!r} cannot be told apart from two; rename it")
    if data:
        os.environ[VARIABLE] = os.pathsep.join(_absolute(value) for value in data)
    for value in _values():
        _parse(value)


def options() -> str:
    """The options that name the same sources again, for a command line."""
    return "".join(f" --data {value}" for value in _values())


def own_names() -> list[str]:
    """Tasks that `--data` made of their user's files."""
    return registry.value_names("task")


def known(name: str) -> bool:
    """Whether a task, or a local slice of one, can have that name."""
    base, _, content = name.partition(LOCAL)
    return base in registry.names("task") and (name == base or bool(re.fullmatch("[0-9a-f]{8}", content)))


def find(name: str) -> Task:
    """The task of that name as far as it is known without its rows.

    Raises:
        UsageError: nobody has that name, or the lock file is corrupt.
    """
    base, mark, content = name.partition(LOCAL)
    task: Task = registry.load("task", base)
    if not mark:
        return task if task.hub is None or task.own else hub.pinned(task)
    if task.hub is None or not known(name):
        raise unknown("task", name, registry.names("task"))
    return task.slice(content)


def named(name: str) -> str:
    """The name under which a task's rows run here: that of its local files where there are some, else unchanged.

    Raises:
        UsageError: the local files cannot be read.
    """
    task = find(name)
    if task.hub is None:
        return name
    where = folder(task)
    return name if where is None else _local(task.base, where).task.name


def packaged(names: Iterable[str]) -> list[str]:
    """Those of the tasks whose rows come with a package, so that they run anywhere."""
    return [name for name in names if find(name).hub is None]


def corpus(name: str) -> Corpus:
    """The prepared rows of a task.

    Raises:
        UsageError: there is no source for them, or the local files are other ones.
        RunError: an asset or the hub has other rows than the task pins.
    """
    task = find(name)
    if task.hub is None:
        return corpora.load(task)
    where = folder(task)
    found = None if where is None else _local(task.base, where)
    if found is not None and found.task.name == name:
        return found
    if task.own and not task.content and found is not None:
        raise UsageError(f"task {name!r}: its rows go by the name of their content; name task {found.task.name!r}")
    if not task.content:
        return hub.load(task, "" if found is None else f" (the rows in {where} are {found.task.name})")
    if found is not None:
        raise UsageError(
            f"task {name!r}: the rows in {where} are {found.task.name!r}; name the folder of the rows it was made of "
            f"by --data {task.base}=DIR"
        )
    raise UsageError(
        f"task {name!r}: no source for its rows: name the folder of its train.* and test.* by --data DIR (with a "
        f"folder {task.base} in it), --data {task.base}=DIR or {VARIABLE}"
    )


def at_hand(name: str) -> Corpus | None:
    """`corpus` where it takes no network; None elsewhere.

    Raises:
        UsageError, RunError: as `corpus`.
    """
    task = find(name)
    if task.hub is None:
        return corpora.at_hand(task)
    where = folder(task)
    found = None if where is None else _local(task.base, where)
    if found is not None and found.task.name == name:
        return found
    return None if task.content else hub.at_hand(task)


def ready(names: Iterable[str]) -> bool:
    """Make sure that every task has its rows before any work starts; whether a task was pinned by this.

    Raises:
        UsageError, RunError: as `corpus`.
    """
    pinned = False
    for name in names:
        task = find(name)
        if task.hub is None:  # workers fetch and prepare what comes with a package
            continue
        corpus(name)
        pinned = pinned or (not task.pinned and find(name).pinned)
    return pinned


def notes(names: Collection[str]) -> list[str]:
    """What a plan says of its tasks: which of them nobody has loaded yet, so that their rows are not known."""
    told = []
    if loose := [name for name in names if not find(name).pinned]:
        told.append(f"unpinned: {', '.join(loose)}; their first load pins their rows, and run ids change with it")
    return [*told, *brought(names)]


def brought(names: Iterable[str]) -> list[str]:
    """What became of the rows of the user's own files, a sentence a task."""
    told = []
    for task in map(find, names):
        where = folder(task) if task.own else None
        if where is not None:
            pool, evaluation = own.read(where, task.classes)
            kept = losses.told([*pool, *(evaluation or ())], _local(task.base, where))
            classes = " / ".join(task.classes)
            told.append(f"task {task.name}: {kept}; classes {classes}, of which word lists take the last as favourable")
    return told


def mark(task: Task) -> str:
    """What `list` says of a task besides its title."""
    said = [] if task.hub is None or task.own or hub.pinned(task).pinned else ["unpinned"]
    return "".join(f"; {word}" for word in (*said, *([] if task.ranked else ["not ranked"])))


def folder(task: Task) -> Path | None:
    """Where the task's local files lie, by what --data names first; None if nowhere."""
    names = (task.base, *task.aliases)
    roots = [_parse(value) for value in _values()]
    for base, path in roots:
        if base in names:
            return path
    for base, path in roots:
        if not base:
            for name in names:
                if (path / name).is_dir():
                    return path / name
    return None


def _local(base: str, where: Path) -> Corpus:
    task = find(base)
    found = localfiles.own_files(where) if task.own else localfiles.files(where)
    made_of = tuple(localfiles.fingerprint(found).values())
    return _prepared(base, where, made_of, task.pool_sha256, task.evaluation_sha256)


@cache
def _prepared(base: str, where: Path, made_of: tuple[str, ...], *pins: str) -> Corpus:  # noqa: ARG001 - of the key
    task = find(base)
    read = own.read if task.own else localfiles.read
    found = corpora.load_given(task, ["local", made_of], lambda: read(where, task.classes))
    return corpora.settle(found, task)


def _values() -> list[str]:
    return [value for value in os.environ.get(VARIABLE, "").split(os.pathsep) if value]


def _absolute(value: str) -> str:
    task, path = _divide(value)
    return f"{task}={path.resolve()}" if task else str(path.resolve())


def _divide(value: str) -> tuple[str, Path]:
    """`TASK=DIR` or `DIR`; a folder whose own name holds a `=` is a folder."""
    task, mark_, rest = value.partition("=")
    if not mark_ or Path(value).expanduser().is_dir():
        return "", Path(value).expanduser()
    if not registry.NAME.fullmatch(task):
        raise UsageError(f"--data {value}: name {task!r}: write letters, digits, _ and -")
    return task, Path(rest).expanduser()


@cache
def _parse(value: str) -> tuple[str, Path]:
    name, path = _divide(value)
    if name:
        tasks = [t for t in map(find, registry.names("task")) if name in (t.name, *t.aliases)]
        if not tasks or tasks[0].own:
            return _registered(name, path)
        if tasks[0].hub is None:
            raise UsageError(f"--data {value}: task {name!r} comes with its package and takes no files; leave it out")
        name = tasks[0].name
    if not path.is_dir():
        raise UsageError(
            f"--data (or {VARIABLE}) {value}: is no folder; name one that is there, or NAME=FILE for rows of your own"
        )
    return name, path


def _registered(name: str, path: Path) -> tuple[str, Path]:
    """A task of one's own from now on, in this process; a slip of another task's name is none."""
    known_names = set(registry.names("task")) - {name}
    if near := difflib.get_close_matches(name, known_names, n=1, cutoff=NEAR):
        raise UsageError(
            f"--data {name}={path}: the name is too near to that of task {near[0]!r}, of which it may be a slip; name "
            f"{near[0]}, or choose another name for a task of your own"
        )
    registry.add_value("task", name, own.task(name, path))
    return name, path
