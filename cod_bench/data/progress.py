"""A long step in a worker -> how far it is, in a file that the process which started the worker reads. No torch.

Fitting a teacher or searching counterfactuals can take an hour before the first run ends: whoever waits is told.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cod_bench.errors import plain
from cod_bench.store import UNFIT, home, read_text

EVERY = 1.0
"""Seconds between two writings of one step."""
LATEST = 600.0
"""Seconds after which a file that nobody renewed is of a step that was killed."""
MOST = 4096


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is."""

    what: str
    done: int
    of: int
    seconds: float
    """Since it began."""

    @property
    def line(self) -> str:
        """Such as `teacher of rt_quotes: step 40 of 300, about 3 min left`."""
        text = f"{self.what}: step {self.done} of {self.of}"
        if not self.done:
            return text
        left = self.seconds / self.done * (self.of - self.done)
        return f"{text}, about {f'{left:.0f} s' if left < 90 else f'{left / 60:.0f} min'} left"


class Step:
    """A step that is under way; `at` tells how far it is."""

    def __init__(self, path: Path, what: str, of: int) -> None:
        self._path, self._what, self._of = path, what, of
        self._begun, self._last = time.monotonic(), 0.0

    def at(self, done: int) -> None:
        """So many parts are done; written at most once in EVERY seconds, and never a reason to fail."""
        now = time.monotonic()
        if now - self._last < EVERY:
            return
        self._last = now
        told = {
            "what": self._what, "done": done, "of": self._of, "seconds": now - self._begun, "for": os.getppid(),
            "by": os.getpid(),
        }  # fmt: skip
        other = self._path.with_suffix(".new")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            other.write_text(json.dumps(told), encoding="utf-8")
            other.replace(self._path)


@contextmanager
def step(what: str, of: int) -> Iterator[Step]:
    """A step of `of` parts, told while it lasts to the process that started this one."""
    path = _folder() / f"{os.getpid()}.json"
    try:
        yield Step(path, what, of)
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def told() -> list[Progress]:
    """The steps that are under way in the workers of this process, by what they do."""
    found, mine = [], os.getpid()
    for path in _folder().glob("*.json"):
        try:
            if time.time() - path.stat().st_mtime > LATEST:
                path.unlink(missing_ok=True)
                continue
            value = json.loads(read_text(path, MOST))
            if mine in (value["for"], value.get("by")):
                numbers = int(value["done"]), int(value["of"]), float(value["seconds"])
                if not (0 <= numbers[0] <= numbers[1] <= 10**9 and 0 <= numbers[2] <= 10**9):
                    continue
                found.append(Progress(plain(value["what"])[:200], *numbers))
        except (OSError, *UNFIT):
            continue  # replaced or removed meanwhile
    return sorted(found, key=lambda one: one.what)


def _folder() -> Path:
    return home() / "progress"
