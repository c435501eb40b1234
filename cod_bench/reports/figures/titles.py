"""Names of tasks, methods and conditions -> what people call them, as their files say it; the name where none does."""

from __future__ import annotations

from cod_bench import registry
from cod_bench.spec import LOCAL, base_name

SLICE = " (local\u00a0slice)"
"""Never cut at its blank."""


def task(name: str) -> str:
    """A task's, with a mark where it is a slice of its user's own rows."""
    base = base_name(name)
    found: str = registry.load("task", base).short if base in registry.names("task") else ""
    return (found or base) + (SLICE if LOCAL in name else "")


def method(name: str) -> str:
    """A method's."""
    return _own(registry.load("baseline", name), name) if name in registry.names("baseline") else name


def condition(name: str) -> str:
    """A condition's."""
    return _own(type(registry.load("condition", name)), name) if name in registry.names("condition") else name


def as_it_is(name: str) -> str:
    """The name: for figures that stand beside tables which have names."""
    return name


def _own(kind: type, name: str) -> str:
    """What a class says of itself: one that it was made from is called so already."""
    return str(vars(kind).get("short") or name)
