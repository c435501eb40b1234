"""Classifiers of four architectures: kept layers, pooling, padding, hidden states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from cod_bench.errors import RunError, UsageError
from cod_bench.training.model import Classifier, check_layers, keep_layers, pad, pooled, predict, tokenise
from tests.checkpoints import ENCODERS, FAMILIES, make_model, make_tokenizer

TEXTS = [
    "the lamp at home was great and lovely today",
    "what awful news",
    "we found the hotel dull , even weak in june",
]


def backbone(family: str, layers: int = 4) -> Any:
    torch.manual_seed(0)
    return make_model(family, len(make_tokenizer(family)), layers, 32)


def rows(family: str) -> list[list[int]]:
    return tokenise(make_tokenizer(family), TEXTS, 32)


def states(model: Any, family: str) -> Any:
    ids, mask = pad(rows(family), 0)
    with torch.inference_mode():
        return model(input_ids=ids, attention_mask=mask, output_hidden_states=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_layers_kept_are_the_model_itself_bit_by_bit(family: str) -> None:
    model = backbone(family)
    before = states(model, family)
    for layers in (range(4), None):
        after = states(keep_layers(model, layers).eval(), family)
        assert torch.equal(before.last_hidden_state, after.last_hidden_state)
        assert all(torch.equal(a, b) for a, b in zip(before.hidden_states, after.hidden_states, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_kept_layers_are_the_originals_in_order_and_the_original_stays(family: str) -> None:
    model = backbone(family)
    before = states(model, family)
    first = keep_layers(model, (0, 1)).eval()
    found = states(first, family)
    assert len(found.hidden_states) == 3
    assert torch.equal(found.hidden_states[1], before.hidden_states[1])
    last = 2 if family in ENCODERS else 1  # a decoder's last state is behind its final norm
    assert torch.equal(found.hidden_states[last], before.hidden_states[last])
    assert first.config.num_hidden_layers == 2
    assert model.config.num_hidden_layers == 4
    assert torch.equal(states(model, family).last_hidden_state, before.last_hidden_state)


@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_kept_decoder_layers_are_numbered_anew(family: str) -> None:
    kept: Any = keep_layers(backbone(family), (1, 3))
    assert [layer.self_attn.layer_idx for layer in kept.layers] == [0, 1]
    assert torch.equal(states(kept.eval(), family).last_hidden_state, states(kept, family).hidden_states[-1])


def test_per_layer_settings_follow_the_kept_layers() -> None:
    kinds = ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]
    model = make_model(
        "qwen2", 300, 4, 32, layer_types=kinds, use_sliding_window=True, sliding_window=4, max_window_layers=0
    )
    kept: Any = keep_layers(model, (1, 2))
    assert kept.config.layer_types == ["sliding_attention", "full_attention"]
    assert model.config.layer_types == kinds


@pytest.mark.parametrize("layers", [(), (0, 4), (-1,)])
def test_layers_that_are_not_there_are_told(layers: tuple[int, ...]) -> None:
    with pytest.raises(RunError, match="the model has layers 0 to 3"):
        keep_layers(backbone("bert"), layers)


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_do_not_depend_on_padding(family: str, pooling: Any) -> None:
    model = Classifier(backbone(family), 2, pooling).eval()
    model.draw("test", 0)
    for row in rows(family):
        with torch.inference_mode():
            alone = model(*pad([row], 0)).logits
            padded = model(*pad([row], 0, len(row) + 9)).logits
        torch.testing.assert_close(alone, padded, rtol=1e-4, atol=1e-6)
    together = predict(model, rows(family), pad_id=0)
    for i, row in enumerate(rows(family)):
        np.testing.assert_allclose(predict(model, [row], pad_id=0)[0], together[i], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_in_bfloat16_the_backbone_is_rounded_and_the_head_is_not(family: str) -> None:
    model = Classifier(backbone(family), 2, "mean").eval()
    model.draw("test", 0)
    exact = predict(model, rows(family), pad_id=0)
    rounded = predict(model, rows(family), pad_id=0, precision="bfloat16")
    assert rounded.dtype == np.float32
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, atol=0.02)
    assert not np.array_equal(rounded, torch.from_numpy(rounded).bfloat16().float().numpy())


def test_pooling_reads_the_mean_the_first_or_the_last_real_token() -> None:
    values = torch.tensor([[[1.0], [3.0], [99.0]], [[5.0], [7.0], [9.0]]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    found = {how: pooled(values, mask, how).flatten().tolist() for how in ("mean", "first", "last")}
    assert found == {"mean": [2.0, 7.0], "first": [1.0, 5.0], "last": [3.0, 9.0]}


@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_only_the_last_token_of_a_decoder_has_seen_the_whole_text(family: str) -> None:
    model = Classifier(backbone(family), 2, "last").eval()
    row = rows(family)[0]
    other = [*row[:-1], (row[-1] + 1) % 100]
    ids, mask = pad([row, other], 0)
    with torch.inference_mode():
        hidden = model(ids, mask, [4]).hidden[4]
        logits = model(ids, mask).logits
    torch.testing.assert_close(hidden[0, :-1], hidden[1, :-1])
    assert not torch.allclose(logits[0], logits[1])


def test_a_drawn_head_is_that_of_its_name_alone() -> None:
    one, other = Classifier(backbone("bert"), 2, "first"), Classifier(backbone("bert"), 2, "first")
    one.draw("init", "toy", 0)
    torch.manual_seed(5)
    other.draw("init", "toy", 0)
    assert torch.equal(one.head.weight, other.head.weight)
    assert one.pooler is not None
    assert other.pooler is not None
    assert torch.equal(one.pooler.weight, other.pooler.weight)
    assert not torch.equal(one.pooler.weight[:2], one.head.weight)


def test_a_layer_map_beyond_the_model_is_told() -> None:
    model = Classifier(backbone("bert"), 2)
    check_layers(model, (1, 4), "teacher")
    with pytest.raises(UsageError, match="the teacher has layers 1 to 4, not 5"):
        check_layers(model, (2, 5), "teacher")
