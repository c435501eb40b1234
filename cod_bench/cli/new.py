"""Kind, name -> a plugin file that already passes `check`: where a contribution starts."""

from __future__ import annotations

import keyword
import re
from importlib import resources
from pathlib import Path

from cod_bench import registry
from cod_bench.errors import UsageError, unknown
from cod_bench.store import write_atomic

KINDS = ("baseline", "condition", "task", "generator")
"""Kinds that there is a template for."""

NAME = re.compile(r"[a-z][a-z0-9_]*")


def text(kind: str, name: str) -> str:
    """The text of a new plugin file; a task's rows are pinned.

    Raises:
        UsageError: an unknown kind, or a name that cannot be one or is taken.
    """
    kind = "baseline" if kind == "method" else kind
    if kind not in KINDS:
        raise unknown("kind", kind, ("method", *KINDS[1:]))
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(f"new {kind} {name!r}: choose a name of small letters, digits and _ that starts with a letter")
    if registry.name_of(kind, name) in registry.names(kind):
        raise UsageError(f"new {kind} {name!r}: there is one of that name already; choose another name")
    template = resources.files("cod_bench.cli.templates").joinpath(f"{kind}.txt").read_text(encoding="utf-8")
    made = template.replace("@NAME@", registry.name_of(kind, name)).replace(
        "@CLASS@", "".join(part.title() for part in name.split("_"))
    )
    return _pinned(made, name) if kind == "task" else made


def write(kind: str, name: str, out: Path | None = None) -> Path:
    """Write a new plugin file, NAME.py here unless told otherwise; never over anything.

    Raises:
        UsageError: as `text`, or the file is there, or is not called as the plugin.
    """
    path = out if out is not None else Path(f"{name}.py")
    made = text(kind, name)
    if path.stem != name or path.suffix != ".py":
        raise UsageError(f"--out {path}: a plugin's file is called as the plugin; name it {path.parent / name}.py")
    if path.exists() or path.is_symlink():
        raise UsageError(f"--out {path}: is there already; choose another name or remove it")
    write_atomic(path, made)
    return path


def _pinned(made: str, name: str) -> str:
    """The template of a task with the sums of the rows that it reads under this name."""
    from cod_bench.data.corpus import prepare

    space: dict[str, object] = {"__name__": name}
    exec(compile(made, f"{name}.py", "exec"), space)  # noqa: S102 - our own template, nobody's submission
    corpus = prepare(space["TASK"])  # type: ignore[arg-type]
    return made.replace("@POOL@", corpus.pool_sha256).replace("@EVALUATION@", corpus.evaluation_sha256)
