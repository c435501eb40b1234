"""Original -> counterfactual by few word substitutions that flip the teacher clearly; the embedded default."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cod_bench.generator import Answer, Generator
from cod_bench.generators._substitution import lexicon, valence
from cod_bench.generators._substitution.candidates import RANK, Candidates, Edit, cosines
from cod_bench.generators._substitution.text import changed_positions, parse, render
from cod_bench.generators._substitution.words import SETTINGS, survey
from cod_bench.spec import digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cod_bench.generator import Oracle, Query
    from cod_bench.task import Example


class Substitution(Generator):
    """Teacher-guided minimal word substitution; see `card` and the module's functions for the rules."""

    name: ClassVar[str] = "substitution"
    version: ClassVar[int] = 3
    reads_pool: ClassVar[bool] = True
    card: ClassVar[str] = (
        "Replaces, negates, deletes or inserts few words until the teacher flips clearly: of the versions found, the "
        "one with the best margin for the share of words edited, better if it takes away words of the old verdict; so "
        "more edits than the fewest may be made. Inserted words come from the training pool alone; hand-written "
        "tables of opposites and word classes say which fit, the teacher's scores of single words say which way they "
        "pull, word pairs of the pool say what reads well. Of words that do, those are preferred that people rate like "
        "the target (word list of vaderSentiment, MIT licence, Hutto and Gilbert 2014), where ratings and teacher go "
        "together at all. @names, #tags, links, names, numbers and contractions stay. For English opinion texts; weak "
        "where a verdict is told without opinion words (a noun or an exclamation then does the work), with irony, with "
        "mixed verdicts (one half flips), and where a teacher decides by a #tag."
    )

    settings: ClassVar[Mapping[str, Any]] = SETTINGS
    """What a search goes by; word survey and candidates are those of SETTINGS in every variant."""

    def params(self) -> dict[str, Any]:
        """Search settings, the hash of the hand-written tables, and that of the ratings."""
        return {**self.settings, "tables": digest(lexicon.tables()), "ratings": valence.SHA256[:12]}

    def prepare(self, train: Sequence[Example], oracle: Oracle) -> dict[str, Any]:
        """What the training pool knows (`_pool.survey`): only its words are ever inserted, only they are scored."""
        return survey(train, oracle)

    def answer(self, query: Query, oracle: Oracle, state: Mapping[str, Any]) -> Answer:
        """Search one text.

        `first` is fixed when the teacher has been asked about the original alone: it is made from the teacher's scores
        of single words (in `state`), never from leave-one-out, which would be an edited version of the text.
        """
        return _Search(query, oracle, state, self.settings).run()

    def surveyed(self, state: Mapping[str, Any]) -> int:
        """The words that the teacher was asked about one by one."""
        return len(state["words"])

    def preserve(self, query: Query, counterfactual: str, oracle: Oracle, state: Mapping[str, Any]) -> tuple[str, ...]:
        """Rewrites that change the words the counterfactual changed, by candidates of the original's own class."""
        return _preserve(query, counterfactual, oracle, state)


class _Search:
    """The search for one query; every call to the teacher holds versions of this one text."""

    def __init__(
        self, query: Query, oracle: Oracle, state: Mapping[str, Any], settings: Mapping[str, Any] = SETTINGS
    ) -> None:
        self.settings = settings
        self.target = query.target
        self.oracle = oracle
        self.original = query.example.text
        self.text = parse(self.original, state["names"], state["words"])
        self.passes = 0
        self.seen: dict[tuple[Edit, ...], float] = {}
        self.prices: dict[Edit, float] = {}
        base = self.logits([self.original])[0]
        self.source = int(base.argmax()) if int(base.argmax()) != query.target else query.example.label
        self.base = _margin(base, self.target)
        self.candidates = Candidates(self.text, self.source, self.target, oracle, state)

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.passes += len(texts)
        return self.oracle.guide(texts)

    def run(self) -> Answer:
        edits = self.candidates.edits()
        insertions = self.candidates.insertions()
        first = self.render(self.guess([*edits, *insertions, *self.candidates.all_loose()]))
        tried = _spread_out(edits, self.settings["singles"], self.settings["per_position"])
        self.score([(edit,) for edit in tried])
        self.combine(depth=2, hope=self.settings["hope"])
        ranked: list[int] = []
        if not self.flips():
            ranked = self.left_out(edits)
            more = self.second_look(ranked[: self.settings["places"]], edits, self.settings["per_place"])
            more += _spread_out(insertions, self.settings["insertions"], 3)
            self.score([(edit,) for edit in more])
            self.combine(depth=2)
        known = [*edits, *insertions]
        if not self.flips():
            more = self.second_look(ranked[self.settings["places"] :], edits, 2)[: self.settings["last"]]
            known = [*edits, *self.candidates.insertions(exclamations=True)]
            more += _spread_out(
                [edit for edit in known[len(edits) :] if (edit,) not in self.seen], self.settings["last"], 2
            )
            self.score([(edit,) for edit in more])
            self.combine(depth=self.settings["depth"])
        self.convince(known)
        return Answer(first, tuple(self.best()), self.passes)

    def convince(self, known: Sequence[Edit]) -> None:
        """Look around the best versions for more convincing ones: other words at their places, or one more edit.

        Flips are looked around in `rounds` rounds of at most `extra` texts; where nothing flips, the nearest misses in
        `rescues` rounds of at most `rescue`.
        """
        started = self.passes
        for turn in range(self.settings["rescues"]):
            found = self.flips()
            if found and turn >= self.settings["rounds"]:
                return
            limit = started + self.settings["extra" if found else "rescue"]
            room = min(self.settings["around"], limit - self.passes)
            dear = bool(found)
            worth = {s: self.worth(s, self.seen[s], dear=dear) for s in found or self.seen}
            found = sorted(worth, key=lambda s: (-worth[s], _places(s)))
            if not found or room <= 0:
                return
            hoped = self.neighbours(found[: self.settings["beam"]], known, dear=dear)
            bar = worth[found[0]] + self.settings["better"]
            sets = sorted((s for s in hoped if hoped[s] > bar), key=lambda s: (-hoped[s], _places(s)))
            self.score(sets[:room])

    def neighbours(
        self, sets: Sequence[tuple[Edit, ...]], known: Sequence[Edit], *, dear: bool
    ) -> dict[tuple[Edit, ...], float]:
        """Sets that differ from one of these by one edit, with the worth expected of them."""
        alone = {edits[0]: margin - self.base for edits, margin in self.seen.items() if len(edits) == 1}
        hoped: dict[tuple[Edit, ...], float] = {}
        moves = {edit: self.expected(edit, alone) for edit in (*alone, *known)}
        for edits in sets:
            for edit, move in moves.items():
                others = tuple(e for e in edits if e.position != edit.position)
                if any(edit.clashes(e) for e in others):
                    continue
                grown = tuple(sorted((*others, edit), key=lambda e: e.position))
                if grown not in self.seen and grown not in hoped:
                    left = sum(self.expected(e, alone) for e in edits if e.position == edit.position)
                    hoped[grown] = self.worth(grown, self.seen[edits] + move - left, dear=dear)
        return hoped

    def expected(self, edit: Edit, alone: Mapping[Edit, float]) -> float:
        """Move of the margin by one edit: measured alone, or guessed from the word scores."""
        return alone[edit] if edit in alone else edit.gain * self.candidates.spread * self.settings["trust"]

    def worth(self, edits: Sequence[Edit], margin: float, *, dear: bool = True) -> float:
        """What orders versions, in logits: the margin up to `enough`, less the price of its edits.

        The share of words edited and oddness cost. Words of the source's polarity taken away pay, and words that people
        rate as the target put in: they are what a reader of another domain sees. Unless `dear`, when nothing flips yet,
        any number of edits is welcome.
        """
        sure = min(margin, float(self.settings["enough"]))
        if not dear:
            return sure - float(self.settings["hurried"]) * sum(edit.cost for edit in edits)
        return sure - sum(self.price(edit) for edit in edits)

    def price(self, edit: Edit) -> float:
        """What one edit costs in `worth`, less what it pays."""
        if edit not in self.prices:
            share = _size(edit) / max(len(self.text.tokens), 1)
            asked = self.settings["dear"] * share + self.settings["oddness"] * edit.cost
            self.prices[edit] = (
                asked - self.settings["carried"] * self.removed(edit) - self.settings["valence"] * self.valence(edit)
            )
        return self.prices[edit]

    def valence(self, edit: Edit) -> float:
        """Valence of the words put in, as it leans to the target, less that of the word taken away."""
        return self.candidates.valence(edit.phrase) - self.candidates.valence(self.text.tokens[edit.position].lower)

    def removed(self, edit: Edit) -> float:
        """Pull to the source of the word that an edit takes away, 0 when the word stays."""
        old = self.text.tokens[edit.position].lower
        if old in edit.phrase.lower().split():
            return 0.0
        return min(max(-self.candidates.pull(old), 0.0), 2.0)

    def render(self, edits: Iterable[Edit]) -> str:
        return render(self.text, {edit.position: edit.phrase for edit in edits})

    def guess(self, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        """The edits that the word scores alone expect to flip the text; at least one, at most `guesses`."""
        chosen: list[Edit] = []
        reached = self.base
        for edit in edits:
            if len(chosen) == self.settings["guesses"] or (chosen and reached > 0):
                break
            if not any(edit.clashes(other) for other in chosen):
                chosen.append(edit)
                reached += edit.gain * self.candidates.spread * self.settings["slope"]
        return tuple(chosen)

    def score(self, sets: Sequence[tuple[Edit, ...]]) -> None:
        """Ask the teacher about edited versions, one batch, most promising first."""
        fresh = [edits for edits in sets if edits not in self.seen]
        texts = [self.render(edits) for edits in fresh]
        if texts:
            for edits, row in zip(fresh, self.logits(texts), strict=True):
                self.seen[edits] = _margin(row, self.target)

    def flips(self) -> list[tuple[Edit, ...]]:
        """Versions that flip the teacher with room to spare."""
        return [edits for edits, margin in self.seen.items() if margin >= self.settings["margin"]]

    def left_out(self, edits: Sequence[Edit]) -> list[int]:
        """Positions that can be edited, those first without which the teacher leans most to the target."""
        places = sorted({edit.position for edit in edits} | self.candidates.content())
        if not places:
            return []
        rows = self.logits([render(self.text, {i: ""}) for i in places])
        lean = {i: _margin(row, self.target) for i, row in zip(places, rows, strict=True)}
        return sorted(places, key=lambda i: (-lean[i], i))

    def second_look(self, places: Sequence[int], edits: Sequence[Edit], each: int) -> list[Edit]:
        """Edits at these positions that the teacher has not seen, loose substitutions last."""
        chosen: list[Edit] = []
        for i in places:
            own = [edit for edit in edits if edit.position == i and (edit,) not in self.seen]
            chosen += (own + self.candidates.loose(i))[:each]
        return chosen

    def combine(self, *, depth: int, hope: float = np.inf) -> None:
        """Beam search over sets of edits, one more edit a round, ordered by the sum of what each has moved alone."""
        alone = {edits[0]: margin - self.base for edits, margin in self.seen.items() if len(edits) == 1}
        limit = max(2, int(len(self.text.tokens) * self.settings["share"]))
        singles: list[tuple[Edit, ...]] = [(edit,) for edit in alone]
        beam = sorted(singles, key=lambda edits: (-self.seen[edits], edits[0].position, edits[0].phrase))
        best_alone = sorted(alone, key=lambda edit: (edit.cost * 0.5 - alone[edit], edit.position, edit.phrase))
        for _ in range(2, min(limit, depth) + 1):
            if self.flips() or not beam:
                return
            grown: dict[frozenset[Edit], float] = {}
            for edits in beam[: self.settings["beam"]]:
                for edit in best_alone[:24]:
                    if not any(edit.clashes(other) for other in edits):
                        grown.setdefault(frozenset((*edits, edit)), self.seen[edits] + alone[edit])
            sets = [tuple(sorted(edits, key=lambda e: e.position)) for edits in grown]
            order = dict(zip(sets, grown.values(), strict=True))
            sets.sort(key=lambda s: (sum(e.cost for e in s) * 0.5 - order[s], [(e.position, e.phrase) for e in s]))
            sets = [s for s in sets if order[s] > -hope][: self.settings["width"]]
            self.score(sets)
            beam = sorted(sets, key=lambda s: (-self.seen[s], [(e.position, e.phrase) for e in s]))

    def best(self) -> list[str]:
        """Flipped versions first, the most convincing for the words edited in front; the nearest miss if none flips."""
        flipped = [(edits, margin) for edits, margin in self.seen.items() if margin > 0]

        def order(item: tuple[tuple[Edit, ...], float]) -> tuple[Any, ...]:
            edits, margin = item
            return margin < self.settings["margin"], -self.worth(edits, margin), _places(edits)

        ranked = sorted(flipped, key=order) or sorted(self.seen.items(), key=lambda item: -item[1])[:1]
        texts = dict.fromkeys(self.render(edits) for edits, _ in ranked)
        return [text for text in texts if text != self.original][: self.settings["attempts"]]


def _places(edits: Sequence[Edit]) -> list[tuple[int, str]]:
    """Breaks ties in an order that depends on the edits alone."""
    return [(edit.position, edit.phrase) for edit in edits]


def _size(edit: Edit) -> int:
    """Words that an edit changes."""
    return max(1, edit.phrase.count(" "))


def _margin(row: NDArray[np.float32], target: int) -> float:
    """Logit of the target above the best other one."""
    return float(row[target]) - float(np.delete(row, target).max())


def _spread_out(edits: Sequence[Edit], total: int, each: int) -> list[Edit]:
    """The first `total` edits with at most `each` per position."""
    taken: Counter[int] = Counter()
    chosen: list[Edit] = []
    for edit in edits:
        if len(chosen) < total and taken[edit.position] < each:
            taken[edit.position] += 1
            chosen.append(edit)
    return chosen


def _preserve(query: Query, counterfactual: str, oracle: Oracle, state: Mapping[str, Any]) -> tuple[str, ...]:
    text = parse(query.example.text, state["names"], state["words"])
    edited = [token.form for token in parse(counterfactual, state["names"], state["words"]).tokens]
    changes = changed_positions(text, edited)
    # seen from the original's class: candidates pull to it, away from the counterfactual's
    candidates = Candidates(text, query.target, query.example.label, oracle, state)
    options: list[list[Edit]] = []
    for position, phrase in sorted(changes.items()):
        own = _same_class(candidates, position, phrase)
        if own:
            options.append(own[:20])
    if not options:
        return ()
    ranked = sorted(
        itertools.product(*(range(min(len(own), 20 if len(options) == 1 else 5)) for own in options)),
        key=lambda r: (sum(r), r),
    )
    texts = dict.fromkeys(
        render(text, {own[r].position: own[r].phrase for own, r in zip(options, ranks, strict=True)})
        for ranks in ranked
    )
    return tuple(t for t in texts if t not in (query.example.text, counterfactual))[:20]


def _same_class(candidates: Candidates, position: int, phrase: str) -> list[Edit]:
    """Edits at a position that keep the class, best first."""
    token = candidates.text.tokens[position]
    parts = phrase.split()
    if len(parts) > 1 and token.lower in (parts[0].lower(), parts[-1].lower()):
        return _other_insertions(candidates, position, parts)
    found: list[str] = []

    def liked(word: str) -> float:  # as in the search for counterfactuals
        return float(SETTINGS["valence_first"] * candidates.valence(word))

    for others in lexicon.COMPANIONS.get(token.lower, {}).values():
        cost = {word: RANK * rank - liked(word) for rank, word in enumerate(others)}
        found += sorted(others, key=lambda word: cost[word])
    for kind in candidates.state["classes"].get(token.lower, ()):
        listed = candidates.state["lists"][kind][str(candidates.target)]
        near = cosines(candidates.oracle, token.lower, listed)
        pulls = [min(candidates.pull(word), 1.5) for word in listed]
        worth = [pull + liked(word) + float(close) for pull, word, close in zip(pulls, listed, near, strict=True)]
        order = sorted(range(len(listed)), key=lambda i: (-worth[i], listed[i]))
        found += [listed[i] for i in order if pulls[i] > SETTINGS["least_gain"]]
    found += lexicon.FUNCTION_SWAPS.get(token.lower, ())
    courtesies = token.lower in lexicon.GREETINGS  # which only another courtesy may follow
    known = candidates.words
    usable = [word for word in found if candidates.usable(word) or (courtesies and word in known)]
    return [Edit(position, word, 0.0, 0.0) for word in dict.fromkeys(usable) if word != token.lower]


def _other_insertions(candidates: Candidates, position: int, parts: Sequence[str]) -> list[Edit]:
    """For a word put beside the one at this position: words of the same kind that lean to the original's class."""
    token = candidates.text.tokens[position]
    before = parts[-1].lower() == token.lower
    form = token.lower if token.editable and token.form != "I" else token.form
    inserted = (parts[0] if before else parts[-1]).lower()
    pool: tuple[str, ...] = lexicon.INTENSIFIERS
    for table in (lexicon.ATTRIBUTES, lexicon.SENTENCE_ADVERBS):
        if inserted in table:
            lean = {w: candidates.pull(w) + SETTINGS["valence_first"] * candidates.valence(w) for w in table}
            pool = tuple(sorted((w for w in table if candidates.pull(w) > 0), key=lambda w: (-lean[w], w)))
    if inserted in lexicon.ATTRIBUTES and before:
        form = token.form
    mark = "!" if inserted in lexicon.ATTRIBUTES else "," if inserted in lexicon.SENTENCE_ADVERBS else ""
    words = [word for word in pool if candidates.usable(word) and word != inserted]
    return [Edit(position, f"{w}{mark} {form}" if before else f"{form} {w}", 0.0, 0.0) for w in words]


GENERATOR = Substitution()
