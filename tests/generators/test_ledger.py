"""A ledger that something happened to: the same reply for each request, or none and a sentence, never another one."""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cod_bench.errors import UsageError
from cod_bench.generators._llm import ledger as _ledger
from cod_bench.generators._llm import lines as _lines
from cod_bench.generators._llm import rows as _rows
from cod_bench.generators._llm.ledger import Ledger, Reply, Request, adopt, faults, put_aside
from cod_bench.generators.llm import Llm
from cod_bench.spec import canonical
from tests import ROOT
from tests.endpoint import CLOSER, FLIP, MISS, QUERY, TOY, Linear, Server, kept, rows

NOTHING = "is not what was written there: its digest is another one"


def request(number: int, **more: Any) -> Request:
    body = {"model": "m", "messages": [{"role": "user", "content": f"q{number}"}], "sample": 0, "parameters": {}}
    return Request({**body, **more}, {"kind": "edit", "task": "toy", "prompt": "p", "attempt": 0})


def answer(text: str) -> dict[str, Any]:
    return {
        "text": text,
        "finish_reason": "stop",
        "served": None,
        "usage": None,
        "time": "",
        "seconds": 0,
        "retries": 0,
    }


REQUESTS = [request(number) for number in range(3)]
ANSWERS = ["the film \u00e9", "was great", "and fresh"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("ledger") / "m.jsonl"
    for asked, text in zip(REQUESTS, ANSWERS, strict=True):
        Ledger(path).add(asked, answer(text))
    return path.read_bytes()


class Trials:
    """Ledgers with given contents, each in a folder of its own; counts what each makes of the three requests."""

    def __init__(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.folder, self.caplog, self.number = folder, caplog, 0

    def __call__(self, data: bytes) -> tuple[list[str | None], list[str]]:
        self.number += 1
        path = self.folder / str(self.number) / "m.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        self.caplog.clear()
        ledger = Ledger(path)
        found = [reply.text if (reply := ledger.find(asked.key)) else None for asked in REQUESTS]
        said = [record.getMessage() for record in self.caplog.records if record.levelno == logging.WARNING]
        assert all(new in (old, None) for new, old in zip(found, ANSWERS, strict=True)), "another reply"
        assert len(faults(path)) >= len(said)
        assert bool(faults(path)) == bool(said), "the same line twice is told once"
        assert path.read_bytes() == data, "nothing is thrown away"
        aside = path.with_name("m.jsonl.aside")
        assert (aside.read_bytes().count(b"\n") if aside.exists() else 0) == len(said)
        return found, said


@pytest.fixture
def trial(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Trials:
    return Trials(tmp_path, caplog)


def test_every_byte_changed_in_turn_is_told_and_gives_no_other_reply(trial: Trials, whole: bytes) -> None:
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << (at % 8)
        found, said = trial(bytes(changed))
        assert None in found, f"byte {at}"
        assert len(said) == 1, f"byte {at}"
        assert said[0].startswith("ledger ")
        assert said[0].endswith("its request is sent again only with leave (--yes or `cod-bench cfe generate`)")
    assert trial.number == len(whole) > 1000


def test_lines_that_are_swapped_or_doubled_are_the_same_and_one_that_is_gone_is_not_answered(
    trial: Trials, whole: bytes
) -> None:
    one, two, three = whole.splitlines(keepends=True)
    assert trial(three + one + two) == (ANSWERS, [])
    assert trial(one + one + two + three + two) == (ANSWERS, [])
    assert trial(one + three) == ([ANSWERS[0], None, ANSWERS[2]], [])
    assert trial(b"\n" + one + b"\n\n" + two + three) == (ANSWERS, [])


def test_a_line_that_is_shortened_is_told_unless_it_may_still_grow(trial: Trials, whole: bytes) -> None:
    one, two, three = whole.splitlines(keepends=True)
    for end in range(1, len(two) - 1, 7):
        assert trial(one + two[:end] + b"\n" + three)[0] == [ANSWERS[0], None, ANSWERS[2]]
        assert len(trial(one + two[end:] + three)[1]) == 1
        assert trial(one + two[:end]) == ([ANSWERS[0], None, None], [])
    assert trial(one + two[:-1]) == ([*ANSWERS[:2], None], [])


@pytest.mark.parametrize("name", ["text", "finish_reason", "key", "sha256", "messages", "of"])
def test_what_is_swapped_between_two_lines_is_never_used(trial: Trials, whole: bytes, name: str) -> None:
    one, two, three = (json.loads(line) for line in whole.splitlines())
    two["finish_reason"], two["of"]["attempt"] = "length", 1
    two = json.loads(_rows.line_of({k: v for k, v in two.items() if k != "sha256"}))
    one[name], two[name] = two[name], one[name]
    found, said = trial(b"".join(canonical(row).encode() + b"\n" for row in (one, two, three)))
    assert found == [None, None, ANSWERS[2]]
    assert len(said) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{}", "holds no request"),
        (b"[1]", "holds no request"),
        (b"null", "holds no request"),
        (b"[" * 100_000, "is cut short or no JSON"),
        (b"\0" * 4096, "is cut short or no JSON"),
        (b"\xff", "is cut short or no JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", "is cut short or no JSON"),
        (b'{"text":NaN}', "is cut short or no JSON"),
    ],
)
def test_what_is_no_row_at_all_is_told_in_one_sentence(trial: Trials, whole: bytes, line: bytes, reason: str) -> None:
    found, (said,) = trial(line + b"\n" + whole)
    assert found == ANSWERS
    assert f"m.jsonl: line 1 {reason}; it is not used, kept in m.jsonl.aside, and" in said


EDIT = st.tuples(st.sampled_from("=-+*"), st.integers(0, 5000), st.integers(0, 700), st.binary(max_size=9))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(EDIT, min_size=1, max_size=4))
def test_no_edit_makes_another_reply(trial: Trials, whole: bytes, edits: list[tuple[str, int, int, bytes]]) -> None:
    data = whole
    for kind, place, length, new in edits:
        at = place % (len(data) + 1)
        piece = {"=": new, "-": b"", "+": new + data[at : at + length], "*": data[at : at + length] * 2}[kind]
        data = data[:at] + piece + data[at + length :]
    found, said = trial(data)
    torn_or_gone = data[-1:] != b"\n" or data.count(b"\n") < 3 or not all(r.key.encode() in data for r in REQUESTS)
    assert None not in found or said or torn_or_gone


def unsealed(data: bytes, change: Callable[[dict[str, Any]], Mapping[str, Any]] = dict) -> bytes:
    """The lines as the version before wrote them."""
    kept_rows = [{k: v for k, v in json.loads(line).items() if k != "sha256"} for line in data.splitlines()]
    return b"".join(canonical(dict(change(row))).encode() + b"\n" for row in kept_rows)


def test_lines_of_an_older_version_are_not_used_until_they_are_taken_over(
    tmp_path: Path, whole: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "m.jsonl"
    one, two, three = whole.splitlines(keepends=True)
    wrong = unsealed(three, lambda row: {**row, "sample": 7})
    path.write_bytes(unsealed(one) + two + wrong + b'{"torn')
    ledger = Ledger(path)
    assert [ledger.find(asked.key) is not None for asked in REQUESTS] == [False, True, False]
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 2
    assert "m.jsonl: 1 lines were written by a version without digests" in said[0]
    assert "`cod-bench doctor --fix` takes them over as they are" in said[0]
    assert "line 3 has a key that is not the sha256 of its request" in said[1]
    assert len(faults(path)) == 2
    assert adopt(path) == 1
    assert path.read_bytes() == one + two + wrong + b'{"torn'
    assert ledger.find(REQUESTS[0].key) == Reply(ANSWERS[0], "stop", 0, 0, 0.0, batch=False)
    assert adopt(path) == 0
    assert len(faults(path)) == 1
    assert put_aside(path) == 1
    assert path.read_bytes() == one + two + b'{"torn'
    assert path.with_name("m.jsonl.aside").read_bytes() == wrong
    assert faults(path) == []
    assert (adopt(tmp_path / "none"), put_aside(tmp_path / "none"), faults(tmp_path / "none")) == (0, 0, [])


def test_a_bad_line_is_told_once_a_process_and_kept_aside_once(
    tmp_path: Path, whole: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(whole.replace(b"great", b"grave"))
    for start in range(3):
        monkeypatch.setattr(_ledger, "_told", {} if start != 1 else _ledger._told)
        Ledger(path).find("none")
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 2, "the second look is of the first one's process"
    assert f"line 2 {NOTHING}; it is not used, kept in m.jsonl.aside, and its request is sent again only" in said[0]
    assert path.with_name("m.jsonl.aside").read_bytes() == path.read_bytes().splitlines(keepends=True)[1]


def test_of_many_bad_lines_some_are_told_and_all_are_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b"".join(b"bad %d\n" % number for number in range(3000)))
    begun = time.monotonic()
    Ledger(path).find("none")
    assert time.monotonic() - begun < 5
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == _ledger.TOLD + 1
    assert said[-1].endswith("more lines are not what was written there; `cod-bench doctor` names them all")
    assert path.with_name("m.jsonl.aside").read_bytes() == path.read_bytes()
    assert len(faults(path)) == 3000


def test_a_request_whose_line_was_changed_is_sent_again_only_with_leave(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer(MISS, FLIP)
    bad = kept().read_bytes().replace(b"and poor", b"and dull")
    kept().write_bytes(bad)
    monkeypatch.delenv("COD_BENCH_LLM_YES")
    with pytest.raises(UsageError, match=r"buy them with `cod-bench cfe generate --generator llm`.*or add --yes"):
        Llm().answer(QUERY, Linear(), {})
    assert len(server.sent) == 2
    monkeypatch.setenv("COD_BENCH_LLM_YES", "1")
    assert server.answer(CLOSER).attempts == (CLOSER,)
    assert len(server.sent) == 3
    assert kept().read_bytes().startswith(bad)
    assert kept().with_name("maker-tiny.jsonl.aside").read_bytes() == bad.splitlines(keepends=True)[0]


def test_an_older_ledger_refuses_a_run_before_it_starts_and_serves_it_once_taken_over(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = server.answer(MISS, FLIP)
    kept().write_bytes(unsealed(kept().read_bytes()))
    monkeypatch.delenv("COD_BENCH_LLM_YES")
    with pytest.raises(UsageError, match="nothing for toy is among the kept answers"):
        Llm().ready([TOY.name])
    assert adopt(kept()) == 2
    Llm().ready([TOY.name])
    assert Llm().answer(QUERY, Linear(), {}) == first
    assert len(rows()) == len(server.sent) == 2


def lie(kind: str, path: Path) -> None:
    """Put something else at a path."""
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        goal = path.with_name("elsewhere")
        path.symlink_to(goal)
        if kind == "link":
            goal.write_bytes(b"kept\n")


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "link to nothing"])
def test_a_ledger_that_is_no_file_is_a_sentence_and_stays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "m.jsonl"
    lie(kind, path)
    looks: list[Callable[[], object]] = [
        lambda: Ledger(path).find("x"), lambda: Ledger(path).tasks("x"), lambda: adopt(path), lambda: put_aside(path),
        lambda: Ledger(path).add(REQUESTS[0], answer("a")),
    ]  # fmt: skip
    for look in looks:
        with pytest.raises(UsageError, match=r"^ledger .*m\.jsonl: is a .* only regular files are read"):
            look()
    assert len(faults(path)) == 1
    goal = tmp_path / "elsewhere"
    assert not goal.exists() or goal.read_bytes() == b"kept\n"


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_a_file_aside_that_is_none_does_not_stop_a_ledger(
    tmp_path: Path, whole: bytes, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b"bad\n" + whole)
    lie(kind, tmp_path / "m.jsonl.aside")
    assert Ledger(path).find(REQUESTS[0].key) is not None
    assert "line 1 is cut short or no JSON; it is not used, and its request" in caplog.text
    assert put_aside(path) == 0
    assert path.read_bytes() == b"bad\n" + whole


def test_limits_are_named(tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (_ledger, _lines, _rows):
        monkeypatch.setattr(module, "LONGEST", 2000)
    path = tmp_path / "m.jsonl"
    for end in (b"\n", b""):
        path.write_bytes(b"x" * 7001 + b"\n" + whole + b"y" * 4000 + end)
        ledger = Ledger(path)
        assert [ledger.find(asked.key) is not None for asked in REQUESTS] == [True] * 3
        assert [sentence.split("line ")[1][:34] for sentence in faults(path)] == [
            "1 is longer than 2,000 bytes; its ", "5 is longer than 2,000 bytes; its "
        ]  # fmt: skip
    monkeypatch.setattr(_lines, "MOST", 5000)
    with pytest.raises(UsageError, match=r"m\.jsonl: has 1\d,\d\d\d bytes, and at most 5,000 are read"):
        Ledger(path).find("x")
    assert "at most 5,000 are read" in faults(path)[0]


def test_a_line_that_grows_is_read_when_it_is_whole(tmp_path: Path, whole: bytes) -> None:
    path, ledger = tmp_path / "m.jsonl", Ledger(tmp_path / "m.jsonl")
    for end in (10, 400, len(whole) - 1, len(whole)):
        path.write_bytes(path.read_bytes() + whole[path.stat().st_size : end] if path.exists() else whole[:end])
        got = [reply.text if (reply := ledger.find(asked.key)) else None for asked in REQUESTS]
        assert got == [text if end >= sum(map(len, whole.splitlines()[: n + 1])) + n else None
                       for n, text in enumerate(ANSWERS)]  # fmt: skip


def test_a_second_answer_to_a_request_is_kept_aside_and_the_first_counts(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    first = Ledger(path).add(REQUESTS[0], answer("first"))
    assert Ledger(path).add(REQUESTS[0], answer("second")) == first
    assert path.read_bytes().count(b"\n") == 1
    assert b'"text":"second"' in path.with_name("m.jsonl.aside").read_bytes()


def test_many_writers_at_once_leave_whole_lines(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom tests.generators.test_ledger import Ledger, answer, request\n"
        "ledger = Ledger(Path(sys.argv[1]))\nfor n in range(20): ledger.add(request(n + int(sys.argv[2])), answer('a'))"
    )
    path = tmp_path / "m.jsonl"
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(path), str(10 * number)], cwd=ROOT) for number in range(3)
    ]
    assert [process.wait(120) for process in started] == [0, 0, 0]
    assert faults(path) == []
    assert path.read_bytes().count(b"\n") == 40


def test_a_disk_without_room_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    Ledger(path).add(REQUESTS[0], answer("a"))
    before = path.read_bytes()
    script = (
        "import resource, signal, sys\nfrom pathlib import Path\n"
        "from tests.generators.test_ledger import REQUESTS, Ledger, answer\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 100}, -1))\n"
        "try:\n    Ledger(Path(sys.argv[1])).add(REQUESTS[1], answer('b' * 900))\n"
        "except ValueError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"ledger {path}: File too large; choose another folder")
    assert path.read_bytes() == before


def test_the_digest_is_of_key_and_row_whatever_the_order_of_fields(whole: bytes) -> None:
    row = json.loads(whole.splitlines()[0])
    shuffled = list(row.items())
    random.Random(0).shuffle(shuffled)
    assert _rows.line_of({k: v for k, v in shuffled if k != "sha256"}) == whole.splitlines(keepends=True)[0]
    assert len(row["sha256"]) == 64
    assert row["key"] == REQUESTS[0].key
