"""Request -> response within bounds: so many bytes, so many seconds, nothing compressed, no redirect followed.

The client's own timeout is of one look at the socket: a server that sends a byte a minute never meets it, neither in
the head nor in the body of what it sends. So the bounds are kept where bytes are read.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openai import DefaultHttpxClient

MOST_BYTES = 8 << 20
"""Of one response, head and body."""
MOST_SECONDS = 300.0
"""From the first byte sent to the last one read, of one try."""
LOOK = 0.5
"""Seconds after which a wait for bytes looks whether anybody still wants them."""
TICK = 0.01
"""Seconds by which a socket may give up too early."""
PLAIN = {"Accept-Encoding": "identity"}
"""Headers that ask for what is accepted: a few compressed bytes can become any number."""


class BoundsError(Exception):
    """A response beyond the bounds: what the server did, to stand behind its name in a sentence. Not tried again."""


class _Allowance(threading.local):
    """Of the request that a thread waits for."""

    most_bytes: int | None = None
    most_seconds: float | None = None
    left: float = math.inf
    until: float = math.inf
    told: str = ""
    over: threading.Event | None = None


_allowance = _Allowance()


@contextmanager
def allowing(most_bytes: int, most_seconds: float) -> Iterator[None]:
    """Other bounds for this thread's requests."""
    before = _allowance.most_bytes, _allowance.most_seconds
    _allowance.most_bytes, _allowance.most_seconds = most_bytes, most_seconds
    try:
        yield
    finally:
        _allowance.most_bytes, _allowance.most_seconds = before


@contextmanager
def stoppable(over: threading.Event, seconds: float = 0.0) -> Iterator[None]:
    """This thread's requests end soon after `over` is set; they may take so many seconds where that is more."""
    before, _allowance.over = _allowance.over, over
    try:
        with allowing(MOST_BYTES, max(MOST_SECONDS, seconds)):
            yield
    finally:
        _allowance.over = before


def bounded() -> DefaultHttpxClient:
    """A client for OpenAI's that keeps the bounds, through the environment's proxies as well."""
    from openai import DefaultHttpxClient

    class Bounded(DefaultHttpxClient):
        """Every `send` starts anew."""

        def send(self, request: Any, **more: Any) -> Any:
            seconds = _allowance.most_seconds or MOST_SECONDS
            _allowance.left = _allowance.most_bytes or MOST_BYTES
            _allowance.until = time.monotonic() + seconds
            _allowance.told = f"had not sent all of its answer after {seconds:g} seconds"
            try:
                return super().send(request, **more)
            finally:
                _allowance.left = _allowance.until = math.inf

        def __del__(self, suppress: Any = suppress) -> None:  # while Python ends, modules are empty already
            with suppress(Exception):
                self.close()

    client = Bounded(follow_redirects=False, event_hooks={"response": [_demand_plain]})
    inside: Any = client  # neither client nor transport takes a backend; an attribute that is gone is an error here
    for transport in (inside._transport, *inside._mounts.values()):
        if transport is not None:
            transport._pool._network_backend = _Backend(transport._pool._network_backend)
    return client


def _demand_plain(response: Any) -> None:
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise BoundsError("sent a compressed answer, which was not asked for and is not opened")


class _Backend:
    """Opens sockets that keep the bounds."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> _Stream:
        return _Stream(self._inner.connect_tcp(host, port, timeout=_left(timeout), **more))

    def connect_unix_socket(self, path: str, timeout: float | None = None, **more: Any) -> _Stream:
        return _Stream(self._inner.connect_unix_socket(path, timeout=_left(timeout), **more))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream:
    """A socket whose reads and writes count."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        until = time.monotonic() + (math.inf if timeout is None else timeout)
        while True:
            wait = _left(max(0.0, until - time.monotonic()))
            try:
                data: bytes = self._inner.read(max_bytes, timeout=_bit(wait))
                break
            except Exception as error:
                _left(None, TICK)  # where the time is up, that is what is told
                # whichever of the two packages by this name the client stands on
                if type(error).__name__ != "ReadTimeout" or time.monotonic() >= until - TICK:
                    raise
        _allowance.left -= len(data)
        if _allowance.left < 0:
            raise BoundsError(f"sent more than {_allowance.most_bytes or MOST_BYTES:,} bytes for one answer")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout=_left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname=server_hostname, timeout=_left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _bit(wait: float | None) -> float | None:
    """The part of a wait after which to look."""
    return wait if _allowance.over is None else min(LOOK, math.inf if wait is None else wait)


def _left(timeout: float | None, least: float = 0.0) -> float | None:
    """The seconds that may be waited for."""
    if _allowance.over is not None and _allowance.over.is_set():
        raise BoundsError("was given up")
    left = _allowance.until - time.monotonic()
    if left <= least:
        raise BoundsError(_allowance.told)
    wait = min(left, math.inf if timeout is None else timeout)
    return None if wait == math.inf else wait
