"""Whether two folders cut texts alike: told by rules and pieces, not by ids; seen on every text of two corpora."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cod_bench.counterfactuals import warm
from cod_bench.data import assets, tokens
from cod_bench.errors import RunError, UsageError
from cod_bench.training.batches import cut
from cod_bench.training.model import tokenise
from tests.checkpoints import renumber, save

Rules = dict[str, Any]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("model") / "bert", "bert", layers=2, width=16)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("model") / "qwen", "qwen2", layers=2, width=16)


def changed(source: Path, target: Path, change: Callable[[Rules], None]) -> Path:
    """A folder with the tokenizer of `source`, some rules of it changed."""
    rules = json.loads((source / "tokenizer.json").read_text())
    change(rules)
    target.mkdir()
    (target / "tokenizer.json").write_text(json.dumps(rules))
    return target


def swapped(rules: Rules) -> None:
    """The ids of two pieces, and nothing else."""
    vocabulary = rules["model"]["vocab"]
    one, two = [piece for piece in vocabulary if piece.isalpha()][:2]
    vocabulary[one], vocabulary[two] = vocabulary[two], vocabulary[one]


def test_other_ids_and_other_special_tokens_cut_alike(bert: Path, tmp_path: Path) -> None:
    assert tokens.same(bert, renumber(bert, tmp_path / "renumbered"))
    assert tokens.same(bert, changed(bert, tmp_path / "swapped", swapped))
    padded = changed(bert, tmp_path / "padded", lambda rules: rules.update(padding={"strategy": "BatchLongest"}))
    assert tokens.same(bert, padded)


def test_of_other_kinds_ids_must_be_equal_too(qwen: Path, tmp_path: Path) -> None:
    assert tokens.same(qwen, changed(qwen, tmp_path / "equal", lambda rules: rules.update(padding=None)))
    assert not tokens.same(qwen, changed(qwen, tmp_path / "swapped", swapped))


def lowercase(rules: Rules) -> None:
    rules["normalizer"]["lowercase"] = not rules["normalizer"]["lowercase"]


def whitespace(rules: Rules) -> None:
    rules["pre_tokenizer"] = {"type": "WhitespaceSplit"}


def prefix(rules: Rules) -> None:
    rules["model"]["continuing_subword_prefix"] = "@@"


def longest(rules: Rules) -> None:
    rules["model"]["max_input_chars_per_word"] = 5


def fewer(rules: Rules) -> None:
    rules["model"]["vocab"].pop(next(piece for piece in rules["model"]["vocab"] if piece.startswith("##")))


def more(rules: Rules) -> None:
    rules["model"]["vocab"]["zzz"] = len(rules["model"]["vocab"])


def added(rules: Rules) -> None:
    rules["added_tokens"].append({**rules["added_tokens"][0], "content": "great lamp", "special": False})


def no_end(rules: Rules) -> None:
    rules["post_processor"]["single"].pop()


def two_ends(rules: Rules) -> None:
    rules["post_processor"]["single"].append(rules["post_processor"]["single"][-1])


def a_word_that_is_special(rules: Rules) -> None:
    rules["added_tokens"].append({**rules["added_tokens"][0], "content": "lamp"})


@pytest.mark.parametrize(
    "change",
    [
        lowercase, whitespace, prefix, longest, fewer, more, added, no_end, two_ends, a_word_that_is_special,
    ],
)  # fmt: skip
def test_whatever_else_cuts_must_be_equal(change: Callable[[Rules], None], bert: Path, tmp_path: Path) -> None:
    renumbered = renumber(bert, tmp_path / "renumbered")
    other = changed(bert, tmp_path / "other", change)
    assert not tokens.same(bert, other)
    assert not tokens.same(renumbered, other)


def test_files_of_older_kinds_are_compared_whole(bert: Path, tmp_path: Path) -> None:
    for name, text in (("one", "a"), ("same", "a"), ("other", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "vocab.txt").write_text(text)
    assert tokens.same(tmp_path / "one", tmp_path / "same")
    assert not tokens.same(tmp_path / "one", tmp_path / "other")
    assert not tokens.same(tmp_path / "one", bert)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("task", ["rt_quotes", "brand_tweets"])
def test_mpnet_and_minilm_cut_every_text_alike(task: str) -> None:
    from transformers import AutoTokenizer

    try:
        folders = [assets.path(name) for name in ("mpnet", "minilm")]
        corpus = warm.corpus(task)
    except (RunError, UsageError) as error:
        pytest.skip(f"an asset cannot be had: {error}")
    assert tokens.same(*folders)
    texts = [row.text for rows in (corpus.train, corpus.dev, corpus.evaluation) for row in rows]
    both = [AutoTokenizer.from_pretrained(folder, local_files_only=True) for folder in folders]
    ids = [tokenise(tokenizer, texts, 64) for tokenizer in both]
    teacher, student = (cut(tokenizer, rows) for tokenizer, rows in zip(both, ids, strict=True))
    assert [text for text, one, two in zip(texts, teacher, student, strict=True) if one != two] == []
    assert all(row[0] == row[-1] == ("special", "") and len(row) > 2 for row in teacher)
    assert ids[0] != ids[1]
    assert len(texts) > 5000
