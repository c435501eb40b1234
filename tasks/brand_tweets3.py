"""Tweets about companies and products -> negative, neutral or positive: rows as of brand_tweets and neutral ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cod_bench import RawRow

from . import brand_tweets  # noqa: TID251 - relative, not the bare folder

CLASSES = ("negative", "neutral", "positive")


def _read() -> Iterator[RawRow]:
    return brand_tweets.rows({name: number for number, name in enumerate(CLASSES)})


TASK = replace(
    brand_tweets.TASK,
    name="brand_tweets3",
    title="Tweets about companies and products: negative, neutral or positive",
    short="Tweets about brands, three classes",
    classes=CLASSES,
    read=_read,
    evaluation_rows=999,
    pool_sha256="2ce477f2712acb2c8df0e4ec74cf3132a65ca7397209bf2f5002e72f85430e5d",
    evaluation_sha256="c3cce320c3a71a2616f1561b470e25194feb65da4ad643ebe0bda022fb7404d0",
)
