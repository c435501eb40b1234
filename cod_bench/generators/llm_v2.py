"""Original -> counterfactual as `llm`, asked with ablation prompt v2: a role and a list of what to keep."""

from __future__ import annotations

from typing import ClassVar

from cod_bench.generators.llm import Llm


class LlmV2(Llm):
    """`llm` with the prompt `v2`."""

    name: ClassVar[str] = "llm_v2"
    prompt: ClassVar[str] = "v2"
    card: ClassVar[str] = (
        "As llm, asked with a role and a list of what to keep; prompt v2 of the ablation, for film reviews (SST-2)."
    )


GENERATOR = LlmV2()
