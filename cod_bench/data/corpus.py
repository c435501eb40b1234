"""Raw rows of a task -> training pool, dev and evaluation split, leak-free by near-duplicate cluster. No torch."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from cod_bench.data import assets
from cod_bench.data.near import clusters, normal_form, unite
from cod_bench.errors import RunError, UsageError
from cod_bench.spec import canonical, digest
from cod_bench.store import home, kept, seal, sealed
from cod_bench.task import Corpus, Example, RawRow, Task, content_of, normalise

log = logging.getLogger(__name__)

SALT = "cod-bench split 1"
"""Of the hash that deals clusters to train, dev and evaluation. Another salt is another benchmark."""
MIN_WORDS = 4
"""Shorter texts are left out: an edit of one word is then a third of the text or more. Canonical evaluation rows
(`keep` of a task is not `sample`) stay whatever their length."""
RESERVED = 288
"""Rows a class that dev leaves to training where there are more: 256 for k = 512 and an eighth as many that the teacher
may get wrong. A smaller pool gives dev a tenth, and none gives it more than a fifth."""
ARRANGED = 1
"""Version of `arrange`; part of what a lock file and the cache are valid for."""
CANDIDATES = 4
"""So many times `evaluation_rows` are looked at in hash order for a sample without near-duplicates."""


def load(task: Task) -> Corpus:
    """The prepared task of a table, from the cache where it is there; prepared once, by one process.

    Raises:
        UsageError: a class has too few rows, or the cache folder cannot be written.
        RunError: an asset cannot be fetched, or the prepared rows are not the pinned ones.
    """
    return _kept(task, _table_path(task), lambda: prepare(task))


def at_hand(task: Task) -> Corpus | None:
    """`load` where it takes no network; None elsewhere."""
    if all(assets.offline(name) for name in task.assets):
        return load(task)
    return _cached(task, _table_path(task))


def given_at_hand(task: Task, made_of: object) -> Corpus | None:
    """What `load_given` keeps for `made_of`; None where it has kept nothing."""
    return _cached(task, _given_path(task, made_of))


def _table_path(task: Task) -> Path:
    made_of = [
        [assets.ASSETS[name].sha256 for name in task.assets],
        [SALT, MIN_WORDS, list(task.shares), task.evaluation_rows, task.dev_rows],
        task.identity(),
    ]
    return _cache_path(task, made_of)


def with_held_out(
    corpus: Corpus, dev: Iterable[tuple[str, int]], evaluation: Iterable[tuple[str, int]]
) -> tuple[Corpus, Path, str]:
    """A table's corpus with other dev and evaluation rows, its task pinned to them: for checks alone.

    Returns:
        The corpus, and where in the cache `load` would look for it with the text that it would find there.
    """
    made = _corpus(corpus.task, corpus.train, _in_order(dev), _in_order(evaluation))
    task = replace(corpus.task, pool_sha256=made.pool_sha256, evaluation_sha256=made.evaluation_sha256)
    made = _renamed(made, task)
    path = _table_path(task)
    return made, path, seal(_kept_text(made), path.stem)


def load_given(task: Task, made_of: object, read: Callable[[], tuple[list[RawRow], list[RawRow] | None]]) -> Corpus:
    """`arrange` with the cache of `load`: the rows are read only if nothing is kept for `made_of`.

    The corpus of a task whose pool is not pinned carries the task as it was given; `settle` names it.
    """
    return _kept(task, _given_path(task, made_of), lambda: arrange(task, *read()))


def _given_path(task: Task, made_of: object) -> Path:
    return _cache_path(task, [made_of, [SALT, MIN_WORDS, RESERVED, CANDIDATES, ARRANGED], task.source()])


def settle(corpus: Corpus, canonical_task: Task) -> Corpus:
    """The corpus under the name of its rows: the canonical task if both sums are the pinned ones, else a slice."""
    sums = (corpus.pool_sha256, corpus.evaluation_sha256)
    if sums == (canonical_task.pool_sha256, canonical_task.evaluation_sha256):
        return _renamed(corpus, canonical_task)
    classes = canonical_task.classes if canonical_task.own else ()
    return _renamed(corpus, canonical_task.slice(content_of(*sums, classes)))


def prepare(task: Task) -> Corpus:
    """Read, normalise, drop duplicates and split, whatever the pinned hashes say; `load` is the cached way.

    Near-duplicate clusters, joined with groups, are dealt as wholes by a salted hash. Evaluation and dev take at
    most one row of a near-duplicate cluster, equally many of every class, in hash order; the training pool is
    the rest of its side, the larger classes cut to the smallest in hash order.

    Raises:
        UsageError: a label that is no class, or a class with too few rows on a side.
    """
    if task.read is None:
        raise UsageError(f"task {task.name!r}: has no table to split; its rows come from the hub or from --data")
    rows = _distinct(task, task.read())
    examples = _examples([(row.text, row.label) for row in rows])
    _demand_ids(task, examples)
    cluster = clusters([example.text for example in examples])
    dealt: dict[str, list[int]] = {"train": [], "dev": [], "evaluation": []}
    for members in _components(rows, cluster):
        dealt[_side(task, min(rows[i].group or examples[i].id for i in members))].extend(members)
    ordered = {
        side: sorted(((examples[i], cluster[i]) for i in found), key=lambda pair: _turn(pair[0]))
        for side, found in dealt.items()
    }
    evaluation = task.evaluation_rows // len(task.classes)
    alone = {side: _one_a_cluster(ordered[side]) for side in ("dev", "evaluation")}
    near = {
        side: Counter(e.label for e, _ in ordered[side]) - Counter(e.label for e in found)
        for side, found in alone.items()
    }
    corpus = _corpus(
        task,
        train=_balanced(task, "train", [example for example, _ in ordered["train"]], 1, len(rows)),
        dev=_balanced(task, "dev", alone["dev"], 1, task.dev_rows // len(task.classes), near["dev"]),
        evaluation=_balanced(task, "evaluation", alone["evaluation"], evaluation, evaluation, near["evaluation"]),
    )
    log.info("task %s: %s rows", task.name, {side: len(found) for side, found in _splits(corpus).items()})
    return corpus


def arrange(task: Task, pool: Iterable[RawRow], evaluation: Iterable[RawRow] | None) -> Corpus:
    """Training and evaluation rows as they are given -> the three splits; the order of rows does not matter.

    Evaluation rows are chosen first, as `task.keep` says (None: a sample of the training rows), and never changed
    afterwards. Training rows are normalised, repeated and short texts dropped, and every one whose near-duplicate
    cluster holds an evaluation row is left out. Dev takes one row of a cluster, equally many of every class, in hash
    order, and the rest of that cluster leaves the pool; classes of the pool are not balanced. Arranging an arranged
    corpus changes nothing, so a copy of the canonical rows is the canonical task.

    Raises:
        UsageError: a label that is no class, or a class with too few rows.
    """
    waiting = _in_turn(_distinct(task, pool))
    if evaluation is None:
        held = _sample(task, waiting)
        taken = {example.id for example in held}
        waiting = [example for example in waiting if example.id not in taken]
    elif task.keep == "sample":
        held = _sample(task, _in_turn(_distinct(task, evaluation)))
    elif task.keep == "distinct":
        held = _in_turn(_distinct(task, evaluation, least=1))
    else:
        held = _examples([(row.text, row.label) for row in _normalised(task, evaluation)])
    waiting = waiting[: task.pool_rows]
    _demand_ids(task, held)
    cluster = clusters([example.text for example in (*held, *waiting)])
    leaking = set(cluster[: len(held)])
    rest = [pair for pair in zip(waiting, cluster[len(held) :], strict=True) if pair[1] not in leaking]
    train, dev = _cut_dev(task, rest)
    for label, name in enumerate(task.classes):
        if not any(example.label == label for example in held):
            raise UsageError(f"task {task.name!r}: class {name!r} has no evaluation row; give rows of every class")
    corpus = _corpus(task, *(tuple(sorted(rows, key=lambda e: e.id)) for rows in (train, dev, held)))
    log.info("task %s: %s rows", task.name, {side: len(found) for side, found in _splits(corpus).items()})
    return corpus


def _sample(task: Task, waiting: Sequence[Example]) -> list[Example]:
    """At most `evaluation_rows` in their turn, as many of every class, no two of them near."""
    most = task.evaluation_rows // len(task.classes)
    looked: list[Example] = []
    for label in range(len(task.classes)):
        looked += [example for example in waiting if example.label == label][: CANDIDATES * most]
    looked.sort(key=_turn)
    apart = _one_a_cluster(zip(looked, clusters([example.text for example in looked]), strict=True))
    chosen: list[Example] = []
    for label in range(len(task.classes)):
        chosen += [example for example in apart if example.label == label][:most]
    return chosen


def _cut_dev(task: Task, ordered: Sequence[tuple[Example, int]]) -> tuple[list[Example], list[Example]]:
    """Training pool and dev."""
    first: dict[int, Example] = {}
    for example, cluster in ordered:
        first.setdefault(cluster, example)
    counts = Counter(example.label for example in first.values())
    spare = {
        label: min(n - RESERVED, n // 5) if (n := counts[label]) > RESERVED else n // 10
        for label in range(len(task.classes))
    }
    scarce = min(spare, key=lambda label: spare[label])
    most = min(spare[scarce], task.dev_rows // len(task.classes))
    if most < 1:
        raise UsageError(
            f"task {task.name!r}: class {task.classes[scarce]!r} has {counts[scarce]} distinct training rows and needs "
            "10; give more rows that differ in more than a word or two, since near ones count once"
        )
    chosen: dict[int, list[int]] = {label: [] for label in spare}
    for cluster, example in first.items():
        chosen[example.label].append(cluster)
    dev = {cluster for found in chosen.values() for cluster in found[:most]}
    return [e for e, cluster in ordered if cluster not in dev], [first[cluster] for cluster in sorted(dev)]


def _in_turn(rows: Sequence[RawRow]) -> list[Example]:
    """Examples in the order of a salted hash of their texts, whatever the order of rows was."""
    return sorted(_examples([(row.text, row.label) for row in rows]), key=_turn)


def _turn(example: Example) -> str:
    return _sha256(f"{SALT}/order/{example.id}")


def _examples(pairs: Iterable[tuple[str, int]]) -> list[Example]:
    """Texts and labels as examples, sorted by both; a repeated text is known by its turn."""
    turns: Counter[str] = Counter()
    found = []
    for text, label in sorted(pairs):
        again = f"\n{turns[text]}" if turns[text] else ""
        turns[text] += 1
        found.append(Example(_sha256(text + again)[:12], text, label))
    return found


def _demand_ids(task: Task, examples: Sequence[Example]) -> None:
    if len({example.id for example in examples}) != len(examples):
        raise RunError(f"task {task.name!r}: two texts have one id; lengthen the ids")


def _normalised(task: Task, rows: Iterable[RawRow]) -> list[RawRow]:
    found = []
    for row in rows:
        if row.label not in range(len(task.classes)):
            raise UsageError(f"task {task.name!r}: label={row.label!r} of a row; use 0..{len(task.classes) - 1}")
        found.append(RawRow(normalise(row.text), row.label, row.group))
    return found


def _distinct(task: Task, rows: Iterable[RawRow], least: int = MIN_WORDS) -> list[RawRow]:
    """Normalised rows, one per normal form, sorted by text; forms that occur with two labels are dropped entirely."""
    by_form: defaultdict[str, list[RawRow]] = defaultdict(list)
    for row in _normalised(task, rows):
        if len(row.text.split()) >= least:
            by_form[normal_form(row.text)].append(row)
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


def _balanced(
    task: Task, side: str, ordered: Iterable[Example], least: int, most: int, near: Mapping[int, int] | None = None
) -> tuple[Example, ...]:
    """Equally many of every class, `least` to `most` each, the first ones of `ordered`; sorted by id."""
    chosen: list[list[Example]] = [[] for _ in task.classes]
    for example in ordered:
        chosen[example.label].append(example)
    smallest = min(range(len(chosen)), key=lambda label: len(chosen[label]))
    count = min(len(chosen[smallest]), most)
    if count < least:
        raise UsageError(
            f"task {task.name!r}: class {task.classes[smallest]!r} has {count} rows on the {side} side"
            + (f", where {taken} more are too near to another one," if (taken := (near or {}).get(smallest, 0)) else "")
            + f" and needs {least}; raise that side's share or give more rows"
        )
    return tuple(sorted((example for found in chosen for example in found[:count]), key=lambda example: example.id))


def _splits(corpus: Corpus) -> dict[str, tuple[Example, ...]]:
    return {"train": corpus.train, "dev": corpus.dev, "evaluation": corpus.evaluation}


def _corpus(
    task: Task, train: tuple[Example, ...], dev: tuple[Example, ...], evaluation: tuple[Example, ...]
) -> Corpus:
    contents = [[[example.text, example.label] for example in rows] for rows in (train, dev, evaluation)]
    return Corpus(task, train, dev, evaluation, _sha256(canonical(contents[:2])), _sha256(canonical(contents[2])))


def _renamed(corpus: Corpus, task: Task) -> Corpus:
    return Corpus(
        task, corpus.train, corpus.dev, corpus.evaluation, corpus.pool_sha256, corpus.evaluation_sha256
    )  # fmt: skip


def demand_pinned(corpus: Corpus) -> None:
    """Whatever the task pins of its rows must be what it has.

    Raises:
        RunError: names every sum that differs with both values.
    """
    sums = {name: (getattr(corpus, name), getattr(corpus.task, name)) for name in ("pool_sha256", "evaluation_sha256")}
    odd = {
        name: (found, pinned)
        for name, (found, pinned) in sums.items()
        if found != pinned and (pinned or corpus.task.read is not None)
    }
    if odd:
        told = " and ".join(
            f"{name} of the prepared rows is {found} and the task pins {pinned!r}"
            for name, (found, pinned) in odd.items()
        )
        raise RunError(
            f"task {corpus.task.name!r}: {told}; if the rows were meant to change, raise the task's version and pin "
            "what they are"
        )


def _cache_path(task: Task, made_of: object) -> Path:
    return home() / "tasks" / f"{task.name}-{digest(made_of)}.json"


def _kept(task: Task, path: Path, make: Callable[[], Corpus]) -> Corpus:
    def made() -> str:
        corpus = make()
        if task.read is not None:
            demand_pinned(corpus)
        return _kept_text(corpus)

    return kept(path, path.stem, partial(_read, task), made, what="prepared task", guard=path.with_suffix(".lock"))


def _kept_text(corpus: Corpus) -> str:
    splits: dict[str, object] = {side: [[e.text, e.label] for e in rows] for side, rows in _splits(corpus).items()}
    if corpus.task.read is None:  # nothing else says whether what is read again is whole
        splits["sums"] = [corpus.pool_sha256, corpus.evaluation_sha256]
    return json.dumps(splits, ensure_ascii=False)


def _cached(task: Task, path: Path) -> Corpus | None:
    """The corpus in the cache; None when it is absent or not what was put there."""
    try:
        return sealed(path, path.stem, partial(_read, task))
    except (FileNotFoundError, ValueError):
        return None


def _read(task: Task, text: str) -> Corpus:
    """The corpus in a text of `_kept_text`; raises ValueError for another one."""
    value = json.loads(text)
    corpus = _corpus(task, **{side: _in_order(value[side]) for side in ("train", "dev", "evaluation")})
    if task.read is None and value["sums"] != [corpus.pool_sha256, corpus.evaluation_sha256]:
        raise ValueError("its sums are not those of its rows")
    if task.read is not None:
        try:
            demand_pinned(corpus)
        except RunError as error:
            raise ValueError(str(error)) from error
    return corpus


def _in_order(rows: Iterable[tuple[str, int]]) -> tuple[Example, ...]:
    return tuple(sorted(_examples((text, label) for text, label in rows), key=lambda example: example.id))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
