"""Synthetic opinions -> bad or good: a few hundred learnable RawRows for tests; no asset."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from cod_bench import RawRow, Task

_OPINIONS = (
    ("awful", "boring", "broken", "dull", "horrible", "poor", "terrible", "weak"),
    ("brilliant", "charming", "excellent", "fresh", "great", "lovely", "superb", "wonderful"),
)
_THINGS = (
    "camera",
    "dinner",
    "engine",
    "film",
    "hotel",
    "keyboard",
    "lamp",
    "novel",
    "phone",
    "salad",
    "song",
    "train",
)
_PLACES = ("in paris", "at home", "by the sea", "near the river", "on the hill", "in the garden", "at work", "in june")
_TIMES = ("today", "yesterday", "again", "tonight", "now", "sunday", "monday", "friday", "then", "once")
_FRAMES = (
    "the {thing} {place} was {first} and {second} {time}",
    "{time} we found the {thing} {place} {first} , even {second}",
    "what {first} news of the {thing} {place} , so {second} {time}",
    "they sold the {first} {thing} {place} with its {second} case {time}",
)


def _read() -> Iterator[RawRow]:
    """600 rows from the sha256 of their number, so that no library's random stream can change them."""
    for number in range(600):
        draw = iter(sha256(f"toy {number}".encode()).digest())
        label = number % 2
        opinions = _OPINIONS[label]
        first = next(draw) % len(opinions)
        second = (first + 1 + next(draw) % (len(opinions) - 1)) % len(opinions)
        thing, place, time, frame = (kind[next(draw) % len(kind)] for kind in (_THINGS, _PLACES, _TIMES, _FRAMES))
        text = frame.format(thing=thing, place=place, time=time, first=opinions[first], second=opinions[second])
        yield RawRow(text, label)


TASK = Task(
    name="toy",
    version=1,
    title="Synthetic opinions, bad or good",
    short="Synthetic opinions",
    classes=("bad", "good"),
    metric="accuracy",
    assets=(),
    licence="Apache-2.0, as this repository",
    citation="none: made by this file",
    read=_read,
    pool_sha256="cfc73097fe8273caecb0115c07b596b25bf7c36b2580fa540e33b18b8061805d",
    evaluation_sha256="de76b730713443d468a22be6ceaf3219b148f023972aab8b1259691de6fd2e8b",
    evaluation_rows=100,
    dev_rows=60,
    shares=(0.6, 0.15, 0.25),
)
