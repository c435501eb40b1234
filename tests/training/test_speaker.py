"""A decoder that is built on the spot learns to say words: what it is taught, when it stops, whatever its batches."""

from __future__ import annotations

import pytest
import torch

from cod_bench.track import Side
from cod_bench.training import model as models
from cod_bench.training import pretrained
from cod_bench.training.speaker import Speaker, answers, fit

PROMPTS = [[5, 6, 7], [8, 9], [6, 5, 9, 8], [7], [9, 7, 5], [8, 8, 6]]
END = 3
ANSWERS = [[10, END], [11, 12, END], [10, END], [11, 12, END], [10, END], [11, 12, END]]


@pytest.fixture
def speaker() -> Speaker:
    texts = ["one two three four five six seven eight nine ten eleven twelve"]
    base = pretrained.load(Side("random:decoder-0", pooling="last"), texts, max_length=32)
    return Speaker(models.keep_layers(base.backbone, None), base.tokenizer.pad_token_id)


def taught(speaker: Speaker, *name: str) -> list[float]:
    return fit(speaker, PROMPTS, ANSWERS, steps=150, rate=3e-3, size=3, name=("test", *name))


def test_it_says_what_it_was_taught_and_stops_there(speaker: Speaker) -> None:
    losses = taught(speaker)
    assert len(losses) == 150
    assert losses[-1] < losses[0] / 10
    assert answers(speaker, PROMPTS, end=END) == [said[:-1] for said in ANSWERS]


def test_it_says_no_more_than_it_may(speaker: Speaker) -> None:
    taught(speaker)
    assert answers(speaker, PROMPTS, end=END, most=1) == [said[:1] for said in ANSWERS]
    assert all(len(said) == 5 for said in answers(speaker, PROMPTS, end=-1, most=5))


def test_batches_and_padding_change_nothing(speaker: Speaker) -> None:
    taught(speaker)
    alone = [answers(speaker, [prompt], end=END)[0] for prompt in PROMPTS]
    assert answers(speaker, PROMPTS, end=END, size=4) == alone
    with torch.inference_mode():
        together = speaker.at(PROMPTS, [[len(row) - 1] for row in PROMPTS])
        single = torch.cat([speaker.at([row], [[len(row) - 1]]) for row in PROMPTS])
    torch.testing.assert_close(together, single, rtol=1e-4, atol=1e-5)


def test_only_the_answers_tokens_are_learnt(speaker: Speaker) -> None:
    places = [
        range(len(prompt) - 1, len(prompt) + len(said) - 1) for prompt, said in zip(PROMPTS, ANSWERS, strict=True)
    ]
    rows = [[*prompt, *said] for prompt, said in zip(PROMPTS, ANSWERS, strict=True)]
    with torch.inference_mode():
        logits = speaker.at(rows, places)
        wanted = torch.tensor([token for said in ANSWERS for token in said])
        first = float(torch.nn.functional.cross_entropy(logits, wanted))
    losses = fit(speaker, PROMPTS, ANSWERS, steps=1, rate=1e-3, size=len(PROMPTS), name=("all",))
    assert losses == [pytest.approx(first, rel=1e-4)]


def test_the_stream_alone_orders_the_rows(speaker: Speaker) -> None:
    start = {name: value.clone() for name, value in speaker.state_dict().items()}
    first = taught(speaker)
    speaker.load_state_dict(start)
    assert taught(speaker) == first
    speaker.load_state_dict(start)
    assert taught(speaker, "other") != first
