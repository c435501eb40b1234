"""A file of records -> its first string that no record needs: texts of corpora are never published. Pure.

Numbers, hashes and names are single words of few characters; what else a field may hold is said field by field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cod_bench.records import verdicts

NAME = re.compile(r"[A-Za-z0-9._+:/@=~-]{0,100}")
"""What a string may be wherever nothing else is said: no blank, no comma, no letter outside ASCII."""
DIGITS = re.compile(r"[0-9]*")
FIELDS: Mapping[tuple[str, ...], re.Pattern[str]] = {
    ("predictions",): DIGITS,
    ("gold",): DIGITS,
    ("teacher_predictions",): DIGITS,
    ("rows", "labels"): DIGITS,
    ("rows", "roles"): re.compile(r"[ops]*"),
    ("rows", "sources"): re.compile(r"[0-9a-f]{12}"),
    ("row_ids",): re.compile(r"[0-9a-f]{12}"),
    ("classes",): re.compile(r"[A-Za-z0-9_-]+( [A-Za-z0-9_-]+){0,2}"),
    ("provenance", "energy"): re.compile(r"codecarbon [0-9a-z.]{1,20}: estimate"),
    ("verdicts", "cells", "verdict"): re.compile("|".join((verdicts.ELSEWHERE, verdicts.CONTRADICTED, "reproduced"))),
}
"""Fields, without places in lists, whose strings are of another form."""


def text_in(content: str) -> str:
    """What reads like a text in a JSON file, with its field; empty if nothing does.

    Raises:
        ValueError: no JSON, nested too deeply, or a field twice in one object, of which a reader would only see the
            second.
    """
    try:
        value = json.loads(content, object_pairs_hook=_once)
        return next((f"{'.'.join(where)}: {told[:40]!r}" for where, told in _strange(value, ())), "")
    except RecursionError:
        raise ValueError("not JSON: nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"field {twice[:40]!r} stands twice in one object; write it once")
    return found


def _strange(value: Any, where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            if not NAME.fullmatch(name):
                yield where, name
            else:
                yield from _strange(item, (*where, name))
    elif isinstance(value, list):
        for item in value:
            yield from _strange(item, where)
    elif isinstance(value, str) and not FIELDS.get(where, NAME).fullmatch(value):
        yield where, value
