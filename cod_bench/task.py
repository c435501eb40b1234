"""Tasks: raw rows -> training pool, dev and evaluation split, leak-free by near-duplicate cluster. No torch."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cod_bench import assets
from cod_bench.errors import RunError, UsageError
from cod_bench.near import clusters, normal_form, unite
from cod_bench.spec import canonical, digest
from cod_bench.store import home, lock, write_atomic

log = logging.getLogger(__name__)

SALT = "cod-bench split 1"
"""Of the hash that deals clusters to train, dev and evaluation. Another salt is another benchmark."""
MIN_WORDS = 4
"""Shorter texts are left out: an edit of one word is then a third of the text or more."""

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032`\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),
        **dict.fromkeys("\u2010\u2011\u2013\u2212", "-"),
        "\u2014": " - ",
        "\u2026": "...",
        **dict.fromkeys("\u00ad\u200b\ufeff", ""),
    }
)
"""Typographic quotes, dashes and dots to plain ones; soft hyphens and zero-width characters to nothing."""


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled text. `id` is the first 12 hex digits of the sha256 of the text."""

    id: str
    text: str
    label: int


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as a task's reader gives it. Rows of one non-empty group (a film) fall on one side of the split."""

    text: str
    label: int
    group: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A text classification task as data; a task file is `tasks/<name>.py` with one value `TASK`."""

    name: str
    version: int
    """Raised with any change of its rows: another version is another task, records never mix."""
    title: str
    classes: tuple[str, ...]
    metric: str
    """What the task is ranked by; accuracy is primary in every mean."""
    assets: tuple[str, ...]
    licence: str
    """Of the texts."""
    citation: str
    read: Callable[[], Iterable[RawRow]]
    pool_sha256: str
    """Pinned content of training pool and dev split; `load` refuses anything else."""
    evaluation_sha256: str
    """Pinned content of the evaluation split."""
    evaluation_rows: int = 1000
    dev_rows: int = 1000
    """At most."""
    shares: tuple[float, float, float] = (0.78, 0.11, 0.11)
    """Of clusters that the hash deals to train, dev and evaluation."""

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise UsageError(f"task {self.name!r}: classes={self.classes}; name two or more")
        if self.evaluation_rows % len(self.classes):
            raise UsageError(
                f"task {self.name!r}: evaluation_rows={self.evaluation_rows} cannot be balanced over "
                f"{len(self.classes)} classes; choose a multiple"
            )
        if min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-9:
            raise UsageError(f"task {self.name!r}: shares={self.shares}; choose three positive numbers of sum 1")

    def identity(self) -> dict[str, Any]:
        """What makes two tasks the same task; loads nothing."""
        return {
            "version": self.version,
            "pool_sha256": self.pool_sha256,
            "evaluation_sha256": self.evaluation_sha256,
        }


@dataclass(frozen=True, slots=True)
class Corpus:
    """A prepared task: three splits, each sorted by id, no near-duplicate of one in another."""

    task: Task
    train: tuple[Example, ...]
    """The training pool, balanced over classes."""
    dev: tuple[Example, ...]
    evaluation: tuple[Example, ...]
    pool_sha256: str
    evaluation_sha256: str

    @property
    def eval_hash(self) -> str:
        """Short name of the evaluation split, as records carry it."""
        return self.evaluation_sha256[:12]


def load(task: Task) -> Corpus:
    """The prepared task, from the cache where it is there; prepared once, by one process.

    Raises:
        UsageError: a class has too few rows, or the cache folder cannot be written.
        RunError: an asset cannot be fetched, or the prepared rows are not the pinned ones.
    """
    path = _cache_path(task)
    corpus = _cached(task, path)
    if corpus is None:
        with lock(path.with_suffix(".lock")):
            corpus = _cached(task, path)
            if corpus is None:
                corpus = prepare(task)
                _demand_pinned(corpus)
                splits = {name: [[e.text, e.label] for e in rows] for name, rows in _splits(corpus).items()}
                write_atomic(path, json.dumps(splits, ensure_ascii=False) + "\n")
    return corpus


def prepare(task: Task) -> Corpus:
    """Read, normalise, drop duplicates and split, whatever the pinned hashes say; `load` is the cached way.

    Near-duplicate clusters, joined with groups, are dealt as wholes by a salted hash. Evaluation and dev take at
    most one row of a near-duplicate cluster, equally many of every class, in hash order; the training pool is
    the rest of its side, the larger classes cut to the smallest in hash order.

    Raises:
        UsageError: a label that is no class, or a class with too few rows on a side.
    """
    rows = _distinct(task)
    examples = [Example(_sha256(row.text)[:12], row.text, row.label) for row in rows]
    if len({example.id for example in examples}) != len(examples):
        raise RunError(f"task {task.name!r}: two texts have one id; lengthen the ids")
    cluster = clusters([example.text for example in examples])
    dealt: dict[str, list[int]] = {"train": [], "dev": [], "evaluation": []}
    for members in _components(rows, cluster):
        dealt[_side(task, min(rows[i].group or examples[i].id for i in members))].extend(members)
    ordered = {
        side: sorted(((examples[i], cluster[i]) for i in found), key=lambda pair: _sha256(f"{SALT}/order/{pair[0].id}"))
        for side, found in dealt.items()
    }
    evaluation = task.evaluation_rows // len(task.classes)
    corpus = _corpus(
        task,
        train=_balanced(task, "train", [example for example, _ in ordered["train"]], 1, len(rows)),
        dev=_balanced(task, "dev", _one_a_cluster(ordered["dev"]), 1, task.dev_rows // len(task.classes)),
        evaluation=_balanced(task, "evaluation", _one_a_cluster(ordered["evaluation"]), evaluation, evaluation),
    )
    log.info("task %s: %s rows", task.name, {side: len(found) for side, found in _splits(corpus).items()})
    return corpus


def normalise(text: str) -> str:
    """Straight quotes, plain dashes and dots, single blanks: what a text's id is the hash of."""
    return " ".join(text.translate(_PLAIN).split())


def table(file: Path, **options: Any) -> Iterator[Mapping[str, Any]]:
    """Rows of a CSV file, compressed or not, through `datasets`; `options` are those of `pandas.read_csv`."""
    import datasets

    bars = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with tempfile.TemporaryDirectory() as cache:
            found = datasets.Dataset.from_csv(str(file), cache_dir=cache, keep_in_memory=True, **options)
        yield from found
    finally:
        if not bars:
            datasets.enable_progress_bars()


def _distinct(task: Task) -> list[RawRow]:
    """Normalised rows, one per normal form, sorted by text; forms that occur with two labels are dropped entirely."""
    by_form: defaultdict[str, list[RawRow]] = defaultdict(list)
    for row in task.read():
        if row.label not in range(len(task.classes)):
            raise UsageError(f"task {task.name!r}: label={row.label!r} of a row; use 0..{len(task.classes) - 1}")
        text = normalise(row.text)
        if len(text.split()) >= MIN_WORDS:
            by_form[normal_form(text)].append(RawRow(text, row.label, row.group))
    return sorted(
        (min(same, key=_text_and_group) for same in by_form.values() if len({row.label for row in same}) == 1),
        key=_text_and_group,
    )


def _text_and_group(row: RawRow) -> tuple[str, str]:
    return row.text, row.group


def _components(rows: Sequence[RawRow], cluster: Sequence[int]) -> list[list[int]]:
    """Positions that must share a side: near-duplicate clusters joined with groups."""
    first_of: dict[str, int] = {}
    together = [(i, first_of.setdefault(row.group, i)) for i, row in enumerate(rows) if row.group]
    components: defaultdict[int, list[int]] = defaultdict(list)
    for i, root in enumerate(unite(len(rows), [*enumerate(cluster), *together])):
        components[root].append(i)
    return list(components.values())


def _side(task: Task, key: str) -> str:
    share = int(_sha256(f"{SALT}/{task.name}/{key}")[:13], 16) / 16**13
    train, dev, _ = task.shares
    return "train" if share < train else "dev" if share < train + dev else "evaluation"


def _one_a_cluster(ordered: Iterable[tuple[Example, int]]) -> list[Example]:
    first: dict[int, Example] = {}
    for example, cluster in ordered:
        first.setdefault(cluster, example)
    return list(first.values())


def _balanced(task: Task, side: str, ordered: Iterable[Example], least: int, most: int) -> tuple[Example, ...]:
    """Equally many of every class, `least` to `most` each, the first ones of `ordered`; sorted by id."""
    chosen: list[list[Example]] = [[] for _ in task.classes]
    for example in ordered:
        chosen[example.label].append(example)
    smallest = min(range(len(chosen)), key=lambda label: len(chosen[label]))
    count = min(len(chosen[smallest]), most)
    if count < least:
        raise UsageError(
            f"task {task.name!r}: class {task.classes[smallest]!r} has {count} rows on the {side} side and needs "
            f"{least}; raise that side's share or give more rows"
        )
    return tuple(sorted((example for found in chosen for example in found[:count]), key=lambda example: example.id))


def _splits(corpus: Corpus) -> dict[str, tuple[Example, ...]]:
    return {"train": corpus.train, "dev": corpus.dev, "evaluation": corpus.evaluation}


def _corpus(
    task: Task, train: tuple[Example, ...], dev: tuple[Example, ...], evaluation: tuple[Example, ...]
) -> Corpus:
    contents = [[[example.text, example.label] for example in rows] for rows in (train, dev, evaluation)]
    return Corpus(task, train, dev, evaluation, _sha256(canonical(contents[:2])), _sha256(canonical(contents[2])))


def _demand_pinned(corpus: Corpus) -> None:
    for field in ("pool_sha256", "evaluation_sha256"):
        found, pinned = getattr(corpus, field), getattr(corpus.task, field)
        if found != pinned:
            raise RunError(
                f"task {corpus.task.name!r}: {field} of the prepared rows is {found} and the task pins {pinned!r}; "
                "if the rows were meant to change, raise the task's version and pin the new sum"
            )


def _cache_path(task: Task) -> Path:
    made_of = [
        [assets.ASSETS[name].sha256 for name in task.assets],
        [SALT, MIN_WORDS, list(task.shares), task.evaluation_rows, task.dev_rows],
        task.identity(),
    ]
    return home() / "tasks" / f"{task.name}-{digest(made_of)}.json"


def _cached(task: Task, path: Path) -> Corpus | None:
    """The corpus in the cache; None when it is absent or not what the task pins, so that it is prepared again."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        corpus = _corpus(
            task,
            **{
                side: tuple(Example(_sha256(text)[:12], text, label) for text, label in value[side])
                for side in ("train", "dev", "evaluation")
            },
        )
        _demand_pinned(corpus)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RunError) as error:
        log.warning("prepared task %s is corrupt and is prepared again: %s (%s)", task.name, path, error)
        return None
    return corpus


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
