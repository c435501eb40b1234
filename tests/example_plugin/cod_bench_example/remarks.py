"""remarks: made-up remarks -> no or yes. Replace `_read` and what the task says of itself with your own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from cod_bench import RawRow, Task

_WORDS = (("sadly", "hardly", "barely", "never"), ("truly", "gladly", "surely", "always"))
_WHO = ("anna", "bert", "clara", "david", "emma", "felix", "greta", "henry")
_WHAT = ("reads letters", "plays chess", "bakes bread", "paints walls", "mends shoes", "sings songs")
_WHEN = ("on monday", "at noon", "in spring", "after work", "before dawn", "every week")


def _read() -> Iterator[RawRow]:
    """Every row once, in any order: equal texts and near-duplicates are dropped, the split is made for you.

    Rows of one `group` (a film, an author) fall on one side of the split. Files come through `assets` or `Hub`.
    """
    for label, words in enumerate(_WORDS):
        for word, who, what, when in itertools.product(words, _WHO, _WHAT, _WHEN):
            yield RawRow(f"{when} {who} {word} {what}", label)


TASK = Task(
    name="remarks",
    version=1,  # raise it with any change of the rows
    title="Made-up remarks, no or yes",
    classes=("no", "yes"),
    metric="accuracy",
    licence="of the texts: who may publish them",
    citation="where the texts are from",
    read=_read,
    # `cod-bench check` tells both sums; anything else is refused, so that a task never changes unseen.
    pool_sha256="20928aa477bf16ffd424e45b362866655d596800dfcf599dbc87b7355742a313",
    evaluation_sha256="4c9ecb1bcdc6f8a19031091d5ccf6e41af0797909f09d1f51265ab809a3c7497",
    evaluation_rows=40,  # 1000 for a task of a leaderboard
    dev_rows=40,
    shares=(0.6, 0.15, 0.25),
)
