"""Answered questions -> the report as markdown, and as one HTML page with its figures inside. Pure but for figures."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cod_bench.errors import RunError
from cod_bench.reports.findings.sections import Answer

if TYPE_CHECKING:
    from markupsafe import Markup

MARKDOWN, HTML = "report.md", "report.html"
TITLE = "What the records say"
INTRODUCTION = (
    "Claims of the paper and questions that it leaves open, each with the command that makes its records and what they "
    "say. No number below was written by hand: a sentence is filled by the query that stands under it, over tables "
    "that `cod-bench report` makes from the records, and a section whose records are missing fails the report. Every "
    "verdict is of an analogue, on small models, slices or toy worlds and, if nothing else is said, by word "
    "substitution under protocol `last`, so that it says `here`: none is a verdict on the paper's own rows, models and "
    "generator. Verdicts are the query's too; `measured` stands where nothing is claimed. Rows of `significance` have "
    "the leaderboard's intervals, over units and evaluation rows; a query's own `t_low` and `t_high` are a 95 % t "
    "interval over units, stratified by task where it says so, evaluation rows fixed. Only what was declared "
    "beforehand has Holm's p; all else is one by one. Not asked: the prompts of the paper's Table 7, which need a "
    "hosted model."
)


def markdown(answers: Sequence[Answer], places: Mapping[str, Path], out: Path) -> str:
    """The report as markdown, for a file in `out`.

    Args:
        places: first part of a figure's path -> the folder that it is: `leaderboard`, `lab`.

    Raises:
        RunError: a figure is not there.
    """
    parts = [f"# {TITLE}", INTRODUCTION, _overview(answers)]
    for place, answer in enumerate(answers, 1):
        section = answer.section
        parts.append(f"## {place}. {section.title}")
        if section.claim:
            parts.append(f"> {section.claim}")
        parts.append("Records: " + ", ".join(section.commands))
        for path, words in section.figures:
            parts.append(f"![{words}]({_relative(_there(places, path, section.name), out)})")
        for finding in answer.findings:
            parts.append("\n".join(f"- {_with_verdict(*sentence)}" for sentence in finding.sentences))
            parts.append(f"```sql\n{finding.query}\n```")
    return "\n\n".join(parts) + "\n"


def _overview(answers: Sequence[Answer]) -> str:
    """Question -> verdicts, as a list that leads to the sections."""
    lines = []
    for place, answer in enumerate(answers, 1):
        told = verdicts(answer)
        lines.append(f"{place}. {answer.section.title} **{', '.join(told)}**")
    return "\n".join(lines)


def verdicts(answer: Answer) -> list[str]:
    """The different verdicts of a section, in order."""
    every = [verdict for finding in answer.findings for _, verdict in finding.sentences if verdict]
    return list(dict.fromkeys(every))


def _with_verdict(words: str, verdict: str) -> str:
    return f"{words} **{verdict}**" if verdict else words


def _there(places: Mapping[str, Path], path: str, section: str) -> Path:
    place, _, name = path.partition("/")
    if place not in places:
        raise RunError(f"section {section}: figure {path} is in none of {', '.join(places)}; mend its file")
    found = places[place] / name
    if not found.is_file():
        how = "run the section's commands" if place == "lab" else "run `cod-bench leaderboard`"
        raise RunError(f"section {section}: figure {found} is not there; {how} first")
    return found


def _relative(path: Path, out: Path) -> str:
    return Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()


def html(answers: Sequence[Answer], places: Mapping[str, Path]) -> str:
    """The report as one page that asks for nothing else: figures are inside it.

    Raises:
        RunError: a figure is not there.
    """
    from jinja2 import Environment, StrictUndefined

    template = resources.files("cod_bench.reports.findings").joinpath("report.html.j2").read_text(encoding="utf-8")
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.globals.update(inline=_inline, verdicts=verdicts)
    figures = {
        path: _inside(_there(places, path, answer.section.name))
        for answer in answers
        for path, _ in answer.section.figures
    }
    return made.from_string(template).render(
        title=TITLE, introduction=INTRODUCTION, answers=answers, figures=figures,
    )  # fmt: skip


def _inside(path: Path) -> str:
    """A figure as an address that holds it."""
    kind = {".svg": "image/svg+xml", ".png": "image/png"}[path.suffix]
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


@cache
def _renderer() -> Any:
    from markdown_it import MarkdownIt

    # Raw HTML, links and images stay text: names in records are data.
    return MarkdownIt("commonmark", {"html": False}).disable(["link", "image", "autolink"])


def _inline(text: str) -> Markup:
    """A line of markdown."""
    from markupsafe import Markup

    return Markup(_renderer().renderInline(text))  # noqa: S704 - its renderer escapes text
