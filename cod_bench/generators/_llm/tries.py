"""One call to an endpoint -> its response, after as many tries as it takes: each that timed out is told, all can be
stopped.

The client has tries of its own, but is silent about them and deaf while it waits between two.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from cod_bench.errors import UsageError
from cod_bench.generators._llm.wire import BoundsError

TIMEOUTS = 2
"""Tries after one that timed out: a server that is only slow is asked to begin again each time."""
PAUSES = (0.5, 8.0)
"""Seconds before the second try, doubled for each further one up to so many, less a quarter at random."""
LONGEST_PAUSE = 120.0
"""Seconds that a server may ask to be left alone for; one that asks for more is not tried again."""
AGAIN = (408, 409, 429)
"""Statuses, besides those of 500 and more, that a later try may not meet."""
CONNECT = 4.0
"""Seconds for a connection, which nothing can interrupt."""
SHORTEST, LONGEST = 1.0, 86_400.0
"""Bounds of --timeout."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a request is sent."""

    retries: int
    """Of lost connections, 408, 409, 429 and 5xx."""
    seconds: float
    """That a try waits for its answer."""
    tell: Callable[[str], None]
    """Called with a line for each try that timed out."""
    over: threading.Event
    """Set when nobody waits for answers any more."""


class TriedError(Exception):
    """All tries failed; `cause` is what the last one met."""

    def __init__(self, cause: Exception, tries: int) -> None:
        super().__init__(f"{tries} tries")
        self.cause, self.tries = cause, tries


def seconds_asked(named: str, default: float) -> float:
    """Seconds of --timeout (COD_BENCH_LLM_TIMEOUT).

    Raises:
        UsageError: it is no number of seconds.
    """
    if not named:
        return default
    try:
        found = float(named)
    except ValueError:
        found = math.nan
    if not SHORTEST <= found <= LONGEST:
        raise UsageError(
            f"--timeout (COD_BENCH_LLM_TIMEOUT) {named!r}: write the seconds that a request may take, {SHORTEST:g} to "
            f"{LONGEST:,.0f}"
        )
    return found


def attempt(call: Callable[[], Any], manner: Manner, what: str) -> tuple[Any, int]:
    """The response, and how often it was tried again.

    Args:
        call: sends it once.
        what: which request it is, for the lines.

    Raises:
        TriedError: no try brought a response. BoundsError: it was given up.
    """
    import openai

    timed_out = 0
    for done in range(manner.retries + 1):
        try:
            return call(), done
        except (openai.APIConnectionError, openai.APIStatusError) as error:
            pause = _pause(error, done)
            if isinstance(error, openai.APITimeoutError):
                timed_out += 1
                most = min(manner.retries, TIMEOUTS) + 1
                manner.tell(f"{what}: no answer within {manner.seconds:g} s (try {timed_out} of {most})")
                pause = None if timed_out == most else pause
            if pause is None or done == manner.retries:
                raise TriedError(error, done + 1) from None
        if manner.over.wait(pause):
            raise BoundsError("was given up")
    raise AssertionError("unreachable")


def _pause(error: Any, done: int) -> float | None:
    """Seconds before the next try; None if there should be none."""
    response = getattr(error, "response", None)
    first, most = PAUSES
    pause = min(first * 2.0**done, most) * (1 - 0.25 * random.random())
    if response is None:
        return pause
    told, status = response.headers.get("x-should-retry"), response.status_code
    if told == "false" or (told != "true" and status not in AGAIN and status < 500):
        return None
    asked = _asked(response.headers)
    if asked is None or not 0 < asked < math.inf:
        return pause
    return asked if asked <= LONGEST_PAUSE else None


def _asked(headers: Mapping[str, str]) -> float | None:
    """Seconds of `Retry-After`, which may be a date; None where it is neither."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
    try:
        return parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time()
    except (KeyError, ValueError, TypeError, OverflowError, OSError):
        return None
