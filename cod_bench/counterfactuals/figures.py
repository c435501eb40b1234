"""Counterfactuals -> what they are worth: validity, distance, margins, length, duplicates and price."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from cod_bench.counterfactuals.perturb import edits
from cod_bench.data import checkpoints
from cod_bench.data.near import normal_form
from cod_bench.errors import UsageError

if TYPE_CHECKING:
    from cod_bench.counterfactuals.purchase import Case
    from cod_bench.training.teacher import Teacher

Scorer = Callable[[Sequence[tuple[str, str]]], float]
"""(original, counterfactual) pairs -> a figure by somebody else's model."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one generator on some texts. Means are over valid counterfactuals, None without any or where not asked for."""

    texts: int
    valid: float
    """Share of texts with a counterfactual that the teacher gives the target class."""
    first_flips: float
    """Share of texts whose first answer does, before any check."""
    delta_p: float | None
    """Teacher's p(target) on the counterfactual minus on the original."""
    distance: float | None
    """Word-level Levenshtein distance over the longer text's words."""
    edited: float | None
    """Words edited over words of the original; case and a/an count for nothing, as in the pools."""
    margin_before: float | None
    """Teacher's p(target) - p(original's class) on the original."""
    margin_after: float | None
    """The same on the counterfactual."""
    length: float | None
    """Words of the counterfactual over words of the original."""
    duplicates: int
    """Counterfactuals that are equal to another one or to a text of the training pool."""
    requests: float | None
    """Requests bought per valid counterfactual, those of the others included; 0 for generators that buy nothing."""
    dollars: float | None
    """Dollars likewise; None where no price is known."""
    seconds: float | None
    """Seconds of the generator per valid counterfactual, likewise."""
    fluency: float | None = None
    """A language model's perplexity on the counterfactual over that on the original, geometric mean."""
    similarity: float | None = None
    """Cosine of an encoder's embeddings of the two."""


TITLES = {
    "texts": "texts", "valid": "valid", "first_flips": "first answers flip", "delta_p": "change of p(target)",
    "distance": "normalised word distance", "edited": "words edited", "margin_before": "margin before",
    "margin_after": "margin after", "length": "length ratio", "duplicates": "duplicates",
    "requests": "requests per valid one", "dollars": "dollars per valid one", "seconds": "seconds per valid one",
    "fluency": "perplexity ratio", "similarity": "embedding cosine",
}  # fmt: skip
_SHARES = ("valid", "first_flips", "edited")


def figures(
    cases: Sequence[Case], teacher: Teacher, train: Iterable[str], *, fluency: Scorer | None = None,
    similarity: Scorer | None = None,
) -> Figures:  # fmt: skip
    """The figures of one generator's cases; the teacher judges each text alone."""
    valid = [(case, case.cfe) for case in cases if case.cfe is not None]
    pairs = [(case.slot.original.text, cfe) for case, cfe in valid]

    def p(text: str, label: int) -> float:
        return teacher.probability(text, label)

    def margin(case: Case, text: str) -> float:
        return p(text, case.slot.target) - p(text, case.slot.original.label)

    def mean(values: Iterable[float]) -> float | None:
        found = list(values)
        return fmean(found) if found else None

    bought = [case.answer.bought for case in cases]
    costs = [0.0 if one is None else one.dollars for one in bought]
    known = [cost for cost in costs if cost is not None]
    return Figures(
        texts=len(cases),
        valid=len(valid) / len(cases),
        first_flips=fmean(_flips(case, teacher) for case in cases),
        delta_p=mean(p(cfe, case.slot.target) - p(case.slot.original.text, case.slot.target) for case, cfe in valid),
        distance=mean(distance(before, after) for before, after in pairs),
        edited=mean(edits(before, after).total / max(1, len(before.split())) for before, after in pairs),
        margin_before=mean(margin(case, case.slot.original.text) for case, _ in valid),
        margin_after=mean(margin(case, cfe) for case, cfe in valid),
        length=mean(len(after.split()) / max(1, len(before.split())) for before, after in pairs),
        duplicates=duplicates([after for _, after in pairs], train),
        requests=sum(one.requests for one in bought if one) / len(valid) if valid else None,
        dollars=sum(known) / len(valid) if valid and len(known) == len(costs) else None,
        seconds=sum(case.seconds for case in cases) / len(valid) if valid else None,
        fluency=fluency(pairs) if fluency and pairs else None,
        similarity=similarity(pairs) if similarity and pairs else None,
    )


def _flips(case: Case, teacher: Teacher) -> bool:
    first = case.answer.first
    return bool(first) and first != case.slot.original.text and teacher.predict(first) == case.slot.target


def distance(before: str, after: str) -> float:
    """Word-level Levenshtein distance of two texts over the longer one's words: 0 for equal texts, at most 1."""
    from rapidfuzz.distance import Levenshtein

    return float(Levenshtein.normalized_distance(before.split(), after.split()))


def duplicates(made: Sequence[str], train: Iterable[str]) -> int:
    """How many of the made texts equal an earlier one or a training text, whatever their case."""
    seen = {normal_form(text) for text in train}
    count = 0
    for form in map(normal_form, made):
        count += form in seen
        seen.add(form)
    return count


def rows(found: Sequence[tuple[str, Figures]]) -> list[list[str]]:
    """A table: a heading with the generators' names, then a row a figure; figures that nobody has are left out."""
    table = [["", *(name for name, _ in found)]]
    for field in fields(Figures):
        values = [getattr(one, field.name) for _, one in found]
        if any(value is not None for value in values) or field.name not in ("fluency", "similarity"):
            table.append([TITLES[field.name], *(_shown(field.name, value) for value in values)])
    return table


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name in _SHARES:
        return f"{value:.1%}"
    if isinstance(value, int):
        return str(value)
    return f"{value:.5f}" if name == "dollars" else f"{value:.3f}"


LONGEST = 512
"""Tokens of a text that are read."""


def perplexity_ratio(folder: Path) -> Callable[[Sequence[tuple[str, str]]], float]:
    """A scorer: perplexity of a causal language model on the counterfactual over that on the original.

    The geometric mean over pairs, so that a ratio and its inverse cancel out (cf. Polyjuice's filter and CEval).

    Raises:
        UsageError: the folder holds no causal language model.
    """
    model, tokenizer = _load(folder, "AutoModelForCausalLM", "--fluency")

    def loss(text: str) -> float:
        import torch

        ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=LONGEST)["input_ids"]
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        if start is not None and (ids.shape[1] == 0 or int(ids[0, 0]) != start):
            ids = torch.cat([torch.tensor([[start]]), ids], 1)
        with torch.inference_mode():
            return float(model(input_ids=ids, labels=ids).loss)

    def score(pairs: Sequence[tuple[str, str]]) -> float:
        import math

        return math.exp(sum(loss(after) - loss(before) for before, after in pairs) / len(pairs))

    return score


def embedding_cosine(folder: Path) -> Callable[[Sequence[tuple[str, str]]], float]:
    """A scorer: mean cosine of the mean-pooled last states of an encoder on counterfactual and original.

    Raises:
        UsageError: the folder holds no encoder.
    """
    model, tokenizer = _load(folder, "AutoModel", "--similarity")

    def embed(text: str) -> Any:
        import torch

        encoded = tokenizer(text, return_tensors="pt", truncation=True, max_length=LONGEST)
        with torch.inference_mode():
            return model(**encoded).last_hidden_state[0].mean(0)

    def score(pairs: Sequence[tuple[str, str]]) -> float:
        import torch

        cosines = [torch.nn.functional.cosine_similarity(embed(a), embed(b), dim=0) for a, b in pairs]
        return float(sum(cosines)) / len(cosines)

    return score


def _load(folder: Path, kind: str, option: str) -> tuple[Any, Any]:
    import transformers
    from safetensors import SafetensorError

    if not (folder / "config.json").is_file():
        raise UsageError(f"{option} {folder}: holds no config.json; name the folder of a saved model")
    checkpoints.check(folder, str(folder))
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    safe = {"local_files_only": True, "trust_remote_code": False}  # None would ask on the terminal
    try:
        model = getattr(transformers, kind).from_pretrained(folder, use_safetensors=True, **safe)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **safe)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        said = " ".join(str(error).split())[:200]
        raise UsageError(f"{option} {folder}: cannot be loaded ({said}); name the folder of a saved model") from error
    return model.float().eval(), tokenizer
