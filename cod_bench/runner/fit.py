"""A method that brings its own fit, its run's material -> what a record tells: classes and probabilities, time, costs.

Nothing here takes a gradient step, so protocols that select a step make no difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cod_bench.counterfactuals import warm
from cod_bench.distiller import Fitted, Material, Predictor
from cod_bench.errors import RunError, UsageError
from cod_bench.records.provenance import installed
from cod_bench.records.record import SCALE, quantise
from cod_bench.spec import stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cod_bench.condition import TrainingSet
    from cod_bench.spec import RunSpec
    from cod_bench.track import Track
    from cod_bench.training.distil import Trained

SUM = 1e-6
"""By how much the probabilities of a text may miss 1 in sum."""
ASKED_ALONE = 5
"""So many drawn evaluation texts are asked for by themselves first."""
ALONE = 1e-6
"""By how much a probability may change when the text is asked for alone: products of another shape have other last
bits."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A method after its `fit`: what predicts, and what it took."""

    method: str
    classes: int
    predictor: Predictor
    seconds: float
    asked: Sequence[Sequence[str]] = ()
    """What it was given of the training pool besides its rows, if it asked; a predictor may still ask."""
    libraries: Mapping[str, str] = field(default_factory=dict)
    """Package -> version of those that it says its numbers depend on."""

    @property
    def unlabelled_texts(self) -> int:
        """Texts of the training pool that it has asked for until now; 0 if it has not."""
        return len(self.asked[0]) if self.asked else 0

    @property
    def trained(self) -> Trained:
        """As a training tells it: no loss and no step."""
        from cod_bench.training.distil import Trained

        return Trained(steps=0, seconds={"prepare": 0.0, "train": self.seconds})

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Float64 [len(texts), classes].

        Raises:
            RunError: what the method gives is no probabilities of these texts.
        """
        told = f"method {self.method!r}: its predictor gave"
        try:
            found = np.asarray(self.predictor(list(texts)), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise RunError(f"{told} no array of numbers ({error}); return [texts, classes]") from error
        if found.shape != (len(texts), self.classes):
            raise RunError(f"{told} shape {list(found.shape)}; return {[len(texts), self.classes]}: [texts, classes]")
        if not np.isfinite(found).all():
            raise RunError(f"{told} a value that is no finite number; return probabilities")
        sums = found.sum(axis=1)
        if (found < 0).any() or (np.abs(sums - 1) > SUM).any():
            worst = int(np.argmax(np.maximum(np.abs(sums - 1), -found.min(axis=1))))
            row = ", ".join(f"{value:.6g}" for value in found[worst])
            raise RunError(f"{told} {row} for text {worst}; return probabilities from 0 on that sum to 1")
        return found

    def stored(self, texts: Sequence[str]) -> tuple[str, list[int]]:
        """Predicted digits and p in 1/10,000, as records keep them; the first class where several are largest.

        Of two classes, a probability that would be stored as one half goes one ten-thousandth to the side of its
        class: what fits few rows may give most texts one, and a record must not leave their classes open.

        Raises:
            RunError: as `probabilities`, or what it says of a text depends on the texts beside it: the evaluation split
                as a whole would be known to it.
        """
        drawn = stream("asked-alone", self.method, len(texts)).permutation(len(texts))[:ASKED_ALONE].tolist()
        alone = {place: self.probabilities([texts[place]])[0] for place in drawn}  # before it can have seen the others
        found = self.probabilities(texts)
        for place, own in alone.items():
            if np.abs(own - found[place]).max() > ALONE:
                raise RunError(
                    f"method {self.method!r}: its predictor says something else of text {place} when it is asked for "
                    "alone; predict each text by itself"
                )
        said = found.argmax(1).tolist()
        if self.classes > 2:
            return "".join(map(str, said)), [quantise(p) for p in found.ravel().tolist()]
        sides = [quantise(p) for p in found[:, 1].tolist()]
        half = SCALE // 2
        sides = [half + (1 if label else -1) if p == half else p for p, label in zip(sides, said, strict=True)]
        return "".join(map(str, said)), sides


def fit(
    method: type[Fitted], spec: RunSpec, track: Track, hparams: Mapping[str, Any], training: TrainingSet,
    classes: Sequence[str], pool: Callable[[], Sequence[str]] | None = None,
) -> Fit:  # fmt: skip
    """Let a method fit what predicts, from the training rows of its run and what else `Material` tells.

    `pool` gives the texts of the training pool where these are at hand already.

    Raises:
        UsageError: it names libraries that are not installed.
        RunError: what it returns cannot be called.
    """
    asked: list[Sequence[str]] = []

    def texts() -> Sequence[str]:
        if not asked:
            asked.append(tuple(pool_texts(spec.task) if pool is None else pool()))
        return asked[0]

    rows = () if method.blind else training.rows  # it costs no label, so it gets none
    student, teacher = (warm.encoder(spec.track, spec.task, side) for side in ("student", "teacher"))
    libraries = _libraries(method)
    given = Material(spec, track, hparams, rows, tuple(classes), student, teacher, texts)
    start, loaded = time.perf_counter(), student.loading + teacher.loading
    predictor = method().fit(given)
    # whoever comes first in a process does not pay for loading; students do not either
    seconds = time.perf_counter() - start - (student.loading + teacher.loading - loaded)
    if not callable(predictor):
        raise RunError(f"method {spec.method!r}: its fit gave a {type(predictor).__name__}; return a function of texts")
    return Fit(spec.method, len(classes), predictor, seconds, asked, libraries)


def _libraries(method: type[Fitted]) -> dict[str, str]:
    named = method.libraries
    found = {name: installed(name) for name in named if type(name) is str and name} if type(named) is tuple else {}
    if type(named) is not tuple or len(found) < len(named) or "unknown" in found.values():
        raise UsageError(
            f"method {method.name!r}: libraries={named!r}; name installed packages as their index calls them, such as "
            '("scikit-learn",)'
        )
    return found


def pool_texts(task: str) -> list[str]:
    """Every text of a task's training pool in the order of the rows' ids, which are hashes and tell no label."""
    return [row.text for row in sorted(warm.corpus(task).train, key=lambda row: row.id)]
