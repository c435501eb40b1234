"""Questions -> what kind of answer they ask for, one of six: Li and Roth's question types, coarse."""

from __future__ import annotations

from cod_bench import Hub, Task
from cod_bench.data import assets

TASK = Task(
    name="trec",
    version=1,
    title="TREC: questions by the type of their answer, six classes",
    short="Question types",
    classes=("description", "entity", "abbreviation", "human", "location", "number"),
    metric="accuracy",
    hub=Hub(
        id="CogComp/trec",
        config="default",
        rows={"train": 5_452, "test": 500},
        evaluation="test",
        text="text",
        label="coarse_label",
        labels={0: 2, 1: 1, 2: 0, 3: 3, 4: 4, 5: 5},  # there abbreviation, entity, description, human, location, number
        files="{config}/{split}/*.parquet",  # its main branch holds a loading script
        revision="refs/convert/parquet",
    ),
    keep="distinct",  # nine questions of the test split ask for an abbreviation: no balanced sample has enough
    licence=assets.NOT_STATED,
    citation="Li and Roth 2002 (question classification); Hovy et al. 2001",
)
