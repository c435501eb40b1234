"""vaderSentiment's word list -> how pleasant readers find a word, for the `substitution` generator.

Human ratings of words out of context (Hutto and Gilbert 2014, MIT licence), installed with the package. They help to
choose among words; what a class is, and whether a text has it, the teacher alone says.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

HIGHEST = 4.0
"""The list rates from -4 to 4."""


@cache
def _list() -> bytes:
    return (files("vaderSentiment") / "vader_lexicon.txt").read_bytes()


@cache
def sha256() -> str:
    """Of the list: another release's may differ."""
    return hashlib.sha256(_list()).hexdigest()


@cache
def ratings() -> dict[str, float]:
    """Word in lower case -> mean rating of ten readers, -1 to 1."""
    found: dict[str, float] = {}
    for line in _list().decode("utf-8").splitlines():
        if line.strip():
            word, mean, *_ = line.split("\t")
            found[word] = float(mean) / HIGHEST
    return found
