"""Sentences from linguistics -> unacceptable or acceptable: GLUE's CoLA, evaluated on its development set."""

from __future__ import annotations

from cod_bench import Hub, Task

TASK = Task(
    name="cola",
    version=1,
    title="CoLA: example sentences from the linguistics literature, grammatically unacceptable or acceptable",
    short="CoLA",
    classes=("unacceptable", "acceptable"),
    metric="mcc",
    hub=Hub(
        id="nyu-mll/glue",
        config="cola",
        rows={"train": 8_551, "validation": 1_043},
        evaluation="validation",
        text="sentence",
        labels={0: 0, 1: 1},
    ),
    pool_sha256="762d25bbd707dac73c9db53caa85ea121bdd6ca01b950c4514b177d2a42b8f9d",
    keep="all",  # four sentences occur twice there, three of them with both labels
    evaluation_rows=1043,
    evaluation_sha256="c725a3111a501c6a3f2d670ee41181a33ed9c3645b4115d1a5684f086d7db764",
    licence="not stated; excerpts remain with their authors, research use",
    citation="Warstadt et al. 2019 (CoLA); Wang et al. 2019 (GLUE)",
)
