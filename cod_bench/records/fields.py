"""The value of one field of a record or reference file -> what is wrong with it, each in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cod_bench.errors import plain
from cod_bench.records import many
from cod_bench.records.many import SCALE as SCALE

CFE_COUNTS = ("slots", "valid", "first_flips", "redraws", "exhausted", "refused")
"""Whole numbers that a record tells of its counterfactuals; readers need every one."""
CFE_MEANS = ("edit_fraction", "margin_before", "margin_after")
"""Means over the same slots; None where no slot has one."""
LARGEST = 10**12
"""No number in a record is larger; whole numbers of hundreds of digits cannot be computed with."""
LONGEST = 200
"""Characters of a name: file systems take no more than a few over it."""
DIGITS = frozenset("0123456789")
_WORDS = ("date", "cod_bench", "energy", "graphs")
"""What provenance says in one word each."""
_ROWS: Mapping[str, str] = {
    "hash": "a word", "labels": "a word", "roles": "a word", "sources": "a list of words",
    "balance": "a list of counts", "substituted": "a count", "passed_over": "a count",
}  # fmt: skip


def short(value: Any) -> str:
    """A value in a sentence: one line of at most forty characters."""
    if type(value) is int and abs(value) > LARGEST:
        return "a whole number of many digits"  # which Python may refuse to write out
    told = repr(value) if isinstance(value, (str, int, float, type(None))) else f"a {type(value).__name__}"
    return plain(told[:40])


def key(name: str) -> str:
    """A field's own name in a sentence: files may bring any."""
    return plain(name[:40])


def is_name(value: Any) -> bool:
    """Whether a value can stand in a path and on a terminal."""
    return isinstance(value, str) and len(value) <= LONGEST and "/" not in value and plain(value) == value


def _unfit_names(field: str, names: Iterable[str]) -> list[str]:
    return [f"{field}: {short(name)} is no name" for name in names if not is_name(name)]


def odd_numbers(field: str, values: Mapping[str, Any], least: int = 0) -> list[str]:
    """Values that are no number from `least` to LARGEST. NaN is none; true and false are 1 and 0 in metrics alone."""
    kinds = (int, float, bool) if field == "metrics" else (int, float)
    odd = [name for name, value in values.items() if type(value) not in kinds or not least <= value <= LARGEST]
    told = [f"{field}.{key(odd[0])}: {short(values[odd[0]])} is no number from {least} to {LARGEST}"] if odd else []
    return told + _unfit_names(field, values)


def are_probabilities(values: Sequence[int]) -> bool:
    """Whether all are whole numbers in 1..SCALE-1."""
    return set(map(type, values)) <= {int} and (not values or 1 <= min(values) <= max(values) < SCALE)


_SAID = "0" * (SCALE // 2) + "?" + "1" * (SCALE // 2)
"""The class of two by p(class 1); at one half it may be either."""


def contradiction(field: str, predicted: str, p: Sequence[int], classes: int = 2) -> list[str]:
    """The first row whose class is not the one that its probabilities say."""
    if classes > 2:
        told = many.contradiction(predicted, p, classes)
        return [f"{field}: {told}"] if told else []
    said = "".join([_SAID[value] for value in p])
    if said == predicted or len(said) != len(predicted) or not set(predicted) <= {"0", "1"}:
        return []
    off = [row for row, pair in enumerate(zip(predicted, said, strict=True)) if pair in (("0", "1"), ("1", "0"))]
    told = f"{field}: class {{}} in row {{}}, and the probability of class 1 there is {{}} in {SCALE}"
    return [told.format(predicted[off[0]], off[0], p[off[0]])] if off else []


def of_identity(identity: Mapping[str, Any]) -> Iterator[str]:
    """Parts of an identity that readers look into and that are not what they look for."""
    generator = identity.get("generator")
    if generator is not None and not isinstance(generator, Mapping):
        yield f"identity.generator: is a {type(generator).__name__}"
    for part, inside in (("method", "hparams"), ("generator", "params")):
        own = identity.get(part)
        if isinstance(own, Mapping) and not isinstance(own.get(inside, {}), Mapping):
            yield f"identity.{part}.{inside}: is a {type(own[inside]).__name__}"
    for part in ("task", "method", "generator"):
        own = identity.get(part)
        if isinstance(own, Mapping) and not _is_count(own.get("version", 1)):
            yield f"identity.{part}.version: {short(own['version'])} is no whole number"
    if not _is_count(identity.get("condition_version", 1)):
        yield f"identity.condition_version: {short(identity['condition_version'])} is no whole number"


def of_history(history: Mapping[str, Any]) -> Iterator[str]:
    """Losses that are no lists of numbers."""
    yield from _unfit_names("history", history)
    for name, values in history.items():
        if not isinstance(values, (list, tuple)):
            yield f"history.{key(name)}: must be a list of numbers, and is {short(values)}"
        elif not set(map(type, values)) <= {int, float} or not all(-LARGEST <= value <= LARGEST for value in values):
            yield f"history.{key(name)}: must be a list of numbers from -{LARGEST} to {LARGEST}"


def of_rows(rows: Mapping[str, Any]) -> Iterator[str]:
    """Facts about the training rows that are not of their form; which of them there must be is the checks' to say."""
    for name, value in rows.items():
        wanted = _ROWS.get(name)
        if wanted is not None and not _is_form(wanted, value):
            yield f"rows.{name}: must be {wanted}, and is {short(value)}"


def _is_form(wanted: str, value: Any) -> bool:
    if wanted.startswith("a list of "):
        one = f"a {wanted.removeprefix('a list of ').removesuffix('s')}"
        return isinstance(value, (list, tuple)) and all(_is_form(one, item) for item in value)
    return isinstance(value, str) if wanted == "a word" else _is_count(value)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def of_provenance(told: Mapping[str, Any]) -> Iterator[str]:
    """What provenance says in another form than words, and words by name."""
    for name in ("environment", "libraries"):
        words = told.get(name, {})
        if not isinstance(words, Mapping) or not all(map(is_name, [*words, *words.values()])):
            yield f"provenance.{name}: must be words by name"
    if not isinstance(told.get("git"), (Mapping, type(None))):
        yield f"provenance.git.commit: must be told, and git is {short(told['git'])}"
    for name in _WORDS:
        if not is_name(told.get(name, "")):
            yield f"provenance.{name}: {short(told[name])} is no word"


def of_rests_on(told: Mapping[str, Any]) -> Iterator[str]:
    """What a record rests on, in another form than a word, or words by name."""
    for name, of in told.items():
        if not all(map(is_name, [name, *of, *of.values()] if isinstance(of, Mapping) else [name, of])):
            yield f"rests_on.{key(name)}: must be a word, or words by name"


def of_cfe(cfe: Mapping[str, Any] | None, condition: str, *, bare: bool) -> list[str]:
    """What a record tells of its counterfactuals: numbers that can be summed up, in every record that has any."""
    if cfe is None or bare:
        told = "is missing" if cfe is None else "is told"
        return [] if (cfe is None) == bare else [f"cfe: {told}, and the condition is {condition!r}"]
    lacking = [name for name in (*CFE_COUNTS, *CFE_MEANS) if name not in cfe]
    if lacking:
        return [f"cfe.{lacking[0]}: is missing"]
    odd = [name for name in CFE_COUNTS if type(cfe[name]) is not int]
    if odd:
        return [f"cfe.{odd[0]}: {short(cfe[odd[0]])} is no whole number"]
    found = odd_numbers("cfe", {name: value for name, value in cfe.items() if name not in CFE_MEANS})
    found += odd_numbers("cfe", {name: cfe[name] for name in CFE_MEANS if cfe[name] is not None}, least=-LARGEST)
    if found:
        return found
    means = {name: cfe[name] for name in CFE_MEANS if cfe[name] is not None}
    if any(abs(value) > 1 for name, value in means.items() if name != "edit_fraction"):
        found.append("cfe: margins are differences of probabilities, from -1 to 1")
    if means.get("edit_fraction", 0) < 0 or (condition == "cod" and means.get("margin_after", 1) <= 0):
        found.append("cfe: a share edited below 0, or counterfactuals that on the mean do not flip the teacher")
    if len(means) < len(CFE_MEANS) and cfe["valid"] > cfe["exhausted"]:
        found.append("cfe: means are missing although there are texts")
    parts = [name for name in ("valid", "first_flips", "exhausted") if cfe[name] > cfe["slots"]]
    return found + [f"cfe.{name}: {cfe[name]} of {cfe['slots']} slots" for name in parts]
