"""Words of a command line -> the same, looked at before typer takes them: plain numbers, nothing empty, all of it text.

typer takes a full-width 8, 1_0, +8 and nan for numbers and an empty word for a name; a slip is told here instead.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from cod_bench.errors import UsageError

LONGEST_SUMMARY = 300
"""Characters of a verb's first sentence."""
FORMS = {
    int: (re.compile(r"[0-9]{1,9}", re.ASCII), "write a whole number of at most nine digits, such as 8"),
    float: (re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?", re.ASCII), "write digits such as 8 or 0.05"),
}
"""Type of an option -> how its values are written."""

FEW = 12
"""So many options need no groups."""
OTHERS = "Others"
GROUPS: Mapping[str, tuple[str, ...]] = {
    "What to run": (
        "all_", "suite", "protocol", "track", "task", "method", "condition", "k", "seed", "generator", "part", "rerun",
    ),
    "Where from and where to": ("results", "out", "data", "plugin"),
    "On what": (
        "workers", "device", "workers_per_device", "executor", "address", "gpus_per_run", "fail_fast", "timeout",
        "energy",
    ),
    "A pair of models of your own": (
        "teacher", "student", "layer_map", "max_length", "precision", "teacher_epochs", "teacher_seed",
        "recipe",
    ),
    "Counterfactuals that a model or a file brings": (
        "model", "base_url", "pairs", "attempts", "yes", "budget", "concurrency", "rate", "batch", "poll",
    ),
}  # fmt: skip
"""Title -> parameters, as the verbs call them."""
GROUP_OF = {name: title for title, names in GROUPS.items() for name in names}
VERBS = {
    "Run": ("run", "plan", "status", "list", "lab"),
    "Read": ("leaderboard", "compare", "frontier", "power", "table", "claims", "figure", "report", "export", "site"),
    "Make your own": ("new", "check", "cfe", "judge", "recipe"),
    "Publish": ("declare", "lock", "merge", "reproduce", "verify"),
    "Look after": ("assets", "doctor", "bench"),
}
"""Title -> verbs of the command line."""

LAYERS = re.compile(r"[0-9]{1,4}:[0-9]{1,4}( *, *[0-9]{1,4}:[0-9]{1,4})*", re.ASCII)

Function = TypeVar("Function", bound=Callable[..., Any])

_named: set[str] = set()


def named(parameter: str) -> bool:
    """Whether the command line that is at work names that parameter, as its verb calls it."""
    return parameter in _named


class Verb(TyperCommand):
    """A verb that looks at its words first, and whose help groups its options by what they are about."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Options in groups where a verb has many; in one list where it has few."""
        arguments: list[tuple[str, str]] = []
        options: dict[str, list[tuple[str, str]]] = {title: [] for title in (*GROUPS, OTHERS)}
        for param in self.get_params(ctx):
            if (row := param.get_help_record(ctx)) is not None:
                own = arguments if param.param_type_name == "argument" else options[GROUP_OF.get(param.name, OTHERS)]
                own.append(row)
        if sum(map(len, options.values())) <= FEW:
            options = {"Options": [row for own in options.values() for row in own]}
        for title, rows in {"Arguments": arguments, **options}.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Examples, a line each, never wrapped: they are to be copied."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.split("\n"):
                    formatter.write(f"{' ' * formatter.current_indent}{line}\n")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer's.

        Raises:
            UsageError: a number that is none, an empty value, or one that is no text.
        """
        _named.clear()
        if not ctx.resilient_parsing:  # a shell that completes has not all of the words yet
            words, _, _ = self.make_parser(ctx).parse_args(args=list(args))
            given = {param.name: param for param in self.params if words.get(param.name) is not None}
            _named.update(given)
            for name, param in given.items():
                self._look(name, param, words[name])
        return list(super().parse_args(ctx, args))

    def _look(self, name: str, param: Any, value: Any) -> None:
        kinds = _kinds(inspect.unwrap(self.callback) if self.callback else None).get(name, frozenset())
        form = next((FORMS[kind] for kind in (int, float) if kind in kinds), None)
        called = max(param.opts, key=len) if param.opts and param.opts[0].startswith("-") else name.upper()
        for word in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(word, str):
                continue  # a flag
            if not word.strip():
                raise UsageError(f"{called} {word!r}: name at least one value or leave the option out")
            if form and not form[0].fullmatch(word):
                raise UsageError(f"{called} {word!r}: {form[1]}")
            if name == "layer_map" and not LAYERS.fullmatch(word):
                raise UsageError(f"{called} {word!r}: write student:teacher pairs such as 1:3,2:6")
            if Path not in kinds and not _is_text(word):
                raise UsageError(f"{called} {word!r}: is not UTF-8; write it in UTF-8")


@cache
def _kinds(callback: Any) -> Mapping[str, frozenset[Any]]:
    """Parameter -> the types that its annotation names."""
    if callback is None:
        return {}
    hints = get_type_hints(callback)
    return {name: frozenset({hint, *get_args(hint), *(i for a in get_args(hint) for i in get_args(a))})
            for name, hint in hints.items()}  # fmt: skip


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


class Verbs(TyperGroup):
    """A group whose list of verbs says what each does in a whole sentence, over several lines where need be."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """The list of verbs."""
        rows = {name: verb.get_short_help_str(LONGEST_SUMMARY) for name, verb in self.commands.items()}
        groups = {title: [name for name in names if name in rows] for title, names in VERBS.items()}
        if self.name != "cod-bench" and len(rows) <= FEW:
            groups = {"Commands": list(rows)}
        apart = [name for name in rows if not any(name in names for names in groups.values())]
        for title, names in {**groups, OTHERS: apart}.items():
            if names:
                with formatter.section(title):
                    formatter.write_dl([(name, rows[name]) for name in names])


class App(typer.Typer):
    """An application of such verbs."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(cls=Verbs, no_args_is_help=True, rich_markup_mode=None, **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Function], Function]:
        """As typer's, of a `Verb`."""
        return super().command(name, cls=Verb, **settings)
