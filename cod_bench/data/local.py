"""Local files of a task -> raw rows: train.* and test.* as csv, jsonl, parquet or a `save_to_disk` folder. No torch."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cod_bench.errors import UsageError
from cod_bench.task import RawRow, normalise

SPLITS = ("train", "test")
SUFFIXES = (".csv", ".jsonl", ".parquet")
COLUMNS = ("text", "label")
LONGEST_FIELD = 1 << 24
"""Characters of a CSV field; Python's own limit of 131,072 is below some reviews."""


def files(folder: Path) -> dict[str, Path]:
    """The file or `save_to_disk` folder of each split.

    Raises:
        UsageError: a split is not there, or there twice.
    """
    found = {}
    for split in SPLITS:
        candidates = [path for suffix in SUFFIXES if (path := folder / f"{split}{suffix}").is_file()]
        candidates += [path for path in (folder / split,) if (path / "dataset_info.json").is_file()]
        if not candidates:
            raise UsageError(
                f"--data {folder}: holds no {split}.csv, {split}.jsonl, {split}.parquet or {split} folder of "
                "save_to_disk; put one there with columns text and label"
            )
        if len(candidates) > 1:
            raise UsageError(f"--data {folder}: holds both {' and '.join(p.name for p in candidates)}; leave one")
        found[split] = candidates[0]
    return found


def fingerprint(folder: Path) -> dict[str, str]:
    """Sha256 of the bytes of each split: what the cache of prepared rows is keyed by."""
    return {split: _sha256(path) for split, path in files(folder).items()}


def read(folder: Path, classes: Sequence[str]) -> tuple[list[RawRow], list[RawRow]]:
    """Training and evaluation rows, with labels as class numbers.

    Raises:
        UsageError: an unreadable file, a missing column, an empty text or an unknown label, with file and row.
    """
    train, test = (_split(path, classes) for path in files(folder).values())
    return train, test


def _split(path: Path, classes: Sequence[str]) -> list[RawRow]:
    reader = _saved if path.is_dir() else {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}[path.suffix]
    found = []
    try:
        for number, row in enumerate(reader(path), 1):
            text = row["text"]
            if not isinstance(text, str) or not normalise(text):
                raise UsageError(f"{path}, row {number}: text={text!r}; every row needs one")
            found.append(RawRow(text, _label(row["label"], classes, f"{path}, row {number}")))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
    if not found:
        raise UsageError(f"{path}: holds no rows; give at least some of every class")
    return found


def _label(value: object, classes: Sequence[str], where: str) -> int:
    """A class number from a number, its digits or the class's name."""
    names = {name.casefold(): number for number, name in enumerate(classes)}
    names |= {str(number): number for number in range(len(classes))}
    found = None if isinstance(value, bool) else names.get(str(value).strip().casefold())
    if found is None:
        numbers = " or ".join(map(str, range(len(classes))))
        raise UsageError(f"{where}: label={value!r}; write {numbers}, or {' or '.join(classes)}")
    return found


def _demand_columns(path: Path, found: Sequence[str]) -> None:
    lacking = [name for name in COLUMNS if name not in found]
    if lacking:
        there = ", ".join(map(str, found)) or "none"
        raise UsageError(f"{path}: has no column {lacking[0]!r} (it has {there}); name its columns text and label")


def _csv(path: Path) -> Iterator[Mapping[str, Any]]:
    csv.field_size_limit(LONGEST_FIELD)
    with path.open(newline="", encoding="utf-8-sig") as lines:
        rows = csv.DictReader(lines)
        _demand_columns(path, rows.fieldnames or [])
        try:
            yield from rows
        except csv.Error as error:
            raise UsageError(f"{path}, line {rows.line_num}: is not CSV ({error}); quote texts with commas") from error


def _jsonl(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UsageError(f"{path}, line {number}: is not JSON ({error}); write one object a line") from error
            if not isinstance(row, dict):
                raise UsageError(f"{path}, line {number}: is not a JSON object; write one object a line")
            _demand_columns(path, list(row))
            yield row


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            _demand_columns(path, file.schema_arrow.names)
            for batch in file.iter_batches(columns=list(COLUMNS)):
                yield from batch.to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise UsageError(f"{path}: is not a parquet file ({error}); write it again") from error


def _saved(path: Path) -> Iterator[Mapping[str, Any]]:
    import datasets

    try:
        found = datasets.load_from_disk(str(path))
    except Exception as error:
        raise UsageError(f"{path}: is no folder of save_to_disk ({error}); save the split again") from error
    _demand_columns(path, found.column_names)
    label = found.features["label"]
    names = getattr(label, "names", None)
    for row in found.select_columns(list(COLUMNS)):
        # a ClassLabel's numbers follow its own order of names
        yield {**row, "label": names[row["label"]] if names and isinstance(row["label"], int) else row["label"]}


def _sha256(path: Path) -> str:
    """Of a file's bytes, or of every file of a folder with its name."""
    try:
        if path.is_file():
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        parts = [f"{file.name} {_sha256(file)}" for file in sorted(path.iterdir()) if file.is_file()]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); make it readable") from error
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
