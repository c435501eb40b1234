"""Short reviews of businesses as the paper maps them: 1 to 3 stars negative, 4 dropped, 5 positive; unranked."""

from __future__ import annotations

from cod_bench import Hub, Task

TASK = Task(
    name="yelp_paper",
    version=1,
    title="Yelp reviews of at most 250 characters, negative (1-3 stars) or positive (5 stars)",
    short="Yelp, the paper's rows",
    classes=("negative", "positive"),
    metric="accuracy",
    hub=Hub(
        id="Yelp/yelp_review_full",
        config="yelp_review_full",
        rows={"train": 650_000, "test": 50_000},
        evaluation="test",
        text="text",
        labels={0: 0, 1: 0, 2: 0, 3: None, 4: 1},  # the released code takes labels from 0 for stars from 1
        longest=250,  # version 1 counts characters, as the released code does; the paper says tokens
    ),
    evaluation_rows=1000,
    ranked=False,
    licence="Yelp dataset licence: non-commercial, no redistribution",
    citation="Zhang, Zhao and LeCun 2015 (Yelp Review Full)",
)
