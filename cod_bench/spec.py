"""What a run is: protocol, track, task, method, condition, generator, k, seed -> run id and random streams."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cod_bench import registry
from cod_bench.errors import UsageError

IDENTITY_VERSION = 1
"""Part of every run id. Raising it needs a migration that renames records without re-running them."""

POOL_VERSIONS = {"float32": 1, "bfloat16": 2}
"""By the precision of the track: of how answers are found, judged and controls made (pool, perturb and near).

In the id of runs that use a pool."""

LOCAL = "+local-"
"""Between a task's name and what stands for the rows of a local slice of it: `sst2+local-1a2b3c4d`."""


def base_name(task: str) -> str:
    """A task's name without what marks a local slice."""
    return task.partition(LOCAL)[0]


_generated: dict[str, bool] = {}
_parameters: dict[str, str] = {}


def generator_for(condition: str, generator: str) -> str:
    """The generator that a condition's runs name in a suite with that one: itself, with other parameters, or none."""
    if not needs_generator(condition):
        return ""
    if condition not in _parameters:
        _parameters[condition] = registry.load("condition", condition).parameters
    own = _parameters[condition]
    return f"{generator}_{own}" if own else generator


def needs_generator(condition: str) -> bool | None:
    """Whether a condition is given a generator's entries; None where it is not installed here."""
    if condition not in _generated:
        if condition not in registry.names("condition"):
            return None
        _generated[condition] = "entries" in registry.load("condition", condition).needs
    return _generated[condition]


@dataclass(frozen=True, slots=True)
class Protocol:
    """How one run is trained and when it is looked at (protocol.md, "Protocols")."""

    name: str
    select: Literal["last", "dev", "evaluation"]
    ranked: bool
    meaning: str
    reference_habits: bool = False
    """Padding in the layer MSE, rows shuffled singly, teacher-wrong rows kept, dropout in TED's first stage."""


PROTOCOLS: Mapping[str, Protocol] = {
    p.name: p
    for p in (
        Protocol("last", "last", True, "fixed steps, last weights, evaluated once"),
        Protocol("dev", "dev", False, "best epoch on a dev split cut from the training pool, whose labels are extra"),
        Protocol("paper", "evaluation", False, "best epoch on the evaluation split, as the released code does", True),
    )
}


@dataclass(frozen=True, slots=True, order=True)
class RunSpec:
    """One training. `generator` is empty exactly for the conditions that are given none of a generator's entries."""

    protocol: str
    track: str
    task: str
    method: str
    condition: str
    generator: str
    k: int
    seed: int

    def __post_init__(self) -> None:
        generated = needs_generator(self.condition)
        if generated is False and self.generator:
            raise UsageError(
                f"generator={self.generator!r}: condition {self.condition!r} never depends on one; leave it empty"
            )
        if generated and not self.generator:
            raise UsageError(f"generator='': condition {self.condition!r} needs one, for example 'substitution'")
        if generated and (own := generator_for(self.condition, "")) and not self.generator.endswith(own):
            raise UsageError(
                f"generator={self.generator!r}: condition {self.condition!r} has parameters of its own; name one that "
                f"ends in {own!r}, such as 'substitution{own}'"
            )
        if self.seed < 0:
            raise UsageError(f"seed={self.seed}: choose a seed of 0 or more")

    @property
    def label(self) -> str:
        """One readable line, as `run` prints it."""
        return f"{self.task} {self.method} {self.condition} k={self.k} seed={self.seed}"


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, ASCII; equal values give equal bytes.

    Raises:
        ValueError: a NaN or infinity, which JSON does not have.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


DEEPEST = 64
"""Lists and objects inside each other, at most, in JSON that is read; what is written here has less than ten."""


def parsed(text: str, *, strict: bool = True) -> Any:
    """The JSON value in `text`, from wherever it comes.

    Args:
        strict: it must be a value that `canonical` can write; else NaN and infinity are let through.

    Raises:
        ValueError: not JSON, nested deeper than DEEPEST, half of a character or, if strict, no finite number.
    """
    try:
        value = (_STRICT if strict else _LENIENT).decode(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at line {error.lineno}") from error
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    except UnicodeEncodeError:
        raise ValueError("not JSON: an escape is half of a character") from None
    except ValueError as error:
        told = str(error) if str(error).startswith("not JSON") else "not JSON: a whole number of thousands of digits"
        raise ValueError(told) from None
    if text.count("[") + text.count("{") > DEEPEST and _is_deep(value):
        raise ValueError(TOO_DEEP)
    return value


TOO_DEEP = f"not JSON: nested too deeply, and at most {DEEPEST} levels are read"


def _is_deep(value: Any) -> bool:
    """Whether lists and objects lie more than DEEPEST deep; level by level, since depth is what must not be trusted."""
    level = [value] if isinstance(value, (list, dict)) else []
    for _ in range(DEEPEST):
        if not level:
            return False
        inner = (one.values() if type(one) is dict else one for one in level)
        level = [item for items in inner for item in items if type(item) is list or type(item) is dict]
    return bool(level)


def _no_number(told: str) -> float:
    raise ValueError(f"not JSON: {told[:20]} is no number")


def _finite(told: str) -> float:
    value = float(told)
    return value if abs(value) < float("inf") else _no_number(told)


_STRICT = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite)
_LENIENT = json.JSONDecoder()

RUN_ID = 12
"""Hex digits of a run id."""


def digest(value: Any, length: int = RUN_ID) -> str:
    """First `length` hex digits of the sha256 of the canonical JSON of `value`."""
    return digest_text(canonical(value), length)


def digest_text(text: str, length: int = 12) -> str:
    """`digest` of the value whose canonical JSON is `text`."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def identity(
    spec: RunSpec,
    *,
    task: Mapping[str, Any],
    track: Mapping[str, Any],
    method: Mapping[str, Any],
    generator: Mapping[str, Any] | None,
    condition_version: int = 1,
) -> dict[str, Any]:
    """The closed list of everything that makes a run this run; its digest is the run id.

    Suite, executor, device, paths, workers, time and library versions are not in it: they stand in provenance. The
    condition's version is in it where it is not 1, since the first records had none.
    """
    later = {} if condition_version == 1 else {"condition_version": condition_version}
    return {
        "identity_version": IDENTITY_VERSION,
        "protocol": spec.protocol,
        "track": {"name": spec.track, **track},
        "task": {"name": spec.task, **task},
        "method": {"name": spec.method, **method},
        "condition": spec.condition,
        **later,
        "generator": None
        if generator is None
        else {"name": spec.generator, "pool": POOL_VERSIONS[track.get("precision", "float32")], **generator},
        "k": spec.k,
        "seed": spec.seed,
    }


def stream(purpose: str, *key: str | int) -> np.random.Generator:
    """The random stream named (purpose, *key), independent of every other name.

    protocol.md: streams are keyed by (purpose, task, seed), the order also by k; never by method, condition,
    run id or track, so that runs stay paired.
    """
    return np.random.Generator(np.random.PCG64(stream_seed(purpose, *key)))


def stream_seed(purpose: str, *key: str | int) -> int:
    """A 63-bit seed for the stream of that name, for libraries that take a number."""
    return int(digest([purpose, *key], 16), 16) >> 1
