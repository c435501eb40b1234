"""Two tokenizers' files -> whether they cut texts alike, whatever ids their tokens have."""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cod_bench.spec import canonical

MARKS = frozenset(string.punctuation)
"""At each of them BERT's pre-tokenizer cuts, so that no longer token with one in it ever comes of a text."""


def same(one: Path, other: Path) -> bool:
    """Whether two folders cut alike every text that names no special token: equal rules, whatever ids tokens have.

    What a run's texts do name is seen when it begins (training/batches.py).
    """
    return bool(_tokenizer(one) == _tokenizer(other))


def _tokenizer(found: Path) -> Any:
    """What decides on tokens: where they are cut, of tokenizers of BERT's kind; of others all that decides on ids."""
    file = found / "tokenizer.json"
    if file.is_file():
        rules = json.loads(file.read_text(encoding="utf-8"))
        whole = {name: value for name, value in rules.items() if name not in ("padding", "truncation", "version")}
        return _cuts(rules) or whole
    files = sorted(
        {f for pattern in ("vocab*", "merges.txt", "*.model", "tokenizer_config.json") for f in found.glob(pattern)}
    )
    return [[f.name, hashlib.sha256(f.read_bytes()).hexdigest()] for f in files]


def _cuts(rules: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where a tokenizer of BERT's kind cuts: the longest piece first that its vocabulary has, whatever its id.

    None of any other kind: byte pairs and unigrams go by order and score, and are compared with their ids.
    """
    model, before = rules.get("model") or {}, rules.get("pre_tokenizer") or {}
    ends, vocabulary = _ends(rules.get("post_processor") or {}), model.get("vocab") or {}
    kinds = model.get("type"), before.get("type")
    if kinds != ("WordPiece", "BertPreTokenizer") or ends is None or model.get("unk_token") not in vocabulary:
        return None
    prefix = model.get("continuing_subword_prefix") or ""
    added = [{key: value for key, value in one.items() if key != "id"} for one in rules.get("added_tokens") or ()]
    return {
        "normalizer": rules.get("normalizer"), "prefix": prefix, "longest word": model.get("max_input_chars_per_word"),
        "pieces": {piece for piece in vocabulary if _comes(piece.removeprefix(prefix))},
        "added": sorted((one for one in added if not one.get("special") or _comes(one["content"])), key=canonical),
        "ends": ends,
    }  # fmt: skip


def _comes(piece: str) -> bool:
    """Whether text may be cut into it, as it is not into [CLS] or <s>."""
    return len(piece) < 2 or not MARKS.intersection(piece)


def _ends(processor: Mapping[str, Any]) -> tuple[int, int] | None:
    """Special tokens before and behind a text; None where that is not plain."""
    kind = processor.get("type")
    if kind == "TemplateProcessing":
        parts = [part.get("SpecialToken", {}).get("id") for part in processor["single"]]
        if parts.count(None) == 1:
            sizes = [0 if part is None else len(processor["special_tokens"][part]["ids"]) for part in parts]
            text = parts.index(None)
            return sum(sizes[:text]), sum(sizes[text:])
        return None
    return {None: (0, 0), "BertProcessing": (1, 1), "RobertaProcessing": (1, 1)}.get(kind)
