"""VADER's compound score of a text -> its class: a word list that people rated, and not one label."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from cod_bench import Fitted, RunError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cod_bench import Material, Track
    from cod_bench.distiller import Predictor

LISTS = {
    "vader_lexicon.txt": "1ec9c6e9ee19aade328f8beb393a6afa71a5bb3acf7d3cc22d4ef568df374bf5",
    "emoji_utf8_lexicon.txt": "b8d54223ae1ce22a3e12c1f745316b71678c328eb5f5d3063a842f37cfbe2823",
}
"""Files of vaderSentiment that a score rests on, with their sha256: part of every run id."""
VERSION = "3.3.2"
APART = 0.0002
"""Least distance of a probability from one half, so that a stored value tells the class at the threshold too."""
KEPT = 100_000


class Lexicon(Fitted):
    """Idea: a text is favourable if VADER's compound score of it is above 0; no label and no training row is read.

    Source: Hutto and Gilbert, ICWSM 2014; vaderSentiment. When: as a floor on opinions of two classes, the second the
    favourable one; elsewhere it is at chance.

    The score is from -1 to 1. The probability is one half at the threshold, moved just below it, since what is not
    above it is unfavourable, and grows in a straight line, by as much as keeps the farther end at 0 or 1.
    """

    name = "lexicon"
    short = "VADER"
    version = 1
    libraries = ("vaderSentiment",)
    summary = "A floor without any label: favourable where VADER's compound score of a text is above 0."
    blind = True
    two_classes = True

    @classmethod
    def hparams(cls, track: Track, k: int) -> dict[str, Any]:  # noqa: ARG003 - the same everywhere
        """The threshold and what the score rests on."""
        return {"threshold": 0.0, "vadersentiment": VERSION, "sha256": LISTS, "apart": APART}

    def threshold(self, material: Material) -> float:
        """The score above which a text is favourable."""
        return float(material.hparams["threshold"])

    def fit(self, material: Material) -> Predictor:
        """Find the threshold.

        Raises:
            UsageError: there are not two classes.
            RunError: the word lists are not there or are others.
        """
        if len(material.classes) != 2:
            raise UsageError(f"method {self.name!r}: tells two classes apart, not {len(material.classes)}")
        threshold = self.threshold(material)
        return lambda texts: _probabilities([compound(text) for text in texts], threshold)


def _probabilities(scores: Sequence[float], threshold: float) -> NDArray[np.float64]:
    import numpy as np

    above = np.array(scores, dtype=np.float64) - threshold
    p = 0.5 + 0.5 * above / (1 + abs(threshold))
    p = np.where(above > 0, np.maximum(p, 0.5 + APART), np.minimum(p, 0.5 - APART))
    return np.stack([1 - p, p], axis=1)


@lru_cache(maxsize=KEPT)
def compound(text: str) -> float:
    """VADER's compound score of a text, -1 to 1."""
    return float(_analyser().polarity_scores(text)["compound"])


@cache
def _analyser() -> Any:
    for name, pinned in LISTS.items():
        try:
            found = hashlib.sha256((files("vaderSentiment") / name).read_bytes()).hexdigest()
        except (ImportError, OSError):
            found = "nothing"
        if found != pinned:
            raise RunError(
                f"vaderSentiment's {name} has sha256 {found}, not {pinned}: "
                f"install the pinned one by `pip install vadersentiment=={VERSION}`"
            )
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


DISTILLER = Lexicon
