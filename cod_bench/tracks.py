"""Names -> tracks: the built-in ones as data, those that users make of two models, and variants by recipe. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cod_bench import locks, sources
from cod_bench.errors import RunError, UsageError, unknown
from cod_bench.registry import NAME
from cod_bench.store import home, lock, write_atomic
from cod_bench.track import Pooling, Precision, Recipe, Side, TeacherRecipe, Track

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
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

# The paper's pairs (Hamman et al., arXiv 2510.21631). Its appendix C.4 and its released scripts (FaisalHamman/CoD at
# 355b1f0) disagree on the students: `scripts` is what was executed, `paper-c4` what is written.

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

Recipes = tuple[Recipe, Mapping[str, Recipe]]
DEFAULT_RECIPE = "scripts"
RECIPES: Mapping[str, Mapping[str, Recipes]] = {
    "encoder": {"scripts": (_SCRIPTS, {"ted": _SCRIPTS_TED}), "paper-c4": (_C4, {})},
    "decoder": {"scripts": (_SCRIPTS_DECODER, {}), "paper-c4": (_C4_DECODER, {})},
}
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
    recipe, recipes = own[DEFAULT_RECIPE]
    values: dict[str, Any] = {
        "teacher": _C4_DECODER_TEACHER if teacher.pooling == "last" else _C4_TEACHER,
        "recipe": recipe, "recipes": recipes, "freeze_embeddings": False,
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


def track(name: str) -> Track:
    """The track of that name, built in or `define`d, or `<track>+<recipe>`; hub models as far as they are pinned.

    Raises:
        UsageError: an unknown name, with the nearest one.
    """
    base, plus, recipe = name.partition("+")
    found = TRACKS.get(base) or _made(base)
    if found is None:
        error = unknown("track", base, names())
        raise UsageError(f"{error}; a track of your own is made by --track {base} --teacher MODEL --student MODEL")
    found = replace(
        found, teacher_side=sources.known(found.teacher_side), student_side=sources.known(found.student_side)
    )
    return _variant(found, recipe) if plus else found


def names() -> tuple[str, ...]:
    """Built-in tracks and those that the user made."""
    return (*TRACKS, *(file.stem for file in sorted(_folder().glob("*.json"))))


def is_own(name: str) -> bool:
    """Whether the user made that track: any suite then runs on it."""
    base = name.partition("+")[0]
    return base not in TRACKS and (_folder() / f"{base}.json").is_file()


def exists(name: str) -> bool:
    """Whether `track` knows that name."""
    base, plus, recipe = name.partition("+")
    return base in names() and (not plus or recipe in track(base).variants)


def pin(name: str) -> Track:
    """The track with both models pinned; hub models seen for the first time are fetched.

    Raises:
        UsageError: an unknown name, or a model that cannot be used. RunError: the hub cannot be reached.
    """
    found = track(name)
    if found.pinned:
        return found
    return replace(
        found, teacher_side=sources.resolve(found.teacher_side), student_side=sources.resolve(found.student_side)
    )


def define(
    name: str, teacher: str, student: str, layer_map: str = "", *, max_length: int | None = None, precision: str = ""
) -> Track:
    """Make a track of two models and keep it under its name; making it again with other models replaces it.

    Args:
        teacher, student: folders written by save_pretrained, or hub ids. Both are starting points: heads are drawn
            anew, and the teacher is fine-tuned on each task.
        layer_map: "1:3,2:6": student layer 1 to teacher layer 3 and so on; spread evenly if empty.
        max_length: tokens a text is cut at; 256 if None.
        precision: float32 (default) or bfloat16.

    Raises:
        UsageError: a name that is taken or odd, a model that cannot be used, a layer that is not there.
    """
    if name in TRACKS or not NAME.fullmatch(name):
        raise UsageError(
            f"--track {name!r}: with --teacher and --student, choose a new name of letters, digits, _ or -"
        )
    if precision not in ("", "float32", "bfloat16"):
        raise UsageError(f"--precision {precision!r}: choose float32 or bfloat16")
    sides = sources.side_of(teacher, "--teacher"), sources.side_of(student, "--student")
    folders = [sources.folder(side) for side in sides]
    depths = [sources.layers_of(folder) for folder in folders]
    aligned = sides[0].same_model(sides[1]) or sources.same_tokens(*folders)
    pairs = _pairs(layer_map, teacher=depths[0], student=depths[1], aligned=aligned)
    values = {
        "title": f"{folders[0].name if sides[0].weights == 'local' else teacher} -> "
        f"{folders[1].name if sides[1].weights == 'local' else student}",
        "teacher": asdict(sides[0]), "student": asdict(sides[1]), "layer_map": pairs, "aligned": aligned,
        "precision": precision or "float32", "max_length": max_length or 256,
    }  # fmt: skip
    write_atomic(_folder() / f"{name}.json", json.dumps(values, indent=1, sort_keys=True) + "\n")
    return track(name)


def chosen(
    name: str, teacher: str, student: str, layer_map: str, max_length: int | None, precision: str, recipe: str
) -> str:
    """The track that a command line names: `define`d first if it names models, with the recipe as its suffix.

    Raises:
        UsageError: options that do not go together, or as `define` and `track`.
    """
    if teacher or student:
        if not (name and teacher and student):
            raise UsageError("--teacher and --student make a track of two models; give both and --track NAME")
        define(name, teacher, student, layer_map, max_length=max_length, precision=precision)
    elif layer_map or max_length or precision:
        raise UsageError(
            "--layer-map, --max-length and --precision belong to a new track; give --teacher and --student"
        )
    if not recipe:
        return name
    if not name:
        raise UsageError(f"--recipe {recipe}: name the --track that is trained by it")
    full = name if recipe == DEFAULT_RECIPE and track(name).variants else f"{name}+{recipe}"
    return track(full).name


def keep_rate(name: str, method: str, rate: float) -> None:
    """Keep the learning rate that `cod-bench recipe` chose for a method on a track."""
    file = _rates_file()
    with lock(file.parent / ".rates.lock"):  # another process may choose for another method meanwhile
        kept = {**rates(own=True), f"{name}/{method}": rate}
        write_atomic(file, json.dumps(kept, indent=1, sort_keys=True) + "\n")


def _variant(found: Track, name: str) -> Track:
    """The track trained by another of its recipes."""
    if name not in found.variants:
        raise unknown(f"recipe of track {found.name!r}", name, found.variants)
    full = f"{found.name}+{name}"
    recipe, recipes = found.variants[name]
    own = {key.partition("/")[2]: rate for key, rate in rates().items() if key.partition("/")[0] == full}
    by_method = {method: replace(recipes.get(method, recipe), learning_rate=rate) for method, rate in own.items()}
    return replace(
        found, name=full, title=f"{found.title}; recipe {name}", recipe=recipe, recipes={**recipes, **by_method}
    )


def _made(name: str) -> Track | None:
    """A track that the user made; None if there is none of that name."""
    file = _folder() / f"{name}.json"
    if not file.is_file():
        return None
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        teacher, student = (Side(**{**kept[side], "layers": None}) for side in ("teacher", "student"))
        precision: Precision = kept["precision"]
        return _by_family(
            name, str(kept["title"]), teacher, student, tuple((int(s), int(t)) for s, t in kept["layer_map"]),
            precision=precision, max_length=int(kept["max_length"]), aligned=bool(kept["aligned"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"track file {file} is corrupt ({error}); name --track {name} --teacher --student again"
        ) from error


def _pairs(text: str, *, teacher: int, student: int, aligned: bool) -> list[tuple[int, int]]:
    """The layer map that a user wrote or, if none, every student layer spread evenly over the teacher's."""
    if not text:
        if not aligned:
            return []  # token by token there is nothing to compare
        used = min(student, teacher)
        return [(-(-student * i // used), -(-teacher * i // used)) for i in range(1, used + 1)]
    pairs = []
    for word in text.split(","):
        own, colon, other = word.strip().partition(":")
        if not (colon and own.isdecimal() and other.isdecimal()):
            raise UsageError(f"--layer-map {text!r}: write student:teacher pairs such as 1:3,2:6")
        if not (1 <= int(own) <= student and 1 <= int(other) <= teacher):
            raise UsageError(
                f"--layer-map {word.strip()}: the student has layers 1 to {student} and the teacher 1 to {teacher}"
            )
        pairs.append((int(own), int(other)))
    if len({own for own, _ in pairs}) < len(pairs):
        raise UsageError(f"--layer-map {text!r}: names a student layer twice; map each at most once")
    return pairs


def _folder() -> Path:
    return home() / "tracks"


def _rates_file() -> Path:
    return home() / "locks" / "rates.json"


def rates(*, own: bool = False) -> dict[str, float]:
    """Chosen learning rates; those of the committed lock file count before this machine's `own`."""
    before: dict[str, float] = {} if own else locks.committed("rates")
    file = _rates_file()
    if not file.exists():
        return before
    try:
        found: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(
            f"file of chosen learning rates {file} is corrupt ({error}); delete it and choose again"
        ) from error
    return {**found, **before}
