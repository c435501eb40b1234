"""Two texts -> what stayed, went and came, word by word, and how a terminal shows it. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Tag = Literal["equal", "del", "ins"]

_MARKS = {"del": ("[-", "-]", "\x1b[31;9m"), "ins": ("{+", "+}", "\x1b[32;1m")}
"""Marks as of wdiff, and the colour: red and struck through, green and bold."""


def words(before: str, after: str) -> tuple[tuple[Tag, str], ...]:
    """Runs of words that stayed, went (`del`) or came (`ins`), by minimal word-level Levenshtein distance.

    Left out the `ins` the words are those of `before`; left out the `del`, those of `after`.
    """
    from rapidfuzz.distance import Levenshtein

    a, b = before.split(), after.split()
    found: list[tuple[Tag, str]] = []
    for op in Levenshtein.opcodes(a, b):
        gone, came = " ".join(a[op.src_start : op.src_end]), " ".join(b[op.dest_start : op.dest_end])
        if op.tag == "equal":
            found.append(("equal", gone))
            continue
        found += [(tag, text) for tag, text in (("del", gone), ("ins", came)) if text]  # type: ignore[misc]
    return tuple(found)


def drawn(diff: Sequence[tuple[Tag, str]], *, colour: bool) -> str:
    """A word diff as a line; without colour in marks, which a pipe or a colour-blind reader can tell apart."""
    parts = []
    for tag, text in diff:
        if tag == "equal":
            parts.append(text)
        else:
            opening, closing, code = _MARKS[tag]
            parts.append(f"{code}{text}\x1b[0m" if colour else f"{opening}{text}{closing}")
    return " ".join(parts)
