"""Local files of a task -> raw rows: train.* and test.* as csv, jsonl, parquet or a `save_to_disk` folder. No torch."""

from __future__ import annotations

import csv
import hashlib
import io
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from cod_bench.errors import UsageError, plain
from cod_bench.spec import parsed
from cod_bench.store import opened
from cod_bench.task import RawRow, normalise

Label = TypeVar("Label")

SPLITS = ("train", "test")
SUFFIXES = (".csv", ".jsonl", ".parquet")
COLUMNS = ("text", "label")
LARGEST = 2_000_000_000
"""Bytes of a file that is read."""
LONGEST_SHOWN = 60
"""Characters of a value that stand in a sentence."""
LONGEST_LINE = 1 << 24
"""Characters of a line of JSON."""
LONGEST_FIELD = 1 << 24
"""Characters of a CSV field; Python's own limit of 131,072 is below some reviews."""


def files(folder: Path) -> dict[str, Path]:
    """The file or `save_to_disk` folder of each split.

    Raises:
        UsageError: a split is not there, or there twice.
    """
    found = {}
    for split in SPLITS:
        if (path := _file(folder, split)) is None:
            raise UsageError(
                f"--data {folder}: holds no {split}.csv, {split}.jsonl, {split}.parquet or {split} folder of "
                "save_to_disk; put one there with columns text and label"
            )
        found[split] = path
    return found


def own_files(where: Path) -> dict[str, Path]:
    """Those of a task of one's own: one file of rows, or a folder with `train` and, if it likes, `test`.

    Raises:
        UsageError: no such file.
    """
    if not where.is_dir():
        if where.suffix not in SUFFIXES or not _lies(where):
            raise UsageError(
                f"--data {where}: is no folder and no file of {', '.join(SUFFIXES)}; name one that is there"
            )
        return {"train": where}
    if _file(where, "train") is None:
        files(where)  # says what is missing
    return {split: path for split in SPLITS if (path := _file(where, split)) is not None}


def _file(folder: Path, split: str) -> Path | None:
    """The file or `save_to_disk` folder of a split; None if there is none."""
    candidates = [path for suffix in SUFFIXES if _lies(path := folder / f"{split}{suffix}")]
    candidates += [path for path in (folder / split,) if (path / "dataset_info.json").is_file()]
    if len(candidates) > 1:
        raise UsageError(f"--data {folder}: holds both {' and '.join(p.name for p in candidates)}; leave one")
    return candidates[0] if candidates else None


def fingerprint(found: Mapping[str, Path]) -> dict[str, str]:
    """Sha256 of the bytes of each split: what the cache of prepared rows is keyed by."""
    return {split: _sha256(path) for split, path in found.items()}


def table(where: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]] | None]:
    """Texts with their labels as they are written, of `own_files`; None where there are no test rows.

    Raises:
        UsageError: an unreadable file, a missing column, an empty text or no label, with file and row.
    """
    found = {split: _rows(path, _written) for split, path in own_files(where).items()}
    return found["train"], found.get("test")


def _written(value: object, where: str) -> str:
    told = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not told:
        raise UsageError(f"{where}: label={_short(value)}; write a class's name or number")
    return told


def read(folder: Path, classes: Sequence[str]) -> tuple[list[RawRow], list[RawRow]]:
    """Training and evaluation rows, with labels as class numbers.

    Raises:
        UsageError: an unreadable file, a missing column, an empty text or an unknown label, with file and row.
    """
    train, test = (_split(path, classes) for path in files(folder).values())
    return train, test


def _split(path: Path, classes: Sequence[str]) -> list[RawRow]:
    rows = _rows(path, lambda value, where: _label(value, classes, where))
    return [RawRow(text, label) for text, label in rows]


def _rows(path: Path, labelled: Callable[[object, str], Label]) -> list[tuple[str, Label]]:
    reader = _saved if path.is_dir() else {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}[path.suffix]
    found = []
    try:
        for number, row in enumerate(reader(path), 1):
            text = row["text"]
            if not isinstance(text, str) or not normalise(text):
                raise UsageError(f"{path}, row {number}: text={_short(text)}; every row needs one")
            found.append((text, labelled(row["label"], f"{path}, row {number}")))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        told = error.strerror if isinstance(error, OSError) else error
        raise UsageError(plain(f"{path}: {told}; put a file of rows there")) from error
    if not found:
        raise UsageError(f"{path}: holds no rows; give at least some of every class")
    return found


def _lies(path: Path) -> bool:
    """Whether a file lies there; also what is none, which reading then refuses, but no folder."""
    try:
        return not stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _short(value: object) -> str:
    """A value of a file in a sentence."""
    if isinstance(value, (str, int, float, bool, type(None))):
        told = "a whole number of many digits" if isinstance(value, int) and abs(value) > 1 << 64 else repr(value)
        return plain(told if len(told) <= LONGEST_SHOWN else f"{told[:LONGEST_SHOWN]}...")
    return f"a {type(value).__name__}"


def _label(value: object, classes: Sequence[str], where: str) -> int:
    """A class number from a number, its digits or the class's name."""
    names = {name.casefold(): number for number, name in enumerate(classes)}
    names |= {str(number): number for number in range(len(classes))}
    told = isinstance(value, (str, int)) and not isinstance(value, bool)
    found = names.get(str(value).strip().casefold()) if told else None
    if found is None:
        numbers = " or ".join(map(str, range(len(classes))))
        raise UsageError(f"{where}: label={_short(value)}; write {numbers}, or {' or '.join(classes)}")
    return found


def _demand_columns(path: Path, found: Sequence[str]) -> None:
    lacking = [name for name in COLUMNS if name not in found]
    if lacking:
        there = plain(", ".join(map(str, found)))[: 5 * LONGEST_SHOWN] or "none"
        raise UsageError(f"{path}: has no column {lacking[0]!r} (it has {there}); name its columns text and label")


def _csv(path: Path) -> Iterator[Mapping[str, Any]]:
    csv.field_size_limit(LONGEST_FIELD)
    with opened(path, LARGEST) as file, io.TextIOWrapper(file, newline="", encoding="utf-8-sig") as lines:
        rows = csv.DictReader(lines)
        try:
            _demand_columns(path, rows.fieldnames or [])
            yield from rows
        except csv.Error as error:
            raise UsageError(f"{path}, line {rows.line_num}: is not CSV ({error}); quote texts with commas") from error


def _jsonl(path: Path) -> Iterator[Mapping[str, Any]]:
    with opened(path, LARGEST) as file, io.TextIOWrapper(file, encoding="utf-8") as lines:
        for number, line in enumerate(iter(lambda: lines.readline(LONGEST_LINE), ""), 1):
            if not line.strip():
                continue
            try:
                if len(line) == LONGEST_LINE:
                    raise ValueError(f"more than {LONGEST_LINE:,} characters")  # noqa: TRY301 - one sentence for all
                row = parsed(line, strict=False)
            except ValueError as error:
                told = str(error).removeprefix("not JSON: ")
                raise UsageError(f"{path}, line {number}: is not JSON ({told}); write one object a line") from error
            if not isinstance(row, dict):
                raise UsageError(f"{path}, line {number}: is not a JSON object; write one object a line")
            _demand_columns(path, list(row))
            yield row


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with opened(path, LARGEST) as stream, parquet.ParquetFile(stream) as file:
            _demand_columns(path, file.schema_arrow.names)
            for batch in file.iter_batches(columns=list(COLUMNS)):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        told = plain(str(error).splitlines()[0][:200] if str(error) else type(error).__name__)
        raise UsageError(f"{path}: is not a parquet file ({told}); write it again") from error


def _saved(path: Path) -> Iterator[Mapping[str, Any]]:
    import datasets

    try:
        if odd := [file for file in sorted(path.rglob("*")) if not stat.S_ISREG(file.lstat().st_mode)]:
            raise ValueError(f"{odd[0].name} is no regular file")  # noqa: TRY301 - one sentence for all
        found = datasets.load_from_disk(str(path))
    except Exception as error:
        told = plain(str(error)[:200])
        raise UsageError(f"{path}: is no folder of save_to_disk ({told}); save the split again") from error
    _demand_columns(path, found.column_names)
    label = found.features["label"]
    names = getattr(label, "names", None)
    for row in found.select_columns(list(COLUMNS)):
        # a ClassLabel's numbers follow its own order of names
        yield {**row, "label": names[row["label"]] if names and isinstance(row["label"], int) else row["label"]}


def _sha256(path: Path) -> str:
    """Of a file's bytes, or of every file of a folder with its name."""
    try:
        if not path.is_dir() or path.is_symlink():
            with opened(path, LARGEST) as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        parts = [f"{file.name} {_sha256(file)}" for file in sorted(path.iterdir()) if not file.is_dir()]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); make it readable") from error
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(plain(f"{path}: {error}; put the file itself there")) from error
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()
