"""A long step -> lines on a log: when it starts, every half minute while it lasts, when it ends. No torch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cod_bench.data import progress

EVERY = 30.0
"""Seconds without a word after which one is said."""


class Beat:
    """Calls `say` with what `state` tells whenever nothing was `heard` for EVERY seconds."""

    def __init__(self, say: Callable[[str], None], state: Callable[[], str], every: float = EVERY) -> None:
        self._say, self._state, self._every = say, state, every
        self._last, self._over = time.monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def heard(self) -> None:
        """Something else was said just now."""
        self._last = time.monotonic()

    def stop(self) -> None:
        """Say no more."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(max(0.0, self._last + self._every - time.monotonic())):
            if time.monotonic() - self._last >= self._every:
                self.heard()
                self._say(self._state())


@contextmanager
def step(what: str, say: Callable[[str], None], every: float = EVERY) -> Iterator[None]:
    """Say that a step starts, that it still goes on, and how long it took."""
    start = time.monotonic()

    def lasts() -> str:
        return f"{time.monotonic() - start:.0f} s"

    say(f"{what}: starts")

    def state() -> str:
        steps = "".join(f"; {one.line}" for one in progress.told())
        return f"{what}: at work for {lasts()}{steps}"

    beat = Beat(say, state, every)
    try:
        yield
    finally:
        beat.stop()
    say(f"{what}: done in {lasts()}")
