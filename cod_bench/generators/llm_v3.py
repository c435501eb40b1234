"""Original -> counterfactual as `llm`, asked with ablation prompt v3: one worked example."""

from __future__ import annotations

from typing import ClassVar

from cod_bench.generators.llm import Llm


class LlmV3(Llm):
    """`llm` with the prompt `v3`."""

    name: ClassVar[str] = "llm_v3"
    prompt: ClassVar[str] = "v3"
    card: ClassVar[str] = "As llm, asked with one worked example; prompt v3 of the ablation, for film reviews (SST-2)."


GENERATOR = LlmV3()
