"""Original -> counterfactual as `llm`, asked with ablation prompt v4: the deciding words first."""

from __future__ import annotations

from typing import ClassVar

from cod_bench.generators.llm import Llm


class LlmV4(Llm):
    """`llm` with the prompt `v4`."""

    name: ClassVar[str] = "llm_v4"
    prompt: ClassVar[str] = "v4"
    card: ClassVar[str] = (
        "As llm, asked with the deciding words first; prompt v4 of the ablation, for film reviews (SST-2)."
    )


GENERATOR = LlmV4()
