"""Pairs -> fluency and similarity by models that the user has on disk; optional columns of `cod-bench cfe compare`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cod_bench.errors import UsageError

LONGEST = 512
"""Tokens of a text that are read."""


def perplexity_ratio(folder: Path) -> Callable[[Sequence[tuple[str, str]]], float]:
    """A scorer: perplexity of a causal language model on the counterfactual over that on the original.

    The geometric mean over pairs, so that a ratio and its inverse cancel out (cf. Polyjuice's filter and CEval).

    Raises:
        UsageError: the folder holds no causal language model.
    """
    model, tokenizer = _load(folder, "AutoModelForCausalLM", "--fluency")

    def loss(text: str) -> float:
        import torch

        ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=LONGEST)["input_ids"]
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        if start is not None and (ids.shape[1] == 0 or int(ids[0, 0]) != start):
            ids = torch.cat([torch.tensor([[start]]), ids], 1)
        with torch.inference_mode():
            return float(model(input_ids=ids, labels=ids).loss)

    def score(pairs: Sequence[tuple[str, str]]) -> float:
        import math

        return math.exp(sum(loss(after) - loss(before) for before, after in pairs) / len(pairs))

    return score


def embedding_cosine(folder: Path) -> Callable[[Sequence[tuple[str, str]]], float]:
    """A scorer: mean cosine of the mean-pooled last states of an encoder on counterfactual and original.

    Raises:
        UsageError: the folder holds no encoder.
    """
    model, tokenizer = _load(folder, "AutoModel", "--similarity")

    def embed(text: str) -> Any:
        import torch

        encoded = tokenizer(text, return_tensors="pt", truncation=True, max_length=LONGEST)
        with torch.inference_mode():
            return model(**encoded).last_hidden_state[0].mean(0)

    def score(pairs: Sequence[tuple[str, str]]) -> float:
        import torch

        cosines = [torch.nn.functional.cosine_similarity(embed(a), embed(b), dim=0) for a, b in pairs]
        return float(sum(cosines)) / len(cosines)

    return score


def _load(folder: Path, kind: str, option: str) -> tuple[Any, Any]:
    import transformers

    if not (folder / "config.json").is_file():
        raise UsageError(f"{option} {folder}: holds no config.json; name the folder of a saved model")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    safe = {"local_files_only": True, "trust_remote_code": False}  # None would ask on the terminal
    try:
        model = getattr(transformers, kind).from_pretrained(folder, use_safetensors=True, **safe)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **safe)
    except (OSError, ValueError, KeyError) as error:
        said = " ".join(str(error).split())[:200]
        raise UsageError(f"{option} {folder}: cannot be loaded ({said}); name the folder of a saved model") from error
    return model.float().eval(), tokenizer
