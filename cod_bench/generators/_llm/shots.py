"""Task, text, classes -> a chat that shows worked examples of that very task, and what is wrong with its answers.

Examples are made up, never rows of a corpus. Those of the package stand in `examples.json` beside this file; tasks of
one's own get theirs in a file of the same form.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cod_bench.errors import UsageError, plain
from cod_bench.generators._llm import prompts as _prompts
from cod_bench.spec import base_name, digest
from cod_bench.store import home, read_text
from cod_bench.task import normalise

if TYPE_CHECKING:
    from cod_bench.generator import Query

VERSION = 1
"""Of every word here; raised with any change of wording."""
SHORTEST = 0.5
"""An answer of less than so many times the original's words is no edit of it."""
MOST, LONGEST = 1 << 22, 2000
"""Bytes of a file of examples, and characters of one text in it."""
ECHOED = 5
"""Words of the prompt in a row that an answer may not repeat, unless the original has them too."""
ALIKE = {"amazon_paper": "amazon_polarity", "rt_quotes_planted": "rt_quotes", "yelp_paper": "yelp"}
"""Task -> the one whose examples it shows unless it has its own: other cuts of the same rows."""
CLASSES = 2
"""Of a task that can be shown: each text of an example is one's and becomes the other's."""
TASK = "{asks} Answer with the rewritten text alone."
TURN = "Text ({source}): {text}\nRewrite it so that it is {target}."
REMARKS: Mapping[str, str] = {
    "label": "- one was no more than the name of a class",
    "echo": "- one repeated what was said here",
    "short": "- one was much shorter than the text",
}
"""What the next round is told of faults that `prompts` does not know."""
WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a chat says of a task, and its worked examples."""

    asks: str
    """What is asked for, in a sentence or two."""
    pairs: tuple[tuple[str, str], ...]
    """Made-up texts of class 0, each with its minimal edit of class 1."""


def known() -> Mapping[str, Shown]:
    """By task: the package's, and those of the file that COD_BENCH_EXAMPLES names, else of `examples.json` in the
    cache folder, which come first.

    Raises:
        UsageError: a file that cannot be read, or holds something else.
    """
    found = dict(_read(Path(__file__).with_name("examples.json"), 0))
    if os.environ.get("COD_BENCH_EXAMPLES") or _own().exists():
        path = _own().resolve()
        try:
            found |= _read(path, path.stat().st_mtime_ns)
        except OSError as error:
            raise _no_examples(path, error.strerror or error) from error
    return found


def demand(tasks: Collection[str]) -> None:
    """Whether each task has an example.

    Raises:
        UsageError: one has none; says what to write, and where.
    """
    there = known()
    for task in sorted({base_name(name) for name in tasks}):
        if _named(task, there) is None:
            raise _none(task)


def hashed(task: str = "") -> str:
    """Digest of every word that a chat about the task can hold, or one about any task."""
    there = known()
    shown = {task: _named(base_name(task), there)} if task else dict(there)
    return digest(
        [
            [VERSION, TASK, TURN, dict(REMARKS), dict(_prompts.OTHERS)],
            {base_name(name): one and asdict(one) for name, one in shown.items()},
        ]
    )


def characters(task: str) -> int:
    """Length of a chat about the task without the text; without an example that of its frame."""
    shown = _named(base_name(task), known())
    pairs = shown.pairs if shown else ()
    return (
        len(TASK)
        + len(shown.asks if shown else "")
        + sum(len(old) + len(new) + len(TURN) for old, new in pairs)
        + len(TURN)
    )


def chat(query: Query, remarks: Sequence[str] = ()) -> list[dict[str, str]]:
    """The messages: the task, its examples in the direction that is asked for, then the text.

    Args:
        remarks: what became of earlier answers; stands below the text.

    Raises:
        UsageError: the query has no task, or the task has no example.
    """
    places, task = _prompts.places(query), _prompts.task_of(query)
    shown = _named(task.base, known())
    if shown is None or len(task.classes) != CLASSES:
        raise _none(task.base)
    messages = [_said("system", TASK.format(asks=shown.asks))]
    for pair in shown.pairs:
        messages += [
            _said("user", TURN.format(**{**places, "text": pair[query.example.label]})),
            _said("assistant", pair[query.target]),
        ]
    asked = TURN.format(**places)
    if remarks:
        asked += _prompts.OTHERS["again"].format(remarks="\n".join(dict.fromkeys(remarks)))
    return [*messages, _said("user", asked)]


def remark(query: Query, text: str, fault: str | None, read: int) -> str:
    """What the next round is told of an answer: its fault, or the class `read` that the teacher gives it."""
    return REMARKS[fault] if fault and fault in REMARKS else _prompts.remark(query, text, fault, read)


def fault(text: str, original: str, finish: str | None, query: Query) -> str | None:
    """Why a cleaned answer cannot be used: as `prompts.fault`, or it is a bare label, an echo, or far too short."""
    found = _prompts.fault(text, original, finish)
    if found:
        return found
    new, old = _words(text), _words(original)
    names = {word for name in _prompts.task_of(query).classes for word in _words(name)}
    if new and names.issuperset(new) and not names.issuperset(old):
        return "label"
    if _echoes(new, old, query):
        return "echo"
    return "short" if len(normalise(text).split()) < SHORTEST * len(normalise(original).split()) else None


def _echoes(new: Sequence[str], old: Sequence[str], query: Query) -> bool:
    """Whether an answer repeats instructions, or is an example's text."""
    shown = _named(_prompts.task_of(query).base, known())
    texts = {tuple(_words(text)) for pair in (shown.pairs if shown else ()) for text in pair}
    if tuple(new) in texts and tuple(new) != tuple(old):
        return True
    told = _words(" ".join((shown.asks if shown else "", TASK, TURN, *_prompts.OTHERS.values())))
    return bool(_runs(new) & (_runs(told) - _runs(old)))


def _runs(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + ECHOED]) for i in range(len(words) - ECHOED + 1)}


def _words(text: str) -> list[str]:
    return [word.casefold() for word in WORDS.findall(normalise(text))]


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _named(task: str, there: Mapping[str, Shown]) -> Shown | None:
    return there.get(task) or there.get(ALIKE.get(task, ""))


def _own() -> Path:
    named = os.environ.get("COD_BENCH_EXAMPLES")
    return Path(named).expanduser() if named else home() / "examples.json"


@lru_cache(maxsize=4)
def _read(path: Path, written: int) -> Mapping[str, Shown]:  # noqa: ARG001 - a file that changes is read again
    try:
        found = json.loads(read_text(path, MOST))
        return {str(task): _shown(value) for task, value in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _no_examples(path, error) from error


def _shown(value: Any) -> Shown:
    pairs = tuple((_text(old), _text(new)) for old, new in value["pairs"])
    if not pairs or any(normalise(old) == normalise(new) for old, new in pairs):
        raise ValueError("pairs: give at least one, of two different texts")
    return Shown(_text(value["asks"]), pairs)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST:
        raise ValueError(f"a text is none of 1 to {LONGEST:,} characters")
    return value


def _none(task: str) -> UsageError:
    return UsageError(
        f"task {task!r}: generator 'llm_shots' shows worked examples of a task's two classes and has none of this one; "
        f'write {{"{task}": {{"asks": "You rewrite a ... so that it ...", "pairs": [["a text of the first class", "the '
        f'same, edited to the second"]]}}}} to {_own()} (COD_BENCH_EXAMPLES names another file)'
    )


def _no_examples(path: Path, error: object) -> UsageError:
    return UsageError(
        f"examples {path}: {type(error).__name__ if isinstance(error, Exception) else 'unreadable'}: "
        f'{plain(error)[:200]}; write {{TASK: {{"asks": TEXT, "pairs": [[TEXT, EDITED], ...]}}}}'
    )
