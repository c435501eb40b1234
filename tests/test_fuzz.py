"""Whatever a file holds: a value, or one sentence; never a traceback, a second or 200 MB.

COD_BENCH_FUZZ inputs, shared by the readers; nightly 50,000. A failure names the number that repeats it:
`fuzz.fault(target, fuzz.of(target, number))`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cod_bench import store
from cod_bench.analysis import declare
from cod_bench.baselines.kd import KD
from cod_bench.checks import facts, merge_base, rows
from cod_bench.counterfactuals import pairs, pool
from cod_bench.data import checkpoints, local, locks
from cod_bench.design import suites, tracks
from cod_bench.errors import RunError, UsageError
from cod_bench.generator import Entry
from cod_bench.generators._llm import prices
from cod_bench.records import declarations, evaluate, index, verdicts
from cod_bench.records.record import record_from_json, reference_from_json, sealed, summary, to_json
from cod_bench.records.results import INDEX, Results
from cod_bench.spec import digest
from tests import fuzz
from tests.declared import toy
from tests.records.test_verdicts import verdict
from tests.samples import forged, sample_record, sample_reference

COUNT = int(os.environ.get("COD_BENCH_FUZZ", "600"))
NEW = sealed(sample_record(rests_on={"teacher": "a" * 64, "pool": {"seed0-000-004.json": "b" * 64}}))
FULL = sample_record(
    rows={
        "hash": "0" * 12, "sources": ["1" * 12, "2" * 12], "balance": [1, 1], "labels": "01", "roles": "op",
        "substituted": 0, "passed_over": 0,
    },
    provenance={
        "cod_bench": "0.1.0", "git": {"commit": "a" * 40, "dirty": False}, "date": "2026-01-01",
        "environment": {"machine": "linux", "torch": "2.9"}, "energy": "codecarbon 3: estimate",
    },
    cost={"seconds": 2.0, "cpu_seconds": 1.0, "steps": 2.0, "train_seconds": 1.0},
)  # fmt: skip


def _record(folder: Path) -> fuzz.Target:
    def read(data: bytes) -> None:
        found = record_from_json(data.decode())
        assert record_from_json(to_json(found)) == found
        entry = index.Entry((1, 1, 1), summary(found))
        assert index.decode(index.encode({Results.name(found.spec, found.run_id): entry}, 10**18)) is not None
        for look in (rows.history, merge_base.provenance, rows.undecided, rows.alone):
            with suppress(UsageError):
                assert isinstance(look(found), str)
        with suppress(UsageError):
            evaluate.metrics(found.predictions, found.probabilities, sample_reference())

    return fuzz.Target("record", _texts(NEW, FULL, sample_record()), read, (ValueError,), _forged)


def _reference(folder: Path) -> fuzz.Target:
    def read(data: bytes) -> None:
        found = reference_from_json(data.decode())
        assert reference_from_json(to_json(found)) == found

    full = sample_reference(teacher_metrics={"accuracy": 0.5}, teacher_cost={"seconds": 1.0})
    return fuzz.Target("reference", _texts(full, sample_reference()), read, (ValueError,))


def _failure(folder: Path) -> fuzz.Target:
    results, path = Results(folder), Results(folder).failure_path(NEW.spec, NEW.run_id)

    def read(data: bytes) -> None:
        store.write_atomic(path, data)
        found = results.failure(NEW.spec, NEW.run_id)
        for told in (found.reason, found.retry):
            assert not fuzz._no_sentence(told), told
        assert results.failed()

    sound = {"run": "toy kd", "reason": "no\nluck", "traceback": ["a", "b"], "retry": "cod-bench run --rerun failed"}
    return fuzz.Target("failure", [json.dumps(sound).encode()], read, ())


def _verdicts(folder: Path) -> fuzz.Target:
    own = verdict([NEW], verdicts.Cell(NEW.run_id, verdicts.REPRODUCED, 1.0))
    text = verdicts.to_json([own, replace(own, method="lwd")])

    def read(data: bytes) -> None:
        store.write_atomic(folder / "reproduced.json", data)
        found = Results(folder).verdicts()
        verdicts.told(verdicts.holding(found, [NEW, FULL]), [NEW, FULL])

    return fuzz.Target("verdicts", [text.encode()], read, (UsageError,))


def _declaration(folder: Path) -> fuzz.Target:
    suite = suites.suite("toy")

    def read(data: bytes) -> None:
        found = declarations.from_json(data.decode())
        assert declarations.to_json(declarations.from_json(declarations.to_json(found))) == declarations.to_json(found)
        told = declare.kept(found, suite, [NEW, FULL])
        assert not told.departs or not fuzz._no_sentence(told.departs), told.departs

    return fuzz.Target("declaration", [declarations.to_json(toy()).encode()], read, (ValueError,))


def _index(folder: Path) -> fuzz.Target:
    results = Results(folder)
    results.write(NEW)
    name = Results.name(NEW.spec, NEW.run_id)
    stamp = index.stamp((folder / name).stat())
    text = index.encode({name: index.Entry(stamp, summary(NEW))}, 1 << 62).encode()

    def read(data: bytes) -> None:
        store.write_atomic(folder / INDEX, data)
        found, bad = results.glance()
        assert [one.spec for one in found] == [NEW.spec]
        assert not bad
        json.dumps([asdict(one) for one in found])
        sum(one.cpu_seconds for one in found)

    def resealed(data: bytes) -> bytes:
        body = data.partition(b"\n")[2].removesuffix(b"\n")
        head = {**json.loads(text.partition(b"\n")[0]), "sha256": hashlib.sha256(body).hexdigest()}
        return json.dumps(head).encode() + b"\n" + body + b"\n"

    return fuzz.Target("index", [text], read, (), resealed)


def _pairs(folder: Path) -> fuzz.Target:
    lines = [
        {"original": "a dull film", "original_label": 0, "counterfactual": "a great film", "counterfactual_label": 1},
        {"text": "a fine film", "label": 1, "cfe": "a poor film", "target": 0, "preserving": "a good film"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)

    def read(data: bytes) -> None:
        (folder / "pairs.jsonl").write_bytes(data)
        found = pairs.read(folder / "pairs.jsonl")
        assert all(pair.target in pairs.LABELS and pair.original for pair in found.pairs)
        pairs.write(folder / "again.jsonl", found.pairs)
        assert pairs.read(folder / "again.jsonl").pairs == found.pairs

    return fuzz.Target("pairs", [text.encode()], read, (UsageError,))


ROWS = [('a dull film, "really"', 0), ("caf\u00e9 fine", 1), ("so\nbad", 0), ("good", 1)]


def _local(form: str, folder: Path) -> fuzz.Target:
    def read(data: bytes) -> None:
        (folder / f"train.{form}").write_bytes(data)
        assert len(local.fingerprint(local.files(folder))["train"]) == 64
        train, _ = local.read(folder, ("bad", "good"))
        assert all(row.label in (0, 1) and row.text.encode() for row in train)

    (folder / "test.jsonl").write_text('{"text": "fine", "label": 1}\n')
    return fuzz.Target(f"local {form}", [_tables()[form]], read, (UsageError,))


def _tables() -> dict[str, bytes]:
    import pyarrow as pa
    from pyarrow import parquet

    lines = io.StringIO()
    csv.writer(lines).writerows([("id", "text", "label"), *((i, *row) for i, row in enumerate(ROWS))])
    file = io.BytesIO()
    parquet.write_table(pa.table({"text": [t for t, _ in ROWS], "label": [n for _, n in ROWS]}), file)
    jsonl = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in ROWS)
    return {"csv": lines.getvalue().encode(), "jsonl": jsonl.encode(), "parquet": file.getvalue()}


def _locks(folder: Path) -> fuzz.Target:
    os.chdir(folder)
    locks.put("models", {"owner/name": {"revision": "a" * 40, "sha256": "b" * 64}})
    locks.put("rates", {"mine/kd": 0.001})
    locks.put("tasks", {"sst2": {"revision": "a" * 40, "pool_sha256": "b" * 64}})
    text = (folder / locks.LOCK).read_bytes()
    bare = json.loads(text)
    del bare[locks.DIGESTS]

    def read(data: bytes) -> None:
        locks._read.cache_clear()
        (folder / locks.LOCK).write_bytes(data)
        for part in (*locks.PARTS, ""):
            json.dumps(locks.committed(part))

    return fuzz.Target("locks", [text, json.dumps(bare).encode()], read, (UsageError,))


def _track(folder: Path) -> fuzz.Target:
    os.environ["COD_BENCH_HOME"] = str(folder)
    side = asdict(tracks.TRACKS["toy"].teacher_side)
    hub = {**side, "source": "hub:owner/name", "sha256": "", "layers": None}
    values = {
        "title": "one -> other", "teacher": side, "student": hub, "layer_map": [[1, 2], [2, 4]], "aligned": True,
        "precision": "float32", "max_length": 128,
    }  # fmt: skip

    def read(data: bytes) -> None:
        store.write_atomic(folder / "tracks" / "mine.json", data)
        found = tracks.track("mine")
        assert tracks.exists("mine")
        json.dumps([found.teacher_side.identity(), found.title, found.layer_map, found.max_length])

    return fuzz.Target("track", [json.dumps(values).encode()], read, (UsageError, RunError))


def _settings(name: str, look: Callable[[], Any], value: dict[str, Any], folder: Path) -> fuzz.Target:
    os.environ["COD_BENCH_HOME"] = str(folder)
    path = folder / "locks" / f"{name}.json"

    def read(data: bytes) -> None:
        store.write_atomic(path, data)
        json.dumps(look())

    def stamped(data: bytes) -> bytes:
        with suppress(ValueError, RecursionError):
            value = json.loads(data)
            if isinstance(value, dict):
                return store.stamped({key: item for key, item in value.items() if key != store.STAMP}).encode()
        return data

    return fuzz.Target(name, [store.stamped(value).encode()], read, (UsageError, RunError), stamped)


def _prices(folder: Path) -> fuzz.Target:
    os.environ["COD_BENCH_PRICES"] = str(folder / "prices.json")
    table = {"as_of": "2026-01", "batch_share": 0.5, "models": {"mine": {"input": 1, "output": 2.5}}}

    def read(data: bytes) -> None:
        (folder / "prices.json").write_bytes(data)
        found = prices.price("mine")
        assert found is None or 0 <= found.dollars(10, 10, batch=True) < float("inf")

    return fuzz.Target("prices", [json.dumps(table).encode()], read, (UsageError,))


def _plugin(folder: Path) -> fuzz.Target:
    told = {"name": "mine", "version": 1, "summary": "An idea.", "card": "x", "licence": "MIT", "__doc__": "Idea."}

    def read(data: bytes) -> None:
        value = json.loads(data)
        if not isinstance(value, dict):
            return
        values = {str(name): item for name, item in value.items() if "\0" not in str(name)}
        values.pop("__slots__", None)
        plugin = type("Mine", (KD,), values)
        found = facts.attempt(lambda: facts.told(plugin))
        json.loads(json.dumps(found))

    return fuzz.Target("plugin", [json.dumps(told).encode()], read, (ValueError, TypeError, RecursionError))


def _sealed(what: str, folder: Path) -> fuzz.Target:
    entry = Entry(
        id="0" * 12, target=1, first="a", first_flips=True, cfe="a", random=None, preserving="b",
        edited={"cfe": 1, "first": 1, "preserving": 1}, words=3, margin=-0.5, margins={"cfe": 0.5}, redraws={},
        refused=0, **dict.fromkeys(_further(), 0),
    )  # fmt: skip
    path = folder / ("seed0-000-002.json" if what == "block" else "state.json")
    body = {
        "block": {"entries": [asdict(entry)] * 2},
        "state": {"weights": [0.1, 0.2], "words": {"fine": 1}},
        "task": {side: [["a fine film", 1], ["a dull film", 0]] for side in ("train", "dev", "evaluation")},
    }[what]
    read_: Callable[[str], Any] = partial(pool.demand, path) if what != "task" else _rows
    text = store.seal(json.dumps(body), path.name).encode()

    def read(data: bytes) -> None:
        path.write_bytes(data)
        store.sealed(path, path.name, read_)

    def resealed(data: bytes) -> bytes:
        inner = data.partition(b"\n")[2].removesuffix(b"\n").decode("utf-8", "surrogateescape")
        with suppress(UnicodeEncodeError):
            return store.seal(inner, path.name).encode()
        return data

    return fuzz.Target(f"sealed {what}", [text], read, (ValueError,), resealed)


def _rows(text: str) -> Any:
    from cod_bench.data.corpus import _in_order

    value = json.loads(text)
    return [_in_order(value[side]) for side in ("train", "dev", "evaluation")]


def _further() -> list[str]:
    known = {
        "id", "target", "first", "first_flips", "cfe", "random", "preserving", "edited", "words", "margin", "margins",
        "redraws", "refused",
    }  # fmt: skip
    return [name for name in Entry.__slots__ if name not in known]


def _texts(*values: Any) -> list[bytes]:
    return [to_json(value).encode() for value in values]


def _forged(data: bytes) -> bytes:
    """Under the digests of what it says now, as who changes it on purpose would write it."""
    try:
        value = json.loads(data)
        if isinstance(value, dict) and isinstance(value.get("identity"), dict):
            value["run_id"] = digest(value["identity"])
        return forged(value).encode() if isinstance(value, dict) else data
    except (ValueError, RecursionError):
        return data


TARGETS: dict[str, Callable[[Path], fuzz.Target]] = {
    "record": _record, "reference": _reference, "failure": _failure, "verdicts": _verdicts, "index": _index,
    "declaration": _declaration,
    "pairs": _pairs, "csv": partial(_local, "csv"), "jsonl": partial(_local, "jsonl"),
    "parquet": partial(_local, "parquet"), "locks": _locks,
    "rates": partial(_settings, "rates", tracks.rates, {"mine/kd": 0.001, "toy+x/lwd": 1e-5}),
    "models": partial(
        _settings, "models", checkpoints.seen, {"owner/name": {"revision": "a" * 40, "sha256": "b" * 64}}
    ), "track": _track, "prices": _prices, "plugin": _plugin,
    "block": partial(_sealed, "block"), "state": partial(_sealed, "state"), "task": partial(_sealed, "task"),
}  # fmt: skip


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("COD_BENCH_HOME", "COD_BENCH_PRICES"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TARGETS)
def test_whatever_is_read_is_a_value_or_a_sentence(name: str, apart: Path) -> None:
    found = fuzz.faults(TARGETS[name](apart), COUNT // len(TARGETS) + 1)
    assert not found, "\n".join(found)


def test_inputs_are_functions_of_their_numbers_and_differ(apart: Path) -> None:
    target = _record(apart)
    made = [fuzz.of(target, number) for number in range(60)]
    assert made == [fuzz.of(target, number) for number in range(60)]
    assert len(set(made)) > 50
    assert not set(made) & set(target.sound) or len(set(made) & set(target.sound)) < 5


def _crash(data: bytes) -> None:
    json.loads(data)["reason"]


def _two_lines(data: bytes) -> None:
    if data not in SOUND:
        raise ValueError("one\ntwo")


def _silent(data: bytes) -> None:
    if data not in SOUND:
        raise ValueError


def _slow(data: bytes) -> None:
    import time

    if data not in SOUND:
        time.sleep(fuzz.SECONDS + 0.01)


def _greedy(data: bytes) -> None:
    if data not in SOUND:
        bytearray(2 * fuzz.MEGABYTES << 20)


SOUND = [b'{"reason": "x", "retry": "y"}']


@pytest.mark.parametrize(
    ("reader", "count", "told"),
    [
        (_crash, 100, "KeyError"), (_crash, 100, "TypeError"), (_two_lines, 10, "control characters"),
        (_silent, 10, "without a word"), (_slow, 1, "slow"), (_greedy, 2, "200 MB"),
    ],
)  # fmt: skip
def test_what_a_reader_may_not_do_is_found(reader: Callable[[bytes], object], count: int, told: str) -> None:
    found = fuzz.faults(fuzz.Target("broken", SOUND, reader, (ValueError,)), count)
    assert any(told in one and "seed=14 number=" in one for one in found), found
