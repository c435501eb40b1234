"""Lines for a person -> standard output or error, with nothing in them that steers a terminal or forges a line."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import textwrap
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


PADDING = 2
"""Columns that tabulate leaves beside a heading."""


def page(text: str) -> None:
    """Print markdown: as it is where it goes to a file or a pipe, fitted to the width on a terminal."""
    if not sys.stdout.isatty():
        say(*text.removesuffix("\n").split("\n"))
        return
    for line in fitted(text, shutil.get_terminal_size().columns):
        say(line)


def fitted(text: str, width: int) -> list[str]:
    """Lines of markdown, none wider than a terminal where its words allow: prose wrapped, tables with wrapped cells.

    A table whose longest words do not fit side by side becomes a list, a row a block; no word is broken.
    """
    lines: list[str] = []
    for part in text.removesuffix("\n").split("\n\n"):
        rows = part.split("\n")
        if len(rows) > 2 and all(row.startswith("|") for row in rows):
            lines += _fitted_table(rows, width)
        else:
            for row in rows:
                lines += _wrapped(row, width)
        lines.append("")
    return lines[:-1]


def _wrapped(line: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]


def _fitted_table(rows: list[str], width: int) -> list[str]:
    from tabulate import tabulate

    if max(map(len, rows)) <= width:
        return rows
    if len(rows) < 3:
        return rows
    head, _, *body = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows)
    longest = [[max(map(len, row[i].split()), default=1) for row in (head, *body)] for i in range(len(head))]
    least = [max(own[0] + PADDING, *own[1:]) for own in longest]
    frame = 3 * len(head) + 1
    if sum(least) + frame > width:
        blocks = [
            [_wrapped(f"{name}: {cell}", width, "  ") for name, cell in zip(head, row, strict=True)] for row in body
        ]
        return [line for block in blocks for lines in (*block, [""]) for line in lines][:-1]
    full = [max(len(head[i]) + PADDING, *(len(row[i]) for row in body)) for i in range(len(head))]
    room = width - frame - sum(least)
    wanted = sum(f - n for f, n in zip(full, least, strict=True)) or 1
    widths = [min(f, n + (f - n) * room // wanted) for f, n in zip(full, least, strict=True)]
    heads = [max(1, width - PADDING) for width in widths]
    made: str = tabulate(
        body, head, tablefmt="simple_grid", maxcolwidths=widths,
        maxheadercolwidths=heads, disable_numparse=True, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return made.split("\n")


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
