"""Sentences of customers' reviews of products -> negative or positive: Hu and Liu's CR as Kim (2014) prepared it."""

from __future__ import annotations

from cod_bench import Hub, Task
from cod_bench.data import assets

TASK = Task(
    name="cr",
    version=1,
    title="CR: sentences of customers' reviews of products, tokenised and in lower case, negative or positive",
    short="Customer reviews",
    classes=("negative", "positive"),
    metric="accuracy",
    hub=Hub(
        id="SetFit/CR",
        config="default",
        rows={"train": 3_012, "test": 753},
        evaluation="test",
        text="text",
        labels={0: 0, 1: 1},
        files="{config}/{split}/*.parquet",  # its main branch holds JSON lines
        revision="refs/convert/parquet",
    ),
    keep="distinct",  # the set has no split of its own, and every row that is evaluated counts
    evaluation_rows=753,
    licence=assets.NOT_STATED,
    citation="Hu and Liu 2004 (customer reviews), as prepared by Kim 2014",
)
