"""Values -> cells of text, markdown tables and CSV. Pure; the same values give the same bytes everywhere."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NONE = "–"
"""What stands where there is no value; never a 0."""


def escape(name: object) -> str:
    """A name that is neither markdown, HTML nor a table border."""
    text = html.escape(" ".join(str(name).split()), quote=False)
    return re.sub(r"([\\`*\[\]|~$])|(?<![A-Za-z0-9])(_)|(_)(?![A-Za-z0-9])", r"\\\1\2\3", text)


def code(name: object) -> str:
    """A word of the field, such as a condition, as code; anything else is escaped instead."""
    text = str(name)
    return f"`{text}`" if re.fullmatch(r"[A-Za-z0-9_.+=-]+", text) else escape(text)


def number(value: float | None, digits: int = 2) -> str:
    """A number with that many digits after the point."""
    # Sums differ in their last bits between machines; a value on the edge of two roundings must not.
    return NONE if value is None else f"{round(value, 9) + 0.0:.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage, without the sign for it."""
    return number(None if share is None else share * 100, digits)


def points(share: float | None) -> str:
    """A difference of shares in points with its sign."""
    text = percent(share, 2)
    return text if text.startswith(("-", NONE)) else f"+{text}"


def interval(low: float | None, high: float | None) -> str:
    """An interval of differences in points."""
    return NONE if low is None or high is None else f"[{points(low)}, {points(high)}]"


def counted(n: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def p_value(p: float | None) -> str:
    """A p of the sign-flip test: four digits, five where four would show 0."""
    return NONE if p is None else number(p, 4 if p >= 0.0005 else 5)


def markdown(headers: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """A markdown table whose first `left` columns are text and whose others are numbers; cells are ready text."""
    from tabulate import tabulate

    align = ["left"] * left + ["right"] * (len(headers) - left)
    body = [list(row) for row in rows]
    return str(tabulate(body, list(headers), tablefmt="pipe", disable_numparse=True, colalign=align if body else None))


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV with floats at six digits, None as nothing and true or false in small letters."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_plain(row[name]) for name in columns])
    return out.getvalue()


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return number(value, 6) if isinstance(value, float) else str(value)
