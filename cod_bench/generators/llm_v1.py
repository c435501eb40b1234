"""Original -> counterfactual as `llm`, asked with ablation prompt v1: one bare sentence."""

from __future__ import annotations

from typing import ClassVar

from cod_bench.generators.llm import Llm


class LlmV1(Llm):
    """`llm` with the prompt `v1`."""

    name: ClassVar[str] = "llm_v1"
    prompt: ClassVar[str] = "v1"
    card: ClassVar[str] = "As llm, asked with one bare sentence; prompt v1 of the ablation, for film reviews (SST-2)."


GENERATOR = LlmV1()
