"""Names -> the suites, as data; `list` shows them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cod_bench.design import evidence, suite_file
from cod_bench.design.evidence import EMBEDDED, PUBLISHED
from cod_bench.design.floors import FLOORS as FLOORS
from cod_bench.design.floors import floors
from cod_bench.design.suite import Block, Expected, Suite
from cod_bench.errors import UsageError, unknown
from cod_bench.spec import base_name

CONDITIONS = (
    "standard", "cod", "unvalidated", "random", "label-preserving", "half", "teacher-labelled", "teacher-only",
    "nearest-unlike", "least-margin", "shuffled", "cfe-only", "split-pairs", "near", "far", "words-only",
    "first-relabelled", "whole-pool", "first-answer",
)  # fmt: skip
"""The declared conditions in the order of tables; others come after them by name."""
CLAIMED = CONDITIONS[:6]
"""Those of the first edition: claims are about these."""
_WHY = CONDITIONS[: CONDITIONS.index("whole-pool")]
"""Those that suite `why` declares; later ones come behind."""

DEVELOPED = frozenset({"rt_quotes", "brand_tweets"})
"""Tasks, without what marks a slice, on which generator, recipe and track were settled: they confirm nothing."""
DEVELOPED_SEEDS = frozenset({*range(5), *range(10, 30), *range(100, 105)})
"""Seeds likewise: those of the complete runs after which generator and controls were revised, those that conditions
were tried on while they were written, and those of docs/recipe.md."""

_METHODS = ("kd", "lwd", "ted")
_MAIN = ("standard", "cod", "random", "unvalidated")
_SIX = ("sst2", "sentiment140", "imdb", "cola", "amazon_polarity", "yelp")


_TRIAL = "exploratory trial, kd, evaluation rows seen"
_LEADS = (
    *(Expected("cod", other, "above", PUBLISHED) for other in ("standard", "random", "unvalidated")),
    Expected("cod", "teacher-labelled", "below", f"{_TRIAL}: ahead at k = 8 and 16, equal at 32"),
    Expected("cod", "teacher-only", "below", f"{_TRIAL}: ahead at k = 8 and 16"),
    *(Expected("cod", other, "above", _TRIAL) for other in ("shuffled", "cfe-only", "words-only")),
    Expected("shuffled", "standard", "below", f"{_TRIAL}: -3.2 points"),
    Expected("cfe-only", "standard", "below", f"{_TRIAL}: at chance"),
    Expected("words-only", "standard", "above", f"{_TRIAL}: a third of the gain"),
    Expected("teacher-labelled", "standard", "above", f"{_TRIAL}: more than cod"),
    Expected("teacher-only", "standard", "above", f"{_TRIAL}: more than cod"),
)


SUITES: Mapping[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            name="smoke",
            title="One minute: does it run here?",
            tracks=("minilm-smoke", "minilm-smoke-fp32"),
            tasks=("rt_quotes",),
            seeds=(0, 1),
            primary_k=(8,),
            blocks=(Block(("kd",), ("standard", "cod"), (8,)),),
            generator="substitution",
        ),
        Suite(
            name="embedded",
            title="The main job: two corpora, three methods, every control, k = 8 to 32",
            tracks=("minilm", "minilm-fp32", "smollm", "smollm-minilm"),
            tasks=EMBEDDED,
            seeds=(0, 1, 2, 3, 4),
            primary_k=(8, 16, 32),
            blocks=(
                Block(_METHODS, (*_MAIN, "label-preserving"), (8, 16, 32)),
                Block(("kd",), ("half",), (8, 16, 32)),
            ),
            generator="substitution",
            floors=floors((8, 16, 32)),
            main_track="minilm-fp32",  # the published one
        ),
        Suite(
            name="why",
            title="Why: the rivals of counterfactuals and what of them works, kd, ten seeds that no other suite has",
            tracks=("minilm", "minilm-fp32"),
            tasks=EMBEDDED,
            seeds=tuple(range(30, 40)),
            primary_k=(8, 16, 32),
            blocks=(Block(("kd",), _WHY, (8, 16, 32)),),
            generator="substitution",
            floors=floors((8, 16, 32), seed=30),
            main_track="minilm-fp32",  # the published one
            families="conditions",
            expected=_LEADS,
            seen="seeds 0 to 4 of six conditions are published; of seeds 10 to 29 some outcomes were looked at while "
            "the conditions were written and an earlier declaration was withdrawn; of seeds 30 to 39 none was "
            "before track minilm-fp32 was declared",
        ),
        *evidence.EVIDENCE,
        Suite(
            name="soft-labels-embedded",
            title="What the teacher's soft labels are worth: with them, without any, with random ones; two corpora",
            tracks=("minilm", "minilm-fp32"),
            tasks=EMBEDDED,
            seeds=(0, 1, 2, 3, 4),
            primary_k=(8, 16, 32),
            blocks=(Block(("kd", "finetune", "kd_random_soft"), ("standard", "cod", "unvalidated"), (8, 16, 32)),),
            generator="substitution",
            floors=floors((8, 16, 32)),
            pooled=False,
            main_track="minilm-fp32",  # the published one
        ),
        Suite(
            name="embedded-full",
            title="As embedded with k up to 512, ten seeds, fine-tuning and every control for every method",
            tracks=("minilm", "minilm-fp32"),
            tasks=EMBEDDED,
            seeds=tuple(range(10)),
            primary_k=(8, 16, 32, 64),
            blocks=(Block((*_METHODS, "finetune"), (*_MAIN, "label-preserving", "half"), (8, 16, 32, 64, 128, 512)),),
            generator="substitution",
            floors=floors((8, 16, 32, 64, 128, 512)),
        ),
        Suite(
            name="six-local",
            title="The six tasks on local slices (all but cola): development data, not the canonical data sets",
            tracks=("minilm", "minilm-fp32"),
            # the slices as they were published; other local rows make the variant six-local+local
            tasks=(
                "sst2+local-99b68202",
                "sentiment140+local-f703d7e9",
                "imdb+local-7178505d",
                "cola",
                "amazon_polarity+local-e286fbe9",
                "yelp+local-c246e726",
            ),
            seeds=(0, 1, 2),
            primary_k=(8, 32),
            blocks=(Block(_METHODS, _MAIN, (8, 32)),),
            generator="substitution",
            floors=floors((8, 32)),
            main_track="minilm-fp32",  # the published one
        ),
        *(
            Suite(
                name=name,
                title=f"The paper's experiment: six tasks, {models}, counterfactuals from a language model",
                tracks=(track,),
                tasks=_SIX,
                seeds=(0, 1, 2, 3, 4),
                primary_k=(8, 16, 32, 64),
                blocks=(Block(_METHODS, _MAIN, (8, 16, 32, 64, 128, 512)),),
                generator="llm",
                floors=floors((8, 16, 32, 64, 128, 512)),
                protocols=("last", "paper"),
            )
            for name, track, models in (
                ("paper", "deberta-small", "DeBERTa-v3 base to small"),
                ("paper-xsmall", "deberta-xsmall", "DeBERTa-v3 base to xsmall"),
                ("paper-qwen", "qwen", "Qwen2.5 1.5B to 0.5B"),
            )
        ),
        Suite(
            name="paper-rows",
            title="The paper's own Amazon and Yelp rows, short texts and shifted stars as released: unranked",
            tracks=("deberta-small",),
            tasks=("amazon_paper", "yelp_paper"),
            seeds=(0, 1, 2, 3, 4),
            primary_k=(8, 16, 32, 64),
            blocks=(Block(_METHODS, _MAIN, (8, 16, 32, 64)),),
            generator="llm",
            protocols=("paper",),
        ),
        Suite(
            name="prompt-ablation",
            title="SST-2 with prompt llm_v1; llm_v2, llm_v3 and llm_v4 by --generator, each in tables of its own",
            tracks=("deberta-small",),
            tasks=("sst2",),
            seeds=(0, 1, 2, 3, 4),
            primary_k=(8, 16, 32, 64),
            blocks=(Block(("kd",), _MAIN, (8, 16, 32, 64)),),
            generator="llm_v1",
        ),
        Suite(
            name="soft-labels",
            title="SST-2 with the teacher's soft labels, without any, with random ones",
            tracks=("deberta-small",),
            tasks=("sst2",),
            seeds=(0, 1, 2, 3, 4),
            primary_k=(8, 16, 32, 64),
            blocks=(
                Block(
                    ("kd", "finetune", "kd_random_soft"), ("standard", "cod", "unvalidated"), (8, 16, 32, 64, 128, 512)
                ),
            ),
            generator="llm",
            pooled=False,
            protocols=("last", "paper"),
        ),
        Suite(
            name="toy",
            title="Synthetic text and random models: a check in seconds",
            tracks=("toy",),
            tasks=("toy",),
            seeds=(0, 1),
            primary_k=(8,),
            blocks=(Block((*_METHODS, "finetune"), (*_MAIN, "label-preserving", "half"), (8,)),),
            generator="substitution",
        ),
    )
}

DEFAULT_SUITE = "embedded"

_TASKS = frozenset(base_name(task) for suite in SUITES.values() for task in suite.tasks)


def own_tasks(names: Iterable[str], suite: Suite | None = None) -> list[str]:
    """Those of the tasks, local slices among them, that no suite declares: each has tables of its own.

    Args:
        suite: one that need not be declared here.
    """
    more = frozenset(map(base_name, suite.tasks)) if suite is not None else frozenset()
    return sorted({name for name in names if base_name(name) not in _TASKS | more})


def in_order(conditions: Iterable[str]) -> tuple[str, ...]:
    """Conditions as tables show them: the declared ones first."""
    place = {name: at for at, name in enumerate(CONDITIONS)}
    return tuple(sorted(dict.fromkeys(conditions), key=lambda name: (place.get(name, len(place)), name)))


_of_files: dict[str, tuple[Suite, str, str]] = {}
"""Suites that this process was given as files, with the path and text of these; by name."""


def every() -> dict[str, Suite]:
    """All suites by name: the declared ones and those of files that were named."""
    return {**SUITES, **{name: own for name, (own, _, _) in _of_files.items()}}


def given() -> tuple[str, ...]:
    """Name and title of each suite of a file, which tells the digest of what it declares."""
    return tuple(f"{own.name}: {own.title}" for own, _, _ in _of_files.values())


def option(name: str) -> str:
    """What `--suite` has to say for a suite: its name, or the file that it is declared in."""
    return _of_files[name][1] if name in _of_files else name


def declared(name: str) -> Suite:
    """The suite of a variant by its name, as a reader types it: `<suite>+<what is different>`."""
    return suite(name if name.endswith(suite_file.END) else name.partition("+")[0])


def suite(name: str) -> Suite:
    """The suite of that name, or of a TOML file, which is known by the name that it gives itself from then on.

    Raises:
        UsageError: an unknown name, with the nearest one, or as `suite_file.read`.
    """
    if name.endswith(suite_file.END):
        path = Path(name).expanduser()
        found, text = _read(path)
        other = _of_files.get(found.name)
        if other is not None and other[1] != str(path.resolve()):
            raise UsageError(f"--suite {name}: {other[1]} has a suite {found.name!r} too; give one another name")
        _of_files[found.name] = (found, str(path.resolve()), text)
        return found
    known = every()
    if name not in known:
        file = Path(f"{name}{suite_file.END}")
        beside = f"; there is a {file} here: name it with its ending" if file.is_file() else ""
        raise UsageError(f"{unknown('suite', name, known)}{beside}")
    return known[name]


def text(name: str) -> str:
    """The file of a suite that was named as one; empty for every other."""
    return _of_files[name][2] if name in _of_files else ""


def kept(path: Path) -> Suite:
    """The suite of a file that nobody named: a copy of one that was run.

    Raises:
        UsageError: as `suite_file.read`.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[Suite, str]:
    return suite_file.read(path, taken=[*SUITES], tracks_else=SUITES[DEFAULT_SUITE].tracks[:2], floors=floors)
