"""What a track is: two models, how their layers correspond, recipes -> identity and hyperparameters. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cod_bench.errors import UsageError
from cod_bench.spec import digest

TEACHER_VERSION = 1
"""Of how teachers are fitted (teacher.py); part of every track's identity."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a student is trained: for `steps` (by k: the entry of the largest key not above k) or so many `epochs`."""

    learning_rate: float | None
    """None: to be chosen among `rates` by `standard` on dev, before the first run (protocol.md, "Rows")."""
    steps: Mapping[int, int] = field(default_factory=dict)
    batch_size: int = 8
    warmup: float = 0.1
    weight_decay: float = 0.01
    kl_weight: float = 20.0
    temperature: float = 2.0
    layer_weight: float = 20.0
    epochs: int | None = None
    adam_epsilon: float = 1e-8
    adam_betas: tuple[float, float] = (0.9, 0.999)
    filter_epochs: int | None = None
    """Of TED's first stage; None: as many steps as the second."""
    filter_learning_rate: float | None = None
    """Of TED's first stage; None: that of the second."""
    rates: tuple[float, ...] = ()
    """Learning rates to choose from with the recipe's own steps."""
    candidates: tuple[tuple[float, int], ...] = ()
    """(learning rate, steps) to choose from at small k, instead of `rates`; neither: those of runner/recipe.py."""
    above: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """k -> steps to choose from there, at the rate that was chosen at small k."""
    source: str = ""
    """Where the values are from."""

    def steps_at(self, k: int) -> int:
        """Optimiser steps at budget k.

        Raises:
            UsageError: no entry covers k.
        """
        if self.epochs is not None:
            return self.epochs * self.epoch(k)
        fitting = [floor for floor in self.steps if floor <= k]
        if not fitting:
            raise UsageError(f"k={k}: the recipe starts at k={min(self.steps)}; choose a larger k")
        return self.steps[max(fitting)]

    def epoch(self, k: int) -> int:
        """Optimiser steps of one epoch over k rows; the last, smaller batch counts."""
        return -(-k // self.batch_size)

    def hparams(self, k: int) -> dict[str, Any]:
        """JSON hyperparameters at budget k, as they enter the run id.

        What came after the first records (epochs, Adam's epsilon and betas, a first stage of its own) is in it only
        where it departs from what those records were trained with.
        """
        first_stage = self.filter_epochs
        later = {
            "adam_epsilon": self.adam_epsilon, "adam_betas": list(self.adam_betas),
            "filter_steps": None if first_stage is None else first_stage * self.epoch(k),
            "filter_learning_rate": self.filter_learning_rate,
        }  # fmt: skip
        plain = {"adam_epsilon": 1e-8, "adam_betas": [0.9, 0.999], "filter_steps": None, "filter_learning_rate": None}
        return {
            "learning_rate": self.learning_rate, "steps": self.steps_at(k), "batch_size": self.batch_size,
            "warmup": self.warmup, "weight_decay": self.weight_decay, "kl_weight": self.kl_weight,
            "temperature": self.temperature, "layer_weight": self.layer_weight,
            **{name: value for name, value in later.items() if value != plain[name]},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class TeacherRecipe:
    """How a track's teacher is fine-tuned on the whole training pool."""

    epochs: int
    learning_rate: float
    batch_size: int = 32
    warmup: float = 0.1
    weight_decay: float = 0.01
    rows: int | None = None
    """Fine-tune on the first so many rows of the pool in id order (smoke runs only); None is the whole pool."""
    adam_epsilon: float = 1e-8
    adam_betas: tuple[float, float] = (0.9, 0.999)
    source: str = ""
    """Where the values are from."""
    noise: float = 0.0
    """Share of the training labels that are flipped on purpose before it is fine-tuned; nothing else sees them."""
    noisy: int | None = None
    """The class whose labels alone are flipped; every class's if None."""

    def identity(self) -> dict[str, Any]:
        """All values but the source; what came after the first records only where it departs from theirs."""
        found = asdict(self)
        del found["source"]
        found["adam_betas"] = list(self.adam_betas)
        later = (("adam_epsilon", 1e-8), ("adam_betas", [0.9, 0.999]), ("noise", 0.0), ("noisy", None))
        for name, plain in later:
            if found[name] == plain:
                del found[name]
        return found


@dataclass(frozen=True, slots=True)
class Recipes:
    """A recipe by which a track can be trained: for all methods, for single ones and, if its own, for the teacher."""

    recipe: Recipe
    by_method: Mapping[str, Recipe] = field(default_factory=dict)
    teacher: TeacherRecipe | None = None
    """None: that of the track."""


LARGEST_SEED = 9999
"""Of a teacher."""
_OF_TEACHER = re.compile(r"(.*)@([1-9][0-9]{0,3})", re.DOTALL)


def with_teacher(track: str, seed: int) -> str:
    """The name of a track with the teacher of that seed: `<track>@<seed>`; seed 0 is the track itself."""
    return f"{track}@{seed}" if seed else track


def of_teacher(track: str) -> tuple[str, int]:
    """A track's name without the seed of its teacher, and that seed."""
    found = _OF_TEACHER.fullmatch(track)
    return (found[1], int(found[2])) if found else (track, 0)


Pooling = Literal["mean", "first", "last"]
"""One vector from a text's states: masked mean, the first token through a pooler, or the last real token."""
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Side:
    """The teacher's or the student's model: where its weights are from and how a text becomes one vector."""

    source: str
    """`random:<seed>`, `hub:<owner>/<name>`, `path:<folder>` or, without a colon, the name of an asset."""
    sha256: str = ""
    """Of the weights: pinned here, or known since the first load; empty for a model not seen yet (`unpinned`)."""
    revision: str = ""
    """Commit of a hub model, likewise."""
    pooling: Pooling = "mean"
    layers: tuple[int, ...] | None = None
    """0-based layers of the pretrained model that are kept; None keeps them all."""

    @property
    def pinned(self) -> bool:
        """Whether it is known which weights these are."""
        return bool(self.sha256) or self.source.startswith("random:")

    @property
    def weights(self) -> str:
        """The source as it stands in the identity: where a folder lies is no part of it."""
        return "local" if self.source.startswith("path:") else self.source

    def same_model(self, other: Side) -> bool:
        """Whether both start from one checkpoint, and so share its tokenizer."""
        return (self.source, self.sha256, self.revision) == (other.source, other.sha256, other.revision)

    def identity(self) -> dict[str, Any]:
        """Everything but the folder."""
        return {
            "weights": self.weights, "weights_sha256": self.sha256, "revision": self.revision,
            "pooling": self.pooling, "layers": None if self.layers is None else list(self.layers),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Track:
    """A teacher and a student model, how their layers correspond, precision and recipes."""

    name: str
    title: str
    teacher_side: Side
    student_side: Side
    layer_map: tuple[tuple[int, int], ...]
    """(student layer, teacher layer), 1-based as in hidden states: 0 would be the embedding output."""
    precision: Precision
    """Of training and, of a student, of its evaluation. It leads searches too; teachers'
    outputs and verdicts are float32."""
    max_length: int
    """In tokens, of either side's own tokenizer."""
    teacher: TeacherRecipe
    recipe: Recipe
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    """Recipes of single methods; a method that is not listed takes `recipe`."""
    freeze_embeddings: bool = True
    """Whether the student's word embeddings stay as they are."""
    aligned: bool = True
    """Whether both sides cut a text into the same tokens."""
    variants: Mapping[str, Recipes] = field(default_factory=dict)
    """Other recipes by name: `<track>+<name>` is the track trained by them."""
    effort: float = 1.0
    """Core-seconds of a training step, in those of the minilm student: for estimates alone."""
    teacher_seed: int = 0
    """Of the teacher's head, order of rows and dropout: other seeds are other teachers, and so other tracks."""
    keeps_wrong: bool = False
    """Whether originals that the teacher gets wrong are kept, with their gold label, in place of being passed over."""
    sizes: tuple[int, int] | None = None
    """Parameters of teacher and student outside their embeddings: for estimates alone; None where nobody counted."""

    @property
    def pinned(self) -> bool:
        """Whether it is known which weights both sides are."""
        return self.teacher_side.pinned and self.student_side.pinned

    @property
    def base(self) -> str:
        """The track's name without the name of its recipe and the seed of its teacher."""
        return of_teacher(self.name)[0].partition("+")[0]

    @property
    def random(self) -> bool:
        """Whether its models are built on the spot over a task's words."""
        return self.teacher_side.source.startswith("random:")

    def identity(self) -> dict[str, Any]:
        """What makes two tracks the same track, without names, titles and the students' recipes.

        What came after the first records (a student of other weights, pooling, trained embeddings, hub revisions) is
        in it only where it departs from theirs: one checkpoint, masked mean, frozen embeddings.
        """
        teacher, student = self.teacher_side, self.student_side
        found = {**self.teacher_identity(), "layer_map": [list(pair) for pair in self.layer_map]}
        found["student_layers"] = None if student.layers is None else list(student.layers)
        if not student.same_model(teacher) or student.pooling != teacher.pooling:
            found["student"] = student.identity()
        if not self.freeze_embeddings:
            found["freeze_embeddings"] = False
        if self.precision != "float32":
            found["evaluated_in"] = self.precision
        if self.keeps_wrong:
            found["keeps_wrong"] = True
        return found

    def teacher_identity(self) -> dict[str, Any]:
        """What the fine-tuned teacher depends on; in the shape of `identity`, without anything of the student."""
        side = self.teacher_side
        found: dict[str, Any] = {
            "teacher_version": TEACHER_VERSION, "weights": side.weights, "weights_sha256": side.sha256,
            "student_layers": None, "layer_map": None, "precision": self.precision, "max_length": self.max_length,
            "teacher": self.teacher.identity(),
        }  # fmt: skip
        plain = Side(side.source, side.sha256)
        later = {"revision": side.revision, "pooling": side.pooling, "layers": side.layers}
        found |= {f"teacher_{name}": value for name, value in later.items() if value != getattr(plain, name)}
        if self.teacher_seed:
            found["teacher_seed"] = self.teacher_seed
        return found

    @property
    def teacher_name(self) -> str:
        """Of the folder of its teachers: the model's, with the digest of all that they depend on besides the task."""
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", self.teacher_side.weights.rpartition("/")[2])
        return f"{name}-{digest(self.teacher_identity(), 8)}"

    def recipe_for(self, method: str) -> Recipe:
        """The recipe of one method on this track."""
        return self.recipes.get(method, self.recipe)

    def hparams(self, method: str, k: int) -> dict[str, Any]:
        """JSON hyperparameters of a method at budget k.

        Raises:
            UsageError: the learning rate has not been chosen yet, or no entry covers k.
        """
        recipe = self.recipe_for(method)
        if recipe.learning_rate is None:
            raise UsageError(
                f"track {self.name!r}: the learning rate of {method!r} is to be chosen on dev; run "
                f"`cod-bench recipe --track {self.name} --method {method}` first"
            )
        return recipe.hparams(k)
