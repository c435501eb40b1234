"""An address -> this process joined to the Ray cluster there, or one sentence that says why it is not."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from cod_bench import device
from cod_bench.errors import RunError, UsageError

ANSWER = 5.0
"""Seconds in which an address must answer."""


@contextmanager
def heard() -> Iterator[Callable[[], None]]:
    """Ctrl-C and SIGTERM are heard even while Ray's own code runs, which may swallow what they raise there.

    What this gives is called between two steps, and stops where one of them has come.
    """
    came: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)} if main else {}

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        answer = before[signal.Signals(number)]
        if callable(answer):
            answer(number, frame)

    def stop_if_asked() -> None:
        if came:
            raise KeyboardInterrupt

    answered = {number: answer for number, answer in before.items() if callable(answer)}
    try:
        for number in answered:
            signal.signal(number, note)
        yield stop_if_asked
    finally:
        for number, answer in answered.items():
            signal.signal(number, answer)


@contextmanager
def own_signals() -> Iterator[None]:
    """Put back the answer to SIGTERM, which Ray replaces when it connects by one without a sentence."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)


def connect(ray: Any, address: str, workers: int) -> None:
    """Join the cluster; every way in which that fails is one sentence."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        # On the loopback interface, so that no other machine can reach it, and not behind everybody else's processes:
        # Ray's own niceness is 15.
        os.environ.setdefault("RAY_worker_niceness", "0")
        own = {"_node_ip_address": "127.0.0.1", "include_dashboard": False, "num_cpus": workers or device.cores()}
        try:
            ray.init(address="local", **quiet, **own)
        except Exception as error:  # Ray's own kind where a machine is too busy or has too little memory
            ray.shutdown()
            raise RunError(f"Ray cannot start on this machine: {said(error)}") from error
        return
    where = re.fullmatch(r"([^/\s]+):([0-9]{1,5})", address)
    if address != "auto":
        if not where:
            raise UsageError(f"--address {address!r}: write auto, local or HOST:PORT of the cluster's head")
        try:
            socket.create_connection((where[1].strip("[]"), int(where[2])), timeout=ANSWER).close()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(
                f"--address {address}: nothing answers there ({reason}); start its head by `ray start --head` or use "
                "--address local"
            ) from None
    try:
        ray.init(address=address, **quiet)
    except Exception as error:  # noqa: BLE001 - a plain one, a ConnectionError or a RuntimeError, as Ray thinks fit
        ray.shutdown()
        raise UsageError(
            f"--address {address}: this machine is no node of a running Ray cluster ({said(error)}); join it by "
            "`ray start --address=HOST:PORT` (and set RAY_AUTH_MODE=token if the cluster demands its token), or use "
            "--address local"
        ) from None


def said(error: Exception) -> str:
    """An error's first words on one line."""
    return " ".join(str(error).split())[:200].rstrip(".")
