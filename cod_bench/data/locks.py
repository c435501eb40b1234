"""The lock file that a repository commits -> what hub tasks, hub models and chosen rates are, on any machine.

Tasks are written by their first load. Models and rates are kept in the cache folder until `cod-bench lock` writes them
into the working folder's file; what stands there counts before those.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cod_bench.errors import UsageError, plain
from cod_bench.spec import digest
from cod_bench.store import SETTINGS, home, lock, read_text, write_atomic

LOCK = "tasks.lock.json"
SCHEMA = 1
PARTS = ("tasks", "models", "rates")
DIGESTS = "digests"
"""Entry -> digest of what it said when it was written. An entry may be deleted by hand, and not changed."""


def committed(part: str = "") -> dict[str, Any]:
    """A part of the lock file in the working folder, or all of it; empty where there is none.

    Raises:
        UsageError: the file is corrupt.
    """
    path = Path.cwd() / LOCK
    try:
        stat = path.stat()
    except OSError:
        return {}
    value = _read(path, stat.st_mtime_ns, stat.st_size)
    return dict(value.get(part, {}) if part else value)


def add(part: str, entries: Mapping[str, Any]) -> list[str]:
    """Write entries into a part of the working folder's lock file; what it says already stays. Returns what was new.

    Raises:
        UsageError: the file is corrupt or cannot be written.
    """
    with lock(home() / "tasks" / ".lockfile.lock"):
        before = committed(part)
        new = [name for name in sorted(entries) if name not in before]
        if new:
            put(part, {**before, **{name: entries[name] for name in new}})
    return new


def put(part: str, entries: Mapping[str, Any]) -> None:
    """Replace a part of the working folder's lock file; whoever calls holds its lock."""
    value = {"tasks": {}, **committed(), "schema": SCHEMA, part: dict(entries)}
    digests = {f"{p}/{name}": digest([p, name, entry]) for p in PARTS for name, entry in value.get(p, {}).items()}
    write_atomic(Path.cwd() / LOCK, json.dumps({**value, DIGESTS: digests}, indent=1, sort_keys=True) + "\n")


@cache
def _read(path: Path, modified: int, size: int) -> dict[str, Any]:  # noqa: ARG001 - keys of the cache
    try:
        value = json.loads(read_text(path, SETTINGS))
        if not isinstance(value, dict) or not all(isinstance(value.get(p, {}), dict) for p in (*PARTS, DIGESTS)):
            raise ValueError("unknown form")  # noqa: TRY301 - one sentence for all
        digests = value.pop(DIGESTS, {})  # of earlier versions' files there are none
        for part in PARTS:
            for name, entry in value.get(part, {}).items():
                if digests.get(f"{part}/{name}", found := digest([part, name, entry])) != found:
                    raise ValueError(f"entry {part}/{name} is not as it was written")  # noqa: TRY301 - as above
        pins, rates = value.get("models", {}).values(), value.get("rates", {}).values()
        if not all({"revision", "sha256"} <= set(pin) for pin in pins):
            raise ValueError("a model has no revision or sha256")  # noqa: TRY301 - as above
        if not all(type(rate) is float for rate in rates):
            raise ValueError("a rate is no number")  # noqa: TRY301 - as above
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"{path}: is corrupt ({plain(error)}); restore it or delete it to pin anew") from error
    return value
