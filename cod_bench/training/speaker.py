"""A decoder, prompts and answers in words -> a model that says them: fine-tuned on answers alone, greedy answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cod_bench.spec import stream
from cod_bench.training import model as models

Ids = Sequence[int]


class Speaker(nn.Module):
    """A decoder that says what comes next; its output words are its input embeddings, as SmolLM2's are.

    Args:
        backbone: without a head.
        pad_id: of its tokenizer.
    """

    def __init__(self, backbone: nn.Module, pad_id: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.pad_id = pad_id

    def at(self, rows: Sequence[Ids], places: Sequence[Sequence[int]]) -> Tensor:
        """Logits of the token after each of the places of each row, [places in all, vocabulary]."""
        ids, mask = models.pad(rows, self.pad_id)
        backbone: Any = self.backbone
        states = backbone(input_ids=ids, attention_mask=mask).last_hidden_state
        row = torch.tensor([i for i, own in enumerate(places) for _ in own])
        place = torch.tensor([at for own in places for at in own])
        words: Tensor = backbone.get_input_embeddings().weight
        return torch.nn.functional.linear(states[row, place], words)


def fit(
    speaker: Speaker, prompts: Sequence[Ids], answers: Sequence[Ids], *, steps: int, rate: float, size: int,
    name: Sequence[str | int],
) -> list[float]:  # fmt: skip
    """Fine-tune in place by the cross-entropy of the answers' tokens, `size` rows a step, pass after pass.

    Args:
        prompts, answers: token ids; an answer ends with the token that ends what is said.
        name: of the stream that orders the rows.

    Returns:
        The loss of every step.
    """
    rng = stream("words order", *name)
    order = [int(i) for _ in range(-(-steps * size // len(prompts))) for i in rng.permutation(len(prompts))]
    optimiser = torch.optim.AdamW(speaker.parameters(), lr=rate, weight_decay=0.01, fused=True)
    warm = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))
    )
    speaker.train()
    losses = []
    for step in range(steps):
        batch = order[step * size : (step + 1) * size]
        rows = [[*prompts[i], *answers[i]] for i in batch]
        places = [range(len(prompts[i]) - 1, len(prompts[i]) + len(answers[i]) - 1) for i in batch]
        wanted = torch.tensor([token for i in batch for token in answers[i]])
        loss = torch.nn.functional.cross_entropy(speaker.at(rows, places), wanted)
        loss.backward()
        optimiser.step()
        schedule.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(loss.item())
    speaker.eval()
    return losses


def answers(speaker: Speaker, prompts: Sequence[Ids], *, end: int, most: int = 4, size: int = 32) -> list[list[int]]:
    """What it says after each prompt, the likeliest token each time, up to and without the one that ends it.

    Args:
        end: the token that ends what is said.
        most: tokens that it may say.
    """
    found: list[list[int]] = [[] for _ in prompts]
    speaker.eval()
    with torch.inference_mode():
        for batch in models.by_length(prompts, size):
            open_ = list(batch)
            for _ in range(most):
                if not open_:
                    break
                rows = [[*prompts[i], *found[i]] for i in open_]
                said = speaker.at(rows, [[len(row) - 1] for row in rows]).argmax(1).tolist()
                for i, token in zip(open_, said, strict=True):
                    if token != end:
                        found[i].append(int(token))
                open_ = [i for i, token in zip(open_, said, strict=True) if token != end]
    return found
