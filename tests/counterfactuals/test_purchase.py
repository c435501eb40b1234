"""`cod-bench cfe` and `plan` on the toy task: bills, leave, pools that runs find, comparisons, diffs."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from cod_bench import device
from cod_bench.cli.app import main
from cod_bench.counterfactuals import pairs, warm
from cod_bench.counterfactuals import purchase as cfe
from cod_bench.counterfactuals.figures import distance, duplicates
from cod_bench.design import suites
from cod_bench.design.filters import Filters, select
from cod_bench.generator import Bill
from cod_bench.runner import work
from cod_bench.spec import RunSpec
from tests.endpoint import OPINIONS, Server

SWAP = {old: new for side in (OPINIONS, OPINIONS[::-1]) for old, new in zip(*side, strict=True)}


@pytest.fixture
def model(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache_folder: Path) -> Server:
    """A model that swaps opinions; the toy teacher from the cache that all tests share, the ledger of this test's."""
    monkeypatch.delenv("COD_BENCH_LLM_YES")
    device.set_threads()
    os.environ["COD_BENCH_HOME"] = str(cache_folder)
    warm.draw("toy", "toy", 0, False).slots(8)
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))
    warm.pool.cache_clear()
    server.make = lambda prompt: " ".join(SWAP.get(w, w) for w in prompt.rsplit("Text: ", 1)[1].split("\n")[0].split())
    return server


def cod_bench(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["cod-bench", *arguments])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


GENERATE = ("cfe", "generate", "--suite", "toy", "--generator", "llm", "--condition", "cod", "--method", "kd")


def test_without_yes_and_terminal_nothing_is_sent(
    model: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cod_bench(monkeypatch, *GENERATE, "--results", str(tmp_path / "r")) == 2
    said = capsys.readouterr().err
    assert "to be asked for: 8 texts, 8 to 40 requests" in said
    assert "nobody can be asked here; add --yes" in said
    assert model.sent == []


def test_what_is_generated_is_found_by_runs_and_exported(
    model: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "pairs.jsonl"
    where = ("--results", str(tmp_path / "r"))
    assert cod_bench(monkeypatch, *GENERATE, *where, "--yes", "--export", str(out)) == 0
    said = capsys.readouterr().out
    assert "counterfactuals by llm valid" in said
    sent = len(model.sent)
    assert sent >= 8
    assert cod_bench(monkeypatch, *GENERATE, *where) == 0  # nothing is left to be bought, so nobody is asked
    record = work.run_one(RunSpec("last", "toy", "toy", "kd", "cod", "llm", 8, 0), {})
    assert record.cfe is not None
    assert record.cfe["valid"] >= 2
    assert len(model.sent) == sent
    assert all(pair.label is not None and pair.counterfactual != pair.original for pair in pairs.read(out).pairs)


def test_generators_are_compared_on_the_same_texts(
    model: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    draw = warm.draw("toy", "toy", 0, False)
    found = [slot.original for slot in draw.slots(8)]
    file = tmp_path / "human.jsonl"
    pairs.write(
        file,
        [pairs.Pair(r.text, " ".join(SWAP.get(w, w) for w in r.text.split()), 1 - r.label, r.label) for r in found[:3]],
    )
    monkeypatch.setenv("COD_BENCH_PAIRS", str(file))
    names = "substitution,llm,replay"
    asked = ("cfe", "compare", "--task", "toy", "--track", "toy", "--generator", names, "--texts", "5")
    assert cod_bench(monkeypatch, *asked, "--yes") == 0
    lines = {row[1].strip(): row[2:5] for row in (line.split("|") for line in capsys.readouterr().out.splitlines())}
    assert [value.strip() for value in lines["texts"]] == ["3", "3", "3"]
    assert lines["valid"][1].strip() == lines["valid"][2].strip()
    assert float(lines["requests per valid one"][1]) >= 1
    assert float(lines["requests per valid one"][0]) == 0
    assert cod_bench(monkeypatch, "cfe", "validate", "--task", "toy", "--track", "toy", "--pairs", str(file)) == 0
    assert "human.jsonl" in capsys.readouterr().out
    shown = ("cfe", "inspect", "--task", "toy", "--track", "toy", "--generator", "replay", "--texts", "2")
    assert cod_bench(monkeypatch, *shown) == 0
    said = capsys.readouterr().out
    assert "[-" in said
    assert "{+" in said
    assert "\x1b" not in said


def test_a_run_without_leave_ends_at_once(
    model: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    where = ("--results", str(tmp_path / "r"))
    assert cod_bench(monkeypatch, "run", "--suite", "toy", "--generator", "llm", "--condition", "cod", *where) == 2
    assert "buy them with `cod-bench cfe generate --generator llm`" in capsys.readouterr().err
    assert not (tmp_path / "r" / "failures").exists()


def test_a_plan_tells_requests_and_dollars(
    model: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    where = ("--results", str(tmp_path / "r"))
    chosen = ("--generator", "llm", "--model", "gpt-4o-2024-11-20")
    monkeypatch.setenv("COD_BENCH_LLM_MODEL", "")
    assert cod_bench(monkeypatch, "plan", "--suite", "embedded", *where, *chosen) == 0
    said = capsys.readouterr().out
    assert "counterfactuals by llm if none were bought yet: 320 texts, 320 to 1,280 requests" in said
    assert "$" in said
    assert "run would end at once: generator 'llm': nothing for brand_tweets, rt_quotes is among" in said
    assert cod_bench(monkeypatch, "plan", "--suite", "toy", *where, "--generator", "llm_shots") == 0
    assert "run would end at once: " in (said := capsys.readouterr().out)
    assert "example" in said
    assert cod_bench(monkeypatch, "plan", "--suite", "embedded", *where) == 0
    assert "counterfactuals" not in (said := capsys.readouterr().out)
    assert "at once" not in said


def test_needs_are_the_largest_budgets_of_each_draw() -> None:
    suite = suites.suite("embedded").variant(generator="llm")
    needs = cfe.needs(select(suite, Filters(track="minilm-fp32")))
    assert len(needs) == 10
    assert {(need.k, need.preserving) for need in needs} == {(32, 32)}


def test_a_total_is_a_sum_and_an_unknown_price_stays_unknown() -> None:
    one = Bill(1, 1, 5, 1.6, 100, 50, 1.0, 0.5, "x", seconds=90.0)
    assert cfe.total([one, one]) == Bill(2, 2, 10, 3.2, 200, 100, 2.0, 1.0, "x", seconds=180.0)
    assert "; 3 min of the model's time one by one; " in cfe.told(cfe.total([one, one]))
    assert "; 2.0 h of the model's time" in cfe.told(cfe.total([one] * 80))
    unknown = Bill(1, 1, 5, 1.6, 100, 50, None, None, "x")
    assert cfe.total([one, unknown]).dollars is None
    assert "no price known" in cfe.told(unknown)


def test_distance_and_duplicates() -> None:
    assert distance("a b c d", "a x c d") == 0.25
    assert distance("a", "a") == 0
    assert duplicates(["One text", "one  text", "two", "three"], ["TWO"]) == 2


def test_prices_ship_with_the_package() -> None:
    from importlib.resources import files

    assert json.loads(files("cod_bench.generators._llm").joinpath("prices.json").read_text())["as_of"]


def test_one_budget_covers_all_generators_of_a_comparison(
    model: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("cfe", "compare", "--task", "toy", "--track", "toy", "--generator", "llm,llm_v1", "--texts", "3")
    assert cod_bench(monkeypatch, *asked, "--yes", "--budget", "3") == 1
    said = capsys.readouterr().err
    assert said.count("to be asked for:") == 1
    assert "6 texts" in said
    assert len(model.sent) <= 3


def test_known_slots_are_looked_for_in_one_pass(monkeypatch: pytest.MonkeyPatch, cache_folder: Path) -> None:
    draw, looked = warm.draw("toy", "toy", 0, False), list[int]()
    row = draw.row
    monkeypatch.setattr(draw, "row", lambda label, index: looked.append(index) or row(label, index))
    known = {slot.original.text for slot in draw.first_slots(3)}
    monkeypatch.setattr("cod_bench.counterfactuals.purchase.registry.load", lambda kind, name: Knows(known))
    looked.clear()
    found = cfe.slots_known("toy", "toy", 0, 5, ["some"])
    assert [slot.index for slot in found] == [0, 1, 2]
    assert looked == [i // 2 for i in range(len(looked))]  # each row of the two classes once, in order


class Knows:
    """A generator that can answer for some texts."""

    def __init__(self, texts: set[str]) -> None:
        self.texts = texts

    def knows(self, text: str) -> bool:
        return text in self.texts
