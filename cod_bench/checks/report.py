"""Checks as data, what was found out -> the lines of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from cod_bench.errors import plain

State = Literal["ok", "FAILED", "skipped"]
LONGEST = 2000
"""Characters of a reason that are printed."""
Found = TypeVar("Found")
"""What is looked at: a plugin that was probed, a folder that was read."""


@dataclass(frozen=True, slots=True)
class Result:
    """One line of a check's report."""

    check: str
    state: State
    reason: str = ""

    @property
    def line(self) -> str:
        """As it is printed: nothing that a file brought steers who reads it, or fills its screen."""
        told = plain(self.reason)
        cut = f"{told[:LONGEST]} ..." if len(told) > LONGEST else told
        return f"{self.state:7} {self.check}" + (f": {cut}" if cut else "")


@dataclass(frozen=True, slots=True)
class Check(Generic[Found]):
    """One thing that must hold. `find` gives why it does not, empty when it does, None when it cannot be told."""

    name: str
    meaning: str
    find: Callable[[Found], str | Mapping[str, str] | None]
    """A sentence, or reasons by file."""
    told: Callable[[Found], str] = lambda _: ""
    """What to say where it holds."""
    untold: Callable[[Found], str] = lambda _: "an earlier check failed"
    """What to say where it cannot be told."""


def judge(checks: Iterable[Check[Found]], found: Found) -> list[Result]:
    """The results of every check for what was found out, in their order. Pure."""
    results = []
    for one in checks:
        reason = one.find(found)
        state: State = "skipped" if reason is None else "FAILED" if reason else "ok"
        told = one.untold(found) if reason is None else first(reason) or one.told(found)
        results.append(Result(one.name, state, told))
    return results


def first(reason: str | Mapping[str, str]) -> str:
    """A reason as it is printed: of several files the first, and how many more there are."""
    if isinstance(reason, str):
        return reason
    if not reason:
        return ""
    name, told = next(iter(reason.items()))
    more = f" (and {len(reason) - 1} more)" if len(reason) > 1 else ""
    return f"{name}: {told}{more}"
