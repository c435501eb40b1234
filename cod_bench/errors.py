"""What goes wrong -> the two failures a user sees: their own mistake (exit 2) and a run that failed (exit 1)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """A user's mistake: one sentence with the field, the value and the remedy; exit code 2."""


class RunError(RuntimeError):
    """A run, teacher or pool that could not be computed: one sentence with the reason; exit code 1."""


def unknown(field: str, value: str, known: Iterable[str]) -> UsageError:
    """The error for a name nobody knows, with the nearest one that somebody does."""
    names = sorted(known)
    near = difflib.get_close_matches(value, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UsageError(f"unknown {field} {value!r}: {hint}choose from {', '.join(names) or '(none)'}")
