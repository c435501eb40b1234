"""Logistic regression on the training rows' own words: texts as TF-IDF of words and pairs -> classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cod_bench import Fitted

from ._logistic import SETTINGS, logistic  # noqa: TID251 - relative, not the bare folder

if TYPE_CHECKING:
    from cod_bench import Material, Track
    from cod_bench.distiller import Predictor

WORDS = {"ngram_range": [1, 2], "sublinear_tf": True, "lowercase": True, "norm": "l2", "smooth_idf": True}


class TfIdf(Fitted):
    """Idea: what the k texts tell without any pretrained model: their own words and pairs of words, weighted by rarity.

    Source: Salton and Buckley (Information Processing and Management, 1988) for the weights; scikit-learn's
    TfidfVectorizer and LogisticRegression. When: as a floor.

    Vocabulary and document frequencies are of the training rows alone; a word that none of them has counts for nothing.
    """

    name = "tfidf"
    short = "TF-IDF"
    version = 1
    libraries = ("scikit-learn",)
    summary = "A floor: logistic regression on TF-IDF of words and word pairs, fitted on the training rows alone."

    @classmethod
    def hparams(cls, track: Track, k: int) -> dict[str, Any]:  # noqa: ARG003 - the same everywhere
        """The vectoriser's and the regression's settings."""
        return {**WORDS, **SETTINGS}

    def fit(self, material: Material) -> Predictor:
        """Fit the vectoriser, then the regression on its vectors."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        texts, labels = [row.text for row in material.rows], [row.label for row in material.rows]
        words = TfidfVectorizer(**{**WORDS, "ngram_range": (1, 2)}).fit(texts)
        return logistic(words.transform, texts, labels, len(material.classes))


DISTILLER = TfIdf
