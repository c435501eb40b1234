"""Prices that a user can edit, budgets that no thread exceeds, and what a budget may be written as."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cod_bench.cli.given import parse_budget
from cod_bench.errors import RunError, UsageError
from cod_bench.generators._llm import prices as _prices

DEFAULT = "gpt-4o-2024-11-20"


def test_the_shipped_table_is_dated_and_knows_the_default_model() -> None:
    found = _prices.price(DEFAULT)
    assert found is not None
    assert found.dollars(1e6, 1e6) == found.input + found.output
    assert found.dollars(1e6, 1e6, batch=True) == (found.input + found.output) / 2
    assert found.basis.startswith("prices as of 20")
    assert _prices.price("nobody's") is None


def test_the_users_own_table_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path))
    table = {"as_of": "2030-01", "models": {"mine": {"input": 1, "output": 2}}}
    (tmp_path / "prices.json").write_text(json.dumps(table))
    found = _prices.price("mine")
    assert found == _prices.Price(1, 2, 1.0, "prices as of 2030-01, prices.json")
    other = tmp_path / "other.json"
    other.write_text(json.dumps(table | {"models": {}}))
    monkeypatch.setenv("COD_BENCH_PRICES", str(other))
    assert _prices.price("mine") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"models": {"m": {}}}', '{"as_of": 1, "models": {"m": {"input": -1, "output": 1}}}']
)
def test_a_broken_table_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "p.json").write_text(text)
    monkeypatch.setenv("COD_BENCH_PRICES", str(tmp_path / "p.json"))
    with pytest.raises(UsageError, match=r"price table .*p\.json: .*; write "):
        _prices.price("m")


def test_a_table_that_is_a_pipe_is_told_and_a_link_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    monkeypatch.setenv("COD_BENCH_PRICES", str(pipe))
    with pytest.raises(UsageError, match=r"price table .*pipe: ValueError: is a pipe, and only regular files are read"):
        _prices.price("any")
    link.symlink_to(Path(_prices.__file__).with_name("prices.json"))
    monkeypatch.setenv("COD_BENCH_PRICES", str(link))
    assert _prices.price("gpt-4o-2024-11-20") is not None


@given(most=st.integers(0, 20), asked=st.integers(0, 40))
def test_threads_together_send_no_more_than_the_budget(most: int, asked: int) -> None:
    budget = _prices.Budget("nobody's", most, None)

    def one(_: int) -> bool:
        try:
            budget.settle(budget.reserve(100, 10), 5, 5)
        except RunError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(one, range(asked))) == min(most, asked)
    assert budget.sent == min(most, asked)


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 100)), max_size=30), st.floats(0.0001, 0.02))
def test_dollars_are_never_exceeded(requests: list[tuple[int, int]], dollars: float) -> None:
    budget = _prices.Budget(DEFAULT, None, dollars)
    for characters, tokens in requests:
        try:
            reserved = budget.reserve(characters, tokens)
        except RunError:
            continue
        budget.settle(reserved, characters // 3, tokens)  # at most what was reckoned with
    assert budget.spent <= dollars


def test_what_brought_nothing_costs_nothing_and_retries_count() -> None:
    budget = _prices.Budget(DEFAULT, 5, 1.0)
    budget.release(budget.reserve(10**5, 10**4))
    assert (budget.sent, budget.spent) == (1, 0.0)
    budget.settle(budget.reserve(10, 10), 1, 1, retries=3)
    with pytest.raises(RunError, match="5 requests is used up after 5 requests and"):
        budget.reserve(1, 1)


@pytest.mark.parametrize(
    ("text", "found"),
    [("500", (500, None)), ("$5", (None, 5.0)), ("5usd", (None, 5.0)), ("20, 0.5USD", (20, 0.5)), ("0", (0, None))],
)
def test_a_budget_is_requests_or_dollars_or_both(text: str, found: tuple[int | None, float | None]) -> None:
    assert parse_budget(text) == found


@pytest.mark.parametrize("text", ["", "many", "-1", "$-1", "5.5", "nan usd", "5eur", "$inf"])
def test_anything_else_is_no_budget(text: str) -> None:
    with pytest.raises(UsageError, match=r"--budget .*: write requests as 500, dollars as 5usd"):
        parse_budget(text)
