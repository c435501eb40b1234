"""Short reviews of businesses -> negative or positive: Yelp, 1 and 2 stars against 4 and 5."""

from __future__ import annotations

from cod_bench import Hub, Task

TASK = Task(
    name="yelp",
    version=1,
    title="Yelp reviews of at most 250 characters, negative (1-2 stars) or positive (4-5 stars)",
    short="Yelp reviews",
    classes=("negative", "positive"),
    metric="accuracy",
    hub=Hub(
        id="Yelp/yelp_review_full",
        config="yelp_review_full",
        rows={"train": 650_000, "test": 50_000},
        evaluation="test",
        text="text",
        labels={0: 0, 1: 0, 2: None, 3: 1, 4: 1},  # the hub's label is the number of stars less one
        longest=250,  # version 1 counts characters, as the released code does; the paper says tokens
    ),
    evaluation_rows=1000,
    licence="Yelp dataset licence: non-commercial, no redistribution",
    citation="Zhang, Zhao and LeCun 2015 (Yelp Review Full)",
)
