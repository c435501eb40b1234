"""Evaluation -> float32 matrix products by oneDNN, which on some CPUs are twice as fast as PyTorch's default, MKL.

MKL multiplies without AVX-512 on CPUs that are not Intel's; oneDNN goes by what a CPU can do. Both add the same float32
products in another order, so that last bits differ as they do between two kinds of CPU. Training therefore keeps
PyTorch's default, and with it the bits of the plain loop; only `model.predict` multiplies in this way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def onednn(model: nn.Module) -> Iterator[None]:
    """Let the linear layers of a float32 model on the CPU multiply by oneDNN, without gradients.

    For one thread at a time. Elsewhere, and in a PyTorch without oneDNN (some builds for macOS), nothing changes.
    """
    layers: list[Any] = [part for part in model.modules() if type(part) is nn.Linear and _takes(part)]
    before = [layer.__dict__.get("forward") for layer in layers]  # training may have put its own there
    try:
        for layer in layers:
            layer.forward = partial(_linear, layer)
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            layer.__dict__.pop("forward", None)
            if own is not None:
                layer.forward = own


def _takes(layer: nn.Linear) -> bool:
    on = layer.weight
    usable = on.device.type == "cpu" and on.dtype == torch.float32
    return usable and torch.backends.mkldnn.is_available()


def _linear(layer: nn.Linear, states: Tensor) -> Tensor:
    """x W^T + b by the operator that torch.compile uses for it."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(states, layer.weight, layer.bias, "none", [], "")
    return found
