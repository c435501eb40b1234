"""The named suites, as data. Nothing here is imported by name anywhere else; `list` shows them all."""

from __future__ import annotations

from collections.abc import Mapping

from cod_bench.errors import unknown
from cod_bench.spec import Grid, Suite

_METHODS = ("kd", "lwd", "ted")
_MAIN = ("standard", "cod", "random", "unvalidated")

SUITES: Mapping[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            name="smoke",
            title="One minute: does it run here?",
            tracks=("minilm-smoke", "minilm-smoke-fp32"),
            tasks=("rt_quotes",),
            seeds=(0, 1),
            primary_k=(8,),
            grids=(Grid(("kd",), ("standard", "cod"), (8,)),),
            generator="substitution",
        ),
        Suite(
            name="embedded",
            title="The main job: two corpora, three methods, every control, k = 8 to 32",
            tracks=("minilm", "minilm-fp32", "smollm", "smollm-minilm"),
            tasks=("rt_quotes", "brand_tweets"),
            seeds=(0, 1, 2, 3, 4),
            primary_k=(8, 16, 32),
            grids=(
                Grid(_METHODS, _MAIN, (8, 16, 32)),
                Grid(("kd",), ("half",), (8, 16, 32)),
                Grid(("kd",), ("label-preserving",), (16,)),
            ),
            generator="substitution",
        ),
        Suite(
            name="embedded-full",
            title="As embedded with k up to 512, ten seeds, fine-tuning and every control for every method",
            tracks=("minilm", "minilm-fp32"),
            tasks=("rt_quotes", "brand_tweets"),
            seeds=tuple(range(10)),
            primary_k=(8, 16, 32, 64),
            grids=(Grid((*_METHODS, "finetune"), (*_MAIN, "label-preserving", "half"), (8, 16, 32, 64, 128, 512)),),
            generator="substitution",
        ),
        Suite(
            name="toy",
            title="Synthetic text and random models: a check in seconds",
            tracks=("toy",),
            tasks=("toy",),
            seeds=(0, 1),
            primary_k=(8,),
            grids=(Grid((*_METHODS, "finetune"), (*_MAIN, "label-preserving", "half"), (8,)),),
            generator="substitution",
        ),
    )
}

DEFAULT_SUITE = "embedded"


def suite(name: str) -> Suite:
    """The suite of that name; an unknown one is a UsageError with the nearest name."""
    if name not in SUITES:
        raise unknown("suite", name, SUITES)
    return SUITES[name]
