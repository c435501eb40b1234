"""Very short product reviews -> negative or positive: Amazon polarity as the paper filters it, unranked."""

from __future__ import annotations

from cod_bench import Hub, Task

TASK = Task(
    name="amazon_paper",
    version=1,
    title="Amazon product reviews of at most 60 characters, negative or positive",
    short="Amazon, the paper's rows",
    classes=("negative", "positive"),
    metric="accuracy",
    hub=Hub(
        id="fancyzhx/amazon_polarity",
        config="amazon_polarity",
        rows={"train": 3_600_000, "test": 400_000},
        evaluation="test",
        text="content",  # without the title, as in the paper
        labels={0: 0, 1: 1},
        longest=60,
    ),
    keep="distinct",  # about 113 rows: too few to rank anything by
    evaluation_rows=113,
    ranked=False,
    licence="Apache-2.0 by its data card",
    citation="McAuley and Leskovec 2013; Zhang, Zhao and LeCun 2015 (Amazon Review Polarity)",
)
