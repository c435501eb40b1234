"""A side of a track -> its pretrained backbone and tokenizer: safetensors, dequantised GGUF, or built on the spot."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cod_bench.data import checkpoints as sources
from cod_bench.errors import RunError, UsageError
from cod_bench.spec import stream_seed
from cod_bench.store import home, lock, seal, sealed, set_aside, write_atomic
from cod_bench.track import Side

RANDOM_DECODER = "random:decoder"
"""Source of a side whose model, built on the spot, is a decoder."""


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A backbone in evaluation mode, float32 and without head, and its tokenizer, which has a padding token."""

    backbone: nn.Module
    tokenizer: Any


def load(side: Side, texts: Sequence[str] = (), *, max_length: int) -> Pretrained:
    """The side's pretrained model; `random:<seed>` is built on the spot over the words of `texts`.

    Raises:
        UsageError: the model cannot be used here: code of its own, pickles, too short for `max_length`.
        RunError: the weights on disk are not the side's, or are not whole.
    """
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if side.source.startswith("random:"):
        return _random(side.source, texts, max_length)
    folder = sources.folder(side)
    quantised = sorted(folder.glob("*.gguf"))
    if quantised:
        folder = _dequantised(quantised[0], f"{side.source}-{side.sha256[:12]}")
    return _from_folder(folder, side.source, max_length)


def _from_folder(folder: Path, what: str, max_length: int) -> Pretrained:
    import inspect

    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    # Never the checkpoint's own code, never a pickle, never the network: the folder has been fetched and checked.
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(folder, **safe)
        if config.is_encoder_decoder:
            raise UsageError(f"model {what!r}: is an encoder-decoder; name an encoder or a decoder")
        # Where the class has one, a pooler that is not pretrained would be drawn and never be used.
        parameters = inspect.signature(AutoModel._model_mapping[type(config)].__init__).parameters
        options = {"add_pooling_layer": False} if "add_pooling_layer" in parameters else {}
        backbone, found = AutoModel.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **options, **safe
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UsageError(
            f"model {what!r} cannot be loaded ({reason}); name a model that transformers knows without its own code, "
            "with safetensors and tokenizer (a sentencepiece tokenizer needs `pip install cod-bench[hub]`)"
        ) from error
    absent = sorted(found["missing_keys"]) + sorted(str(key) for key in found["mismatched_keys"])
    if absent:
        raise RunError(f"model {what!r}: its file lacks {len(absent)} weights such as {absent[0]}; fetch it again")
    _demand(backbone, tokenizer, what, max_length)
    if hasattr(backbone.config, "use_cache"):
        backbone.config.use_cache = False  # nothing is generated
    return Pretrained(backbone, tokenizer)


def _demand(backbone: Any, tokenizer: Any, what: str, max_length: int) -> None:
    """What training needs of a model: a padding token, an embedding for every token, positions for every text."""
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise UsageError(f"model {what!r}: its tokenizer has no padding and no end token; give it one and save it")
        tokenizer.pad_token = tokenizer.eos_token  # masked everywhere, so any token would do
    rows = backbone.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise UsageError(
            f"model {what!r}: {len(tokenizer)} tokens for {rows} embeddings; name the tokenizer's own model"
        )
    positions = getattr(backbone.config, "max_position_embeddings", None) or max_length
    if max_length > positions:
        raise UsageError(f"model {what!r}: has {positions} positions; choose --max-length {positions} or less")


def _dequantised(file: Path, name: str) -> Path:
    """The folder with the float32 safetensors and the tokenizer of a GGUF file; made once, since it takes 20 s or so.

    Raises:
        UsageError: the packages that read GGUF are not installed.
    """
    import importlib.util

    folder = home() / "dequantised" / name
    with lock(folder.with_name(f"{name}.lock")):
        if folder.is_dir():
            try:
                sealed(folder / sources.WHOLE, name, partial(sources.demand_whole, folder))
            except (OSError, ValueError) as error:
                set_aside(folder, "dequantised model", str(error))
            else:
                return folder
        absent = [package for package in ("gguf", "accelerate") if importlib.util.find_spec(package) is None]
        if absent:
            raise UsageError(
                f"model {name!r}: reading GGUF needs {' and '.join(absent)}; pip install 'cod-bench[gguf]'"
            )
        from transformers import AutoModel, AutoTokenizer

        rough = folder.with_name(f".{name}.tmp")
        shutil.rmtree(rough, ignore_errors=True)
        options = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
        with contextlib.redirect_stderr(io.StringIO()):  # a bar of its own, beside that of the runs
            model = AutoModel.from_pretrained(file.parent, dtype=torch.float32, **options)
        # The weights are plain by now, but a model that remembers its quantisation is refused by save_pretrained.
        del model.config.quantization_config
        with torch.random.fork_rng(devices=[]):
            plain = type(model)(model.config)
        plain.load_state_dict(model.state_dict())
        plain.save_pretrained(rough)
        AutoTokenizer.from_pretrained(file.parent, **options).save_pretrained(rough)
        write_atomic(rough / sources.WHOLE, seal(json.dumps(sources.sums_of(rough), sort_keys=True), name))
        rough.rename(folder)  # a folder of that name is therefore whole
    return folder


def _random(source: str, texts: Sequence[str], max_length: int) -> Pretrained:
    """A tiny random BERT with a word-level tokenizer, both a pure function of source and texts; or a tiny decoder."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel, PreTrainedTokenizerFast

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
    size: dict[str, Any] = {
        "vocab_size": len(vocabulary), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": max(64, max_length),
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed("random-weights", source))
        if source.startswith(RANDOM_DECODER):
            backbone = LlamaModel(LlamaConfig(**size, use_cache=False, pad_token_id=vocabulary["[PAD]"]))
        else:
            backbone = BertModel(BertConfig(**size), add_pooling_layer=False)
    return Pretrained(backbone, tokenizer)
