"""Why a run failed and how to try it again <-> a JSON file, which may be somebody else's. Pure but for reading."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cod_bench.errors import plain
from cod_bench.spec import parsed
from cod_bench.store import UNFIT, read_text

LARGEST = 64_000
"""Bytes of a failure file that is read; a traceback has some of them, and a longer one is cut when it is written."""
AGAIN = "cod-bench run --rerun failed --all"
SHELL = frozenset("`$;|&<>\\\n")
"""What a shell acts on and no command of ours holds."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed and the command that tries it again."""

    reason: str
    retry: str


def to_json(reason: Mapping[str, Any]) -> str:
    """The file's text; what is too long to be read again is cut."""
    text = json.dumps(dict(reason), indent=1, sort_keys=True) + "\n"
    if len(text) > LARGEST:
        short = {name: str(value)[: LARGEST // 60] for name, value in reason.items()}
        text = json.dumps(short, indent=1, sort_keys=True) + "\n"
    return text


def read(path: Path) -> Failure:
    """Why a run failed and how to try it again, or a sentence that its failure file is corrupt."""
    try:
        reason, retry = _parts(path)
    except ValueError as error:
        return Failure(plain(f"{path} is corrupt ({error})"), AGAIN)
    # to be pasted into a shell, and the file may be somebody else's
    ours = retry.startswith(("cod-bench ", "cod_bench.")) and not SHELL.intersection(retry)
    return Failure(plain(reason), plain(retry) if ours else AGAIN)


def fault(path: Path) -> str:
    """Why a failure file is corrupt; empty if it is not."""
    try:
        _parts(path)
    except ValueError as error:
        return plain(error)
    return ""


def _parts(path: Path) -> tuple[str, str]:
    """Reason and retry of a failure file; raises ValueError where it is none."""
    try:
        value = parsed(read_text(path, LARGEST))
        reason, retry = (value[name] for name in ("reason", "retry"))
    except (TypeError, KeyError):
        raise ValueError("has no reason and retry") from None
    except (OSError, *UNFIT) as error:
        raise ValueError(str(error)) from error
    if not all(isinstance(told, str) and told.strip() for told in (reason, retry)):
        raise ValueError("has no reason and retry")
    return reason, retry
