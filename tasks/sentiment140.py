"""Tweets labelled by their emoticons -> negative or positive: Sentiment140, on fixed held-out rows of its train set."""

from __future__ import annotations

from cod_bench import Hub, Task
from cod_bench.data import assets

TASK = Task(
    name="sentiment140",
    version=1,
    title="Sentiment140 tweets, negative or positive by the emoticon that was removed from them",
    short="Sentiment140",
    classes=("negative", "positive"),
    metric="accuracy",
    hub=Hub(
        id="stanfordnlp/sentiment140",
        config="sentiment140",
        rows={"train": 1_600_000},
        evaluation=None,  # the 498 manually labelled tweets of its test split stay apart
        text="text",
        label="sentiment",
        labels={0: 0, 4: 1},
        files="{config}/{split}/*.parquet",  # its main branch held a loading script when this was written
        revision="refs/convert/parquet",
    ),
    evaluation_rows=1600,
    licence=assets.NOT_STATED,
    citation="Go, Bhayani and Huang 2009 (Sentiment140)",
)
