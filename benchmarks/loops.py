"""A pair of models at real dimensions -> the plain loop and the package's own, timed side by side."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cod_bench import device, registry
from cod_bench.condition import Pair, Role, Row, TrainingSet
from cod_bench.counterfactuals import warm
from cod_bench.data import assets
from cod_bench.design import tracks
from cod_bench.device import supports_bf16
from cod_bench.spec import RunSpec

from .report import Clock, Cost, Line

if TYPE_CHECKING:
    from cod_bench.track import Track
    from cod_bench.training.model import Classifier
    from cod_bench.training.teacher import Teacher

TASK = "rt_quotes"
EVALUATED = 872
"""Evaluation rows of a run, as SST-2's validation split has."""
EPOCHS = 100
BATCH = 8
KS = (8, 64, 512)
TIMED_K = 64
"""The budget whose batches are timed: eight steps an epoch."""
FLOORS = {
    **dict.fromkeys(("minilm", "minilm-whole", "mpnet-minilm"), (15.0, 3.5, 2.0)), "deberta": (25.0, 6.0, 2.5),
}  # fmt: skip
PAPER_FLOOR = 1.3
ROUNDED, PAPER_FLOOR_ROUNDED = 1.4, 1.7
"""What bfloat16 adds to a floor, and its own floor where every epoch is evaluated."""
METHOD = "kd"


@dataclass(frozen=True, slots=True)
class Setting:
    """What both loops are given: one pair of models and one set of texts."""

    name: str
    track: Track
    teacher: Teacher
    student: Classifier
    tokenizer: Any
    task: str = TASK

    def spec(self) -> RunSpec:
        """The run that is timed."""
        return RunSpec("last", self.track.name, self.task, METHOD, "standard", "", TIMED_K, 0)

    def rounded(self) -> Setting:
        """The same in bfloat16."""
        return replace(self, track=replace(self.track, precision="bfloat16"))

    def hparams(self, steps: int) -> dict[str, Any]:
        """The method's own, for so many steps."""
        return {**registry.load("baseline", METHOD).hparams(self.track, TIMED_K), "steps": steps}


def minilm() -> Setting:
    """MiniLM as the track `minilm-fp32` has it; its teacher is not fine-tuned, which no kernel notices."""
    from cod_bench.training import model as models

    track = replace(tracks.pin("minilm-fp32"))
    base = warm.base(track.name, "")
    return _setting("minilm", track, models.teacher(base, track, classes=2), base, base.tokenizer)


def minilm_whole() -> Setting:
    """The same teacher with all of its layers as student: the track `minilm-whole-fp32`."""
    from cod_bench.training import model as models

    track = tracks.pin("minilm-whole-fp32")
    base = warm.base(track.name, "")
    return _setting("minilm-whole", track, models.teacher(base, track, classes=2), base, base.tokenizer)


def mpnet_minilm() -> Setting:
    """MPNet -> the whole MiniLM as `mpnet-minilm-fp32` has them, each with its tokenizer; teacher not fine-tuned."""

    track, small = tracks.track("mpnet-minilm-fp32"), warm.base("minilm-whole-fp32", "")
    teacher, tokenizer = mpnet(track)
    return _setting("mpnet-minilm", track, teacher, small, small.tokenizer, tokenizer)


def mpnet(track: Track) -> tuple[Classifier, Any]:
    """MPNet as a teacher before it is fitted, and its tokenizer; random weights of its size where the asset is not.

    405 MB are not fetched for a bench. Random weights read MiniLM's tokens, which are cut as MPNet's are.
    """
    import torch
    from transformers import MPNetConfig, MPNetModel

    from cod_bench.training import model as models
    from cod_bench.training.pretrained import Pretrained

    if assets.state("mpnet") == "ready":
        base = warm.base(track.name, "")
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            made = MPNetModel(MPNetConfig(), add_pooling_layer=False).eval()
        base = Pretrained(made, warm.base("minilm-whole-fp32", "").tokenizer)
    return models.teacher(base, track, classes=2), base.tokenizer


def deberta() -> Setting:
    """DeBERTa-v3 base -> small at real dimensions with random weights: 12 and 6 layers of 768, 128,100 tokens.

    Its texts are MiniLM's tokens spread over the larger vocabulary, so that lengths and repetitions are real.
    """
    import torch
    from transformers import DebertaV2Config, DebertaV2Model

    from cod_bench.training import model as models
    from cod_bench.training.pretrained import Pretrained

    track = replace(tracks.track("deberta-small"), precision="float32", max_length=64)
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072,
        "max_position_embeddings": 512, "relative_attention": True, "position_buckets": 256,
        "max_relative_positions": -1, "share_att_key": True, "pos_att_type": ["p2c", "c2p"],
        "norm_rel_ebd": "layer_norm", "position_biased_input": False, "type_vocab_size": 0, "layer_norm_eps": 1e-7,
    }  # fmt: skip
    tokenizer = Spread(warm.base("minilm-fp32", "").tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        large, small = (DebertaV2Model(DebertaV2Config(num_hidden_layers=n, **sizes)).eval() for n in (12, 6))
    teacher = models.teacher(Pretrained(large, tokenizer), track, classes=2)
    del large
    return _setting("deberta", track, teacher, Pretrained(small, tokenizer), tokenizer)


def qwen() -> Setting:
    """Qwen2.5 1.5B -> 0.5B at real dimensions with random weights, in bfloat16; texts as for DeBERTa."""
    import torch
    from transformers import Qwen2Config, Qwen2Model

    from cod_bench.training import model as models
    from cod_bench.training.pretrained import Pretrained

    track = replace(tracks.track("qwen"), precision="bfloat16", max_length=64)
    shared = {"vocab_size": 151_936, "num_key_value_heads": 2, "max_position_embeddings": 1024}
    sizes = (
        {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12},
        {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14},
    )
    tokenizer = Spread(warm.base("minilm-fp32", "").tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        large, small = (Qwen2Model(Qwen2Config(**shared, **own)).eval() for own in sizes)
    teacher = models.teacher(Pretrained(large, tokenizer), track, classes=2)
    del large
    return _setting("qwen", track, teacher, Pretrained(small, tokenizer), tokenizer)


VOCABULARY = 128_100


@dataclass(frozen=True, slots=True)
class Spread:
    """A tokenizer whose tokens are another's, spread over a larger vocabulary."""

    tokenizer: Any
    pad_token_id: int = 0

    def __call__(self, text: Any, **options: Any) -> dict[str, Any]:
        """As transformers' own: ids of one text or of several."""
        found = self.tokenizer(text, **options)["input_ids"]
        one = isinstance(text, str)
        spread = [[token * 4 + 3 for token in ids] for ids in ([found] if one else found)]
        return {"input_ids": spread[0] if one else spread}


def _setting(
    name: str, track: Track, teacher: Classifier, base: Any, tokenizer: Any, teacher_tokenizer: Any = None
) -> Setting:
    """`teacher_tokenizer` is the student's if None."""
    from cod_bench.training import model as models
    from cod_bench.training.teacher import Teacher

    device.set_threads()
    teacher.draw("teacher-head", TASK)
    student = models.student(base, track, classes=2)
    student.draw("init", TASK, 0)
    own = tokenizer if teacher_tokenizer is None else teacher_tokenizer
    made = Teacher(teacher, own, track=track, sha256="0" * 64, about={})
    return Setting(name, track, made, student, tokenizer)


def rows(k: int, task: str = TASK) -> TrainingSet:
    """The first k balanced rows of the training pool, in slots of two classes."""
    pool = warm.corpus(task).train
    by_class = [[row for row in pool if row.label == label] for label in (0, 1)]

    def made(label: int, number: int, slot: int, role: Role) -> Row:
        return Row.of(by_class[label][number], slot, role)

    pairs = (Pair(made(i % 2, i, i, "original"), made(1 - i % 2, i, i, "partner")) for i in range(k // 2))
    return TrainingSet(tuple(pairs))


def evaluation(setting: Setting, count: int) -> list[list[int]]:
    """Token ids of `count` evaluation rows."""
    from cod_bench.training import model as models

    texts = [row.text for row in warm.corpus(setting.task).evaluation[:count]]
    return models.tokenise(setting.tokenizer, texts, setting.track.max_length)


def plain_loop(setting: Setting, steps: int, *, student: Classifier | None = None, **options: Any) -> Any:
    """The plain loop on a student of its own, or on the one given; options are the loop's."""
    from .plain import Loop

    return Loop(
        setting.spec(), setting.track, rows(TIMED_K, setting.task), registry.load("baseline", METHOD)(),
        setting.hparams(steps),
        copy.deepcopy(setting.student) if student is None else student, setting.teacher, setting.tokenizer, **options,
    )  # fmt: skip


def fast_steps(setting: Setting, student: Classifier, steps: int) -> None:
    """So many steps of the package's loop."""
    from cod_bench.training.distil import train

    train(
        setting.spec(), setting.track, rows(TIMED_K, setting.task), registry.load("baseline", METHOD)(),
        setting.hparams(steps), student, setting.teacher, None, setting.tokenizer,
    )  # fmt: skip


def measure(setting: Setting, *, quick: bool, ks: Sequence[int] = KS) -> list[Line]:
    """One step, and one run at each k under `last` and `paper`: plain and fast in turns, scaled by their parts.

    Where the CPU has bfloat16 the fast loop is timed in it too, against the same plain loop in float32.
    """
    turns, each, count = (2, 2, 96) if quick else (2, 8, EVALUATED)
    ids = evaluation(setting, count)
    asked, built, plain, plain_rows = (Clock() for _ in range(4))
    with asked.of():
        for row in rows(TIMED_K).rows:
            setting.teacher.outputs(row.text)
    with built.of():
        loop = plain_loop(setting, turns * each)
    timed = [_Fast(setting)] + ([_Fast(setting.rounded(), "-bf16")] if supports_bf16() else [])
    for _ in range(turns):
        with plain.of():
            for _ in range(each):
                loop.step()
        with plain_rows.of():
            loop.evaluate(ids)
        for fast in timed:
            fast.turn(each, ids)
    steps, evaluated = turns * each, turns * count
    slow = Parts(built.cost, plain.cost * (1 / steps), plain_rows.cost * (EVALUATED / evaluated))
    told = (
        f"{steps} steps and {turns} x {count} rows in turns: plain {plain.cost.cpu + plain_rows.cost.cpu:.1f} s of CPU "
        f"({plain.cost.wall + plain_rows.cost.wall:.1f} s)"
    )
    lines: list[Line] = []
    for fast in timed:
        own = Parts(
            fast.reset.cost * (1 / turns), fast.steps.cost * (1 / steps), fast.rows.cost * (EVALUATED / evaluated)
        )
        spent = fast.steps.cost + fast.rows.cost
        measured = f"{told}, fast {spent.cpu:.1f} s ({spent.wall:.1f} s)"
        lines += _lines(f"{setting.name}{fast.mark}", own, slow, asked.cost, ks, FLOORS[setting.name], measured)
    return lines


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run costs: once, a step, and an evaluation of all rows."""

    once: Cost
    step: Cost
    evaluation: Cost


class _Fast:
    """The package's loop in one precision, turn by turn."""

    def __init__(self, setting: Setting, mark: str = "") -> None:
        self.setting, self.mark = setting, mark
        self.student = copy.deepcopy(setting.student)
        self.pristine = {name: value.clone() for name, value in setting.student.state_dict().items()}
        self.reset, self.steps, self.rows = Clock(), Clock(), Clock()

    def turn(self, steps: int, ids: Sequence[Sequence[int]]) -> None:
        """A student as new, some steps of it and an evaluation."""
        from cod_bench.training import model as models

        with self.reset.of():
            self.student.load_state_dict(self.pristine)
        with self.steps.of():
            fast_steps(self.setting, self.student, steps)
        with self.rows.of():
            models.predict(
                self.student, ids, pad_id=self.setting.tokenizer.pad_token_id, precision=self.setting.track.precision
            )


def _lines(
    name: str, fast: Parts, plain: Parts, asked: Cost, ks: Sequence[int], floors: Sequence[float], measured: str
) -> list[Line]:
    rounded = name.endswith("-bf16")
    precision = ", bfloat16 against float32" if rounded else ""
    lines = [
        Line(f"{name}-step", f"one step of {METHOD}{precision}", fast.step, plain.step, measured=measured),
        Line(f"{name}-evaluation", f"evaluation of {EVALUATED} rows{precision}", fast.evaluation, plain.evaluation),
    ]
    own = {k: floor * (ROUNDED if rounded else 1.0) for k, floor in zip(KS, floors, strict=True)}
    for protocol in ("last", "paper"):
        for k in ks:
            number, evaluations = EPOCHS * k // BATCH, 1 if protocol == "last" else EPOCHS
            lines.append(
                Line(
                    f"{name}-{protocol}-k{k}",
                    f"a run of {EPOCHS} epochs, k = {k}{precision}",
                    fast.once + asked * (k / TIMED_K) + fast.step * number + fast.evaluation * evaluations,
                    plain.once + plain.step * number + plain.evaluation * EPOCHS,
                    own.get(k) if protocol == "last" else PAPER_FLOOR_ROUNDED if rounded else PAPER_FLOOR,
                )
            )
    return lines


def means(setting: Setting, *, quick: bool) -> list[Line]:
    """One step of the plain loop with one means after another, in turns; each line against the plain step."""
    from cod_bench.training.vocabulary import own_rows

    turns, each = 2, 1 if quick else 3
    given: dict[str, Any] = {"teacher_outputs": "once a text"}
    clocks = {name: Clock() for name in ("plain", "teacher-once", "fused-adamw", "own-rows", "all")}
    student = copy.deepcopy(setting.student)
    for row in rows(TIMED_K).rows:
        setting.teacher.outputs(row.text)

    def timed(name: str, **options: Any) -> None:
        loop = plain_loop(setting, each + 1, student=student, **options)
        loop.step()  # the optimiser's state is made
        with clocks[name].of():
            for _ in range(each):
                loop.step()

    for _ in range(turns):
        timed("plain")
        timed("teacher-once", **given)
        timed("fused-adamw", **given, fused=True)
        ids = [setting.tokenizer(row.text, truncation=True, max_length=64)["input_ids"] for row in rows(TIMED_K).rows]
        with own_rows(student, ids, setting.tokenizer.pad_token_id, setting.hparams(1)["weight_decay"]):
            timed("own-rows", **given, fused=True)
        with clocks["all"].of():
            fast_steps(setting, student, each)
    told = {
        "teacher-once": "teacher outputs once a text", "fused-adamw": "and fused AdamW",
        "own-rows": "and a run's own embedding rows", "all": "and no padding in linear layers: all of it",
    }  # fmt: skip
    plain = clocks["plain"].cost * (1 / (turns * each))
    return [
        Line(f"{setting.name}-{name}", what, clocks[name].cost * (1 / (turns * each)), plain, measured="")
        for name, what in told.items()
    ]
