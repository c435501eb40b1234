"""vaderSentiment's word list -> valence: how pleasant people find a word, for the `substitution` generator.

Mean ratings of single words by ten people (Hutto and Gilbert 2014, MIT licence), installed with that package. They help
to choose among words; which class a text has, the teacher alone says.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from cod_bench.errors import RunError

SHA256 = "1ec9c6e9ee19aade328f8beb393a6afa71a5bb3acf7d3cc22d4ef568df374bf5"
"""Of the list: part of every run id that depends on it."""
HIGHEST = 4.0
"""The list rates from -4 to 4."""


@cache
def ratings() -> dict[str, float]:
    """Entry of the list (words in lower case, emoticons as they are) -> valence, -1 to 1; of repeated ones the last.

    Raises:
        RunError: the list is not there or is another.
    """
    try:
        content = (files("vaderSentiment") / "vader_lexicon.txt").read_bytes()
    except (ImportError, OSError):
        content = b""
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise RunError(
            f"vaderSentiment's vader_lexicon.txt has sha256 {found}, not {SHA256}: "
            "install the pinned one by `pip install vadersentiment==3.3.2`"
        )
    rows = (line.split("\t") for line in content.decode("utf-8").splitlines() if line.strip())
    return {word: float(mean) / HIGHEST for word, mean, *_ in rows}
