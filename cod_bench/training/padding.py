"""Training batches -> linear layers that multiply real tokens alone; every result keeps its bits.

Four tokens in ten of a training batch of eight short texts are padding. What stands there reaches neither the logits
nor any gradient, since attention and pooling mask it. A row of a matrix product does not depend on the other rows, so
outputs and input gradients are computed for real tokens alone. The sums over tokens (gradients of weights and biases)
are taken over the padded rows in float32, whose gradient is zero: leaving those out would group the other terms
differently and move last bits. Under bfloat16 autocast, which promises no such bits, they are left out there too.
Elementwise parts stay padded, so that dropout draws what it always drew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from cod_bench.training.model import Classifier

WORTH = 0.95
"""Share of real tokens above which copying them out costs more than it saves."""

_CHECKED: dict[tuple[int, int], bool] = {}


class RealRows:
    """Which rows of the present batch are real, for the linear layers of one backbone."""

    def __init__(self) -> None:
        self._shape: tuple[int, int] | None = None
        self._real = torch.empty(0, dtype=torch.long)

    @contextmanager
    def of(self, mask: Tensor) -> Iterator[None]:
        """For one forward pass, skip the positions where mask [B, S] is 0."""
        real = mask.reshape(-1).nonzero()[:, 0]
        if len(real) < WORTH * mask.numel():
            self._shape, self._real = (mask.shape[0], mask.shape[1]), real
        try:
            yield
        finally:
            self._shape = None

    def linear(self, layer: nn.Linear, states: Tensor) -> Tensor:
        """The layer's output on states [B, S, in], zero at padding; anything else goes the ordinary way."""
        usable = self._shape is not None and states.dim() == 3 and states.shape[:2] == self._shape
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else states.dtype
        if self._shape is None or not usable or (kind == torch.float32 and not _alike(layer)):
            return nn.functional.linear(states, layer.weight, layer.bias)
        flat = states.reshape(-1, layer.in_features).to(kind)
        bias = None if layer.bias is None else layer.bias.to(kind)
        out: Tensor = _Linear.apply(flat, layer.weight.to(kind), bias, self._real)  # type: ignore[no-untyped-call]
        return out.view(*self._shape, layer.out_features)


class _Linear(torch.autograd.Function):
    """x [N, in] -> x W^T + b [N, out] in the given rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, real: Tensor) -> Tensor:
        chosen = x.index_select(0, real)
        ctx.whole = x.dtype == torch.float32
        ctx.save_for_backward(x if ctx.whole else chosen, weight, real)
        ctx.rows, ctx.bias = len(x), bias is not None
        found = chosen.mm(weight.t()) if bias is None else torch.addmm(bias, chosen, weight.t())
        return x.new_zeros(len(x), weight.shape[0]).index_copy_(0, real, found)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight, real = ctx.saved_tensors
        of_x = of_weight = of_bias = None
        chosen = gradient.index_select(0, real)
        summed = gradient if ctx.whole else chosen
        if ctx.needs_input_grad[0]:
            of_x = x.new_zeros(ctx.rows, x.shape[1]).index_copy_(0, real, chosen.mm(weight))
        if ctx.needs_input_grad[1]:
            of_weight = summed.t().mm(x)
        if ctx.bias and ctx.needs_input_grad[2]:
            of_bias = summed.sum(0)
        return of_x, of_weight, of_bias, None


@contextmanager
def real_rows(student: Classifier) -> Iterator[Callable[[Tensor], Any]]:
    """Let the backbone's linear layers skip padding; yields what to enter, with a mask, around a forward pass."""
    rows = RealRows()
    layers: list[Any] = [part for part in student.backbone.modules() if type(part) is nn.Linear]
    for layer in layers:
        layer.forward = partial(rows.linear, layer)
    try:
        yield rows.of
    finally:
        for layer in layers:
            del layer.forward


def _alike(layer: nn.Linear) -> bool:
    """Whether this machine's matrix products give a row the same bits whatever its neighbours; tried once a shape."""
    shape = (layer.in_features, layer.out_features)
    if shape not in _CHECKED:
        _CHECKED[shape] = _row_by_row(*shape)
    return _CHECKED[shape]


def _row_by_row(width: int, out: int) -> bool:
    generator = torch.Generator().manual_seed(0)
    weight, bias = (torch.randn(*size, generator=generator) for size in ((out, width), (out,)))
    with torch.no_grad():
        for rows in (64, 200, 331):
            x, gradient = (torch.randn(rows, size, generator=generator) for size in (width, out))
            real = (torch.rand(rows, generator=generator) < 0.6).nonzero()[:, 0]
            forward = torch.equal(torch.addmm(bias, x, weight.t())[real], torch.addmm(bias, x[real], weight.t()))
            if not forward or not torch.equal(gradient.mm(weight)[real], gradient[real].mm(weight)):
                return False
    return True
