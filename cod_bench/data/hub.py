"""Task on the Hugging Face hub -> its rows at one commit, and the lock file that pins what a first load saw. No torch.

No commit is written into a task file: the first load takes the newest, checks row counts, columns and labels, and
writes commit and content sums into `tasks.lock.json` in the working folder, for the user to commit. Later loads follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cod_bench.data import corpus as corpora
from cod_bench.data import locks
from cod_bench.errors import RunError, UsageError
from cod_bench.spec import digest
from cod_bench.store import home, lock
from cod_bench.task import Corpus, Hub, RawRow, Task

LOCK = locks.LOCK
BATCH = 1 << 16
"""Rows read at a time: the largest of these files has 3.6 million."""


def pinned(task: Task) -> Task:
    """The task with the sums of the lock file, where the task itself pins none.

    Raises:
        UsageError: the lock file is corrupt, or was written for other data under this name.
    """
    entry = _entry(task)
    if entry is None:
        return task
    return replace(task, pool_sha256=entry["pool_sha256"], evaluation_sha256=entry["evaluation_sha256"])


def load(task: Task, why_not: str = "") -> Corpus:
    """The canonical rows: at the commit of the lock file, or at the newest one, which is then locked.

    Args:
        why_not: what was looked for locally, for the sentence when there is nothing.

    Raises:
        UsageError: neither the hub nor its cache can be reached.
        RunError: what the hub has is not what the task says of it.
    """
    entry = _entry(task)
    if entry is None:
        with lock(home() / "tasks" / f".{task.name}-hub.lock"):
            entry = _entry(task)
            if entry is None:
                return _first(task, why_not)
    locked = pinned(task)
    commit = str(entry["commit"])
    found = corpora.load_given(task, ["hub", commit], lambda: _rows(task, *_snapshot(task, commit, why_not)))
    made = replace(found, task=locked)
    corpora.demand_pinned(made)
    return made


def at_hand(task: Task) -> Corpus | None:
    """`load` from what earlier loads of the locked commit kept; None where there is no lock or nothing is kept.

    Raises:
        UsageError: as `pinned`. RunError: what is kept is not what is pinned.
    """
    entry = _entry(task)
    found = None if entry is None else corpora.given_at_hand(task, ["hub", str(entry["commit"])])
    if found is None:
        return None
    made = replace(found, task=pinned(task))
    corpora.demand_pinned(made)
    return made


def _first(task: Task, why_not: str) -> Corpus:
    files, commit = _snapshot(task, "", why_not)
    found = corpora.load_given(task, ["hub", commit], lambda: _rows(task, files, commit))
    made = replace(found, task=replace(task, pool_sha256=found.pool_sha256))
    if not task.evaluation_sha256:
        made = replace(made, task=replace(made.task, evaluation_sha256=found.evaluation_sha256))
    corpora.demand_pinned(made)
    expected = task.evaluation_rows
    if task.keep != "distinct" and len(made.evaluation) != expected:
        raise RunError(
            f"task {task.name!r}: {len(made.evaluation)} evaluation rows at commit {commit[:12]} of {_hub(task).id!r} "
            f"and should have {expected}; the data set changed, so the task needs another version"
        )
    _write(task, commit, made)
    return made


def _hub(task: Task) -> Hub:
    if task.hub is None:
        raise UsageError(f"task {task.name!r}: does not come from the hub; its rows come with its package")
    return task.hub


def _snapshot(task: Task, commit: str, why_not: str) -> tuple[dict[str, list[Path]], str]:
    """Split -> parquet or Arrow files, and the commit they are of; from the hub, or offline from its caches."""
    import huggingface_hub

    hub = _hub(task)
    patterns = {split: hub.files.format(config=hub.config, split=split) for split in hub.rows}
    silent = silence()
    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                hub.id, repo_type="dataset", revision=commit or hub.revision, allow_patterns=list(patterns.values()),
                etag_timeout=10, local_files_only=bool(silent),
            )
        )  # fmt: skip
        files = {split: sorted(folder.glob(pattern)) for split, pattern in patterns.items()}
        if all(files.values()):
            return files, folder.name
        reason = f"it has no {next(p for split, p in patterns.items() if not files[split])}"
    except Exception as error:  # noqa: BLE001 - of httpx, of the hub or of the disk: the next source is tried
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        reason = silent or reason
    prepared = _prepared(hub, commit)
    if prepared is not None:
        return prepared
    raise UsageError(
        f"task {task.name!r}: no source for its rows: name local files by --data DIR (with {task.name}/train.* and "
        f"test.*) or --data {task.name}=DIR or COD_BENCH_DATA{why_not}, or let it reach {hub.id!r} on the Hugging Face "
        f"hub or in the cache of `datasets` ({reason})"
    )


def silence() -> str:
    """Why the hub cannot be asked, or "": its client would try for two minutes where there is no network at all."""
    import socket
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    from huggingface_hub import constants

    endpoint = urlsplit(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE or getproxies():  # the client says so itself; a proxy's user may not reach it directly
        return ""
    try:
        socket.create_connection((endpoint.hostname or "", endpoint.port or 443), timeout=10).close()
    except OSError as error:
        return f"{endpoint.hostname} does not answer: {error}"
    return ""


def _prepared(hub: Hub, commit: str) -> tuple[dict[str, list[Path]], str] | None:
    """What `datasets.load_dataset` prepared earlier: Arrow files under `<id>/<config>/<version>/<commit>`."""
    import datasets

    root = Path(datasets.config.HF_DATASETS_CACHE) / hub.id.replace("/", "___") / hub.config
    folders = sorted(root.glob(f"*/{commit or '*'}"), key=lambda path: path.stat().st_mtime)
    for folder in reversed([path for path in folders if path.is_dir()]):
        files = {split: sorted(folder.glob(f"*-{split}*.arrow")) for split in hub.rows}
        if all(files.values()):
            return files, folder.name
    return None


def _rows(task: Task, files: Mapping[str, list[Path]], commit: str) -> tuple[list[RawRow], list[RawRow] | None]:
    hub = _hub(task)
    train = _split(task, "train", files["train"], commit)
    return train, None if hub.evaluation is None else _split(task, hub.evaluation, files[hub.evaluation], commit)


def _split(task: Task, split: str, files: list[Path], commit: str) -> list[RawRow]:
    """Rows of one split with the task's labels, none longer than it says."""
    hub, found, count = _hub(task), [], 0
    where = f"task {task.name!r}: split {split!r} of {hub.id!r} at commit {commit[:12]}"
    for file in files:
        for texts, labels in _batches(file, hub, where):
            count += len(texts)
            for text, label in zip(texts, labels, strict=True):
                if label not in hub.labels:
                    raise RunError(f"{where} has label {label!r}; the task knows {', '.join(map(str, hub.labels))}")
                known = hub.labels[label]
                if known is not None and text and (hub.longest is None or len(text) <= hub.longest):
                    found.append(RawRow(text, known))
    if count != hub.rows[split]:
        raise RunError(
            f"{where} has {count} rows and should have {hub.rows[split]}; it changed, so the task needs another version"
        )
    return found


def _batches(file: Path, hub: Hub, where: str) -> Iterator[tuple[list[str], list[int]]]:
    import pyarrow as pa
    from pyarrow import parquet

    columns = [hub.text, hub.label]
    if file.suffix == ".arrow":
        with pa.memory_map(str(file)) as source:
            batches = list(pa.ipc.open_stream(source).read_all().to_batches(BATCH))
            names = batches[0].schema.names if batches else columns
            _demand_columns(columns, names, where)
            yield from ((b[hub.text].to_pylist(), b[hub.label].to_pylist()) for b in batches)
        return
    with parquet.ParquetFile(file) as opened:
        _demand_columns(columns, opened.schema_arrow.names, where)
        for batch in opened.iter_batches(BATCH, columns=columns):
            yield batch[hub.text].to_pylist(), batch[hub.label].to_pylist()


def _demand_columns(columns: list[str], names: list[str], where: str) -> None:
    for name in columns:
        if name not in names:
            raise RunError(
                f"{where} has no column {name!r} (it has {', '.join(names)}); the task needs another version"
            )


def _valid_for(task: Task) -> str:
    """What of a task an entry of the lock file is for."""
    return digest([task.source(), corpora.ARRANGED, corpora.SALT, corpora.MIN_WORDS, corpora.RESERVED])


def _entry(task: Task) -> Mapping[str, Any] | None:
    entry = _locked().get(task.base)
    if entry is not None and entry["valid_for"] != _valid_for(task):
        raise UsageError(
            f"{Path.cwd() / LOCK}: its entry {task.base!r} is for other data than version {task.version} of the task; "
            "delete that entry to pin anew (older records are then of another task)"
        )
    return entry


def _locked() -> Mapping[str, Mapping[str, Any]]:
    """The hub tasks of the working folder's lock file.

    Raises:
        UsageError: the file is corrupt.
    """
    value = locks.committed()
    if not value:
        return {}
    wanted = {"commit", "pool_sha256", "evaluation_sha256", "valid_for"}
    entries: Mapping[str, Any] = value.get("tasks", {})
    whole = "tasks" in value and value.get("schema") == locks.SCHEMA
    if not whole or not all(isinstance(entry, dict) and wanted <= set(entry) for entry in entries.values()):
        raise UsageError(
            f"{Path.cwd() / LOCK}: is corrupt (tasks of an unknown form); restore it or delete it to pin anew"
        )
    return entries


def _write(task: Task, commit: str, made: Corpus) -> None:
    hub = _hub(task)
    with lock(home() / "tasks" / ".lockfile.lock"):
        entries: dict[str, Any] = dict(_locked())
        entries[task.base] = {
            "hub": hub.id, "config": hub.config, "commit": commit, "version": task.version, "rows": dict(hub.rows),
            "kept": {"train": len(made.train), "dev": len(made.dev), "evaluation": len(made.evaluation)},
            "pool_sha256": made.pool_sha256, "evaluation_sha256": made.evaluation_sha256,
            "valid_for": _valid_for(task),
        }  # fmt: skip
        locks.put("tasks", entries)
