"""Given rows, the corpus that was made of them -> how many rows each rule took, in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cod_bench.data.corpus import MIN_WORDS
from cod_bench.data.near import clusters, normal_form
from cod_bench.task import Corpus, RawRow, normalise


def told(given: Sequence[RawRow], made: Corpus) -> str:
    """What became of the rows that a task brings, such as a file's 400: none is lost without a word.

    A row that is near to a kept one, or to a row of another side, would let students be measured on what they learnt.
    """
    kept = {normal_form(row.text) for rows in (made.train, made.dev, made.evaluation) for row in rows}
    forms: dict[str, set[int]] = {}
    short = 0
    for row in given:
        text = normalise(row.text)  # as corpora have it
        if len(text.split()) < MIN_WORDS and normal_form(text) not in kept:
            short += 1
            continue
        forms.setdefault(normal_form(text), set()).add(row.label)
    twice = {form for form, labels in forms.items() if len(labels) > 1}
    repeated = len(given) - short - len(forms) + len(twice)
    distinct = [form for form in forms if form not in twice]
    together = clusters(distinct)
    taken = {cluster for form, cluster in zip(distinct, together, strict=True) if form in kept}
    lost = [cluster for form, cluster in zip(distinct, together, strict=True) if form not in kept]
    near = sum(cluster in taken for cluster in lost)
    counts = [
        (short, f"shorter than {MIN_WORDS} words"), (repeated, "repeated or under two labels"),
        (near, "too near to another row"), (len(lost) - near, "beyond equal classes or the rows asked for"),
    ]  # fmt: skip
    out = "; left out: " + ", ".join(f"{n} {why}" for n, why in counts if n) if any(n for n, _ in counts) else ""
    sides = f"{len(made.train)} to learn from, {len(made.dev)} for dev, {len(made.evaluation)} to measure on"
    return f"{len(given)} rows: {sides}{out}"
