"""Plugin files, a results folder -> which of them changed under the same version since runs were made there. No torch.

A run's identity holds a plugin's version and settings, not its code: whoever changes a loss and not its version keeps
the old numbers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cod_bench import registry
from cod_bench.errors import UsageError, plain
from cod_bench.records.results import PLUGINS, Results
from cod_bench.store import UNFIT, read_text, write_atomic

MOST = 1 << 20


def changed(results: Results) -> list[str]:
    """A sentence for each plugin whose file is another one than that by which runs of its version were made."""
    there = _kept(results)
    return [
        f"{_told(name)} changed since runs were made here, and its version is still {version}: raise it in the file, "
        "or these runs keep their numbers"
        for name, (version, sha) in _now().items()
        if name in there and there[name][0] == version and there[name][1] != sha
    ]


def keep(results: Results) -> None:
    """Remember what the files are now; of one that changed under its version, what it was."""
    there, now = _kept(results), _now()
    made = {**there, **{name: own for name, own in now.items() if there.get(name, [None])[0] != own[0]}}
    if made == there or not results.root.is_dir():
        return
    try:
        write_atomic(results.root / PLUGINS, json.dumps(made, sort_keys=True) + "\n")
    except UsageError:
        return  # its runs could not be written either, which was told


def _now() -> dict[str, list[Any]]:
    found = {}
    for name, path in registry.own_plugins().items():
        kind, _, word = name.partition("/")
        if kind != "executor":
            version = getattr(registry.load(kind, word), "version", None)
            found[name] = [version, hashlib.sha256(path.read_bytes()).hexdigest()[:16]]
    return found


def _kept(results: Results) -> Mapping[str, Any]:
    try:
        value = json.loads(read_text(results.root / PLUGINS, MOST))
        return {str(name): [own[0], own[1]] for name, own in value.items()}
    except (OSError, *UNFIT):
        return {}


def _told(name: str) -> str:
    kind, _, word = name.partition("/")
    return plain(f"{'method' if kind == 'baseline' else kind} {word!r}: its file")
