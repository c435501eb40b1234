"""A text -> every edit that tables, word classes and training pool allow, each with its expected gain and oddness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cod_bench.generators._substitution import lexicon
from cod_bench.generators._substitution.words import EDGE, SETTINGS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cod_bench.generator import Oracle
    from cod_bench.generators._substitution.text import Text

RANK = 0.08
"""Cost of each place that an opposite stands further back in its table."""
TURNED = 4
"""Words after a negation that it is taken to turn."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One word replaced by a phrase; "" deletes it. Gain and cost are in spreads of the teacher's word scores."""

    position: int
    phrase: str
    gain: float
    """Expected move toward the target, from the teacher's scores of single words."""
    cost: float
    """Oddness less valence: 0 is a direct opposite that nobody rated and whose neighbours the pool knows."""
    turns: bool = False
    """Whether it is a negation put in or taken out, which turns the words that follow."""

    def __hash__(self) -> int:
        return hash((self.position, self.phrase))  # asked a hundred thousand times a text; the rest tells few apart

    @property
    def merit(self) -> float:
        """What orders edits before the teacher has seen them."""
        return self.gain - self.cost

    def clashes(self, other: Edit) -> bool:
        """Whether both would change the same place, or one word and the negation that turns it."""
        first, second = (self, other) if self.position <= other.position else (other, self)
        return second.position - first.position <= (TURNED if first.turns else 0)


class Candidates:
    """Every edit of one text that the tables, the word classes and the pool allow, with gain and cost."""

    def __init__(self, text: Text, source: int, target: int, oracle: Oracle, state: Mapping[str, Any]) -> None:
        self.text, self.source, self.target = text, source, target
        self.oracle, self.state = oracle, state
        self.words: Mapping[str, Sequence[float]] = state["words"]
        self.spread: float = state["spread"]
        self._loose: dict[int, list[Edit]] = {}

    def pull(self, word: str) -> float:
        """How far the teacher's view of the word alone leans to the target and from the source, in spreads."""
        row = self.words.get(word)
        return 0.0 if row is None else float((row[1 + self.target] - row[1 + self.source]) / self.spread)

    def valence(self, phrase: str) -> float:
        """How far the valence of the words of a phrase leans to the target, -1 to 1; 0 for words that nobody rated."""
        rated = (self.state["valence"].get(part.strip("!,")) for part in phrase.lower().split())
        return min(max(sum(float(row[self.target]) for row in rated if row is not None), -1.0), 1.0)

    def edits(self) -> list[Edit]:
        """Edits of words that carry the source's polarity, and negations; best expected first."""
        found: dict[tuple[int, str], Edit] = {}
        for i, token in enumerate(self.text.tokens):
            for edit in (*self.reversals(i), *(self.substitutions(i) if token.editable else ())):
                known = found.get((i, edit.phrase))
                if known is None or known.merit < edit.merit:
                    found[i, edit.phrase] = edit
        return sorted(found.values(), key=lambda edit: (-edit.merit, edit.position, edit.phrase))

    def content(self) -> set[int]:
        """Positions of editable words that are no function words."""
        return {
            i
            for i, token in enumerate(self.text.tokens)
            if token.editable and token.lower not in lexicon.FUNCTION_WORDS and len(token.form) > 2
        }

    def all_loose(self) -> list[Edit]:
        """Loose substitutions of every content word, best expected first."""
        found = [edit for position in self.content() for edit in self.loose(position)]
        return sorted(found, key=lambda edit: (-edit.merit, edit.position, edit.phrase))

    def loose(self, position: int) -> list[Edit]:
        """Substitutions of a word whatever its own polarity, for words that matter in context."""
        token = self.text.tokens[position]
        if not token.editable or token.lower in lexicon.FUNCTION_WORDS:
            return []
        if position not in self._loose:
            found = self.listed(position, loose=True)
            self._loose[position] = sorted(found, key=lambda edit: (-edit.merit, edit.phrase))
        return self._loose[position]

    def insertions(self, *, exclamations: bool = False) -> list[Edit]:
        """An adjective before a noun, an adverb (or an exclamation) before a statement; best expected first."""
        tokens = self.text.tokens
        found = []
        for i, token in enumerate(tokens[:-1]):
            follower = tokens[i + 1]
            near = follower.joined and follower.gap.isspace()
            if token.editable and token.lower in _BEFORE_NOUNS and near and self.noun_like(i + 1):
                found += [(i, f"{token.lower} {word}", word, 0.8) for word in lexicon.ATTRIBUTES]
            if exclamations and token.starts and token.lower not in lexicon.GREETINGS:
                found += [(i, f"{word}! {token.form}", word, 1.7) for word in lexicon.ATTRIBUTES]
            if token.starts and follower.joined and token.lower not in _OPENERS:
                own = token.lower if token.editable and not token.form.isupper() else token.form
                found += [(i, f"{word}, {own}", word, 1.3) for word in lexicon.SENTENCE_ADVERBS]
        edits = [
            Edit(i, phrase, min(self.pull(word), SETTINGS["most_gain"]), cost + self.awkward(i, phrase, word))
            for i, phrase, word, cost in found
            if self.usable(word) and self.pull(word) > SETTINGS["least_gain"]
        ]
        return sorted(edits, key=lambda edit: (-edit.merit, edit.position, edit.phrase))

    def awkward(self, position: int, phrase: str, word: str) -> float:
        """Cost when the pool never has an inserted adjective before what follows."""
        if not phrase.endswith(f" {word}"):
            return 0.0
        return 0.0 if self.text.tokens[position + 1].lower in self.state["pairs"].get(word, ()) else SETTINGS["unseen"]

    def noun_like(self, position: int) -> bool:
        """Whether an adjective may stand before this word: a noun, or an adjective without much opinion."""
        word = self.text.tokens[position].lower
        kinds = self.state["classes"].get(word, ())
        return word not in lexicon.FUNCTION_WORDS and (
            "noun" in kinds or "nouns" in kinds or ("adjective" in kinds and (word, "adjective") not in lexicon.GENERAL)
        )

    def substitutions(self, position: int) -> list[Edit]:
        """Opposites of the word by the tables, then listed words of its class."""
        word = self.text.tokens[position].lower
        if word in lexicon.FUNCTION_WORDS:
            return []
        found = []
        for kind, opposites in lexicon.OPPOSITES.get(word, {}).items():
            if not self.fits(position, kind):
                continue
            for rank, other in enumerate(opposites):
                gain = self.pull(other) - self.pull(word)
                if self.usable(other) and gain > SETTINGS["least_gain"] and self.pull(other) > -SETTINGS["least_gain"]:
                    cost = (
                        RANK * rank
                        + self.strangeness(position, other)
                        - SETTINGS["valence_first"] * self.valence(other)
                    )
                    found.append(Edit(position, other, min(gain, SETTINGS["most_gain"]), cost))
        if word not in lexicon.ONLY_OPPOSITES:
            found += self.listed(position, loose=False)
        return found

    def follower(self, position: int) -> str:
        """The next word in lower case, "" beyond punctuation or at the end."""
        after = self.text.tokens[position + 1 : position + 2]
        return after[0].lower if after and after[0].joined else ""

    def fits(self, position: int, kind: str) -> bool:
        """Whether a word of several classes can have this one here, by its neighbours: "I love", "a love"."""
        before = self.text.tokens[position - 1].lower if position and self.text.tokens[position].joined else ""
        if kind == "adjective" and before in _ARTICLES and self.follower(position) == "of":
            return False  # "the kind of", "a little of"
        if len(self.state["classes"].get(self.text.tokens[position].lower, ())) < 2:
            return True
        if before in _SUBJECTS or before in _BEFORE_BASE:
            return not kind.startswith("noun")
        return before not in _ARTICLES or not kind.startswith("verb") or kind in ("verbed", "verbing")

    def listed(self, position: int, *, loose: bool) -> list[Edit]:
        """Words of the same class that pull to the target, with their closeness in the teacher's embedding space.

        Unless `loose`, only for words of the tables, and adjectives and adverbs that clearly pull to the source: nouns
        and verbs that the tables do not know seldom trade places with words of opinion.
        """
        word = self.text.tokens[position].lower
        found = []
        kinds = self.state["classes"].get(word, ())
        for kind in kinds:
            if not self.fits(position, kind):
                continue
            if kind == "feeling" and "adjective" in kinds:
                continue  # "a hopeless film" is not "an amused film"
            general = (word, kind) in lexicon.GENERAL
            carries = -self.pull(word) > SETTINGS["carries"] and kind not in _STRANGER_COST
            if not (loose or general or carries):
                continue
            others = [other for other in self.state["lists"][kind][str(self.target)] if other != word]
            near = cosines(self.oracle, word, others)
            for other, closeness in zip(others, near, strict=True):
                gain = self.pull(other) - self.pull(word)
                if gain > SETTINGS["least_gain"]:
                    odd = 0.5 if (other, kind) in lexicon.GENERAL else 1.5
                    odd += 0.0 if general else _STRANGER_COST.get(kind, 0.3)
                    odd += 0.5 if loose else 0.0
                    cost = odd + self.strangeness(position, other) - SETTINGS["nearness"] * float(closeness)
                    cost -= SETTINGS["valence_first"] * self.valence(other)
                    found.append(Edit(position, other, min(gain, SETTINGS["most_gain"]), cost))
        return found

    def usable(self, word: str) -> bool:
        """Whether the training pool has every word of the phrase and none is refused."""
        return all(part in self.words and not lexicon.refused(part) for part in word.split())

    def strangeness(self, position: int, word: str) -> float:
        """Cost of word pairs that the pool does not have, left and right."""
        tokens = self.text.tokens
        before = tokens[position - 1].lower if position and tokens[position].joined else EDGE
        follower = tokens[position + 1] if position + 1 < len(tokens) else None
        after = follower.lower if follower is not None and follower.joined else EDGE
        pairs = self.state["pairs"]
        if before in ("a", "an"):
            seen_left = word in pairs.get("a", ()) or word in pairs.get("an", ())
        else:
            seen_left = word in pairs.get(before, ())
        seen_right = after in pairs.get(word, ())
        return float(SETTINGS["unseen"] * ((not seen_left) + (not seen_right)))

    def ahead(self, position: int) -> float:
        """Pull toward the source of the four words after a position, in the same clause, in spreads."""
        total = 0.0
        for token in self.text.tokens[position + 1 : position + 1 + TURNED]:
            if not token.joined:
                break
            total -= self.pull(token.lower) if token.lower not in lexicon.FUNCTION_WORDS else 0.0
        return total

    def reversals(self, position: int) -> list[Edit]:
        """Negations put in, taken out, and function words with an opposite."""
        tokens = self.text.tokens
        token = tokens[position]
        follower = tokens[position + 1] if position + 1 < len(tokens) and tokens[position + 1].joined else None
        following = follower.lower if follower is not None else ""
        phrases: list[tuple[str, float, float]] = []
        ahead = self.ahead(position)
        if follower is not None and following not in _NEGATIVE and self.may_negate(position, following):
            phrase = "cannot" if token.lower == "can" and "cannot" in self.words else f"{token.form} not"
            phrases.append((phrase, max(0.2, min(ahead, 2.0)), 0.4 if ahead > 0.5 else 1.2))
        if token.editable and token.starts and token.lower in ("a", "an") and following not in _NEGATIVE:
            phrases.append((f"not {token.lower}", max(0.2, min(ahead, 2.0)), 0.6 if ahead > 0.5 else 1.4))
        if token.editable and token.lower in lexicon.GREETINGS and not self.negated(position):
            if "no" in self.words:
                phrases.append((f"no {token.lower}", 1.5, 0.3 if token.starts or not token.joined else 0.8))
            for other in lexicon.GREETINGS[token.lower]:
                gain = self.pull(other) - self.pull(token.lower)
                if self.usable(other) and gain > SETTINGS["least_gain"]:
                    phrases.append((other, min(gain, SETTINGS["most_gain"]), 0.8))
        if token.editable and token.lower in lexicon.NEGATIONS:
            # what a negation hides: with it gone, the words ahead count with their own sign
            for rank, phrase in enumerate(lexicon.NEGATIONS[token.lower]):
                if phrase and not self.usable(phrase):
                    continue
                if not phrase and (follower is None or following in _NEGATIVE or following == "only"):
                    continue
                if following == "than":
                    continue
                gain = -ahead if token.lower in _NEGATIVE else ahead
                if token.lower[0] in ":;=":
                    gain = 1.0
                swap = self.pull(phrase) - self.pull(token.lower) if phrase else 0.0
                phrases.append((phrase, max(0.3, min(gain + max(swap, 0.0), 2.0)), 0.3 + 0.2 * rank))
        return [
            Edit(position, phrase, gain, cost + self.oddity(position, phrase), turns=_negates(token.lower, phrase))
            for phrase, gain, cost in phrases
        ]

    def oddity(self, position: int, phrase: str) -> float:
        """Cost of a single word between these neighbours; 0 for a deletion or a phrase."""
        return self.strangeness(position, phrase) if phrase and " " not in phrase else 0.0

    def negated(self, position: int) -> bool:
        """Whether the word before is a negation."""
        return position > 0 and self.text.tokens[position - 1].lower in _NEGATIVE

    def may_negate(self, position: int, following: str) -> bool:
        """Whether `not` reads well after this word: an auxiliary in a statement, before what it belongs to."""
        token = self.text.tokens[position]
        word = token.lower
        if "not" not in self.words:
            return False
        if word in lexicon.COPULA_CONTRACTIONS:
            return True
        if not token.editable or word not in lexicon.AUXILIARIES or token.starts or position == 0 or not token.joined:
            return False
        if following in _SUBJECTS or self.text.tokens[position - 1].lower in _QUESTIONS:
            return False
        if word in ("has", "have", "had"):
            return following == "been" or following.endswith("ed")
        if word in ("do", "does", "did"):
            return "verb" in self.state["classes"].get(following, ())
        return True


def _negates(word: str, phrase: str) -> bool:
    """Whether replacing the word by the phrase puts in or takes out a negation of what follows."""
    return word not in lexicon.GREETINGS and bool(_NEGATIVE & {word, *phrase.lower().split()})


def cosines(oracle: Oracle, word: str, others: Sequence[str]) -> NDArray[np.float64]:
    """Cosine of `word` to each of the others in the teacher's embedding space [len(others)]."""
    if not others:
        return np.zeros(0)
    vectors = oracle.word_vectors([word, *others]).astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return np.asarray(vectors[1:] @ vectors[0])


_STRANGER_COST = {"noun": 1.8, "nouns": 1.8, "verb": 1.6, "verbs": 1.2, "verbed": 1.2, "verbing": 1.4}
"""A noun or verb that the tables do not know seldom trades places with one of opinion; adjectives and adverbs do."""
_BEFORE_NOUNS = lexicon.words(
    "a an the this that my your our their its his her these those such another each every of for with in from by about"
)
_OPENERS = frozenset(lexicon.GREETINGS) | lexicon.words(
    """and but or so if what which who why how when where is are was do does did can a an not"""
)
"""Words before which no adverb may open a statement."""
_NEGATIVE = lexicon.words(
    """not no never nothing none nobody neither nor hardly barely scarcely rarely seldom without cannot"""
)
_BEFORE_BASE = lexicon.words("to will would can could should may might must do did don't didn't can't won't i'll we'll")
_ARTICLES = lexicon.words("a an the my your his her its our their this that")
_SUBJECTS = lexicon.words("i you he she it we they this there anyone anybody")
_QUESTIONS = lexicon.words("who what which why how where when")
