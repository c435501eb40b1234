"""Task, text, classes -> the words a language model is asked with, and what is wrong with an answer. Pure.

To the effect of the paper's appendix C.2 (arXiv 2510.21631), in words of our own; a task without an entry in SUBJECTS
is asked about by its title and its classes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from cod_bench.errors import UsageError
from cod_bench.spec import base_name, digest
from cod_bench.task import normalise

if TYPE_CHECKING:
    from cod_bench.generator import Query
    from cod_bench.task import Task

VERSION = 2
"""Of everything here; raised with any change of wording. Version 1 had one prompt for all tasks."""
LONGEST = (1.5, 2)
"""a, b: an answer may have at most a * n + b words for n words of the original."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a prompt says of a task besides the names of its classes."""

    kind: str
    about: str
    """What the class is a statement about."""
    rule: str = ""
    """What a rewrite of such a text must mind."""
    characters: int = 150
    """Typical length of a text, for estimates made before one is read."""
    examples: tuple[str, str] | None = None
    """A made-up text of class 0 and its minimal edit of class 1, for prompts that show one."""


_FILM = ("a tired story told without any charm", "a fresh story told with plenty of charm")
SUBJECTS: Mapping[str, Subject] = {
    "sst2": Subject("a sentence or phrase from a film review", "what its writer thinks of the film", "", 55, _FILM),
    "rt_quotes": Subject("a quote from a film review", "the reviewer's verdict on the film", "", 125, _FILM),
    "imdb": Subject("a short film review by a viewer", "what the viewer thinks of the film", "", 240),
    "sentiment140": Subject(
        "a tweet", "the mood of its writer", "Keep the tweet's spelling, slang, @names and #tags. ", 75
    ),
    "brand_tweets": Subject(
        "a tweet about a company", "what its writer thinks of the company", "Keep its spelling, @names and #tags. ", 95
    ),
    "amazon_polarity": Subject("a customer's review of a product", "whether the customer is satisfied", "", 180),
    "yelp": Subject("a customer's review of a business", "whether the customer is satisfied", "", 190),
    "cola": Subject(
        "a sentence from the linguistics literature",
        "whether native speakers of English find it grammatical",
        "Change its grammar and not what it says: word order, agreement, form or choice of a word, a word too many or "
        "missing. ",
        40,
    ),
}
"""By task name, without `+local-...` and without a suffix such as `_paper`."""

_DATA = "The text at the end is {kind}, from a text classification data set ({title}). Its class, {about}, is "
_ONLY = (
    "Leave every other word, name, number, link and mark of punctuation exactly as it stands. Answer with the "
    "rewritten text alone, on one line: no quotation marks around it, no heading, no comment.\n\n"
)
EDITS: Mapping[str, str] = {
    "plain": f"{_DATA}'{{source}}'. Change as few words as you can so that it reads as '{{target}}' instead. "
    f"{{rule}}{_ONLY}Text: {{text}}",
    "v1": "Rewrite this text, {kind}, so that its class changes from '{source}' to '{target}'. Make minimal changes. "
    "Answer with the rewritten text alone.\n\nText: {text}",
    "v2": "You edit texts for a study of what a classifier pays attention to. {kind_} is given whose class ({about}) "
    "is '{source}'. Return the version nearest to it that any reader would call '{target}'. Replace words rather than "
    f"add any; keep the topic, the length and the style. {_ONLY}Text: {{text}}",
    "v3": "Change as few words of a text as you can so that its class turns into the other one. {rule}Answer with the "
    "rewritten text alone.\n\nText ({source}): {example}\nRewritten ({target}): {rewritten}\n\n"
    "Text ({source}): {text}\nRewritten ({target}):",
    "v4": f"{_DATA}'{{source}}'. Look for the one to three words that decide this, and put in their places words that "
    f"say the contrary, so that the text becomes '{{target}}'. Nothing else changes. {_ONLY}Text: {{text}}",
}
"""Prompt name -> how a counterfactual is asked for. `plain` is every task's; v1 to v4 are SST-2's ablation."""
OTHERS: Mapping[str, str] = {
    "keep": f"{_DATA}'{{source}}'. The version before it has a few words changed to make it '{{target}}'. Change the "
    f"words at the same places of the text, about as many, so that it still is '{{source}}'. {{rule}}{_ONLY}"
    "Version: {version}\n\nText: {text}",
    "again": "\n\nEarlier attempts that did not do:\n{remarks}\nMake another one that differs from these.",
    "verdict": "- a classifier reads this one as '{read}': {version}",
    "empty": "- one was empty",
    "unchanged": "- one left the text as it is",
    "chatter": "- one held more than the rewritten text",
    "long": "- one was much longer than the text",
}
LAYERS = 100
"""Pairs of quotation marks around an answer that are taken off; one of 50,000 would take minutes."""
_QUOTES = {'""', "''", "“”", "‘’", "``"}
_CHATTER = re.compile(  # of a normalised text, in which a backtick is an apostrophe
    r"^(?:(?:sure|certainly|absolutely|of course|okay)[,!.:]|here(?:'s| is| are) [^.:]{0,60}:|as an ai\b"
    r"|(?:i'm|i am) sorry,? (?:but )?i |i can(?:no|')t (?:help|assist|comply|fulfil|rewrite|do that)"
    r"|\W*(?:\w+ ){0,3}(?:text|version|rewrite|rewritten|review|answer|output|sentence|counterfactual)"
    r"(?: \(\w+\))?\W*:)|'''|\b(?:note|explanation|changes(?: made)?)\s*:",
    re.IGNORECASE,
)


def hashed(name: str) -> str:
    """Digest of every word that the prompt of that name can hold."""
    return digest([EDITS[name], dict(OTHERS), {task: asdict(subject) for task, subject in SUBJECTS.items()}])


def subject(task: Task) -> Subject:
    """What the prompts say of a task."""
    base = base_name(task.name)
    known = SUBJECTS.get(base) or SUBJECTS.get(base.removesuffix("_paper"))
    return known or Subject("a text", f"one of {', '.join(task.classes)}")


def edit(name: str, query: Query, remarks: Sequence[str] = ()) -> str:
    """The prompt for a counterfactual; with remarks, what became of earlier attempts stands below it.

    Raises:
        UsageError: the query has no task, or the prompt shows an example and the task has none.
    """
    values = places(query)
    if "{example}" in EDITS[name]:
        found = subject(task_of(query)).examples
        if found is None or len(task_of(query).classes) != 2:
            raise UsageError(
                f"task {task_of(query).name!r}: prompt {name!r} shows an example of its classes and has none; use "
                "--generator llm"
            )
        values |= {"example": found[query.example.label], "rewritten": found[query.target]}
    prompt = EDITS[name].format(**values)
    return prompt + (OTHERS["again"].format(remarks="\n".join(dict.fromkeys(remarks))) if remarks else "")


def keep(query: Query, counterfactual: str) -> str:
    """The prompt for a rewrite at the counterfactual's positions that keeps the class."""
    return OTHERS["keep"].format(**places(query), version=counterfactual)


def remark(query: Query, text: str, fault: str | None, read: int) -> str:
    """What the next prompt says of an attempt: its fault, or the class `read` that the teacher gives it."""
    return OTHERS[fault] if fault else OTHERS["verdict"].format(version=text, read=task_of(query).classes[read])


def task_of(query: Query) -> Task:
    """The query's task.

    Raises:
        UsageError: it has none.
    """
    if query.task is None:
        raise UsageError("task=None: a language model is told the names of the classes; give the query its task")
    return query.task


def places(query: Query) -> dict[str, str]:
    """What the places of a prompt stand for."""
    task, row = task_of(query), query.example
    about = subject(task)
    return {
        "title": task.title, "kind": about.kind, "kind_": about.kind[:1].upper() + about.kind[1:],
        "about": about.about, "rule": about.rule, "text": row.text,
        "source": task.classes[row.label], "target": task.classes[query.target],
    }  # fmt: skip


def clean(answer: str, original: str) -> str:
    """An answer without blanks and quotation marks around it, its lines kept: `fault` looks at them."""
    text = answer.strip()
    for _ in range(LAYERS):
        if text[:1] + text[1:][-1:] not in _QUOTES or normalise(text)[:1] == normalise(original)[:1]:
            break
        text = text[1:-1].strip()
    return text


def fault(text: str, original: str, finish: str | None) -> str | None:
    """Why a cleaned answer cannot be used: empty, unchanged, chatter, long; None for one that can."""
    new, old = normalise(text), normalise(original)
    long = len(new.split()) > LONGEST[0] * len(old.split()) + LONGEST[1] or finish == "length"
    more = len(text.splitlines()) > len(original.splitlines()) or (_CHATTER.search(new) and not _CHATTER.search(old))
    checks = {"empty": not new, "unchanged": new.casefold() == old.casefold(), "chatter": more, "long": long}
    return next((name for name, found in checks.items() if found), None)
