"""Tiny checkpoints of real architectures with real tokenizers, made on the spot as a user would save them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch

FAMILIES = ("bert", "deberta-v2", "qwen2", "llama")
ENCODERS = FAMILIES[:2]


def save(folder: Path, family: str, *, layers: int = 4, width: int = 32, seed: int = 0, **changes: Any) -> Path:
    """Write a random model and a tokenizer trained on the toy task's pool to `folder`; returns it."""
    tokenizer = make_tokenizer(family)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make_model(family, len(tokenizer), layers, width, **changes)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


RESPELLED = {"[PAD]": "<pad>", "[UNK]": "<unk>", "[CLS]": "<s>", "[SEP]": "</s>"}


def renumber(source: Path, target: Path) -> Path:
    """Write a BERT folder to `target` with other ids and other special tokens: the same model of the same pieces."""
    from safetensors.torch import load_file, save_file
    from transformers import PreTrainedTokenizerFast

    target.mkdir(parents=True)
    rules = json.loads((source / "tokenizer.json").read_text())
    size = len(rules["model"]["vocab"])
    moved = [int(i) for i in torch.randperm(size, generator=torch.Generator().manual_seed(3))]
    ids = {RESPELLED.get(piece, piece): moved[i] for piece, i in rules["model"]["vocab"].items()}
    rules["model"] |= {"vocab": ids, "unk_token": "<unk>"}
    for one in rules["added_tokens"]:
        one["content"] = RESPELLED[one["content"]]
        one["id"] = ids[one["content"]]
    ends = {"sep": ["</s>", ids["</s>"]], "cls": ["<s>", ids["<s>"]], "trim_offsets": True, "add_prefix_space": False}
    rules["post_processor"] = {"type": "RobertaProcessing", **ends}
    (target / "tokenizer.json").write_text(json.dumps(rules))
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_file=str(target / "tokenizer.json"), **names).save_pretrained(target)
    config = json.loads((source / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**config, "pad_token_id": ids["<pad>"]}))
    weights = load_file(source / "model.safetensors")
    table = weights["embeddings.word_embeddings.weight"]
    weights["embeddings.word_embeddings.weight"] = torch.empty_like(table).index_copy_(0, torch.tensor(moved), table)
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    return target


def make_model(family: str, vocabulary: int, layers: int, width: int, **changes: Any) -> Any:
    """A random model in evaluation mode; `changes` go to its configuration."""
    import transformers

    sizes = {
        "vocab_size": vocabulary, "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": 2,
        "intermediate_size": 2 * width, "max_position_embeddings": 64,
    }  # fmt: skip
    if family == "bert":
        config = transformers.BertConfig(**{**sizes, **changes})
        return transformers.BertModel(config, add_pooling_layer=False).eval()
    if family == "deberta-v2":  # the settings of DeBERTa-v3
        own = {
            "relative_attention": True, "position_buckets": 8, "max_relative_positions": -1, "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"], "norm_rel_ebd": "layer_norm", "position_biased_input": False,
            "type_vocab_size": 0,
        }  # fmt: skip
        return transformers.DebertaV2Model(transformers.DebertaV2Config(**{**sizes, **own, **changes})).eval()
    kind = {"qwen2": "Qwen2", "llama": "Llama"}[family]
    config = getattr(transformers, f"{kind}Config")(**{**sizes, "num_key_value_heads": 1, **changes})
    return getattr(transformers, f"{kind}Model")(config).eval()


@cache  # training one twice gives two: ties are broken at random
def make_tokenizer(family: str) -> Any:
    """WordPiece for BERT, unigrams for DeBERTa, byte-level BPE for the decoders; llama has no padding token."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    from cod_bench import registry

    texts = [row.text for row in registry.load("task", "toy").read()]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    if family in ENCODERS:
        wordpiece = family == "bert"
        raw = Tokenizer(models.WordPiece(unk_token="[UNK]") if wordpiece else models.Unigram())
        raw.normalizer = normalizers.BertNormalizer() if wordpiece else normalizers.NFKC()
        raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer() if wordpiece else pre_tokenizers.Metaspace()
        train = {"vocab_size": 200, "special_tokens": special, "show_progress": False}
        trainer = (
            trainers.WordPieceTrainer(**train) if wordpiece else trainers.UnigramTrainer(**train, unk_token="[UNK]")
        )
        raw.train_from_iterator(texts, trainer)
        ends = [(token, raw.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
        raw.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        return PreTrainedTokenizerFast(tokenizer_object=raw, **names)
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    ends = ["<|im_end|>", "<|endoftext|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=400, special_tokens=ends, show_progress=False, initial_alphabet=alphabet),
    )
    more = {} if family == "llama" else {"pad_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|im_end|>", **more)
