"""Pretrained backbone -> Classifier: tokens in, logits and hidden states out. Shared by teacher and student."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from cod_bench import device
from cod_bench.distiller import Outputs
from cod_bench.errors import RunError, UsageError
from cod_bench.spec import stream_seed
from cod_bench.track import Pooling, Precision, Track
from cod_bench.training.products import Products

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cod_bench.training.pretrained import Pretrained

INIT_STD = 0.02
"""Standard deviation of new linear layers (protocol.md, "Loss"; bias 0)."""


class Classifier(nn.Module):
    """A backbone whose states of a text become one vector, and a linear head on it.

    `mean`: masked mean of the states (MiniLM was trained so). `first`: the first token's state through a linear layer
    and gelu, as the classifiers of the paper's DeBERTa pair read it. `last`: the last real token's state, the only one
    of a decoder that has seen the whole text.
    """

    def __init__(self, backbone: nn.Module, classes: int, pooling: Pooling = "mean") -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling: Pooling = pooling
        config: Any = backbone.config
        self.dropout = nn.Dropout(getattr(config, "hidden_dropout_prob", 0.0))
        self.pooler = nn.Linear(config.hidden_size, config.hidden_size) if pooling == "first" else None
        self.head = nn.Linear(config.hidden_size, classes)

    @property
    def width(self) -> int:
        """Size of a hidden state."""
        return self.head.in_features

    @property
    def device(self) -> torch.device:
        """What it computes on; everything given to it must be there."""
        return self.head.weight.device

    def forward(self, ids: Tensor, mask: Tensor, layers: Sequence[int] = ()) -> Outputs:
        """Logits and the hidden states after the given layers (1-based; 0 would be the embeddings).

        Of a decoder, the state after the last layer is the one behind its final norm.
        """
        vector, hidden = self.features(ids, mask, layers)
        return Outputs(self.head(self.dropout(vector)), hidden, mask)

    def features(self, ids: Tensor, mask: Tensor, layers: Sequence[int] = ()) -> tuple[Tensor, dict[int, Tensor]]:
        """What the head reads [B, width], and the hidden states after the given layers."""
        result = self.backbone(input_ids=ids, attention_mask=mask, output_hidden_states=bool(layers))
        vector = pooled(result.last_hidden_state, mask, self.pooling)
        if self.pooler is not None:
            vector = nn.functional.gelu(self.pooler(vector))
        return vector, {layer: result.hidden_states[layer] for layer in layers}

    def draw(self, purpose: str, *key: str | int) -> None:
        """Draw what is not pretrained (the head and, if there is one, the pooler) from named streams."""
        initialise(self.head, stream_seed(purpose, *key))
        if self.pooler is not None:
            initialise(self.pooler, stream_seed(f"{purpose}-pooler", *key))


def pooled(states: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """One vector a row from [B, S, D] states that are padded on the right: [B, D]."""
    if pooling == "mean":
        return masked_mean(states, mask)
    if pooling == "first":
        return states[:, 0]
    # Padding stands on the right for decoders too: a causal model's real tokens never attend to what follows them and
    # keep their positions 0, 1, 2 ..., so the last real token is what it would be without any padding.
    return states[torch.arange(len(states), device=states.device), mask.sum(1) - 1]


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Mean of [B, S, D] over the real tokens of each row: [B, D]."""
    weight = mask.unsqueeze(-1).to(states.dtype)
    return (states * weight).sum(1) / weight.sum(1)


def initialise(module: nn.Module, seed: int) -> None:
    """Fill every linear layer inside with N(0, 0.02^2) and bias 0 from a named stream's seed, in module order."""
    generator = torch.Generator("cpu").manual_seed(seed)  # the CPU's whatever the device: one start everywhere
    for part in module.modules():
        if isinstance(part, nn.Linear):
            drawn = torch.empty_like(part.weight.data, device="cpu").normal_(0.0, INIT_STD, generator=generator)
            part.weight.data.copy_(drawn)
            part.bias.data.zero_()


def keep_layers(backbone: nn.Module, layers: Sequence[int] | None) -> nn.Module:
    """A copy of the backbone with only the given 0-based layers, in that order (None: all); nothing else is forked.

    Raises:
        RunError: a layer does not exist.
    """
    import copy

    kept = copy.deepcopy(backbone)
    if layers is None:
        return kept
    config: Any = kept.config
    total = config.num_hidden_layers
    if not layers or max(layers) >= total or min(layers) < 0:
        raise RunError(f"student layers {tuple(layers)}: the model has layers 0 to {total - 1}")
    stacks: list[tuple[nn.Module, str, Any]] = [
        (p, n, c) for p in kept.modules() for n, c in p.named_children() if _is_stack(c, total)
    ]
    if len(stacks) != 1:
        raise RunError(f"model {type(backbone).__name__}: found {len(stacks)} stacks of {total} layers instead of one")
    parent, name, stack = stacks[0]
    setattr(parent, name, nn.ModuleList(stack[i] for i in layers))
    for place, i in enumerate(layers):
        for part in stack[i].modules():  # decoders number their layers, for caches and kinds of attention
            if getattr(part, "layer_idx", None) is not None:
                part.layer_idx = place
    for field, values in config.to_dict().items():  # layer_types and the like: one entry a layer
        if "layer" in field and isinstance(values, list) and len(values) == total:
            setattr(config, field, [values[i] for i in layers])
    config.num_hidden_layers = len(layers)
    return kept


def student(base: Pretrained, track: Track, *, classes: int) -> Classifier:
    """A student before its head is drawn, on the device in use: the track's layers of its pretrained model."""
    side = track.student_side
    model = Classifier(keep_layers(base.backbone, side.layers), classes, side.pooling)
    embeddings: Any = model.backbone
    embeddings.get_input_embeddings().weight.requires_grad_(not track.freeze_embeddings)
    return model.to(device.current())


def teacher(base: Pretrained, track: Track, *, classes: int) -> Classifier:
    """A teacher before it is fine-tuned, without its head drawn, on the device in use."""
    side = track.teacher_side
    return Classifier(keep_layers(base.backbone, side.layers), classes, side.pooling).to(device.current())


def check_layers(model: Classifier, layers: Iterable[int], what: str) -> None:
    """Whether the mapped layers (1-based) exist.

    Raises:
        UsageError: one does not.
    """
    config: Any = model.backbone.config
    beyond = [layer for layer in layers if not 1 <= layer <= config.num_hidden_layers]
    if beyond:
        raise UsageError(
            f"layer map: the {what} has layers 1 to {config.num_hidden_layers}, not {beyond[0]}; map layers it has"
        )


def tokenise(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Token ids of each text, special tokens included, cut at max_length."""
    encoded = tokenizer(list(texts), truncation=True, max_length=max_length, padding=False)
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def pad(
    rows: Sequence[Sequence[int]], pad_id: int, length: int | None = None, *, on: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Right-padded (ids, mask), each int64 [B, S] with S the longest row or `length`; on the CPU or `on` a device."""
    size = max(length or 0, *map(len, rows))
    ids = torch.full((len(rows), size), pad_id, dtype=torch.long, device="cpu")
    mask = torch.zeros((len(rows), size), dtype=torch.long, device="cpu")
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row, dtype=torch.long, device="cpu")
        mask[i, : len(row)] = 1
    return (ids, mask) if on is None else (device.send(ids, on), device.send(mask, on))


def by_length(rows: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    """Batches of indices, longest rows together; ties keep their order, so batches depend on the rows alone."""
    order = sorted(range(len(rows)), key=lambda i: (-len(rows[i]), i))
    return [order[i : i + size] for i in range(0, len(order), size)]


def predict(
    model: Classifier,
    rows: Sequence[Sequence[int]],
    *,
    pad_id: int,
    size: int = 0,
    precision: Precision = "float32",
    faster: Products | None = None,
) -> NDArray[np.float32]:
    """Float32 logits [len(rows), classes] in evaluation mode, in the order given; `size` rows at once, 0 by device.

    `precision` is the backbone's. The head computes in float32 in any case: bfloat16 logits would often tie. `faster`
    is of the backbone's present weights in that precision, for who asks often; it is made anew if it is not given.

    Raises:
        ValueError: `faster` is of another model or precision.
    """
    faster = faster or Products(model.backbone, precision)
    if faster.model is not model.backbone or faster.precision != precision:
        raise ValueError(f"predict in {precision} by products in {faster.precision} of another model or precision")
    model.eval()
    on = model.device
    out = np.empty((len(rows), model.head.out_features), dtype=np.float32)
    with torch.inference_mode(), faster.used():
        for batch in by_length(rows, size or device.EVALUATED[on.type]):
            ids, mask = pad([rows[i] for i in batch], pad_id, on=on)
            with torch.autocast(on.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
                vector, _ = model.features(ids, mask)
            out[batch] = model.head(vector.float()).cpu().numpy()
    return out


def _is_stack(module: nn.Module, total: int) -> bool:
    return isinstance(module, nn.ModuleList) and len(module) == total
