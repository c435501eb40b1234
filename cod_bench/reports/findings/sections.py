"""Section files and a database -> answered questions: the sentences of a report, filled by the queries beside them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from string import Formatter

from cod_bench.errors import RunError

VERDICTS = ("holds here", "holds here in part", "not shown here", "fails here", "measured")
"""Words that a query may give as its column `verdict`; `measured` where nothing is claimed."""
_FENCE = re.compile(r"^```sql\n(.*?)^```\n+(.*?)(?=^```sql|\Z)", re.MULTILINE | re.DOTALL)
_HEAD = ("Claim", "Run", "Figure")
_CODE = re.compile(r"`[^`]*`")
_FIELD = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True)
class Section:
    """One question as its file asks it.

    Args:
        name: of its file.
        title: the question.
        claim: what the paper says, and where; empty where it says nothing.
        commands: what makes the records.
        figures: (path, `leaderboard/...` or `lab/...`, words for those who do not see it).
        asked: (query, sentence with the query's columns in braces), a sentence a row.
    """

    name: str
    title: str
    claim: str
    commands: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    asked: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Finding:
    """What one query found: a sentence a row, and the row's verdict, empty where it gives none."""

    query: str
    sentences: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Answer:
    """A section with what the records say to it."""

    section: Section
    findings: tuple[Finding, ...]


def sections() -> list[Section]:
    """Every section of the report, in order.

    Raises:
        RunError: a file is none.
    """
    folder = resources.files("cod_bench.reports.findings").joinpath("questions")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".md")), key=lambda file: file.name)
    return [parse(file.name.removesuffix(".md"), file.read_text(encoding="utf-8")) for file in files]


def parse(name: str, text: str) -> Section:
    """A section from its file's text.

    Raises:
        RunError: no title, an unknown line in its head, no command, no query, or a sentence that states a number of
            its own.
    """
    head, _, _ = text.partition("```sql")
    first, *rest = [" ".join(part.split()) for part in head.split("\n\n") if part.strip()] or [""]
    title = first.removeprefix("# ") if first.startswith("# ") else ""
    told: dict[str, list[str]] = {key: [] for key in _HEAD}
    for line in rest:
        key, _, value = line.partition(": ")
        if key not in told:
            raise RunError(f"section {name}: {line!r} is none of {', '.join(_HEAD)}; mend its file")
        told[key].append(value)
    asked = tuple((query.strip(), " ".join(words.split())) for query, words in _FENCE.findall(text))
    if not title or not told["Run"] or not asked:
        raise RunError(f"section {name}: needs a title, a command under Run and a query with a sentence; mend its file")
    for _, words in asked:
        if "```" in words or not words:
            raise RunError(
                f"section {name}: a query stands between ```sql and ``` with its sentence below; mend its file"
            )
        if found := re.search(r"\d", _FIELD.sub("", _CODE.sub("", words))):
            raise RunError(f"section {name}: the sentence {words!r} states {found[0]!r} itself; let its query say it")
    figures = tuple(_figure(name, one) for one in told["Figure"])
    return Section(name, title, " ".join(told["Claim"]), tuple(told["Run"]), figures, asked)


def _figure(name: str, told: str) -> tuple[str, str]:
    path, _, words = told.partition(" | ")
    if not words:
        raise RunError(f"section {name}: figure {told!r} has no words; write PATH | WORDS")
    return path.strip(), words.strip()


def answer(section: Section, tables: sqlite3.Connection) -> Answer:
    """Ask a section's queries.

    Raises:
        RunError: a query is wrong, finds no records, or leaves a number of its sentence open; or no verdict is given.
    """
    found = tuple(_finding(section, query, words, tables) for query, words in section.asked)
    if not any(verdict for finding in found for _, verdict in finding.sentences):
        raise RunError(f"section {section.name}: no query gives a verdict; let one have the column `verdict`")
    return Answer(section, found)


def _finding(section: Section, query: str, words: str, tables: sqlite3.Connection) -> Finding:
    try:
        cursor = tables.execute(query)
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except sqlite3.Error as error:
        raise RunError(_missing(section, f"its query fails ({error})")) from error
    if not rows:
        raise RunError(_missing(section, "its query finds no records"))
    return Finding(query, tuple(_filled(section, words, row) for row in rows))


def _filled(section: Section, words: str, row: Mapping[str, object]) -> tuple[str, str]:
    verdict = row.get("verdict") or ""
    if verdict and verdict not in VERDICTS:
        raise RunError(f"section {section.name}: verdict {verdict!r} is none of {', '.join(VERDICTS)}; mend its query")
    empty = [name for name in _fields(words) if name in row and row[name] is None]
    if empty:
        raise RunError(_missing(section, f"{', '.join(empty)} is empty in its sentence"))
    try:
        return words.format_map(row), str(verdict)
    except KeyError as error:
        raise RunError(f"section {section.name}: its query has no column {error}; mend its sentence") from error
    except ValueError as error:
        raise RunError(f"section {section.name}: {error} in its sentence {words!r}; mend it") from error


def _fields(words: str) -> list[str]:
    """The columns that a sentence names, once each."""
    return list(dict.fromkeys(name for _, name, _, _ in Formatter().parse(words) if name))


def _missing(section: Section, what: str) -> str:
    return f"section {section.name}: {what}; run {' and '.join(section.commands)} first"


def answers(asked: Iterable[Section], tables: sqlite3.Connection) -> list[Answer]:
    """Every section answered; the first that cannot be fails the whole."""
    return [answer(section, tables) for section in asked]
