"""Pretrained weights -> Classifier: tokens in, logits and hidden states out. Shared by teacher and student."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from cod_bench import assets
from cod_bench.errors import RunError
from cod_bench.spec import Track, stream_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

INIT_STD = 0.02
"""Standard deviation of new linear layers (protocol.md, "Loss"; bias 0)."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """logits [B, classes]; hidden: layer (1-based) -> [B, S, width]; mask [B, S], 1 at real tokens."""

    logits: Tensor
    hidden: dict[int, Tensor]
    mask: Tensor


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A backbone, its tokenizer and what they are called."""

    backbone: nn.Module
    tokenizer: Any


class Classifier(nn.Module):
    """An encoder with masked mean pooling and a linear head (the MiniLM encoder was trained with mean pooling)."""

    def __init__(self, backbone: nn.Module, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        config: Any = backbone.config
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.head = nn.Linear(config.hidden_size, classes)

    @property
    def width(self) -> int:
        """Size of a hidden state."""
        return self.head.in_features

    def forward(self, ids: Tensor, mask: Tensor, layers: Sequence[int] = ()) -> Outputs:
        """Logits and the hidden states after the given layers (1-based; 0 would be the embeddings)."""
        result = self.backbone(input_ids=ids, attention_mask=mask, output_hidden_states=bool(layers))
        pooled = masked_mean(result.last_hidden_state, mask)
        hidden = {layer: result.hidden_states[layer] for layer in layers}
        return Outputs(self.head(self.dropout(pooled)), hidden, mask)


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Mean of [B, S, D] over the real tokens of each row: [B, D]."""
    weight = mask.unsqueeze(-1).to(states.dtype)
    return (states * weight).sum(1) / weight.sum(1)


def initialise(module: nn.Module, seed: int) -> None:
    """Fill every linear layer inside with N(0, 0.02^2) and bias 0 from a named stream's seed, in module order."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.Linear):
            part.weight.data.normal_(0.0, INIT_STD, generator=generator)
            part.bias.data.zero_()


def pretrained(track: Track, texts: Sequence[str]) -> Pretrained:
    """The track's pretrained encoder; `random:<seed>` tracks build theirs on the spot over the words of `texts`.

    Raises:
        RunError: the weights on disk are not the track's.
    """
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if track.weights.startswith("random:"):
        return _random(track, texts)
    folder = assets.path(track.weights)
    asset = assets.ASSETS[track.weights]
    if track.weights_sha256 not in asset.members.values():
        raise RunError(f"track {track.name!r}: asset {track.weights!r} holds other weights than the track names")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    backbone = transformers.AutoModel.from_pretrained(
        folder, local_files_only=True, dtype=torch.float32, add_pooling_layer=False
    )
    return Pretrained(backbone, tokenizer)


def keep_layers(backbone: nn.Module, layers: Sequence[int]) -> nn.Module:
    """A copy of the backbone with only the given 0-based layers, in that order; nothing else is forked.

    Raises:
        RunError: a layer does not exist.
    """
    import copy

    student = copy.deepcopy(backbone)
    config: Any = student.config
    total = config.num_hidden_layers
    if not layers or max(layers) >= total or min(layers) < 0:
        raise RunError(f"student layers {tuple(layers)}: the model has layers 0 to {total - 1}")
    stacks: list[tuple[nn.Module, str, Any]] = [
        (p, n, c) for p in student.modules() for n, c in p.named_children() if _is_stack(c, total)
    ]
    if len(stacks) != 1:
        raise RunError(f"model {type(backbone).__name__}: found {len(stacks)} stacks of {total} layers instead of one")
    parent, name, stack = stacks[0]
    setattr(parent, name, nn.ModuleList(stack[i] for i in layers))
    config.num_hidden_layers = len(layers)
    return student


def student(base: Pretrained, track: Track, *, classes: int) -> Classifier:
    """A student before its head is drawn: the track's layers of the pretrained model, word embeddings frozen."""
    model = Classifier(keep_layers(base.backbone, track.student_layers), classes)
    embeddings: Any = model.backbone
    embeddings.get_input_embeddings().weight.requires_grad_(False)
    return model


def tokenise(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Token ids of each text, special tokens included, cut at max_length."""
    encoded = tokenizer(list(texts), truncation=True, max_length=max_length, padding=False)
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def pad(rows: Sequence[Sequence[int]], pad_id: int, length: int | None = None) -> tuple[Tensor, Tensor]:
    """Right-padded (ids, mask), each int64 [B, S] with S the longest row or `length`."""
    size = max(length or 0, *map(len, rows))
    ids = torch.full((len(rows), size), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), size), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[i, : len(row)] = 1
    return ids, mask


def by_length(rows: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    """Batches of indices, longest rows together; ties keep their order, so batches depend on the rows alone."""
    order = sorted(range(len(rows)), key=lambda i: (-len(rows[i]), i))
    return [order[i : i + size] for i in range(0, len(order), size)]


def predict(model: Classifier, rows: Sequence[Sequence[int]], *, pad_id: int, size: int = 32) -> NDArray[np.float32]:
    """Float32 logits [len(rows), classes] in evaluation mode, in the order given.

    In float32 on every track: a track's precision is that of training, and bfloat16 logits would often tie.
    """
    model.eval()
    out = np.empty((len(rows), model.head.out_features), dtype=np.float32)
    with torch.inference_mode():
        for batch in by_length(rows, size):
            ids, mask = pad([rows[i] for i in batch], pad_id)
            out[batch] = model(ids, mask).logits.numpy()
    return out


def _is_stack(module: nn.Module, total: int) -> bool:
    return isinstance(module, nn.ModuleList) and len(module) == total


def _random(track: Track, texts: Sequence[str]) -> Pretrained:
    """A tiny random BERT with a word-level tokenizer, both a pure function of the track and the texts."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = Counter(word for text in texts for word in text.lower().split())
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    ordered = sorted(words, key=lambda w: (-words[w], w))
    vocabulary = {word: i for i, word in enumerate(special + [w for w in ordered if w not in special])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    raw.normalizer = normalizers.Lowercase()
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )  # fmt: skip
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=max(64, track.max_length),
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed("random-weights", track.weights))
        backbone = BertModel(config, add_pooling_layer=False)
    return Pretrained(backbone, tokenizer)
