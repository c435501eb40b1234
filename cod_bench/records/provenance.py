"""This machine and this code -> provenance: versions, commit, device class; no host name, user or path. No torch."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cod_bench import device
from cod_bench.device import instructions

NUMERIC = ("torch", "transformers", "tokenizers", "numpy", "safetensors")
"""Libraries whose versions may move a number; part of the environment key."""


ARITHMETIC = 2
"""How evaluation computes, raised when its last bits change; 2: float32 products by oneDNN. Runs of two never pair."""


def provenance() -> dict[str, Any]:
    """What stands in every record of one `run`."""
    return {
        "cod_bench": version_of_code(),
        "git": git(),
        "date": today(),
        "environment": environment(),
    }


def today() -> str:
    """The date, UTC."""
    return dt.datetime.now(dt.UTC).date().isoformat()


def version_of_code() -> str:
    """The version of this package."""
    return installed("cod-bench")


def environment() -> dict[str, str]:
    """The environment key: device class, instruction set and library versions. Runs pair only where it is equal."""
    return {
        **device.environment(),
        "machine": f"{platform.system().lower()}-{platform.machine()}",
        "instructions": instructions(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "arithmetic": str(ARITHMETIC),
        **{name: installed(name) for name in NUMERIC},
    }


@cache
def git() -> dict[str, Any] | None:
    """Commit of the checkout this code runs from and whether it was changed; None outside a checkout."""
    package = Path(__file__).resolve().parent
    try:
        ask_git(package, "ls-files", "--error-unmatch", "provenance.py")
        commit = ask_git(package, "rev-parse", "HEAD").strip()
        # Published records and leaderboards lie in the same checkout and change no result.
        changed = ask_git(package, "status", "--porcelain", "--", ":/cod_bench", ":/tasks", ":/baselines").strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "dirty": bool(changed)}


def ask_git(folder: Path, *arguments: str, given: str = "") -> str:
    """What git answers in a folder; it fetches nothing and runs nothing that the folder brings.

    A folder that looks like the inside of a repository is not taken for one: its configuration could name programs.

    Raises:
        subprocess.CalledProcessError, OSError: git says no, or is not there.
    """
    return subprocess.run(
        ["git", "-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments],
        input=given, capture_output=True, text=True, errors="surrogateescape", check=True,
        env={**os.environ, "GIT_NO_LAZY_FETCH": "1"},
    ).stdout  # fmt: skip


def installed(package: str) -> str:
    """The version of an installed package; `unknown` where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
