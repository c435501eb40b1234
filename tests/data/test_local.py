"""Local files in every form -> the same rows, and what is wrong with a file in one sentence."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cod_bench.data import local as localfiles
from cod_bench.errors import UsageError
from cod_bench.task import RawRow

CLASSES = ("negative", "positive")
ROWS = [('fine, "really" fine', 1), ("so\nbad", 0), ("NA", 0), ("d\u00e9j\u00e0 vu \u2014 good", 1), ("  007 ", 1)]


def as_csv(path: Path, rows: Sequence[tuple[str, object]]) -> None:
    with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([("id", "text", "label"), *((i, *row) for i, row in enumerate(rows))])


def as_jsonl(path: Path, rows: Sequence[tuple[str, object]]) -> None:
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    path.with_suffix(".jsonl").write_text("\n".join(lines) + "\n\n", encoding="utf-8")


def as_parquet(path: Path, rows: Sequence[tuple[str, object]]) -> None:
    columns = {"label": [label for _, label in rows], "text": [text for text, _ in rows]}
    pq.write_table(pa.table(columns), path.with_suffix(".parquet"))


def as_folder(path: Path, rows: Sequence[tuple[str, object]]) -> None:
    columns = {"text": [text for text, _ in rows], "label": [label for _, label in rows]}
    datasets.Dataset.from_dict(columns).save_to_disk(str(path))


FORMS = {"csv": as_csv, "jsonl": as_jsonl, "parquet": as_parquet, "save_to_disk": as_folder}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_rows_that_were_written(form: str, tmp_path: Path) -> None:
    FORMS[form](tmp_path / "train", ROWS)
    FORMS[form](tmp_path / "test", ROWS[::-1])
    train, test = localfiles.read(tmp_path, CLASSES)
    assert train == [RawRow(text, label) for text, label in ROWS]
    assert test == train[::-1]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("labels", [("0", "1"), ("negative", "positive"), ("Negative ", "POSITIVE")])
def test_labels_may_be_digits_or_the_names_of_classes(form: str, labels: tuple[str, str], tmp_path: Path) -> None:
    for split in localfiles.SPLITS:
        FORMS[form](tmp_path / split, [(text, labels[label]) for text, label in ROWS])
    assert [row.label for row in localfiles.read(tmp_path, CLASSES)[0]] == [label for _, label in ROWS]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("label", "shown"), [(2, "2"), (-1, "-1"), ("good", "'good'")])
def test_any_other_label_is_named_with_its_row(form: str, label: object, shown: str, tmp_path: Path) -> None:
    as_jsonl(tmp_path / "test", ROWS)
    FORMS[form](tmp_path / "train", [("fine", label), ("bad", label)])
    with pytest.raises(UsageError, match=rf"train.*, row 1: label='?{shown}'?; write 0 or 1, or negative or positive"):
        localfiles.read(tmp_path, CLASSES)


def test_the_names_of_a_class_label_count_and_not_its_numbers(tmp_path: Path) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["positive", "negative"])}
    )
    both = datasets.Dataset.from_dict({"text": ["good one", "bad one"], "label": [0, 1]}, features=features)
    datasets.DatasetDict({"train": both, "test": both}).save_to_disk(str(tmp_path / "six"))
    assert localfiles.read(tmp_path / "six", CLASSES)[0] == [RawRow("good one", 1), RawRow("bad one", 0)]


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_file_and_an_empty_text_are_named(form: str, tmp_path: Path) -> None:
    as_jsonl(tmp_path / "test", ROWS)
    FORMS[form](tmp_path / "train", [("fine", 1), (" \u200b", 0)])
    with pytest.raises(UsageError, match=r"train.*, row 2: text=' .*'; every row needs one"):
        localfiles.read(tmp_path, CLASSES)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("train.csv", "text,label\n", "train.csv: holds no rows"),
        ("train.csv", "", r"train.csv: has no column 'text' \(it has none\)"),
        ("train.csv", "sentence,label\nfine,1\n", r"no column 'text' \(it has sentence, label\); name its columns"),
        ("train.csv", "text,label\nfine\n", "train.csv, row 1: label=None; write 0 or 1"),
        ("train.jsonl", "", "train.jsonl: holds no rows"),
        ("train.jsonl", '{"text": "fine"}\n', r"no column 'label' \(it has text\)"),
        ("train.jsonl", '{"text": "fine", "label": 1}\n{"text"\n', "line 2: is not JSON"),
        ("train.jsonl", "[1]\n", "line 1: is not a JSON object"),
        ("train.jsonl", '{"text": 7, "label": 1}\n', "row 1: text=7; every row needs one"),
        ("train.jsonl", '{"text": "fine", "label": true}\n', "row 1: label=True; write 0 or 1"),
        ("train.parquet", "not parquet", "train.parquet: is not a parquet file"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(name: str, content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    as_jsonl(tmp_path / "test", ROWS)
    with pytest.raises(UsageError, match=said) as caught:
        localfiles.read(tmp_path, CLASSES)
    assert "\n" not in str(caught.value)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes("text,label\ncaf\u00e9,1\n".encode("latin-1"))
    as_jsonl(tmp_path / "test", ROWS)
    with pytest.raises(UsageError, match=r"train.csv: is not UTF-8"):
        localfiles.read(tmp_path, CLASSES)


def test_a_missing_split_and_one_that_is_there_twice_are_named(tmp_path: Path) -> None:
    as_csv(tmp_path / "train", ROWS)
    with pytest.raises(UsageError, match=r"holds no test.csv, test.jsonl, test.parquet or test folder"):
        localfiles.files(tmp_path)
    as_folder(tmp_path / "test", ROWS)
    as_jsonl(tmp_path / "test", ROWS)
    with pytest.raises(UsageError, match=r"holds both test.jsonl and test; leave one"):
        localfiles.files(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_the_fingerprint_follows_every_byte(form: str, tmp_path: Path) -> None:
    def fingerprint(rows: Sequence[tuple[str, object]], write: Callable[..., None] = FORMS[form]) -> dict[str, str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        write(folder / "train", rows)
        write(folder / "test", ROWS)
        return localfiles.fingerprint(localfiles.files(folder))

    changed = fingerprint([*ROWS[:-1], ("  008 ", 1)])
    assert changed["train"] != fingerprint(ROWS)["train"]


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(8 << 30)


@pytest.mark.parametrize("suffix", localfiles.SUFFIXES)
@pytest.mark.parametrize(
    ("put", "said"),
    [
        (_pipe, "is a pipe, and only regular files are read"), (_link, "is a link, and only regular files are read"),
        (_sparse, "has 8,589,934,592 bytes, and at most 2,000,000,000 are read"),
    ],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_what_is_no_file_of_rows_is_a_sentence_and_never_waited_for(
    suffix: str, put: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    put(tmp_path / f"train{suffix}")
    as_jsonl(tmp_path / "test", ROWS)
    for look in (
        lambda folder: localfiles.fingerprint(localfiles.files(folder)),
        lambda folder: localfiles.read(folder, CLASSES),
    ):
        with pytest.raises(UsageError, match=rf"train{suffix}: .*{said}"):
            look(tmp_path)


def test_a_saved_folder_with_a_link_in_it_is_refused(tmp_path: Path) -> None:
    as_folder(tmp_path / "train", ROWS)
    as_jsonl(tmp_path / "test", ROWS)
    (tmp_path / "train" / "more").symlink_to("/dev/zero")
    with pytest.raises(UsageError, match=r"train: is no folder of save_to_disk .more is no regular file.; save the"):
        localfiles.read(tmp_path, CLASSES)
    with pytest.raises(UsageError, match="train/more: is a link"):
        localfiles.fingerprint(localfiles.files(tmp_path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[" * 100_000, "line 1: is not JSON .*nested too deeply, and at most 64 levels are read"),
        ('{"text": "a\\ud800", "label": 1}', "line 1: is not JSON .an escape is half of a character"),
        ('{"text": "a", "label": "' + "\\u001b[31m" * 100 + '"}', r"label='.{59}\.\.\.; write 0 or 1"),
        ('{"' + "\\u001b" * 500 + '": "a", "label": 1}', r"has no column 'text' \(it has .{,400}\)"),
        ('{"text": "' + "x" * (1 << 24) + '", "label": 1}', "line 1: is not JSON .more than 16,777,216 characters"),
        ('{"text": {"a": 1}, "label": 1}', "row 1: text=a dict; every row needs one"),
        ('{"text": "a", "label": ' + "9" * 4000 + "}", "label=a whole number of many digits; write 0 or 1"),
    ],
)
def test_odd_rows_are_a_short_sentence_without_control_characters(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(content)
    as_jsonl(tmp_path / "test", ROWS)
    with pytest.raises(UsageError, match=said) as caught:
        localfiles.read(tmp_path, CLASSES)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def test_numbers_that_are_none_may_stand_in_other_columns(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "fine", "label": 1, "score": NaN}\n')
    as_jsonl(tmp_path / "test", ROWS)
    assert localfiles.read(tmp_path, CLASSES)[0] == [RawRow("fine", 1)]
