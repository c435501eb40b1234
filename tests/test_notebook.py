"""docs/main_table.ipynb: it runs as it stands, its numbers are the leaderboard's, its outputs are what it prints."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests import ROOT

NOTEBOOK = ROOT / "docs" / "main_table.ipynb"
TOLD = """
import json
print(json.dumps({
    "accuracy": accuracy.rename(columns=str).reset_index().to_dict("records"),
    "gains": gains.reset_index().to_dict("records"),
}))
"""


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def printed(cell: Any) -> str:
    """What a cell wrote on standard output."""
    return "".join(out["text"] for out in cell.outputs if out.output_type == "stream" and out.name == "stdout")


@pytest.fixture(scope="module")
def ran() -> Any:
    """The notebook after a kernel has run it in its own folder, with a cell more that tells its tables."""
    book = read()
    book.cells.append(nbformat.v4.new_code_cell(TOLD))
    client = NotebookClient(book, timeout=240, kernel_name="python3", resources={"metadata": {"path": NOTEBOOK.parent}})
    client.execute()
    return book


def table(ran: Any, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(printed(ran.cells[-1]))[name]
    return found


def published(name: str) -> list[dict[str, str]]:
    with (ROOT / "leaderboard" / "embedded" / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_of_accuracies_is_that_of_the_leaderboard(ran: Any) -> None:
    theirs = {
        (row["method"], row["condition"], row["scope"].removeprefix("k=")): row
        for row in published("overall.csv")
        if row["method"] in ("kd", "lwd", "ted")
    }
    ours = table(ran, "accuracy")
    assert {(row["method"], row["condition"]) for row in ours} == {key[:2] for key in theirs}
    for row in ours:
        for column, scope in (("8", "8"), ("16", "16"), ("32", "32"), ("mean over k", "primary")):
            told = theirs[row["method"], row["condition"], scope]
            assert row[column] == pytest.approx(100 * float(told["accuracy"]), abs=1e-4)
        assert row["n runs"] == int(theirs[row["method"], row["condition"], "primary"]["runs"])


def test_matched_accuracy_is_that_of_the_cells(ran: Any) -> None:
    cells = published("cells.csv")
    for row in table(ran, "accuracy"):
        own = [c for c in cells if (c["method"], c["condition"]) == (row["method"], row["condition"])]
        assert row["matched"] == pytest.approx(100 * sum(float(c["matched"]) for c in own) / len(own), abs=1e-4)


def test_gains_and_their_p_are_those_of_the_leaderboard(ran: Any) -> None:
    theirs = {
        row["method"]: row
        for row in published("significance.csv")
        if (row["condition"], row["over"], row["scope"]) == ("cod", "standard", "primary")
    }
    ours = table(ran, "gains")
    assert [row["method"] for row in ours] == ["kd", "lwd", "ted"]
    for row in ours:
        told = theirs[row["method"]]
        assert row["points"] == pytest.approx(100 * float(told["mean"]), abs=1e-4)
        assert row["units won"] == int(told["won"])
        assert (row["p"], row["holm"]) == pytest.approx((float(told["p"]), float(told["holm_p"])), abs=1e-6)


def test_what_it_shows_is_what_it_prints(ran: Any) -> None:
    again = "write it again: `jupyter execute --inplace docs/main_table.ipynb`"
    for shown, fresh in zip(read().cells, ran.cells, strict=False):
        if shown.cell_type == "code":
            assert printed(shown) == printed(fresh) != "", again
            assert not any(out.output_type == "error" or out.get("name") == "stderr" for out in shown.outputs), again


def test_it_is_short_and_its_links_lead_somewhere() -> None:
    book = read()
    lines = [line for cell in book.cells if cell.cell_type == "code" for line in cell.source.splitlines() if line]
    assert len([line for line in lines if not line.startswith("import")]) <= 24
    texts = "".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    links = [part.split(")")[0] for part in texts.split("](")[1:]]
    assert len(links) == 3
    assert all((NOTEBOOK.parent / Path(link)).exists() for link in links)
