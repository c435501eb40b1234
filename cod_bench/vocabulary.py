"""Trained word embeddings -> the rows that a run's texts have: the others cannot change, and cost most of a step.

At DeBERTa-v3's 128,100 tokens the table holds two thirds of the student's weights, of which a run's texts touch some
hundred rows. The others have no gradient and no moments, so without weight decay AdamW leaves them as they are: a run
with the small table gives the same bits. With weight decay they shrink, and the whole table is trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from cod_bench.model import Classifier


class OwnRows(nn.Module):
    """An embedding whose rows of the given ids are trained in a table of their own.

    In training mode it knows these ids alone; in evaluation mode it is the whole table with their present values.
    """

    def __init__(self, table: nn.Embedding, ids: Iterable[int]) -> None:
        super().__init__()
        self._ids = torch.tensor(sorted(set(ids)))
        self._table = [table]  # in a list: no part of this module, so that nothing counts its weights as trained
        self._place = torch.full((table.num_embeddings,), -1)
        self._place[self._ids] = torch.arange(len(self._ids))
        self.weight = nn.Parameter(table.weight.detach()[self._ids])
        padding = table.padding_idx
        self._padding_idx = None if padding is None or self._place[padding] < 0 else int(self._place[padding])

    def forward(self, ids: Tensor) -> Tensor:
        """Embeddings [B, S, width] of ids [B, S]."""
        if self.training:
            return nn.functional.embedding(self._place[ids], self.weight, self._padding_idx)
        return nn.functional.embedding(ids, self.put_back().weight, self._table[0].padding_idx)

    def put_back(self) -> nn.Embedding:
        """The whole table, with the trained rows in it."""
        with torch.no_grad():
            self._table[0].weight[self._ids] = self.weight
        return self._table[0]


@contextmanager
def own_rows(student: Classifier, rows: Sequence[Sequence[int]], pad_id: int, weight_decay: float) -> Iterator[bool]:
    """Train only the word embeddings of `rows` and of padding; the table is whole again afterwards.

    Yields whether it does: not where word embeddings are frozen, or weight decay moves all of them.
    """
    backbone: Any = student.backbone
    table = backbone.get_input_embeddings()
    if not table.weight.requires_grad or weight_decay != 0.0 or type(table) is not nn.Embedding:
        yield False
        return
    own = OwnRows(table, [pad_id, *(i for row in rows for i in row)])
    backbone.set_input_embeddings(own)
    try:
        yield True
    finally:
        backbone.set_input_embeddings(own.put_back())
