"""Short product reviews -> negative or positive: Amazon polarity, bodies of at most 90 characters."""

from __future__ import annotations

from cod_bench import Hub, Task

TASK = Task(
    name="amazon_polarity",
    version=1,
    title="Amazon product reviews of at most 90 characters, negative or positive",
    short="Amazon reviews",
    classes=("negative", "positive"),
    metric="accuracy",
    hub=Hub(
        id="fancyzhx/amazon_polarity",
        config="amazon_polarity",
        rows={"train": 3_600_000, "test": 400_000},
        evaluation="test",
        text="content",  # without the title, as in the paper
        labels={0: 0, 1: 1},
        longest=90,  # 60, as in the paper, leave 113 test rows; 80 would leave about 1,000 and not surely 600,
    ),
    evaluation_rows=1000,
    aliases=("amazon",),
    licence="Apache-2.0 by its data card",
    citation="McAuley and Leskovec 2013; Zhang, Zhao and LeCun 2015 (Amazon Review Polarity)",
)
