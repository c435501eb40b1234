"""Lines for a person -> standard output or error, with nothing in them that steers a terminal or forges a line."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType

from cod_bench.errors import plain

COLOURS = "\x1b"
"""What a line keeps that the command line itself has coloured; whatever else is in it went through `plain` before."""


def say(*lines: object, err: bool = False, keep: str = "") -> None:
    """Print each of the lines as one line: a line end within it, like a control character, is shown as an escape.

    Names, reasons and summaries were written by others; `say("a", "b")` is how two lines are printed.

    Args:
        err: on standard error.
        keep: characters that stay as they are.
    """
    for line in lines:
        print(plain(line, keep), file=sys.stderr if err else sys.stdout, flush=err)


class _Plain(logging.Formatter):
    """Log lines as `say` prints lines; of a traceback the line ends stay."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of logging
        """The line."""
        return plain(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802 - of logging
        """The traceback."""
        return plain(super().formatException(ei), keep="\n")  # type: ignore[arg-type]


def _defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A traceback whose message may quote anything."""
    sys.stderr.write(plain("".join(traceback.format_exception(kind, error, trace)), keep="\n"))


def settle() -> None:
    """Make both streams fit for any line, and let logs and tracebacks be as plain as lines are."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who called
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for the process's life
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # what its encoding has not is no reason to end
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Plain())
    sys.excepthook = _defect
