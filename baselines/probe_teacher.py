"""Logistic regression on the teacher's backbone as it was before fine-tuning: training rows -> classes of texts."""

from __future__ import annotations

from .probe import Probe  # noqa: TID251 - relative, not the bare folder


class ProbeTeacher(Probe):
    """Idea: `probe` with the larger model's pretrained states, so that both models' own knowledge stands apart.

    Source: as `probe`. When: as a floor; what the fine-tuned teacher knows of the task is not in it.
    """

    name = "probe_teacher"
    short = "probe of the teacher"
    version = 1
    summary = "A floor: logistic regression on the states of the teacher's backbone before it was fine-tuned."
    side = "teacher"


DISTILLER = ProbeTeacher
