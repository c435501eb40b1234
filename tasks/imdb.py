"""Short film reviews -> negative or positive: IMDB reviews of at most 300 characters, official split."""

from __future__ import annotations

from cod_bench import Hub, Task
from cod_bench.data import assets

TASK = Task(
    name="imdb",
    version=1,
    title="IMDB film reviews of at most 300 characters, negative or positive",
    short="IMDB",
    classes=("negative", "positive"),
    metric="accuracy",
    hub=Hub(
        id="stanfordnlp/imdb",
        config="plain_text",
        rows={"train": 25_000, "test": 25_000},
        evaluation="test",
        text="text",
        labels={0: 0, 1: 1},
        longest=300,
    ),
    keep="distinct",  # 861 test reviews are as short, some of them twice
    evaluation_rows=854,
    evaluation_sha256="85160b7c6cce808ee9c50b95ab3c606888a37597bfc3aaa366fe9f42df6e614f",
    licence=assets.NOT_STATED,
    citation="Maas et al. 2011 (Large Movie Review Dataset)",
)
