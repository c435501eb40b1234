"""A TOML file of a user's own -> a suite, as if it were declared here; every slip in it is one sentence. No torch."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cod_bench import registry
from cod_bench.data import origin
from cod_bench.design import tracks
from cod_bench.design.suite import Block, Suite
from cod_bench.errors import UsageError, plain, unknown
from cod_bench.registry import unfit_name
from cod_bench.spec import PROTOCOLS, digest
from cod_bench.split import check_budget
from cod_bench.store import read_text
from cod_bench.track import LARGEST_SEED

END = ".toml"
LARGEST = 1 << 16
"""Bytes of a suite's file that is read."""
MOST = 10_000
"""Values of one list."""
REQUIRED = ("tasks", "methods", "conditions", "k", "seeds")
KEYS = (*REQUIRED, "name", "title", "tracks", "track", "teachers", "primary_k", "generator", "floors", "protocols")
DEFAULTS: Mapping[str, Any] = {"generator": "substitution", "floors": True, "protocols": ["last"]}

Floors = Callable[[tuple[int, ...], int], tuple[Block, ...]]


def read(path: Path, *, taken: Sequence[str], tracks_else: Sequence[str], floors: Floors) -> tuple[Suite, str]:
    """The suite that a file declares, and the file's text; the title tells the digest of what it declares.

    Args:
        taken: names that it may not have.
        tracks_else: tracks where the file names none.
        floors: (budgets, seed of the ceilings) -> the blocks of floors where the file does not say `floors = false`.

    Raises:
        UsageError: no such file, no TOML, an unknown key (with the nearest one), or a value that cannot be.
    """
    where = f"--suite {path}"
    given, text = _table(path, where)
    for key in given:
        if key not in KEYS:
            raise UsageError(f"{where}: {unknown('key', plain(key), KEYS)}")
    if absent := [key for key in REQUIRED if key not in given]:
        raise UsageError(f"{where}: {absent[0]} is missing; write for example {EXAMPLES[absent[0]]}")
    name = _word(where, "name", given.get("name", path.stem))
    if unfit := unfit_name(name):
        raise UsageError(f"{where}: name {name!r}: {unfit}; choose another one")
    if {"track", "tracks"} <= given.keys():
        raise UsageError(f"{where}: has both track and tracks; leave one of them out")
    if name in taken:
        raise UsageError(f"{where}: name {name!r} is taken by a declared suite; choose another one")
    asked = {key: _words(where, key, given[key]) for key in ("tasks", "methods", "conditions")}
    for key, kind in (("methods", "baseline"), ("conditions", "condition")):
        for value in asked[key]:
            if value not in registry.names(kind):
                raise UsageError(f"{where}: {unknown(key[:-1], value, registry.names(kind))}")
    for value in asked["tasks"]:
        if not origin.known(value):
            raise UsageError(f"{where}: {unknown('task', value, registry.names('task'))}; name your own by --data")
    chosen = given.get("tracks", given.get("track", list(tracks_else)))
    tracked = _words(where, "tracks", [chosen] if isinstance(chosen, str) else chosen)
    for value in tracked:
        try:
            tracks.track(value)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
    generator = _word(where, "generator", given.get("generator", DEFAULTS["generator"]))
    if generator not in registry.names("generator"):
        raise UsageError(f"{where}: {unknown('generator', generator, registry.names('generator'))}")
    ks, seeds = _numbers(where, "k", given["k"]), _numbers(where, "seeds", given["seeds"])
    for k in ks:
        try:
            check_budget(k, 2)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
    primary = _numbers(where, "primary_k", given.get("primary_k", list(ks)))
    if strange := sorted({*primary} - {*ks}):
        raise UsageError(f"{where}: primary_k {strange[0]} is none of k = {', '.join(map(str, ks))}; take it out")
    protocols = _words(where, "protocols", given.get("protocols", DEFAULTS["protocols"]))
    for value in protocols:
        if value not in PROTOCOLS:
            raise UsageError(f"{where}: {unknown('protocol', value, PROTOCOLS)}")
    beside = given.get("floors", DEFAULTS["floors"])
    if not isinstance(beside, bool):
        raise UsageError(f"{where}: floors {beside!r}: write true or false")
    teachers = _numbers(where, "teachers", given.get("teachers", [0]))
    if max(teachers) > LARGEST_SEED:
        raise UsageError(f"{where}: teachers {max(teachers)}: choose seeds of at most {LARGEST_SEED}")
    tasks = tuple(origin.named(task) for task in asked["tasks"])
    declared = {
        "tasks": tasks, "methods": asked["methods"], "conditions": asked["conditions"], "k": ks, "seeds": seeds,
        "primary_k": primary, "tracks": tracked, "generator": generator, "protocols": protocols, "floors": beside,
        **({} if teachers == (0,) else {"teachers": teachers}),
    }  # fmt: skip
    mark = digest({key: list(value) if isinstance(value, tuple) else value for key, value in declared.items()})
    title = _word(where, "title", given.get("title", "A suite of one's own"))
    made = Suite(
        name=name, title=f"{title}; declared in a file, sha256 {mark}", tracks=tracked, tasks=tasks, seeds=seeds,
        primary_k=primary, blocks=(Block(asked["methods"], asked["conditions"], ks),), generator=generator,
        protocols=protocols, floors=floors(ks, seeds[0]) if beside else (), teachers=teachers,
    )  # fmt: skip
    return made, text


EXAMPLES = {
    "tasks": 'tasks = ["rt_quotes"]', "methods": 'methods = ["kd"]', "conditions": 'conditions = ["standard", "cod"]',
    "k": "k = [8, 16]", "seeds": "seeds = [0, 1, 2, 3, 4]",
}  # fmt: skip


def _table(path: Path, where: str) -> tuple[dict[str, Any], str]:
    try:
        text = read_text(path, LARGEST).removeprefix("\ufeff")
        return tomllib.loads(text), text
    except FileNotFoundError:
        raise UsageError(f"{where}: no such file; name a TOML file that declares a suite") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: is no TOML ({plain(error)}); mend it there") from None
    except RecursionError:
        raise UsageError(f"{where}: is nested too deeply; write lists of names and numbers") from None
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{where}: cannot be read: {plain(told)}") from None


def _word(where: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or plain(value) != value:
        raise UsageError(f"{where}: {key} {plain(repr(value))}: write a text")
    return value


def _words(where: str, key: str, value: Any) -> tuple[str, ...]:
    found = value if isinstance(value, list) else None
    if not found or not all(isinstance(one, str) for one in found) or len(set(found)) < len(found):
        raise UsageError(f'{where}: {key} {plain(repr(value))}: write a list of names, each once, such as ["a", "b"]')
    return tuple(found)


def _numbers(where: str, key: str, value: Any) -> tuple[int, ...]:
    """Whole numbers as a list, or as a range in a text: "0-4"."""
    match = re.fullmatch(r"([0-9]{1,9})-([0-9]{1,9})", value, re.ASCII) if isinstance(value, str) else None
    span = range(int(match[1]), int(match[2]) + 1) if match else None
    found = value if isinstance(value, list) else [*span[:MOST]] if span is not None and len(span) <= MOST else []
    sound = all(type(one) is int and 0 <= one < 10**9 for one in found) and len(set(found)) == len(found)
    if not found or len(found) > MOST or not sound:
        raise UsageError(f"{where}: {key} {plain(repr(value))[:80]}: write whole numbers, each once, such as [0, 1, 2]")
    return tuple(found)
