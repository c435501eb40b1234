"""Model, tokens -> dollars by a table the user can edit; and the budget that no request may exceed."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from cod_bench.errors import RunError, UsageError, plain
from cod_bench.store import home, read_text

MOST = 1 << 22
"""Bytes of a price table that is read."""
CHARACTERS_PER_TOKEN = 4.0
"""Of English text, for estimates."""
DEAREST = 10**9
"""No price is higher; a sum of it is still a number."""
FEWEST_PER_TOKEN = 2.0
"""Characters per token that a budget reckons with: a reservation should be above what comes."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, and where and when the figures were read."""

    input: float
    output: float
    batch_share: float
    """What the Batch API charges, as a share of the price."""
    basis: str

    def dollars(self, prompt_tokens: float, completion_tokens: float, *, batch: bool = False) -> float:
        """What so many tokens cost."""
        full = (prompt_tokens * self.input + completion_tokens * self.output) / 1e6
        return full * self.batch_share if batch else full


def table_path() -> Path:
    """COD_BENCH_PRICES, else `prices.json` in the cache folder, else the table that ships with the package."""
    named = os.environ.get("COD_BENCH_PRICES")
    if named:
        return Path(named).expanduser()
    own = home() / "prices.json"
    return own if own.exists() else Path(__file__).with_name("prices.json")


def price(model: str) -> Price | None:
    """The price of a model; None for one that the table does not know.

    Raises:
        UsageError: the table cannot be read or a figure is none.
    """
    path = table_path()
    try:
        table = json.loads(read_text(path.resolve(), MOST))  # a file of the user's own may be a link
        row = table["models"].get(model)
        if row is None:
            return None
        found = Price(
            float(row["input"]), float(row["output"]), float(table.get("batch_share", 1.0)),
            basis=f"prices as of {table['as_of']}, {path.name}",
        )  # fmt: skip
        if not all(0 <= figure <= DEAREST for figure in (found.input, found.output, found.batch_share)):
            raise ValueError(f"a price is no number from 0 to {DEAREST}")  # noqa: TRY301 - one sentence for all
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"price table {path}: {type(error).__name__}: {plain(error)[:200]}; write "
            '{"as_of": DATE, "batch_share": 0.5, "models": {NAME: {"input": DOLLARS, "output": DOLLARS}}}'
        ) from error
    return found


class Budget:
    """Counts what a command sends and spends; safe for threads. What was bought by earlier commands is not in it."""

    def __init__(self, model: str, requests: int | None, dollars: float | None, *, batch: bool = False) -> None:
        self._most, self._dollars, self._batch = requests, dollars, batch
        self._price = price(model)
        if dollars is not None and self._price is None:
            raise UsageError(
                f"--budget in dollars: {table_path()} has no price of {model!r}; add it there (COD_BENCH_PRICES names "
                "another table) or give the budget in requests"
            )
        self.sent, self.spent = 0, 0.0
        self._reserved = 0.0
        self._mutex = threading.Lock()

    def reserve(self, characters: int, max_tokens: int) -> float:
        """Set aside what a request can cost at most; returns the amount, to be given to `settle`.

        Raises:
            RunError: it could exceed the budget.
        """
        most = self._cost(characters / FEWEST_PER_TOKEN, max_tokens)
        with self._mutex:
            if self._most is not None and self.sent >= self._most:
                raise self._over(f"{self._most} requests")
            if self._dollars is not None and self.spent + self._reserved + most > self._dollars:
                raise self._over(f"${self._dollars:g}")
            self.sent += 1
            self._reserved += most
        return most

    def settle(self, reserved: float, prompt_tokens: int, completion_tokens: int, retries: int = 0) -> None:
        """What the request has really cost; what the client sent again counts as sent, as it may have been paid."""
        with self._mutex:
            self._reserved -= reserved
            self.spent += self._cost(prompt_tokens, completion_tokens)
            self.sent += retries

    def release(self, reserved: float) -> None:
        """A request that brought nothing."""
        with self._mutex:
            self._reserved -= reserved

    def _cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        return self._price.dollars(prompt_tokens, completion_tokens, batch=self._batch) if self._price else 0.0

    def _over(self, budget: str) -> RunError:
        spent = f" and ${self.spent:.4f}" if self._price else ""
        return RunError(
            f"--budget of {budget} is used up after {self.sent} requests{spent}; raise it and run again: answers so "
            "far are kept"
        )
