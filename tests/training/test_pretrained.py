"""Loading: what is refused and why; the GGUF asset for real."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from cod_bench import device, registry
from cod_bench.counterfactuals import warm
from cod_bench.data import assets
from cod_bench.data import checkpoints as sources
from cod_bench.design import built_in, tracks
from cod_bench.errors import RunError, UsageError
from cod_bench.runner import work
from cod_bench.spec import RunSpec
from cod_bench.track import Recipe, Side, TeacherRecipe
from cod_bench.training import pretrained
from cod_bench.training.model import Classifier, pad, tokenise
from tests.checkpoints import FAMILIES, make_model, make_tokenizer, save


def load(folder: Path, max_length: int = 32) -> pretrained.Pretrained:
    return pretrained.load(sources.resolve(Side(f"path:{folder}")), max_length=max_length)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_checkpoint_comes_back(family: str, tmp_path: Path) -> None:
    saved = load_file(save(tmp_path / "model", family) / "model.safetensors")
    found = load(tmp_path / "model")
    weights = found.backbone.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in saved.items())
    text = ["the lamp at home was great"]
    assert tokenise(found.tokenizer, text, 32) == tokenise(make_tokenizer(family), text, 32)
    assert found.tokenizer.pad_token_id is not None
    assert not getattr(found.backbone.config, "use_cache", False)


def test_a_sentencepiece_model_alone_is_a_tokenizer_as_in_the_hubs_deberta_v3(tmp_path: Path) -> None:
    spm = pytest.importorskip("sentencepiece", reason="needs the extra `hub`")
    pytest.importorskip("google.protobuf", reason="needs the extra `hub`")
    texts = [row.text for row in registry.load("task", "toy").read()]
    pieces = {"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"}
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_prefix=str(tmp_path / "spm"), vocab_size=100, model_type="unigram",
        pad_id=0, bos_id=1, eos_id=2, unk_id=3, minloglevel=2, **pieces,
    )  # fmt: skip
    make_model("deberta-v2", 110, 2, 16).save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false, "vocab_type": "spm"}')
    tokenizer = load(tmp_path).tokenizer
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("the lamp was great")["input_ids"])
    assert (tokens[0], tokens[1], tokens[-1]) == ("[CLS]", "▁the", "[SEP]")
    assert tokenizer.pad_token_id == 0


def test_a_classifiers_checkpoint_gives_its_backbone(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    folder = save(tmp_path / "model", "bert")
    whole = AutoModelForSequenceClassification.from_pretrained(folder)
    whole.save_pretrained(folder)
    found = load(folder).backbone.state_dict()
    assert torch.equal(found["embeddings.word_embeddings.weight"], whole.bert.embeddings.word_embeddings.weight)


def test_a_checkpoint_that_lacks_weights_is_told(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", "bert")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RunError, match=r"lacks 1 weights such as encoder.layer.1.output.dense.weight; fetch it again"):
        load(folder)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"auto_map": {"AutoConfig": "own.C", "AutoModel": "own.M"}, "model_type": "own"}, "without its own code"),
        ({"vocab_size": 100}, "embeddings; name the tokenizer's own model"),
        ({"max_position_embeddings": 16}, "has 16 positions; choose --max-length 16 or less"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_sentence(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    known = {name: value for name, value in changes.items() if name not in ("auto_map", "model_type")}
    folder = save(tmp_path / "model", "bert", **known)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    (folder / "own.py").write_text("raise SystemExit('ran code of a checkpoint')\n")
    with pytest.raises(UsageError) as caught:
        load(folder)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_without_padding_and_end_is_told(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", "llama")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).exists():
            config = json.loads((folder / name).read_text())
            config.update({"eos_token": None, "pad_token": None, "tokenizer_class": "PreTrainedTokenizerFast"})
            (folder / name).write_text(json.dumps(config))
    with pytest.raises(UsageError, match="has no padding and no end token"):
        load(folder)


@pytest.fixture(scope="module")
def smollm(tmp_path_factory: pytest.TempPathFactory) -> Side:
    try:
        assets.path("smollm2-135m")
    except (RunError, UsageError) as error:
        pytest.skip(f"the SmolLM2 asset cannot be had: {error}")
    device.set_threads()
    return tracks.track("smollm").teacher_side


@pytest.mark.slow
def test_the_gguf_asset_is_a_decoder_that_reads_alike_whatever_its_padding(smollm: Side) -> None:
    found = pretrained.load(smollm, max_length=64)
    assert pretrained.load(smollm, max_length=64).backbone.config.num_hidden_layers == 30
    model = Classifier(found.backbone, 2, smollm.pooling).eval()
    model.draw("test", 0)
    row = tokenise(found.tokenizer, ["A dull and lifeless evening at the cinema."], 64)[0]
    with torch.inference_mode():
        alone = model(*pad([row], found.tokenizer.pad_token_id)).logits
        padded = model(*pad([row], found.tokenizer.pad_token_id, len(row) + 20)).logits
    torch.testing.assert_close(alone, padded, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "method"), [("smollm", "kd"), ("smollm", "lwd"), ("smollm-minilm", "kd"), ("minilm-smollm", "kd")]
)
def test_the_gguf_asset_teaches(smollm: Side, monkeypatch: pytest.MonkeyPatch, name: str, method: str) -> None:
    short = replace(
        built_in.TRACKS[name],
        name=f"{name}-short",
        teacher=TeacherRecipe(2, 1e-4, batch_size=16, rows=64),
        recipe=SHORT,
    )
    monkeypatch.setitem(built_in.TRACKS, short.name, short)
    record = work.run_one(RunSpec("last", short.name, "toy", method, "standard", "", 8, 0), {})
    assert len(record.history["loss"]) == 4
    # eight steps are enough for the decoder, at a rate that is none of the encoder's own
    least = 0.8 if name.startswith("smollm") else 0.5
    assert warm.reference(short.name, "toy").teacher_metrics["accuracy"] > least


SHORT = Recipe(learning_rate=1e-4, steps={4: 4})
