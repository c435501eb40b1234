"""Phrases of film reviews -> negative or positive: GLUE's SST-2, evaluated on its development set."""

from __future__ import annotations

from cod_bench import Hub, Task
from cod_bench.data import assets

TASK = Task(
    name="sst2",
    version=1,
    title="SST-2: phrases and sentences of film reviews, negative or positive",
    short="SST-2",
    classes=("negative", "positive"),
    metric="accuracy",
    hub=Hub(
        id="nyu-mll/glue",
        config="sst2",
        rows={"train": 67_349, "validation": 872},
        evaluation="validation",
        text="sentence",
        labels={0: 0, 1: 1},
    ),
    keep="all",
    evaluation_rows=872,
    evaluation_sha256="c783c6a6c7929fb684bef680a5257ea7e8ef62d1385272912c466f6d558e2094",
    pool_rows=70_000,  # the whole of it
    licence=assets.NOT_STATED,
    citation="Socher et al. 2013 (Stanford Sentiment Treebank); Wang et al. 2019 (GLUE)",
)
