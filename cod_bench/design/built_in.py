"""Names -> the built-in tracks, as data: pairs of models, their layer maps and recipes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from cod_bench.track import Pooling, Recipe, Recipes, Side, TeacherRecipe, Track

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MPNET_SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
SMOLLM_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

_ABOVE_THE_SEARCH = {64: 80, 128: 160, 256: 320, 512: 640}
"""Steps at the larger k, about 1.25 k: a rule, not a search."""

_MINILM_FP32 = Track(
    name="minilm-fp32",
    title="all-MiniLM-L6-v2 fine-tuned for one epoch -> its layers 1 and 4 (0-based), float32 training",
    teacher_side=Side("minilm", MINILM_SHA256),
    student_side=Side("minilm", MINILM_SHA256, layers=(1, 4)),
    layer_map=((1, 3), (2, 6)),
    precision="float32",
    max_length=64,
    teacher=TeacherRecipe(epochs=1, learning_rate=1e-4),
    # docs/recipe.md: chosen by `standard` on dev; kd, lwd and ted came out alike
    recipe=Recipe(learning_rate=5e-4, steps={4: 40, **_ABOVE_THE_SEARCH}),
    recipes={"finetune": Recipe(learning_rate=5e-4, steps={4: 20, **_ABOVE_THE_SEARCH})},
)

_MINILM = replace(
    _MINILM_FP32,
    name="minilm",
    title="all-MiniLM-L6-v2 fine-tuned for one epoch -> its layers 1 and 4 (0-based), bfloat16 training",
    precision="bfloat16",
)

_WHOLE = Recipe(
    # docs/recipe.md: chosen by `standard` on dev; kd, lwd and ted came out alike
    learning_rate=1e-4,
    steps={4: 40, 64: 160, 128: 320, 256: 480, 512: 640},
    candidates=tuple((rate, steps) for rate in (5e-5, 1e-4, 2e-4, 5e-4) for steps in (20, 40)),
    above={64: (40, 80, 160)},
    source="docs/recipe.md for kd, lwd and ted up to k = 64; finetune and larger k as kd with about 1.25 k steps",
)
_WHOLE_LAYERS = replace(_WHOLE, candidates=tuple((rate, 40) for rate in (1e-4, 2e-4)), above={})
"""Of lwd and ted, which came out as kd did on the small student: tried next to what kd was given."""
_MINILM_LAYERS = 10_650_000
"""Parameters of MiniLM outside its embeddings."""
_MINILM_WHOLE = replace(
    _MINILM,
    name="minilm-whole",
    title="all-MiniLM-L6-v2 fine-tuned for one epoch -> the whole all-MiniLM-L6-v2, bfloat16 training",
    student_side=Side("minilm", MINILM_SHA256),
    layer_map=tuple((i, i) for i in range(1, 7)),
    recipe=_WHOLE,
    recipes={"finetune": _WHOLE, "lwd": _WHOLE_LAYERS, "ted": _WHOLE_LAYERS},
    sizes=(_MINILM_LAYERS, _MINILM_LAYERS),
)
_MPNET = Side("mpnet", MPNET_SHA256)
_MPNET_LAYERS = 85_100_000
_MPNET_MINILM = replace(
    _MINILM_WHOLE,
    name="mpnet-minilm",
    title="all-mpnet-base-v2 fine-tuned for one epoch -> the whole all-MiniLM-L6-v2, bfloat16 training",
    teacher_side=_MPNET,
    # the tokenizers cut alike and number otherwise: layers are compared token by token
    layer_map=tuple((i, 2 * i) for i in range(1, 7)),
    teacher=TeacherRecipe(epochs=1, learning_rate=3e-5, source="set by hand, not chosen on dev"),
    sizes=(_MPNET_LAYERS, _MINILM_LAYERS),
)
_MPNET_HALF = replace(
    _MPNET_MINILM,
    name="mpnet",
    title="all-mpnet-base-v2 fine-tuned for one epoch -> its layers 1, 3 ... 11 (0-based), bfloat16 training",
    student_side=replace(_MPNET, layers=tuple(range(1, 12, 2))),
    sizes=(_MPNET_LAYERS, _MPNET_LAYERS // 2),
)
_REAL_SIZE = (_MINILM_WHOLE, _MPNET_MINILM, _MPNET_HALF)

_KEPT = replace(
    _MINILM, name="minilm-kept", title=f"{_MINILM.title}; rows that the teacher gets wrong are kept", keeps_wrong=True
)
_FLAWED = tuple(
    replace(
        _KEPT,
        name=f"minilm-noisy-{'one-' if one else ''}{percent}",
        title=f"{_KEPT.title}; {percent} % of the teacher's training labels{' of class 1' if one else ''} are flipped",
        teacher=replace(_MINILM.teacher, noise=percent / 100, noisy=1 if one else None),
    )
    for one in (False, True)
    for percent in (10, 20, 40)
)
"""Teachers that err on purpose."""

_SMALL_TEACHER = TeacherRecipe(epochs=1, learning_rate=2e-4, batch_size=16, rows=384)
_SHORT = Recipe(learning_rate=5e-4, steps={4: 20})
"""Of the smoke tracks, which show that everything runs and nothing else."""

_TOY = Track(
    name="toy",
    title="random two-layer BERTs built on the spot, for tests",
    teacher_side=Side("random:0"),
    student_side=Side("random:0", layers=(0, 1)),
    layer_map=((1, 1), (2, 2)),
    precision="float32",
    max_length=32,
    teacher=TeacherRecipe(epochs=6, learning_rate=3e-3),
    recipe=Recipe(learning_rate=3e-3, steps={4: 12}),
    effort=0.05,
)

_DECODER = Side("random:decoder-0", pooling="last")
_TOY_DECODER = replace(
    _TOY,
    name="toy-decoder",
    title="random two-layer decoders built on the spot, for `check`",
    teacher_side=_DECODER,
    student_side=replace(_DECODER, layers=(0, 1)),
)


_C4_TEACHER = TeacherRecipe(
    epochs=8, learning_rate=2e-5, batch_size=32, warmup=0.0, weight_decay=0.0, adam_epsilon=1e-6,
    adam_betas=(0.9, 0.98), source="arXiv 2510.21631 appendix C.4 (batch of 32 or 64)",
)  # fmt: skip
_C4_DECODER_TEACHER = replace(
    _C4_TEACHER, epochs=10, batch_size=16, source="arXiv 2510.21631 appendix C.4; learning rate as for DeBERTa"
)

_SCRIPTS = Recipe(
    learning_rate=6e-5, epochs=100, warmup=0.0, weight_decay=0.0,
    source="run_seed.sh: 100 epochs at 6e-5, batch of 8, KL 20, MSE 20; no warm-up, AdamW's defaults",
)  # fmt: skip
_SCRIPTS_TED = replace(
    _SCRIPTS, epochs=40, filter_epochs=50, filter_learning_rate=2e-5,
    source="run_seed_ted.sh: 40 epochs at 6e-5; learn_filters_glue_no_trainer.py: filters for 50 epochs at 2e-5",
)  # fmt: skip
_SCRIPTS_DECODER = replace(
    _SCRIPTS, learning_rate=2e-5, epochs=50, layer_weight=0.05,
    source="run_seed_qwen.sh: 50 epochs at 2e-5, KL 20, MSE 0.05; batch of 8, the released default",
)  # fmt: skip
_C4 = Recipe(
    learning_rate=None, rates=(1e-5, 2e-5, 3e-5, 5e-5), epochs=10, warmup=0.0, weight_decay=0.0, adam_epsilon=1e-6,
    adam_betas=(0.9, 0.98),
    source="arXiv 2510.21631 appendix C.4: 10 epochs, batch of 8, rate from 1e-5 to 5e-5, filters trained alike",
)  # fmt: skip
_C4_DECODER = replace(
    _C4, batch_size=16, layer_weight=5.0, source="arXiv 2510.21631 appendix C.4: 10 epochs, batch of 16, MSE 5"
)

_EMBEDDED = Recipes(
    Recipe(
        learning_rate=2e-4, steps={4: 40, **_ABOVE_THE_SEARCH},
        source="as the tracks of suite embedded: 40 steps, more above k = 32; rate set by hand for whole small models",
    ),
    teacher=TeacherRecipe(
        epochs=1, learning_rate=5e-5, source="as the tracks of suite embedded: one epoch; rate set by hand"
    ),
)  # fmt: skip
"""What a CPU can do in minutes."""

DEFAULT_RECIPE = "scripts"
RECIPES: Mapping[str, Mapping[str, Recipes]] = {
    "encoder": {
        "scripts": Recipes(_SCRIPTS, {"ted": _SCRIPTS_TED}), "paper-c4": Recipes(_C4), "embedded": _EMBEDDED,
    },
    "decoder": {"scripts": Recipes(_SCRIPTS_DECODER), "paper-c4": Recipes(_C4_DECODER), "embedded": _EMBEDDED},
}  # fmt: skip
"""Recipes by family of the student and name: for all methods, and for single ones."""


def _paper(
    name: str, title: str, teacher: str, student: str, layer_map: Iterable[tuple[int, int]], **more: Any
) -> Track:
    """A track of the paper's kind: two hub models, fine-tuned whole, trained by the released scripts' recipe."""
    pooling: Pooling = more.pop("pooling", "first")
    values: dict[str, Any] = {"precision": "bfloat16", "max_length": 256, **more}
    return _by_family(
        name, title, Side(f"hub:{teacher}", pooling=pooling), Side(f"hub:{student}", pooling=pooling), tuple(layer_map),
        **values,
    )  # fmt: skip


def _by_family(
    name: str, title: str, teacher: Side, student: Side, layer_map: tuple[tuple[int, int], ...], **more: Any
) -> Track:
    """A track with the recipes of its models' families and trained word embeddings, as the released scripts do."""
    own = RECIPES["decoder" if student.pooling == "last" else "encoder"]
    default = own[DEFAULT_RECIPE]
    values: dict[str, Any] = {
        "teacher": _C4_DECODER_TEACHER if teacher.pooling == "last" else _C4_TEACHER,
        "recipe": default.recipe, "recipes": default.by_method, "freeze_embeddings": False,
        "variants": {known: values for known, values in own.items() if known != DEFAULT_RECIPE},
        **more,
    }  # fmt: skip
    return Track(name, title, teacher, student, layer_map, **values)


_SMOLLM = Side("smollm2-135m", SMOLLM_SHA256, pooling="last")
_BY_HAND = "set by hand, not chosen on dev"
_SMOLLM_TEACHER = TeacherRecipe(epochs=1, learning_rate=5e-5, batch_size=16, source=_BY_HAND)

TRACKS: dict[str, Track] = {
    track.name: track
    for track in (
        _MINILM,
        _MINILM_FP32,
        *(
            replace(
                track,
                name=track.name.replace("minilm", "minilm-smoke"),
                title=f"{track.name} with a teacher of {_SMALL_TEACHER.rows} rows and half the steps",
                teacher=_SMALL_TEACHER,
                recipe=_SHORT,
                recipes={},
            )
            for track in (_MINILM, _MINILM_FP32)
        ),
        *_REAL_SIZE,
        _KEPT,
        *_FLAWED,
        *(
            replace(
                track,
                name=f"{track.name}-fp32",
                title=track.title.replace("bfloat16", "float32"),
                precision="float32",
            )
            for track in _REAL_SIZE
        ),
        # Every second of the teacher's layers, as the released scripts map them (teacher interval 2, student 1).
        _paper(
            "deberta-small", "the paper's pair: DeBERTa-v3-base -> DeBERTa-v3-small", "microsoft/deberta-v3-base",
            "microsoft/deberta-v3-small", ((i, 2 * i) for i in range(1, 7)), effort=25.0,
        ),
        _paper(
            "deberta-xsmall", "the paper's smaller pair: DeBERTa-v3-base -> DeBERTa-v3-xsmall",
            "microsoft/deberta-v3-base", "microsoft/deberta-v3-xsmall", ((i, i) for i in range(1, 13)), effort=20.0,
        ),
        # 24 and 28 layers at intervals of 6 and 7: four pairs, as ted_no_trainer_qwen.py's default interval demands.
        _paper(
            "qwen", "the paper's decoders: Qwen2.5-1.5B -> Qwen2.5-0.5B", "Qwen/Qwen2.5-1.5B", "Qwen/Qwen2.5-0.5B",
            ((6, 7), (12, 14), (18, 21), (24, 28)), pooling="last", effort=200.0,
        ),
        Track(
            name="smollm",
            title="a decoder without a hub: SmolLM2-135M-Instruct (dequantised) -> its layers 0, 2, 4 ... 28 (0-based)",
            teacher_side=_SMOLLM,
            student_side=replace(_SMOLLM, layers=tuple(range(0, 30, 2))),
            layer_map=tuple((i, 2 * i) for i in range(3, 16, 3)),
            precision="float32",
            max_length=64,
            teacher=_SMOLLM_TEACHER,
            recipe=Recipe(learning_rate=1e-4, steps={4: 40, **_ABOVE_THE_SEARCH}, source=_BY_HAND),
            effort=10.0,
        ),
        Track(
            name="smollm-minilm",
            title="across families, without a hub: SmolLM2-135M-Instruct -> all-MiniLM-L6-v2, each with its tokenizer",
            teacher_side=_SMOLLM,
            student_side=Side("minilm", MINILM_SHA256),
            layer_map=(),
            precision="float32",
            max_length=64,
            teacher=_SMOLLM_TEACHER,
            recipe=Recipe(learning_rate=2e-4, steps={4: 40, **_ABOVE_THE_SEARCH}, source=_BY_HAND),
            aligned=False,
            effort=3.0,
        ),
        Track(
            name="minilm-smollm",
            title="across families: all-MiniLM-L6-v2 -> SmolLM2-135M-Instruct's layers 0, 2 ... 28 (0-based)",
            teacher_side=_MINILM_FP32.teacher_side,
            student_side=replace(_SMOLLM, layers=tuple(range(0, 30, 2))),
            layer_map=(),
            precision="float32",
            max_length=64,
            teacher=_MINILM_FP32.teacher,
            recipe=Recipe(learning_rate=1e-4, steps={4: 40, **_ABOVE_THE_SEARCH}, source=_BY_HAND),
            aligned=False,
            effort=10.0,
        ),
        _by_family(
            "qwen-deberta", "across families: Qwen2.5-1.5B -> DeBERTa-v3-small, each with its tokenizer",
            Side("hub:Qwen/Qwen2.5-1.5B", pooling="last"), Side("hub:microsoft/deberta-v3-small", pooling="first"), (),
            precision="bfloat16", max_length=256, aligned=False, effort=25.0,
        ),
        _TOY,
        _TOY_DECODER,
    )
}  # fmt: skip
"""Every built-in track by name."""
