"""Texts of one's own -> what a generator makes of them, the teacher's word before and after, and the file of both.

These texts are nobody's corpus: what is made of them may be published, and `leaderboard/examples.json` is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cod_bench.counterfactuals import diff
from cod_bench.errors import UsageError, plain

if TYPE_CHECKING:
    from cod_bench.split import Slot

FILE = "examples.json"
"""Of the published leaderboard."""
DIGITS = 3
"""Of a probability that is written down: more of them another machine need not find."""


@dataclass(frozen=True, slots=True)
class Said:
    """The class that a teacher gives a text, and its probability."""

    name: str
    p: float


@dataclass(frozen=True, slots=True)
class Tried:
    """A text, its counterfactual, and what the teacher says of both."""

    task: str
    """Whose teacher it is."""
    track: str
    generator: str
    teacher: str
    text: str
    before: Said
    counterfactual: str
    """The nearest miss where none flips the teacher."""
    after: Said
    valid: bool

    @property
    def words(self) -> tuple[tuple[diff.Tag, str], ...]:
        """Runs of words that stayed, went or came."""
        return diff.words(self.text, self.counterfactual)


def slots(track: str, task: str, texts: Sequence[str]) -> list[Slot]:
    """The texts as originals of the class that the teacher gives them, each to get the next likely one."""
    from cod_bench.counterfactuals import warm
    from cod_bench.split import Slot
    from cod_bench.task import Example

    judge, found = warm.teacher(track, task), []
    for place, text in enumerate(texts):
        first = judge.predict(text)
        (logits,) = judge.logits([text])
        others = [label for label in range(len(logits)) if label != first]
        found.append(Slot(place, Example(f"own-{place}", text, first), max(others, key=lambda label: logits[label])))
    return found


def tried(track: str, task: str, generator: str, originals: Sequence[Slot]) -> list[Tried]:
    """What a generator makes of these originals; what a costly one lacks is bought by `purchase.buy_cases` before."""
    from cod_bench.counterfactuals import purchase, warm

    judge, classes = warm.teacher(track, task), warm.corpus(task).task.classes

    def said(text: str) -> Said:
        label, p = judge.says(text)
        return Said(classes[label], round(p, DIGITS))

    found = []
    for case in purchase.cases(track, task, generator, originals):
        text = case.slot.original.text
        made = case.cfe or next(iter(case.answer.attempts), case.answer.first)
        found.append(
            Tried(task, track, generator, judge.hash, text, said(text), made, said(made), valid=case.cfe is not None)
        )
    return found


def again(kept: Iterable[Tried]) -> list[Tried]:
    """The same texts tried anew, in their order, by the tasks, tracks and generators that they name."""
    groups: dict[tuple[str, str, str], list[Tried]] = {}
    order = list(kept)
    for one in order:
        groups.setdefault((one.track, one.task, one.generator), []).append(one)
    made = {
        (*key, one.text): one
        for key, own in groups.items()
        for one in tried(*key, slots(*key[:2], [old.text for old in own]))
    }
    return [made[one.track, one.task, one.generator, one.text] for one in order]


def added(kept: Sequence[Tried], fresh: Sequence[Tried]) -> list[Tried]:
    """Both, the fresh ones in place of what was made of the same text before."""
    by = {(one.track, one.task, one.generator, one.text): one for one in (*kept, *fresh)}
    return list(by.values())


def to_json(found: Sequence[Tried]) -> str:
    """The file's text, an example a paragraph."""
    return json.dumps({"examples": [asdict(one) for one in found]}, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str, where: str) -> list[Tried]:
    """The examples in a file's text.

    Raises:
        UsageError: it is none of ours.
    """
    try:
        return [_tried(entry) for entry in json.loads(text)["examples"]]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        told = f"{where}: is no file of `cod-bench cfe try --out` ({error}); name one that is, or a new one"
        raise UsageError(plain(told)) from error


def _tried(entry: dict[str, Any]) -> Tried:
    found = Tried(**{**entry, "before": Said(**entry["before"]), "after": Said(**entry["after"])})
    words = (found.task, found.track, found.generator, found.teacher, found.text, found.counterfactual)
    if not all(isinstance(word, str) for word in (*words, found.before.name, found.after.name)):
        raise TypeError("a field that is to be words is not")
    if not all(isinstance(said.p, (int, float)) and 0 <= said.p <= 1 for said in (found.before, found.after)):
        raise TypeError("a p is no probability")
    return found


def read(path: Path) -> list[Tried]:
    """The examples of a file.

    Raises:
        UsageError: it cannot be read, or is none of ours.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            plain(f"{path}: cannot be read ({error}); name a file of `cod-bench cfe try --out`")
        ) from error
    return from_json(text, str(path))


def published() -> list[Tried]:
    """The examples that come with this package; none where they were left out."""
    found = resources.files("cod_bench.published").joinpath(FILE)
    return from_json(found.read_text(encoding="utf-8"), FILE) if found.is_file() else []
