"""Trained word embeddings -> the rows that a run's texts have: the others cannot change, and cost most of a step.

At DeBERTa-v3's 128,100 tokens the table holds two thirds of the student's weights, of which a run's texts touch some
hundred rows. The others have no gradient and no moments, so without weight decay AdamW leaves them as they are: a run
with the small table gives the same bits. With weight decay they shrink, and the whole table is trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from cod_bench.training.model import Classifier


SMALLEST = 256
"""Rows that a table which is kept has at least; beyond, powers of two."""


class OwnRows(nn.Module):
    """An embedding whose rows of the given ids are trained in a table of their own.

    In training mode it knows these ids alone; in evaluation mode it is the whole table with their present values.
    """

    def __init__(self, table: nn.Embedding, ids: Sequence[int], size: int = 0) -> None:
        super().__init__()
        on = table.weight.device
        self._table = [table]  # in a list: no part of this module, so that nothing counts its weights as trained
        self._place = torch.empty(table.num_embeddings, dtype=torch.long, device=on)
        self.weight = nn.Parameter(torch.zeros(size or len(ids), table.embedding_dim, device=on))
        self._padding_idx = ids.index(table.padding_idx) if table.padding_idx in ids else None
        self.hold(ids)

    def hold(self, ids: Sequence[int]) -> None:
        """Hold the rows of these ids as the whole table has them now; those that are left over never move.

        In place, so that the captured graph of a step stays valid.
        """
        self._ids = torch.tensor(ids, device=self.weight.device)
        self._place.fill_(-1)
        self._place[self._ids] = torch.arange(len(ids), device=self.weight.device)
        with torch.no_grad():
            self.weight[: len(ids)] = self._table[0].weight[self._ids]

    def forward(self, ids: Tensor) -> Tensor:
        """Embeddings [B, S, width] of ids [B, S]."""
        if self.training:
            return nn.functional.embedding(self._place[ids], self.weight, self._padding_idx)
        return nn.functional.embedding(ids, self.put_back().weight, self._table[0].padding_idx)

    def put_back(self) -> nn.Embedding:
        """The whole table, with the trained rows in it."""
        with torch.no_grad():
            self._table[0].weight[self._ids] = self.weight[: len(self._ids)]
        return self._table[0]


@contextmanager
def own_rows(
    student: Classifier, rows: Sequence[Sequence[int]], pad_id: int, weight_decay: float, *, kept: bool = False
) -> Iterator[bool]:
    """Train only the word embeddings of `rows` and of padding; the table is whole again afterwards.

    `kept` takes the same small table again for every run that has about as many ids, and is then somewhat larger.

    Yields whether it does: not where word embeddings are frozen, or weight decay moves all of them.
    """
    backbone: Any = student.backbone
    table = backbone.get_input_embeddings()
    if not table.weight.requires_grad or weight_decay != 0.0 or type(table) is not nn.Embedding:
        yield False
        return
    ids = sorted({pad_id, *(i for row in rows for i in row)})
    own = _kept(table, ids) if kept else OwnRows(table, ids)
    backbone.set_input_embeddings(own)
    try:
        yield True
    finally:
        backbone.set_input_embeddings(own.put_back())


def _kept(table: nn.Embedding, ids: Sequence[int]) -> OwnRows:
    """The small table of an earlier run of like size with other rows in it, or a new one; kept with the whole table."""
    size = max(SMALLEST, 1 << (len(ids) - 1).bit_length())
    # Where padding stands in it is a constant of the step.
    key = size, ids.index(table.padding_idx) if table.padding_idx in ids else None
    known: dict[Any, OwnRows] = table.__dict__.setdefault("own_rows", {})
    if key in known:
        known[key].hold(ids)
    else:
        known[key] = OwnRows(table, ids, size)
    return known[key]
