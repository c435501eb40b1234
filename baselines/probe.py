"""Logistic regression on a frozen student: training rows -> classes of texts, by states that nothing was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from cod_bench import Fitted

from ._logistic import SETTINGS, logistic  # noqa: TID251 - relative, not the bare folder

if TYPE_CHECKING:
    from cod_bench import Material, Track
    from cod_bench.distiller import Predictor


class Probe(Fitted):
    """Idea: what the k rows are worth where no weight of the student moves: a linear classifier on its frozen states.

    Source: linear probes of frozen features (Alain and Bengio, arXiv 1610.01644); scikit-learn's LogisticRegression.
    When: as a floor, and wherever a distilled student must be worth its training.

    A text's state is the mean of the last hidden states over its tokens.
    """

    name = "probe"
    short = "probe"
    version = 1
    libraries = ("scikit-learn",)
    summary = "A floor: logistic regression on the student's pretrained states, which stay as they are."
    side: ClassVar[Literal["student", "teacher"]] = "student"

    @classmethod
    def hparams(cls, track: Track, k: int) -> dict[str, Any]:  # noqa: ARG003 - the same everywhere
        """The regression's settings, and whose states it reads."""
        return {"states": cls.side, "pooling": "mean", **SETTINGS}

    def fit(self, material: Material) -> Predictor:
        """Fit on the states of the rows' texts."""
        encoder = material.student if self.side == "student" else material.teacher
        rows = material.rows
        return logistic(encoder.states, [row.text for row in rows], [row.label for row in rows], len(material.classes))


DISTILLER = Probe
