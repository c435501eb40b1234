"""What is to be shown -> suites whose comparisons are named: confirmation, curves, local models, teachers that err."""

from __future__ import annotations

from dataclasses import replace

from cod_bench.design.floors import FLOORS, floors
from cod_bench.design.suite import Asked, Block, Expected, Suite

EMBEDDED = ("rt_quotes", "brand_tweets")
PUBLISHED = "published suite embedded, seeds 0 to 4"
_STRONG = (
    "minilm-whole", "minilm-whole-fp32", "mpnet-minilm", "mpnet-minilm-fp32", "minilm", "minilm-fp32",
)  # fmt: skip
_CONTROLS = (
    "random", "label-preserving", "unvalidated", "first-answer", "shuffled", "near", "teacher-labelled", "half",
)  # fmt: skip
_FRESH = tuple(range(200, 210))
_STRONG_TRIAL = "exploratory trial on the developed corpora, whole MiniLM as student, five seeds"
_CONFIRMED = Suite(
    name="confirm",
    title="Confirmation: corpora that nobody developed on, three teachers, ten fresh seeds, kd and every control",
    tracks=_STRONG,
    # as they were declared: no source gives these sets a split, so that other rows make the variant confirm+local
    tasks=("cr+local-2ad51606", "subj+local-c65b8b7b"),
    seeds=_FRESH,
    teachers=(0, 1, 2),
    primary_k=(8, 16, 32, 64),
    blocks=(
        Block(("kd",), ("standard", "cod"), (8, 16, 32, 64)),
        Block(("kd",), _CONTROLS, (8, 32)),
        Block(("lwd", "ted"), ("standard", "cod"), (16,)),
    ),
    generator="substitution",
    floors=floors((8, 32), seed=200),
    families="asked",
    asked=(
        Asked("cod", "standard"),
        Asked("cod", "shuffled"),
        Asked("cod", "label-preserving"),
        Asked("cod", "unvalidated", "matched"),
        Asked("cod", "teacher-labelled"),
        Asked("cod", "standard", "trend"),
    ),
    expected=(
        Expected("cod", "standard", "above", f"{_STRONG_TRIAL}: +10.3 and +5.5 on quotes, +7.7 and +1.0 on tweets"),
        Expected("cod", "shuffled", "above", "declared suite why, minilm-fp32: +8.3"),
        Expected("cod", "label-preserving", "above", PUBLISHED),
        Expected("cod", "unvalidated", "above", PUBLISHED),
    ),
    seen="of cr and subj nothing but their sizes and labels; of seeds 200 to 209 nothing; generator, conditions "
    "and recipes were settled on rt_quotes and brand_tweets",
)

_BASE = replace(
    _CONFIRMED,
    name="confirm-base",
    title="Confirmation by a base-size teacher: the corpora, seeds and questions of confirm, one teacher, fewer cells",
    tracks=("mpnet-minilm", "mpnet-minilm-fp32"),
    teachers=(0,),
    primary_k=(8, 32),
    blocks=(
        Block(
            ("kd",),
            ("standard", "cod", "label-preserving", "unvalidated", "shuffled", "teacher-labelled"),
            (8, 32),
        ),
    ),
    expected=(
        Expected(
            "cod",
            "standard",
            "above",
            "exploratory trial on the developed corpora, five seeds: +6.4 and +6.9, +7.8 and 0.0",
        ),
        *_CONFIRMED.expected[1:],
    ),
    seen="confirm on minilm, whose corpora, seeds and draws these are; of students of this teacher nothing but that "
    "trial, and what its recipe was chosen by on dev of the developed corpora",
)

_MADE = (10, 20, 40)
_FLAWED = Suite(
    name="flawed",
    title="Teachers that err on purpose: flipped labels, kd, two corpora, ten fresh seeds, originals' labels clean",
    tracks=(
        "minilm-kept", *(f"minilm-noisy-{share}" for share in _MADE),
        *(f"minilm-noisy-one-{share}" for share in _MADE),
    ),
    tasks=EMBEDDED,
    seeds=tuple(range(320, 330)),
    primary_k=(16,),
    blocks=(Block(("kd",), ("standard", "cod", "half", "teacher-labelled"), (16,)),),
    generator="substitution",
    floors=(
        Block(FLOORS[:3], ("standard",), (16,)),
        Block(FLOORS[3:], ("standard", "cod"), (16,)),
    ),
    families="asked",
    asked=(Asked("cod", "standard"), Asked("cod", "half"), Asked("cod", "teacher-labelled")),
    expected=(Expected("cod", "standard", "above", PUBLISHED),),
    seen="of seeds 320 to 329 nothing; in a toy world with flipped labels a student of counterfactuals was worse",
)  # fmt: skip

_PLANTED = replace(
    _FLAWED,
    name="planted",
    title="A teacher that learnt a shortcut: a token planted in 90 % of one class, kd, ten fresh seeds",
    tracks=("minilm-kept",),
    tasks=("rt_quotes_planted",),
    seen="of seeds 320 to 329 and of this task nothing",
)

_CLASSES = Suite(
    name="classes",
    title="More than two classes: three of tweets, six of questions, kd, five fresh seeds",
    tracks=("minilm", "minilm-fp32"),
    tasks=("brand_tweets3", "trec+local-47662018"),
    seeds=tuple(range(330, 335)),
    primary_k=(12, 24, 48),
    blocks=(Block(("kd",), ("standard", "cod", "random", "unvalidated", "half", "teacher-labelled"), (12, 24, 48)),),
    generator="substitution",
    floors=(
        Block(FLOORS[:1], ("standard",), (12, 24, 48)),
        Block(FLOORS[3:], ("standard", "cod"), (12, 24, 48)),
        Block((FLOORS[0], *FLOORS[3:]), ("whole-pool",), (0,), (330,)),
    ),
    families="asked",
    asked=tuple(Asked("cod", other) for other in ("standard", "random", "unvalidated", "half", "teacher-labelled")),
    expected=(Expected("cod", "standard", "above", f"{PUBLISHED}, of two classes"),),
    seen="of three and of six classes nothing but the sizes of both sets; of seeds 330 to 334 nothing",
)

_FAMILIES = Suite(
    name="families",
    title="Across families: an encoder teaches a decoder and the other way round, kd, one corpus, four fresh seeds",
    tracks=("minilm-smollm", "smollm-minilm"),
    tasks=("rt_quotes",),
    seeds=tuple(range(340, 344)),
    primary_k=(16, 32),
    blocks=(Block(("kd",), ("standard", "cod", "half"), (16, 32)),),
    generator="substitution",
    floors=(Block(FLOORS[:3], ("standard",), (16, 32)), Block(FLOORS[3:], ("standard", "cod"), (16, 32))),
    families="asked",
    asked=(Asked("cod", "standard"), Asked("cod", "half")),
    expected=(Expected("cod", "standard", "above", f"{PUBLISHED}, of an encoder's student"),),
    seen="of seeds 340 to 343 nothing; recipes were set by hand and never searched",
)

EVIDENCE: tuple[Suite, ...] = (
    _CONFIRMED,
    _BASE,
    replace(
        _CONFIRMED,
        name="strong",
        title="As confirm, on the two corpora that generator and recipes were developed on",
        tasks=EMBEDDED,
        seen="other seeds of both corpora, in every published suite; of seeds 200 to 209 nothing",
    ),
    Suite(
        name="curve",
        title="Does the gain fade? kd and fine-tuning from k = 8 to 512, two corpora, ten fresh seeds",
        tracks=("minilm-whole", "minilm-whole-fp32", "minilm", "minilm-fp32"),
        tasks=EMBEDDED,
        seeds=_FRESH,
        primary_k=(8, 32),
        blocks=(
            Block(("kd",), ("standard", "cod", "half"), (8, 32, 128, 512)),
            # at k = 512 it would ask about more texts than either training pool has
            Block(("kd",), ("teacher-labelled",), (8, 32, 128)),
            Block(("finetune",), ("standard", "cod"), (8, 32, 128, 512)),
        ),
        generator="substitution",
        floors=floors((8, 32, 128, 512), seed=200),
        families="asked",
        asked=(
            Asked("cod", "standard", ks=(8,)),
            Asked("cod", "standard", "trend", (8, 32, 128, 512)),
            Asked("cod", "standard", "equivalence", (512,)),
            Asked("cod", "half", ks=(512,)),
            Asked("cod", "teacher-labelled"),
        ),
        expected=(Expected("cod", "standard", "above", f"{_STRONG_TRIAL}; the paper: ahead at k <= 64, equal at 512"),),
        seen="other seeds of both corpora at k = 8 to 32; an earlier declaration, withdrawn since teacher-labelled "
        "cannot be at k = 512, had 152 runs of seeds 200 and 201, whose accuracies were seen; above k = 64 else only "
        "standard on dev",
    ),
    Suite(
        name="embedded-llm",
        title="Counterfactuals by a language model on one's own machine: kd, two corpora, five fresh seeds",
        tracks=("minilm", "minilm-fp32"),
        tasks=EMBEDDED,
        seeds=tuple(range(210, 215)),
        primary_k=(8, 16, 32),
        blocks=(Block(("kd",), ("standard", "cod", "unvalidated", "random", "shuffled"), (8, 16, 32)),),
        generator="llm_shots",
        floors=floors((8, 16, 32), seed=210),
        families="asked",
        asked=tuple(Asked("cod", other) for other in ("standard", "random", "shuffled", "unvalidated")),
        expected=(
            Expected("cod", "standard", "above", "exploratory trial, llm_v3, 42 quotes: +3.2 (1.4 to 5.1)"),
            Expected("cod", "random", "above", "the same trial: +5.5 (3.2 to 7.8)"),
        ),
        seen="that trial, and which share of 50 dev texts has a valid counterfactual; of seeds 210 to 214 nothing",
    ),
    _FLAWED,
    _PLANTED,
    _CLASSES,
    _FAMILIES,
)
"""In the order in which they are listed."""
