"""Text <-> words with their gaps: what may be edited, and edits that keep spacing, case and a/an. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"(?<!\w)[:;=]-?[()D](?!\w)|[^\W\d_]+(?:['’\-][^\W\d_]+)*(?:['’](?![^\W\d_]))?")
_NOT_WORDS = re.compile(r"(?:https?://|www\.)\S*|[@#]\w+|&\w+;|\w+(?:[./]\w+)+|\S*[\w]*\d\S*|[A-Z]\.(?:[A-Z]\.)+")
"""URLs, @mentions, #hashtags, HTML entities, domain names, anything with a digit, initials."""
_BREAK = re.compile(r"[.!?:;\"“”()\[\]]|\s--?\s|\n")  # a capital after these opens a sentence, it is no name
_STOP = re.compile(r"[^\w\s'’&\-]|\s--?\s|\n")
_TIES = frozenset("_/-*\\")
"""A word with one of these at its side is part of something longer."""
_AN = re.compile(r"[aeiou]|hour|honest|honor|honour|heir")
_NO_AN = re.compile(r"eu|ew|one(?![a-z])|one-|once|uni(?![nm])|us[aeiu]|uti|ubi|ura|uk(?![a-z])")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text. `gap` is what stands before it, back to the word before."""

    gap: str
    form: str
    editable: bool
    """False for contractions, @mentions, #hashtags, URLs, numbers and names."""
    starts: bool
    """Whether it starts the text (leading @mentions do not count), a sentence or a quotation."""

    @property
    def lower(self) -> str:
        """The word in lower case with plain apostrophes."""
        return self.form.lower().replace("’", "'")

    @property
    def joined(self) -> bool:
        """Whether no punctuation parts it from the word before."""
        return not self.starts and _STOP.search(self.gap) is None


@dataclass(frozen=True, slots=True)
class Text:
    """A text as tokens and what follows the last one; `render` of no edits is the text itself."""

    tokens: tuple[Token, ...]
    tail: str


def words_of(text: str) -> Iterator[tuple[str, bool]]:
    """(word in lower case, whether it is written as a name) for every word of a text but @mentions and the like.

    A name is capitalised inside a sentence, or written in capitals throughout; a word that is only now and then shouted
    or in a title is told from one by the rest of the pool.
    """
    spoken = _NOT_WORDS.sub(lambda match: " " * len(match.group()), text)
    last = 0
    for match in _WORD.finditer(spoken):
        gap = spoken[last : match.start()]
        first = not spoken[: match.start()].strip() or _BREAK.search(gap) is not None
        form = match.group()
        capital = form[0].isupper() and not form.isupper()
        yield form.lower().replace("’", "'"), (capital and not first) or (form.isupper() and len(form) > 1)
        last = match.end()


def parse(text: str, names: Mapping[str, int], known: Mapping[str, object]) -> Text:
    """Tokens of a text. `names` and `known` are the training pool's words mostly written as names, and all its words.

    Names are: words capitalised inside a sentence, words the pool mostly writes so, capitalised words the pool does
    not know, and a sentence's first word before a capitalised one, which may open a title. Where most words are
    capitalised, as in a headline, capitals say nothing.
    """
    taken = [match.span() for match in _NOT_WORDS.finditer(text)]
    matches = list(_WORD.finditer(text))
    plain = [form for form in (m.group() for m in matches) if form[0].isalpha() and len(form) > 3]
    headline = len(plain) >= 4 and sum(form[0].isupper() for form in plain) >= 0.8 * len(plain)
    tokens: list[Token] = []
    last, opened = 0, False
    for i, match in enumerate(matches):
        start, end = match.span()
        gap, form = text[last:start], match.group()
        special = any(a < end and start < b for a, b in taken)
        opened = opened or any(char.isdigit() for char in gap)
        starts = not special and (not opened or _BREAK.search(gap) is not None)
        opened = opened or not special
        smiley = form[0] in ":;="
        starts = starts and not smiley
        shouted = not smiley and form.isupper() and len(form) > 1
        lower = form.lower().replace("’", "'")
        capital = form[0].isupper() and not shouted
        follower = matches[i + 1].group() if i + 1 < len(matches) else ""
        title = (
            capital and follower[:1].isupper() and not follower.isupper() and text[end : matches[i + 1].start()] == " "
        )
        name = (
            (capital and (lower not in known or (not headline and (title or not starts))))
            or lower in names
            or (shouted and lower not in known)
        )
        contraction = "'" in lower
        attached = text[start - 1 : start] in _TIES or text[end : end + 1] in _TIES
        tokens.append(Token(gap, form, not (special or name or contraction or attached), starts))
        last = end
    return Text(tuple(tokens), text[last:])


def cased(phrase: str, like: str) -> str:
    """`phrase` in the case of the word it replaces: ALL CAPITALS, Capitalised, or as it is."""
    if not phrase:
        return phrase
    inserted_before = phrase.endswith(f" {like}")
    if like.isupper() and len(like) > 1 and not inserted_before:
        return phrase.upper()
    return phrase[0].upper() + phrase[1:] if like[0].isupper() else phrase


def render(text: Text, edits: Mapping[int, str]) -> str:
    """The text with the words at some positions replaced by phrases; an empty phrase deletes the word.

    Gaps stay, a deleted word's own gap goes with it, a capital at the start of a sentence moves to the next word,
    and `a` or `an` right before an edited word follows it.
    """
    parts: list[list[str]] = []
    carried: str | None = None
    capital = False
    for i, token in enumerate(text.tokens):
        phrase = cased(edits[i], token.form) if i in edits else token.form
        gap = token.gap
        if not phrase:
            if not parts or token.starts:
                carried = gap if carried is None else carried
                capital = capital or token.form[0].isupper()
            continue
        if carried is not None:
            gap, carried = carried, None
        if capital:
            phrase, capital = phrase[0].upper() + phrase[1:], False
        parts.append([gap, phrase])
        changed = i in edits or (i > 0 and edits.get(i - 1) == "")
        if changed and len(parts) > 1 and gap.isspace():
            parts[-2][1] = _article(parts[-2][1], phrase)
        if i in edits and " " in phrase:
            parts[-1][1] = _inner_articles(phrase)
        last_word = phrase.split()[-1]
        if i in edits and last_word.lower() in ("a", "an") and i + 1 < len(text.tokens):
            parts[-1][1] = phrase[: -len(last_word)] + _article(last_word, text.tokens[i + 1].form)
    return "".join(gap + phrase for gap, phrase in parts) + text.tail


def takes_an(word: str) -> bool:
    """Whether `an`, not `a`, stands before `word`, by its spelling."""
    lower = word.lower()
    return _AN.match(lower) is not None and _NO_AN.match(lower) is None


def _article(before: str, word: str) -> str:
    head, _, last = before.rpartition(" ")
    if last.lower() not in ("a", "an"):
        return before
    article = cased("an" if takes_an(word) else "a", last)
    if last == "A" and article == "An" and word.isupper() and len(word) > 1:
        article = "AN"
    return f"{head} {article}" if head else article


def _inner_articles(phrase: str) -> str:
    words = phrase.split(" ")
    for i in range(len(words) - 1):
        words[i] = _article(words[i], words[i + 1])
    return " ".join(words)


def changed_positions(text: Text, edited: Sequence[str]) -> dict[int, str]:
    """Position of a token -> what an edited version (its words) has there: "" where it was deleted.

    An insertion is credited to the word before it, at the start of a sentence to the word after it; a change of `a`
    to `an` alone is none.
    """
    import difflib

    own = [token.form for token in text.tokens]
    found: dict[int, str] = {}
    matcher = difflib.SequenceMatcher(a=own, b=list(edited), autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "insert":
            before = a < len(own) and (a == 0 or text.tokens[a].starts)
            at = a if before else a - 1
            found[at] = " ".join([*edited[c:d], own[at]] if before else [own[at], *edited[c:d]])
        elif kind == "delete":
            found.update(dict.fromkeys(range(a, b), ""))
        elif kind == "replace":
            for offset in range(b - a):
                last = offset == b - a - 1
                found[a + offset] = " ".join(edited[c + offset : d if last else c + offset + 1])
    return {
        i: phrase
        for i, phrase in found.items()
        if not ({own[i].lower(), phrase.lower()} <= {"a", "an"}) and own[i].lower() != phrase.lower()
    }
