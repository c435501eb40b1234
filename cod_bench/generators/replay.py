"""Original -> counterfactual from a file of pairs: published pools or human rewrites; answers no other text."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from cod_bench.counterfactuals.pairs import Pair, read
from cod_bench.errors import UsageError
from cod_bench.generator import Answer, Generator
from cod_bench.task import normalise

if TYPE_CHECKING:
    from cod_bench.generator import Oracle, Query
    from cod_bench.task import Example


class Replay(Generator):
    """Counterfactuals that somebody else wrote, matched by the normalised original."""

    name: ClassVar[str] = "replay"
    version: ClassVar[int] = 1
    carries_data: ClassVar[bool] = True
    card: ClassVar[str] = (
        "Gives back the pairs of a JSONL file (--pairs or COD_BENCH_PAIRS; one {original, counterfactual, "
        "counterfactual_label} a line), such as a published pool or human rewrites; a text without a pair has no "
        "counterfactual. The file's sha256 is part of every run id. Weak: says nothing about who wrote them and "
        "whether a teacher was asked."
    )

    def __init__(self) -> None:
        self._loaded: dict[str, tuple[str, Mapping[str, Sequence[Pair]]]] = {}

    def params(self) -> dict[str, Any]:
        """The content of the file.

        Raises:
            UsageError: no file is named, or it holds no pairs.
        """
        return {"pairs_sha256": self._load()[0]}

    def ready(self, tasks: Collection[str]) -> None:  # noqa: ARG002
        """Raises UsageError as `params`."""
        self._load()

    def knows(self, text: str) -> bool:
        """Whether the file has a pair for this text."""
        return normalise(text) in self._load()[1]

    def prepare(self, train: Sequence[Example], oracle: Oracle) -> dict[str, Any]:  # noqa: ARG002
        """Nothing."""
        return {}

    def answer(self, query: Query, oracle: Oracle, state: Mapping[str, Any]) -> Answer:  # noqa: ARG002
        """The file's counterfactuals of this text and target, in its order; none for other texts."""
        found = tuple(pair.counterfactual for pair in self._of(query) if pair.target == query.target)
        return Answer(found[0] if found else "", found, 0)

    def preserve(self, query: Query, counterfactual: str, oracle: Oracle, state: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """What the file gives as `preserving`."""
        return tuple(pair.preserving for pair in self._of(query) if pair.preserving)[:20]

    def _of(self, query: Query) -> Sequence[Pair]:
        return self._load()[1].get(normalise(query.example.text), ())

    def _load(self) -> tuple[str, Mapping[str, Sequence[Pair]]]:
        named = os.environ.get("COD_BENCH_PAIRS")
        if not named:
            raise UsageError("generator 'replay': no pairs; name a JSONL file with --pairs FILE or COD_BENCH_PAIRS")
        if named not in self._loaded:
            found = read(Path(named).expanduser())
            by_text: defaultdict[str, list[Pair]] = defaultdict(list)
            for pair in found.pairs:
                by_text[pair.original].append(pair)
            self._loaded[named] = found.sha256, by_text
        return self._loaded[named]


GENERATOR = Replay()
