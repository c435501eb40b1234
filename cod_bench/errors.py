"""What goes wrong -> the two failures a user sees: their own mistake (exit 2) and a run that failed (exit 1)."""

from __future__ import annotations

import difflib
import errno
import unicodedata
from collections.abc import Iterable

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE})
"""What a full or failing disk answers: no fault of what was being done, which is done again once there is room."""
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what follows, so that a line reads otherwise than it is."""


class UsageError(ValueError):
    """A user's mistake: one sentence with the field, the value and the remedy; exit code 2."""


class RunError(RuntimeError):
    """A run, teacher or pool that could not be computed: one sentence with the reason; exit code 1."""


class InterruptionError(RunError):
    """Something outside the run ended it: no room, a lost process or machine. Never recorded; the next run goes on."""


def plain(text: object, keep: str = "") -> str:
    """What may be written to a terminal or a page of text: one line, nothing in it that steers whoever shows it.

    Control characters, halves of characters, line ends and marks that turn the direction become escapes.

    Args:
        keep: characters that stay as they are.
    """
    found = str(text)
    if found.isascii() and found.isprintable():
        return found
    return "".join(
        character.encode("unicode_escape").decode()
        if character not in keep
        and (character in TURNING or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"))
        else character
        for character in found
    )


def unknown(field: str, value: str, known: Iterable[str]) -> UsageError:
    """The error for a name nobody knows, with the nearest one that somebody does."""
    names = sorted(known)
    near = difflib.get_close_matches(value, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UsageError(f"unknown {field} {value!r}: {hint}choose from {', '.join(names) or '(none)'}")
