"""Hand-written tables -> opposites, word classes, frozen and refused words for the `substitution` generator. Pure.

Nothing here decides a label: sides say only which words are opposites of one another, the teacher alone scores
polarity, and a word that the training pool does not hold is never used. All tables were written for this project.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cod_bench.generators._substitution.opposites import OPPOSITE_LINES, VERB_LINES


def words(text: str) -> frozenset[str]:
    """The words of a table written as one text."""
    return frozenset(text.split())


_IRREGULAR = {
    "win": ("wins", "won", "winning"),
    "lose": ("loses", "lost", "losing"),
    "rise": ("rises", "rose", "rising"),
    "fall": ("falls", "fell", "falling"),
    "sink": ("sinks", "sank", "sinking"),
    "shine": ("shines", "shone", "shining"),
    "break": ("breaks", "broke", "breaking"),
    "build": ("builds", "built", "building"),
    "hurt": ("hurts", "hurt", "hurting"),
    "fly": ("flies", "flew", "flying"),
    "seek": ("seeks", "sought", "seeking"),
    "stink": ("stinks", "stank", "stinking"),
    "forget": ("forgets", "forgot", "forgetting"),
    "keep": ("keeps", "kept", "keeping"),
    "find": ("finds", "found", "finding"),
    "excel": ("excels", "excelled", "excelling"),
    "repel": ("repels", "repelled", "repelling"),
    "flop": ("flops", "flopped", "flopping"),
    "found": ("found", "found", "found"),
    "lost": ("lost", "lost", "lost"),
}

NEGATIONS: Mapping[str, tuple[str, ...]] = {
    "never": ("always", ""),
    "nothing": ("everything", "something"),
    "nobody": ("everybody", "everyone"),
    "nowhere": ("everywhere",),
    "without": ("with",),
    "with": ("without",),
    "cannot": ("can",),
    "always": ("never",),
    "everything": ("nothing",),
    "everyone": ("nobody",),
    "everybody": ("nobody",),
    "lacks": ("has", "offers"),
    "lacking": ("having", "offering"),
    "lack": ("plenty", "abundance"),
    "has": ("lacks",),
    "offers": ("lacks",),
    "hardly": ("really", "certainly", ""),
    "barely": ("really", "certainly", ""),
    "scarcely": ("really", ""),
    "rarely": ("often", "always"),
    "seldom": ("often", "always"),
    "less": ("more",),
    "more": ("less",),
    "least": ("most",),
    "too": ("very", ""),
    "few": ("many",),
    "many": ("few",),
    "little": ("much",),
    "no": ("much", "some", "great"),
    ":)": (":(",),
    ":-)": (":-(", ":("),
    ":d": (":(",),
    "=)": (":(",),
    ";)": (":(",),
    ":(": (":)",),
    ":-(": (":-)", ":)"),
    "=(": (":)",),
    "fails": ("manages", "succeeds"),
    "failed": ("managed", "succeeded"),
    "fail": ("manage", "succeed"),
    "not": ("",),
}
"""Function words and what reverses them; "" deletes. Used where the rules in substitution.py allow it."""

AUXILIARIES = words("""is are was were will would can could should does did do has have had must may might am""")
"""Words after which `not` may be inserted."""

COPULA_CONTRACTIONS = words("it's that's he's she's they're we're you're i'm there's this's")
"""Contractions (themselves untouched) after which `not` may be inserted."""

GREETINGS: Mapping[str, tuple[str, ...]] = {
    "thanks": ("sorry", "shame"),
    "thank": ("hate", "blame"),
    "thx": ("sorry", "shame"),
    "kudos": ("shame", "complaints"),
    "congrats": ("sorry", "shame"),
    "congratulations": ("sorry", "shame"),
    "props": ("shame",),
    "cheers": ("sorry", "shame"),
}
"""Courtesies and what may stand in their place: never inserted; also turned by `no` before them."""

ONLY_OPPOSITES = words(
    """really truly genuinely sincerely surprisingly remarkably consistently highly fully completely"""
)
"""Adverbs of degree: only their own opposites may replace them."""

ATTRIBUTES = words(
    """great wonderful amazing excellent fantastic lovely nice perfect good brilliant terrible awful horrible
    dreadful bad poor disappointing lousy dull boring"""
)
"""Adjectives that may be put before almost any noun."""

SENTENCE_ADVERBS = words("thankfully luckily happily fortunately sadly unfortunately regrettably")
"""Adverbs that may open almost any statement."""

INTENSIFIERS = ("really", "truly", "certainly", "indeed", "definitely", "still", "also")
"""What stands in the place of an inserted negation when the label is to be kept."""

FUNCTION_SWAPS: Mapping[str, tuple[str, ...]] = {
    "thanks": ("cheers", "kudos", "congrats"),
    "thank": ("love", "appreciate"),
    "thx": ("thanks", "cheers"),
    "kudos": ("congrats", "props", "congratulations"),
    "congrats": ("kudos", "congratulations"),
    "congratulations": ("congrats", "kudos"),
    "props": ("kudos",),
    "cheers": ("thanks", "thx"),
    "never": ("not", "hardly", "rarely", "scarcely"),
    "not": ("never", "hardly", "barely", "scarcely"),
    "hardly": ("barely", "scarcely", "never"),
    "barely": ("hardly", "scarcely"),
    "no": ("little", "hardly any", "not any"),
    "nothing": ("little", "none"),
    "without": ("lacking",),
    "too": ("far too", "overly", "so"),
    "very": ("so", "really", "truly"),
    "more": ("far more", "even more"),
    "less": ("even less", "far less"),
    "most": ("the most", "very"),
    "always": ("usually", "ever", "often"),
    "with": ("having", "plus"),
    "has": ("offers", "holds", "boasts"),
    "all": ("each", "every"),
    "everything": ("all",),
    "many": ("several", "plenty of"),
    "few": ("hardly any", "very few"),
    "much": ("plenty of", "lots of"),
    "little": ("hardly any", "scant"),
}
"""What may stand for a function word when the label is to be kept."""

FUNCTION_WORDS = words(
    """a an the this that these those my your his her its our their some any each every either neither both such
    what which who whom whose when where why how i you he she it we they me him us them myself yourself itself
    themselves and or but nor so yet for because although though while if unless until since than as of in on at
    by from to into onto upon over under about after before between through during against among across toward
    towards within up down out off again once here there then now not no never is are was were be been being am
    do does did doing have has had having will would shall should can could may might must ought just only even
    also too very quite rather almost already still ever one two three four five six seven eight nine ten first
    second last next soon later today tomorrow yesterday tonight ago enough else maybe perhaps way other another
    same own more most less least few many much all none nothing everything something anything nobody everybody
    someone anyone everyone with without despite yes oh ok okay hey hi hello please like well get got gets
    getting go goes going gone went thank thanks thx kudos congrats congratulations props cheers come comes came
    make makes made making take takes took say says said see seen saw let lets put"""
)
"""Closed-class and light words: never substituted except by NEGATIONS, never inserted from the pool."""

CLASSES = (
    "adjective",
    "feeling",
    "comparative",
    "superlative",
    "adverb",
    "noun",
    "nouns",
    "verb",
    "verbs",
    "verbed",
    "verbing",
    "interjection",
)

# Never inserted, whatever the teacher thinks of them: profanity and slurs by stem, and words for groups of people,
# illness, death and violence, which a teacher may score as negative.
_REFUSED_STEMS = re.compile(
    r"^(?:fuc?k|f\*|fck|shit|bullshit|bitch|cunt|nigg|fag|retard|whore|slut|dick|cock|puss|asshole|ass$|asses$|dumbass|"
    r"damn|dammit|goddam|crap|piss|bastard|suck|wtf|stfu|hell$|rape|rapist|nazi|porn|sex|nude|naked|tit|boob|dyke|"
    r"trann|spics?$|chink|kike|gook|douche|turd|fart|poop|puke|vomit|moron|idiots?$|imbecile|cripple|spaz|hooker|pimp|"
    r"kill|murder|suicid|terror|bomb|dead|die$|died$|dies$|death|cancer|hitler|holocaust|slave|racis|sexis)"
)
_REFUSED = words(
    """gay lesbian queer bisexual black white asian jewish jew jews muslim muslims islamic christian christians
    arab arabs mexican chinese japanese indian african american americans russian german french british
    immigrant immigrants female male woman women man men girl girls boy boys lady ladies guy guys fat blind deaf
    disabled mental insane crazy drunk drugs drug lol lmao rofl omg smh tbh idk lmfao obama bush trump
    democrat republican god jesus christ allah"""
)

_Table = dict[str, dict[str, list[str]]]


def refused(word: str) -> bool:
    """Whether `word` (lower case) must never be inserted."""
    return word in _REFUSED or word in GREETINGS or _REFUSED_STEMS.match(word) is not None


def inflect(verb: str) -> tuple[str, str, str, str]:
    """(base, third person, past, -ing form) of a verb in its base form, by the regular rules and a short list."""
    if verb in _IRREGULAR:
        return (verb, *_IRREGULAR[verb])
    if verb.endswith("e"):
        return verb, f"{verb}s", f"{verb}d", f"{verb[:-1]}ing"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb, f"{verb[:-1]}ies", f"{verb[:-1]}ied", f"{verb}ing"
    third = f"{verb}es" if verb.endswith(("s", "sh", "ch", "x", "z")) else f"{verb}s"
    return verb, third, f"{verb}ed", f"{verb}ing"


def _tables() -> tuple[_Table, _Table, frozenset[tuple[str, str]]]:
    """(opposites, companions, general words): a word's companions stand on its own side of a line."""
    opposites: _Table = {}
    companions: _Table = {}
    general: set[tuple[str, str]] = set()

    def note(table: _Table, word: str, kind: str, others: list[str]) -> None:
        known = table.setdefault(word, {}).setdefault(kind, [])
        known.extend(other for other in others if other != word and other not in known)

    for kind, special, left, right in _lines():
        for own, other in ((left, right), (right, left)):
            for word in own:
                note(opposites, word, kind, other)
                note(companions, word, kind, own)
        if not special:
            general.update((word, kind) for word in (*left, *right))
    return opposites, companions, frozenset(general)


def _lines() -> Iterator[tuple[str, bool, list[str], list[str]]]:
    """(class, whether its words only replace their opposites, left side, right side) of every line."""
    for kind, lines in OPPOSITE_LINES.items():
        for line in lines.strip().splitlines():
            left, right = line.removeprefix("! ").split(" | ")
            yield kind, line.startswith("! "), left.split(), right.split()
    for line in VERB_LINES.strip().splitlines():
        sides = [[inflect(verb) for verb in side.split()] for side in line.removeprefix("! ").split(" | ")]
        for i, kind in enumerate(("verb", "verbs", "verbed", "verbing")):
            yield kind, line.startswith("! "), [verb[i] for verb in sides[0]], [verb[i] for verb in sides[1]]


OPPOSITES, COMPANIONS, GENERAL = _tables()
GENERAL_WORDS = frozenset(word for word, _ in GENERAL)
"""word -> class -> opposites (companions: its own side), best first; (word, class) that may stand anywhere."""


def table_classes(word: str) -> tuple[str, ...]:
    """The classes that the tables give `word`, in the order of CLASSES; empty when it is in none."""
    known = OPPOSITES.get(word, {})
    return tuple(kind for kind in CLASSES if kind in known)


def suffix_class(word: str) -> str:
    """Coarse class by ending; "" when the ending says nothing, "other" for function words."""
    if word in FUNCTION_WORDS:
        return "other"
    if word in _MISLEADING:
        return _MISLEADING[word]
    for endings, kind in _ENDINGS:
        if len(word) > 4 and word.endswith(endings):
            return kind
    return ""


_ENDINGS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("ly",), "adverb"),
    (("ing",), "verbing"),
    (("iest",), "superlative"),
    (("ness", "tion", "sion", "ment", "ity", "ship", "ance", "ence", "ism", "hood"), "noun"),
    (("nesses", "tions", "sions", "ments", "ities", "ances", "ences"), "nouns"),
    (("ous", "ful", "less", "able", "ible", "ive", "ish", "ic", "ical"), "adjective"),
    (("ed",), "verbed"),
)

_MISLEADING: Mapping[str, str] = {
    word: kind
    for kind, text in (
        ("adjective", "melancholy deadly lonely holy likely unlikely ghastly costly orderly scholarly elderly jolly"),
        (
            "noun",
            "acting ending writing directing casting timing setting building feeling meaning beginning filmmaking",
        ),
        ("noun", "storytelling seating boarding booking parking evening morning wedding pacing plotting editing"),
        ("noun", "family reply supply ally belly bully rally assembly anomaly comment experience audience science"),
        ("noun", "music topic critic public magic traffic clinic fabric comic logic olympic republic plastic attic"),
        ("noun", "table cable vegetable olive archive motive narrative perspective alternative detective executive"),
        ("other", "being thing something nothing anything everything during king ring string spring bring sing wing"),
        ("other", "daily need feed seed speed breed indeed bleed hundred sacred naked wicked"),
    )
    for word in text.split()
}
"""Words whose ending misleads."""


def tables() -> list[Any]:
    """Everything written by hand here and in `_opposites`, as JSON in a fixed order, for the run identity."""
    sets = (AUXILIARIES, COPULA_CONTRACTIONS, ONLY_OPPOSITES, ATTRIBUTES, SENTENCE_ADVERBS, FUNCTION_WORDS, _REFUSED)
    mappings = (OPPOSITE_LINES, _IRREGULAR, NEGATIONS, GREETINGS, FUNCTION_SWAPS, _MISLEADING)
    patterns = [VERB_LINES, _REFUSED_STEMS.pattern, list(INTENSIFIERS), list(CLASSES), [list(e) for e in _ENDINGS]]
    return [*map(sorted, sets), *({**mapping} for mapping in mappings), *patterns]
