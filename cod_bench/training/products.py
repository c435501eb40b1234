"""Evaluation -> matrix products by oneDNN, which in float32 on some CPUs are twice as fast as PyTorch's default, MKL.

MKL multiplies without AVX-512 on CPUs that are not Intel's; oneDNN goes by what a CPU can do. Both add the same float32
products in another order, so that last bits differ as they do between two kinds of CPU. Training therefore keeps
PyTorch's default, and with it the bits of the plain loop; only `model.predict` multiplies in this way.

Weights are laid out for oneDNN once instead of at every product, and under bfloat16 autocast rounded once: a twentieth
to a fifth of the time in float32, a seventh to a quarter in bfloat16. No bit moves: seen with AVX2 and AVX-512 in
float32 and with AVX-512 in bfloat16, and held by a test wherever it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cod_bench.track import Precision


class Products:
    """The linear layers of a model with a copy of their weights in oneDNN's own layout, for one precision.

    The weights are those that the layers had when this was made; it can be neither copied nor pickled.
    """

    def __init__(self, model: nn.Module, precision: Precision = "float32") -> None:
        self.model, self.precision = model, precision
        kind = getattr(torch, precision)
        self._layers: list[tuple[Any, Callable[[Tensor], Tensor]]] = []
        self.size = 0
        """Bytes of the copies."""
        with torch.inference_mode():
            for part in model.modules():
                if type(part) is nn.Linear and _takes(part, kind):
                    packed = torch.ops.mkldnn._reorder_linear_weight(part.weight.detach().to(kind))
                    bias = None if part.bias is None else part.bias.detach().to(kind)
                    self._layers.append((part, partial(_linear, part, packed, bias, kind)))
                    self.size += part.weight.numel() * kind.itemsize

    @contextmanager
    def used(self) -> Iterator[None]:
        """Let the layers multiply by oneDNN, without gradients and with the weights that they had when this was made.

        For one thread at a time. Layers elsewhere than on the CPU, or in a PyTorch without oneDNN (some builds for
        macOS), do as they always do.
        """
        before = [layer.__dict__.get("forward") for layer, _ in self._layers]  # training may have put its own there
        try:
            for layer, product in self._layers:
                layer.forward = product
            yield
        finally:
            for (layer, _), own in zip(self._layers, before, strict=True):
                layer.__dict__.pop("forward", None)
                if own is not None:
                    layer.forward = own


def _takes(layer: nn.Linear, kind: torch.dtype) -> bool:
    on = layer.weight
    if on.device.type != "cpu" or on.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return False
    return kind == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _linear(layer: nn.Linear, packed: Tensor, bias: Tensor | None, kind: torch.dtype, states: Tensor) -> Tensor:
    """x W^T + b by the operator that torch.compile uses for it; a layer that leaves its precision goes its own way."""
    rounds = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    if rounds != (kind == torch.bfloat16) or not states.is_floating_point() or states.dtype == torch.float64:
        return nn.functional.linear(states, layer.weight, layer.bias)
    single = states.numel() == layer.in_features  # is multiplied in another way, with other last bits
    if single and rounds:
        return nn.functional.linear(states, layer.weight, layer.bias)
    weight = layer.weight if single else packed
    found: Tensor = torch.ops.mkldnn._linear_pointwise(states.to(kind), weight, bias, "none", [], "")
    return found
