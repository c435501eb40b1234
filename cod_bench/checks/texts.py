"""A file of records -> its first string that no record needs, or why no system can hold its name. Pure.

Texts of corpora are never published. Numbers, hashes and names are single words of few characters; what else a field
may hold is said field by field.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cod_bench.analysis import claims, declare
from cod_bench.records import verdicts
from cod_bench.registry import DEVICE
from cod_bench.spec import TOO_DEEP

NAME = re.compile(r"[A-Za-z0-9._+:/@=~-]{0,140}")
"""What a string may be wherever nothing else is said: no blank, no comma, no letter outside ASCII."""
DIGITS = re.compile(r"[0-9]*")
SENTENCE = re.compile(r"[A-Za-z0-9_ ,.:;'?()<=+-]{0,240}")
"""What a declaration says in words of its own."""
_RULES = (declare.RULES, declare.MEASURES, {"teachers": declare.CROSSED, "methods": declare.NAMED})
"""What a declaration may say of each rule."""
FIELDS: Mapping[tuple[str, ...], re.Pattern[str]] = {
    ("predictions",): DIGITS,
    ("gold",): DIGITS,
    ("teacher_predictions",): DIGITS,
    ("rows", "labels"): DIGITS,
    ("rows", "roles"): re.compile(r"[opsu]*"),
    ("rows", "sources"): re.compile(r"[0-9a-f]{12}"),
    ("row_ids",): re.compile(r"[0-9a-f]{12}"),
    ("classes",): re.compile(r"[A-Za-z0-9_-]+( [A-Za-z0-9_-]+){0,2}"),
    ("provenance", "energy"): re.compile(r"codecarbon [0-9a-z.]{1,20}: estimate"),
    ("verdicts", "cells", "verdict"): re.compile("|".join((verdicts.ELSEWHERE, verdicts.CONTRADICTED, "reproduced"))),
    ("title",): re.compile(r"[A-Za-z0-9 ,.:;'?()=+-]{0,120}"),
    ("families", "name"): re.compile(
        r"[a-z0-9-]+( [a-z0-9-]+){0,3}(, mean of methods)?|" + re.escape(f"{claims.ASKED}, ") + NAME.pattern
    ),
    ("families", "comparisons"): re.compile(f"{NAME.pattern}|{re.escape(claims.POOLED)}"),
    ("expected", "lead"): SENTENCE,
    ("seen",): SENTENCE,
    ("families", "direction"): re.compile(declare.DIRECTION),
    **{
        ("rules", name): re.compile("|".join(re.escape(own[name]) for own in _RULES if name in own))
        for name in {name for own in _RULES for name in own}
    },
    ("rules", "multiplicity"): re.compile("|".join(map(re.escape, declare.HOLM.values()))),
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
        raise ValueError(TOO_DEEP) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
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


def unfit_path(name: str) -> str:
    """Why some system cannot hold a file of that path; empty if all can."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8; rename it"
    for part in name.split("/"):
        if DEVICE.fullmatch(part.partition(".")[0].rstrip()):
            return f"{part!r} is what Windows calls a device; rename it"
        if part.endswith((".", " ")):
            return f"{part!r} ends in a dot or blank, which Windows leaves out; rename it"
    return ""


def colliding(names: Sequence[str], before: Iterable[str] = ()) -> dict[str, str]:
    """Paths that differ from an earlier one, or one of `before`, in capitals or the form of their letters alone.

    Some systems take the two for one file, or their folders for one folder.
    """
    known: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for name in (*before, *names):
        parts = name.split("/")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            if (other := known.setdefault(unicodedata.normalize("NFKC", path).casefold(), path)) != path:
                reasons.setdefault(name, f"differs from {other} in capitals or form alone; rename it")
    return {name: reasons[name] for name in names if name in reasons}
