"""Values -> a task: rows, where they come from, what makes two tasks the same task. Loads no data; no torch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cod_bench.errors import UsageError
from cod_bench.spec import LOCAL, base_name, digest

METRICS = ("accuracy", "mcc", "macro_f1", "auroc")
"""What a task's own table can be ranked by."""

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
    """A labelled text. `id` is the first 12 hex digits of the sha256 of the text (and, if it is repeated, its turn)."""

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
class Hub:
    """Parquet files of a data set on the Hugging Face hub, and how their rows become rows of the task."""

    id: str
    config: str
    """As `datasets.load_dataset` names it; also the folder of the files."""
    rows: Mapping[str, int]
    """Split -> published number of rows before any filter, checked at the first load: `train` and the evaluation's."""
    text: str
    labels: Mapping[int, int | None]
    """The hub's label -> the task's class; None drops the row, a label that is not named is an error."""
    evaluation: str | None = None
    """Split that is evaluated on; None cuts the evaluation rows from `train`."""
    longest: int | None = None
    """Longer texts are left out; in characters of the text as it stands on the hub."""
    label: str = "label"
    files: str = "{config}/{split}-*.parquet"
    revision: str = "main"
    """Where to look for the newest commit; which one was taken stands in the lock file."""


@dataclass(frozen=True, slots=True)
class Task:
    """A text classification task as data; a task file is `tasks/<name>.py` with one value `TASK`.

    Its rows come from `read` (one table, split here) or from `hub` (training pool and evaluation rows are given).
    """

    name: str
    version: int
    """Raised with any change of its rows: another version is another task, records never mix."""
    title: str
    classes: tuple[str, ...]
    metric: str
    """What the task's own table is ranked by; accuracy is primary in every mean."""
    licence: str
    """Of the texts."""
    citation: str
    assets: tuple[str, ...] = ()
    read: Callable[[], Iterable[RawRow]] | None = None
    hub: Hub | None = None
    pool_sha256: str = ""
    """Pinned content of training pool and dev split; empty until the lock file of the first hub load tells it."""
    evaluation_sha256: str = ""
    """Pinned content of the evaluation split; anything else is refused."""
    evaluation_rows: int = 1000
    dev_rows: int = 1000
    """At most."""
    shares: tuple[float, float, float] = (0.78, 0.11, 0.11)
    """Of clusters that the hash deals to train, dev and evaluation, where `read` gives one table."""
    keep: Literal["sample", "all", "distinct"] = "sample"
    """Of given evaluation rows: `sample` takes `evaluation_rows`, equally many of every class, in hash order; `all`
    changes nothing, repeated and short texts stay; `distinct` drops repeated texts only."""
    pool_rows: int = 20_000
    """Given training rows are taken in hash order up to so many."""
    aliases: tuple[str, ...] = ()
    """Other names of its folder under `--data`."""
    ranked: bool = True
    content: str = ""
    """Of a local slice: 8 hex digits that stand for its rows; empty for the canonical task."""
    short: str = ""
    """What figures call it, in a few words; its name if empty."""
    strata: Callable[[str], int] | None = None
    """Text -> the stratum that it is of, from 0 to 9; reference files tell it of each evaluation row, so that the worst
    group can be named. It decides no row, and is no part of a run's identity."""

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise UsageError(f"task {self.name!r}: classes={self.classes}; name two or more")
        if self.metric not in METRICS:
            raise UsageError(f"task {self.name!r}: metric={self.metric!r}; choose among {', '.join(METRICS)}")
        if (self.read is None) == (self.hub is None):
            raise UsageError(f"task {self.name!r}: give it `read` or `hub`, and not both")
        if self.keep == "sample" and self.evaluation_rows % len(self.classes):
            raise UsageError(
                f"task {self.name!r}: evaluation_rows={self.evaluation_rows} cannot be balanced over "
                f"{len(self.classes)} classes; choose a multiple"
            )
        if min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-9:
            raise UsageError(f"task {self.name!r}: shares={self.shares}; choose three positive numbers of sum 1")

    @property
    def base(self) -> str:
        """The name without what marks a local slice."""
        return base_name(self.name)

    @property
    def own(self) -> bool:
        """Whether its rows are a file of its user's: no hub has them, and no package."""
        return self.hub is not None and not self.hub.id

    @property
    def pinned(self) -> bool:
        """Whether it is known which rows it has."""
        return bool(self.content or (self.pool_sha256 and self.evaluation_sha256))

    def identity(self) -> dict[str, Any]:
        """What makes two tasks the same task; loads nothing."""
        if self.content:
            return {"version": self.version, "content": self.content}
        return {
            "version": self.version,
            "pool_sha256": self.pool_sha256,
            "evaluation_sha256": self.evaluation_sha256,
        }

    def source(self) -> dict[str, Any]:
        """Everything of a hub task that decides which rows it has."""
        return {
            "hub": None if self.hub is None else asdict(self.hub), "version": self.version, "keep": self.keep,
            "rows": [self.evaluation_rows, self.dev_rows, self.pool_rows],
        }  # fmt: skip

    def has_rows(self, train_hash: str, eval_hash: str) -> bool:
        """Whether these are the rows of a record: first 12 digits of both sums."""
        if self.content:
            return content_of(train_hash, eval_hash, self.classes if self.own else ()) == self.content
        return (train_hash, eval_hash) == (self.pool_sha256[:12], self.evaluation_sha256[:12])

    def slice(self, content: str) -> Task:
        """The task of a local slice of this one."""
        name = f"{self.base}{LOCAL}{content}"
        return replace(self, name=name, content=content, pool_sha256="", evaluation_sha256="")


@dataclass(frozen=True, slots=True)
class Corpus:
    """A prepared task: three splits, each sorted by id, no near-duplicate of one in another."""

    task: Task
    train: tuple[Example, ...]
    """The training pool."""
    dev: tuple[Example, ...]
    evaluation: tuple[Example, ...]
    pool_sha256: str
    evaluation_sha256: str

    @property
    def eval_hash(self) -> str:
        """Short name of the evaluation split, as records carry it."""
        return self.evaluation_sha256[:12]


def content_of(pool_sha256: str, evaluation_sha256: str, classes: Sequence[str] = ()) -> str:
    """Eight hex digits for the rows of a slice; the first 12 digits of both sums decide, which every record holds.

    Args:
        classes: their names where a file of somebody's own brings them: language models are told them.
    """
    return digest([pool_sha256[:12], evaluation_sha256[:12], *([list(classes)] if classes else [])], 8)


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
