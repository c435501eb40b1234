"""Sentences about films -> opinion or plot: Pang and Lee's SUBJ. No sentiment, so that opinion words do not help."""

from __future__ import annotations

from cod_bench import Hub, Task
from cod_bench.data import assets

TASK = Task(
    name="subj",
    version=1,
    title="SUBJ: sentences about films, subjective (from reviews) or objective (from plot summaries)",
    short="Subjectivity",
    classes=("subjective", "objective"),
    metric="accuracy",
    hub=Hub(
        id="SetFit/subj",
        config="default",
        rows={"train": 8_000, "test": 2_000},
        evaluation="test",
        text="text",
        labels={0: 1, 1: 0},  # there 1 is subjective
        files="{config}/{split}/*.parquet",  # its main branch holds JSON lines
        revision="refs/convert/parquet",
    ),
    licence=assets.NOT_STATED,
    citation="Pang and Lee 2004 (subjectivity data set)",
)
