"""Training pool -> what `substitution` knows of it: words, word pairs, names, word classes, candidate lists."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cod_bench.generators._substitution import lexicon, valence
from cod_bench.generators._substitution.text import Text, parse, words_of

if TYPE_CHECKING:
    from cod_bench.generator import Oracle
    from cod_bench.task import Example

EDGE = "|"
"""Stands for a neighbour beyond punctuation in the word pairs of the pool."""
BATCH = 512

SETTINGS: dict[str, Any] = {
    "words": 8000,
    "least_count": 5,
    "list": 100,
    "few": 1,
    "listed_pull": 0.2,
    "stranger_pull": 0.7,
    "singles": 16,
    "insertions": 9,
    "hope": 1.0,
    "per_position": 4,
    "places": 8,
    "last": 12,
    "per_place": 3,
    "beam": 4,
    "width": 14,
    "depth": 6,
    "share": 0.5,
    "margin": 0.5,
    "guesses": 3,
    "slope": 1.0,
    "attempts": 8,
    "least_gain": 0.3,
    "most_gain": 3.0,
    "carries": 0.9,
    "nearness": 1.0,
    "unseen": 0.25,
    "oddness": 0.3,
    "hurried": 0.1,
    "enough": 3.5,
    "dear": 64.0,
    "carried": 0.5,
    "rounds": 2,
    "rescues": 6,
    "rescue": 90,
    "extra": 18,
    "around": 9,
    "better": -0.5,
    "trust": 0.5,
    "valence": 2.0,
    "valence_first": 0.6,
    "rated": 50,
    "related": 0.2,
}
"""Search settings; all part of the run identity. Gains, pulls and `valence_first` (what a whole point of valence takes
off an edit's cost) are in spreads of the teacher's word scores, `valence` (what it adds to a version's worth) is in
logits; `rated` and `related` are the fewest rated words and the least correlation with which valence counts at all."""


def survey(train: Sequence[Example], oracle: Oracle) -> dict[str, Any]:
    """The JSON state of the generator.

    Returns:
        `words`: word -> [count, centred logit per class], most frequent first; `names`: words mostly written as
        names -> how often; `pairs`: word -> {next word: count}; `classes`: word -> its coarse classes; `lists`: word
        class -> class label -> words that pull there; `spread`: standard deviation of a word's pull, the unit of gains;
        `valence`: word -> how far people's rating of it leans to each label.
    """
    counts: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for example in train:
        for word, as_name in words_of(example.text):
            counts[word] += 1
            named[word] += as_name
    pairs: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for example in train:
        for left, right in _pairs(parse(example.text, {}, counts)):
            pairs[left][right] += 1
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    frequent = ranked[: SETTINGS["words"]]
    scored = frequent + [word for word in ranked[SETTINGS["words"] :] if word in lexicon.OPPOSITES]
    chunks = [oracle.guide(scored[i : i + BATCH]) for i in range(0, len(scored), BATCH)]
    logits = np.concatenate(chunks).astype(np.float64)
    logits -= np.average(logits, axis=0, weights=np.sqrt([counts[word] for word in scored]))
    logits -= logits.mean(axis=1, keepdims=True)
    state: dict[str, Any] = {
        "words": {w: [counts[w], *(round(float(x), 4) for x in row)] for w, row in zip(scored, logits, strict=True)},
        "names": {word: named[word] for word in ranked if named[word] * 2 > counts[word]},
        "pairs": {left: dict(sorted(rights.items())) for left, rights in sorted(pairs.items())},
        "spread": max(round(2 * float(logits.std()), 4), 1e-4),
    }
    state["valence"] = _valences(state, logits.shape[1])
    state["classes"] = _word_classes(state)
    state["lists"] = _candidate_lists(state, logits.shape[1])
    return state


def _valences(state: Mapping[str, Any], labels: int) -> dict[str, list[float]]:
    """Word -> its valence as it leans to each label, -1 to 1; empty where it is unrelated to what the teacher says."""
    known = valence.ratings()
    rated = [word for word in state["words"] if word in known]
    values = np.array([known[word] for word in rated])
    rows = np.array([state["words"][word][1:] for word in rated]).reshape(len(rated), labels)
    if len(rated) < SETTINGS["rated"] or values.std() == 0.0:
        return {}
    signs = np.zeros(labels)
    for label in np.flatnonzero(rows.std(axis=0)):
        related = float(np.corrcoef(values, rows[:, label])[0, 1])
        signs[label] = np.sign(related) if abs(related) >= SETTINGS["related"] else 0.0
    if not signs.any():
        return {}
    return {word: [round(float(value * sign), 4) for sign in signs] for word, value in zip(rated, values, strict=True)}


def _pairs(text: Text) -> list[tuple[str, str]]:
    """Neighbouring words of a text in lower case, EDGE beyond punctuation."""
    found = []
    before = EDGE
    for token in text.tokens:
        if token.joined:
            found.append((before, token.lower))
        else:
            found += [(before, EDGE)] if before != EDGE else []
            found.append((EDGE, token.lower))
        before = token.lower
    return [*found, (before, EDGE)]


_DETERMINERS = lexicon.words("a an the this that these those his her its their our my your some any no of")
_DEGREES = lexicon.words(
    """very so too more most is are was were it's really quite pretty as be been feels looks seems"""
)
_BEFORE_VERBS = lexicon.words(
    """to will would can could should might may do does did don't doesn't didn't can't won't i you we they"""
)
_OBJECTS = _DETERMINERS - {"of", "no"} | lexicon.words("me you him us them it all")


def _word_classes(state: Mapping[str, Any]) -> dict[str, list[str]]:
    """Word -> its coarse classes: by the tables, by its ending, or by its neighbours in the pool."""
    left: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for before, afters in state["pairs"].items():
        for group, members in (("noun", _DETERMINERS), ("adjective", _DEGREES), ("verb", _BEFORE_VERBS)):
            if before in members:
                for after, count in afters.items():
                    left[after][group] += count
    classes: dict[str, list[str]] = {}
    for word, (count, *_) in state["words"].items():
        if word in lexicon.FUNCTION_WORDS:
            continue
        known = list(lexicon.table_classes(word)) or [kind for kind in [lexicon.suffix_class(word)] if kind]
        if not known and count >= SETTINGS["least_count"]:
            known = _by_neighbours(word, count, left[word], state["pairs"].get(word, {}))
        if known and known != ["other"]:
            classes[word] = known
    return classes


def _by_neighbours(word: str, count: int, left: Mapping[str, int], right: Mapping[str, int]) -> list[str]:
    """Class of a word without a telling ending, [] when its neighbours do not tell either."""
    noun, adjective, verb = (left.get(kind, 0) / count for kind in ("noun", "adjective", "verb"))
    takes_object = sum(n for other, n in right.items() if other in _OBJECTS) / count
    modifies = sum(n for other, n in right.items() if other not in lexicon.FUNCTION_WORDS and other != EDGE) / count
    plural = word.endswith("s") and not word.endswith("ss")
    if takes_object >= 0.25 and takes_object > noun:
        return ["verbs" if plural else "verb"]
    if verb >= 0.25 and verb > max(noun, adjective) and not plural:
        return ["verb"]
    if not plural and adjective >= 0.08 and noun + adjective >= 0.2 and (adjective > noun or modifies >= 0.45):
        return ["adjective"]
    if noun >= 0.15 and modifies < 0.45:
        return ["nouns" if plural else "noun"]
    return []


def _candidate_lists(state: Mapping[str, Any], labels: int) -> dict[str, dict[str, list[str]]]:
    """Class -> label -> words that the teacher alone scores for that label; general words of the tables first."""
    found: dict[str, dict[str, list[tuple[bool, float, str]]]] = {
        kind: {str(label): [] for label in range(labels)} for kind in lexicon.CLASSES
    }
    for word, kinds in state["classes"].items():
        count, *row = state["words"][word]
        if word in state["names"] or len(word) < 3 or lexicon.refused(word):
            continue
        for kind in kinds:
            general = (word, kind) in lexicon.GENERAL
            if not general and (word in lexicon.OPPOSITES or count < SETTINGS["least_count"]):
                continue  # words of a line of their own only replace their opposites
            for label in range(labels):
                pull = (row[label] - max(x for y, x in enumerate(row) if y != label)) / state["spread"]
                if pull > SETTINGS["listed_pull" if general else "stranger_pull"]:
                    found[kind][str(label)].append((not general, -pull, word))

    def listed(kind: str, entries: list[tuple[bool, float, str]]) -> list[str]:
        general = sum(not stranger for stranger, *_ in entries)
        # nouns and verbs of opinion that the tables do not know fit few places: only where the tables know too few
        only_general = kind in _BOUND and general >= SETTINGS["few"]
        return [word for stranger, _, word in sorted(entries) if not (stranger and only_general)][: SETTINGS["list"]]

    return {kind: {y: listed(kind, entries) for y, entries in by_label.items()} for kind, by_label in found.items()}


_BOUND = lexicon.words("noun nouns verb verbs verbed verbing")
