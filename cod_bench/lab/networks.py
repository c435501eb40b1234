"""Many small networks of one shape, trained at once: rows [models, rows, 2] -> margins, each as if it were alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cod_bench.spec import stream

Floats = NDArray[np.float64]

TEMPERATURE = 2.0
SOFT_WEIGHT = 20.0
"""The paper's loss: CE + 20 T^2 KL at T = 2."""
WIDEST = 4_000_000
"""Hidden values held at once while networks are only asked."""


@dataclass(frozen=True)
class Recipe:
    """How networks are trained: Adam without decay, all rows of a network a step."""

    hidden: tuple[int, ...]
    steps: int
    rate: float


TEACHER = Recipe((64, 64), 400, 0.01)
STUDENT = Recipe((16,), 1500, 0.01)


class Stack:
    """Networks 2 - hidden - 2 with tanh between, one a row of every weight [models, in, out].

    Args:
        names: what each network's first weights are drawn from; those of one name start alike.
        recipe: shape and training.
    """

    def __init__(self, names: Sequence[tuple[str | int, ...]], recipe: Recipe) -> None:
        self.recipe = recipe
        drawn = {name: _first(name, recipe.hidden) for name in dict.fromkeys(names)}
        layers = len(recipe.hidden) + 1
        self.weights = [_leaf(np.stack([drawn[name][i][0] for name in names])) for i in range(layers)]
        self.biases = [_leaf(np.stack([drawn[name][i][1] for name in names])) for i in range(layers)]

    def logits(self, rows: Floats) -> Floats:
        """Rows [models, n, 2] -> logits [models, n, 2]."""
        with torch.inference_mode():
            return _logits(self.weights, self.biases, _single(rows)).double().numpy()

    def fit(self, rows: Floats, labels: NDArray[np.int64], weights: Floats, soft: Floats | None = None) -> Stack:
        """Train every network on its own rows.

        Args:
            rows: [models, n, 2], padded.
            labels: [models, n], the hard label of each.
            weights: [models, n], 0 for padding; each network's loss is the mean over its rows.
            soft: [models, n, 2] logits of the teacher on each; a network whose logits are NaN has hard labels alone.
        """
        inputs, hard = _single(rows), torch.from_numpy(labels)
        share = _single(weights / weights.sum(1, keepdims=True))
        teacher = _single(soft) if soft is not None else torch.full_like(inputs, torch.nan)
        asked = ~torch.isnan(teacher[:, :1, :1])
        target = functional.log_softmax(torch.nan_to_num(teacher) / TEMPERATURE, -1)
        optimizer = torch.optim.Adam([*self.weights, *self.biases], lr=self.recipe.rate)
        for _ in range(self.recipe.steps):
            optimizer.zero_grad()
            found = _logits(self.weights, self.biases, inputs)
            loss = functional.cross_entropy(found.transpose(1, 2), hard, reduction="none")
            if soft is not None:
                learnt = functional.log_softmax(found / TEMPERATURE, -1)
                divergence = (target.exp() * (target - learnt)).sum(-1)
                loss = loss + SOFT_WEIGHT * TEMPERATURE**2 * divergence * asked[:, :, 0]
            (loss * share).sum().backward()
            optimizer.step()
        return self

    def only(self, at: int) -> Stack:
        """One of the networks, as a stack of its own."""
        alone = copy(self)
        alone.weights = [weight[at : at + 1] for weight in self.weights]
        alone.biases = [bias[at : at + 1] for bias in self.biases]
        return alone

    def margins(self, rows: Floats) -> Floats:
        """Logit of class 1 minus that of class 0, [models, n].

        Args:
            rows: [n, 2], the same for all, or [models, n, 2].
        """
        with torch.inference_mode():
            return np.concatenate([*self._asked(_single(rows))])

    def _asked(self, rows: Tensor) -> Iterator[Floats]:
        models, shared = self.weights[0].shape[0], rows.ndim == 2
        several = max(1, WIDEST // (rows.shape[-2] * max(self.recipe.hidden)))
        for at in range(0, models, several):
            part = slice(at, at + several)
            weights, biases = [w[part] for w in self.weights], [b[part] for b in self.biases]
            own = rows.expand(len(weights[0]), -1, -1) if shared else rows[part]
            found = _logits(weights, biases, own)
            yield (found[..., 1] - found[..., 0]).double().numpy()

    def gradients(self, rows: Floats) -> Floats:
        """Gradient of the margin at each row, [models, n, 2]; rows [models, n, 2]."""
        inputs = _single(rows).requires_grad_()
        found = _logits(self.weights, self.biases, inputs)
        (gradient,) = torch.autograd.grad((found[..., 1] - found[..., 0]).sum(), inputs)
        return gradient.double().numpy()


def _logits(weights: Sequence[Tensor], biases: Sequence[Tensor], rows: Tensor) -> Tensor:
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        rows = torch.tanh(torch.baddbmm(bias, rows, weight))
    return torch.baddbmm(biases[-1], rows, weights[-1])


def _first(name: tuple[str | int, ...], hidden: Sequence[int]) -> list[tuple[Floats, Floats]]:
    """The first weights of a network: uniform within 1 / sqrt(inputs), which is torch's default for linear layers."""
    rng, sizes = stream("lab network", *name, *hidden), (2, *hidden, 2)
    found = []
    for inputs, outputs in pairwise(sizes):
        bound = inputs**-0.5
        found.append((rng.uniform(-bound, bound, (inputs, outputs)), rng.uniform(-bound, bound, (1, outputs))))
    return found


def _leaf(values: Floats) -> Tensor:
    return _single(values).requires_grad_()


def _single(values: Floats) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
