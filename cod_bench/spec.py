"""What a run is: protocol, track, task, method, condition, generator, k, seed -> run id and random streams. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cod_bench.errors import UsageError

IDENTITY_VERSION = 1
"""Part of every run id. Raising it needs a migration that renames records without re-running them."""

POOL_VERSIONS = {"float32": 1, "bfloat16": 2}
"""By the precision of the track: of how answers are found, judged and controls made (pool, perturb and near).

In the id of runs that use a pool."""

CONDITIONS: Mapping[str, str] = {
    "standard": "k originals; the partner of an original is another original of the other class",
    "cod": "k/2 originals and, for each, a counterfactual that flips the teacher",
    "unvalidated": "k/2 originals and, for each, the generator's first answer with the flipped label, never checked",
    "random": "k/2 originals and, for each, itself with as many words changed at random as in its counterfactual",
    "label-preserving": "k/2 originals and, for each, substitutions where its counterfactual has them; label kept",
    "half": "k/2 originals alone, trained for as many steps as k rows",
}
"""Every condition with its one-line meaning, printed under the tables."""

PARTNERS: Mapping[str, tuple[str, bool]] = {
    "cod": ("cfe", True),
    "unvalidated": ("first", True),
    "random": ("random", False),
    "label-preserving": ("preserving", False),
}
"""Conditions with a generator: which text of a pool entry the partner is, and whether its label is the target."""

WITHOUT_GENERATOR = frozenset({"standard", "half"})
"""Conditions that never depend on a generator."""


LOCAL = "+local-"
"""Between a task's name and what stands for the rows of a local slice of it: `sst2+local-1a2b3c4d`."""


def base_name(task: str) -> str:
    """A task's name without what marks a local slice."""
    return task.partition(LOCAL)[0]


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
    """One training. `generator` is empty exactly for the conditions that never depend on one."""

    protocol: str
    track: str
    task: str
    method: str
    condition: str
    generator: str
    k: int
    seed: int

    def __post_init__(self) -> None:
        if self.condition in WITHOUT_GENERATOR and self.generator:
            raise UsageError(
                f"generator={self.generator!r}: condition {self.condition!r} never depends on one; leave it empty"
            )
        if self.condition not in WITHOUT_GENERATOR and not self.generator:
            raise UsageError(f"generator='': condition {self.condition!r} needs one, for example 'substitution'")
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
) -> dict[str, Any]:
    """The closed list of everything that makes a run this run; its digest is the run id.

    Suite, executor, device, paths, workers, time and library versions are not in it: they stand in provenance.
    """
    return {
        "identity_version": IDENTITY_VERSION,
        "protocol": spec.protocol,
        "track": {"name": spec.track, **track},
        "task": {"name": spec.task, **task},
        "method": {"name": spec.method, **method},
        "condition": spec.condition,
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
