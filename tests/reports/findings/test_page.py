"""Answered questions -> markdown and a page that holds its figures, whatever a record is called."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from cod_bench.errors import RunError
from cod_bench.reports.findings import page
from cod_bench.reports.findings.sections import Answer, Finding, Section

EVIL = "<script>alert(1)</script> & [a](http://b) ![c](http://d)"
SECTION = Section("one", "Does it help?", "It helps (Table 1).", ("`cod-bench run`",), (("lab/a.svg", "Curves"),), ())
ANSWER = Answer(SECTION, (Finding("SELECT 1 < 2", ((f"On `x` it gains +2.0. {EVIL}", "holds here"), ("More.", ""))),))
OTHER = Answer(
    Section("two", "And then?", "", ("`b`", "`c`"), (), ()),
    (Finding("SELECT 2", (("Yes.", "not shown here"), ("No.", "holds here"), ("Yes.", "not shown here"))),),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return tmp_path


def test_markdown_has_question_claim_command_figure_sentence_query_and_verdict(root: Path) -> None:
    told = page.markdown([ANSWER, OTHER], {"lab": root}, root / "out" / "deep")
    for part in (
        "1. Does it help? **holds here**\n2. And then? **not shown here, holds here**", "## 1. Does it help?",
        "> It helps (Table 1).", "Records: `cod-bench run`", "![Curves](../../a.svg)", "+2.0",
        "**holds here**\n- More.",
        "```sql\nSELECT 1 < 2\n```", "Records: `b`, `c`",
    ):  # fmt: skip
        assert part in told


def test_the_page_asks_for_nothing_and_escapes_everything(root: Path) -> None:
    told = page.html([ANSWER, OTHER], {"lab": root})
    assert "<script" not in told
    assert "&lt;script&gt;" in told
    assert "SELECT 1 &lt; 2" in told
    assert 'href="http' not in told
    (figure,) = re.findall(r'<img src="([^"]*)" alt="Curves">', told)
    kind, _, data = figure.partition(",")
    assert (kind, base64.b64decode(data)) == ("data:image/svg+xml;base64", (root / "a.svg").read_bytes())
    assert {*re.findall(r' src="([a-z]*):', told)} == {"data"}


@pytest.mark.parametrize(
    ("place", "said"),
    [("lab", r"figure .*a\.svg is not there; run the section's"), ("labs", "is in none of labs; mend")],
)
def test_a_figure_that_is_not_there_fails(tmp_path: Path, place: str, said: str) -> None:
    for make in (page.markdown, page.html):
        with pytest.raises(RunError, match=f"^section one: .*{said}"):
            make([ANSWER], {place: tmp_path}, *([tmp_path] if make is page.markdown else []))
