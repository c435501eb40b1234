"""Declared values -> the runs of a suite, the tracks it runs on and its variants. No data, no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Literal

from cod_bench import device, registry
from cod_bench.design import tracks
from cod_bench.errors import UsageError
from cod_bench.spec import RunSpec, generator_for
from cod_bench.track import of_teacher, with_teacher

BESIDE = ("standard", "cod")
"""What a condition of one's own is compared with: the same runs as the suite's."""


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a suite: every combination of its methods, conditions and ks."""

    methods: tuple[str, ...]
    conditions: tuple[str, ...]
    ks: tuple[int, ...]
    seeds: tuple[int, ...] = ()
    """Those of the suite where empty; a block of floors may have fewer."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of a comparison, and why, said before it is run; its test is two-sided all the same."""

    condition: str
    over: str
    sign: Literal["above", "below"]
    lead: str
    """What it rests on: an exploratory trial, or a published table."""


Measure = Literal["accuracy", "matched", "trend", "equivalence"]
"""Of a comparison that a suite asks: difference in accuracy; in accuracy at the evaluation prior; how much the first
changes each time k doubles; whether it is within a point of zero."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One comparison of a family that a suite names itself."""

    condition: str
    over: str
    measure: Measure = "accuracy"
    ks: tuple[int, ...] = ()
    """The suite's primary budgets where empty."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A named set of runs. A filter over records, never a folder."""

    name: str
    title: str
    tracks: tuple[str, ...]
    """Tracks it can run on, fastest first; `run` takes the first that the machine supports."""
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    primary_k: tuple[int, ...]
    blocks: tuple[Block, ...]
    generator: str
    protocols: tuple[str, ...] = ("last",)
    variant_of: str = ""
    """Of a variant, the declared suite that it departs from; its name is that one's and what is different."""
    submitted: tuple[str, ...] = ()
    """Of a variant, its methods that no suite declares."""
    tried: tuple[str, ...] = ()
    """Of a variant, its conditions that no suite declares: compared in exploratory pairs, never in a claim."""
    floors: tuple[Block, ...] = ()
    """Methods that every table is measured against, on the same rows: shown beside, never in a claim's family. Those on
    the whole training pool are ceilings."""
    pooled: bool = True
    """Whether the mean over its methods is claimed first; not where some are ablations of others."""
    main_track: str = ""
    """Track of its main section, whatever else there are records of; its first where empty. See `main`."""
    families: Literal["methods", "conditions", "asked"] = "methods"
    """What Holm's correction is over. `methods`: each comparison is asked of every method, and the four claims are
    made. `conditions`: each method asks what every condition is worth, `cod` over each of them in one family and each
    of them over `standard` in another, and makes no other claim. `asked`: the comparisons of `asked` are one family of
    each method that has all of them, and there is no other claim."""
    asked: tuple[Asked, ...] = ()
    teachers: tuple[int, ...] = (0,)
    """Seeds of teachers. Several are crossed with `seeds`: every run is made with each, and a unit, which is (task,
    seed), is averaged over them."""

    expected: tuple[Expected, ...] = ()
    """What is expected of its comparisons; of others nothing is."""
    seen: str = ""
    """What had been seen of its outcomes, or of others that it was made after, when it was written."""

    @property
    def main(self) -> str:
        """The track that its headline speaks of: what others submit on another one never takes its place."""
        return self.main_track or self.tracks[0]

    @property
    def family(self) -> str:
        """The declared suite's name: its own, or that of the suite it is a variant of."""
        return self.variant_of or self.name

    @property
    def everything(self) -> tuple[Block, ...]:
        """Its blocks and those of its floors."""
        return (*self.blocks, *self.floors)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods it declares, in its order, floors at the end."""
        return tuple(dict.fromkeys(method for block in self.everything for method in block.methods))

    def expand(self, *, track: str, protocol: str | None = None) -> Iterator[RunSpec]:
        """Every run of the suite on one track, each once, in the suite's order (protocols outermost, then teachers,
        then seeds). Of a track that names the seed of a teacher, the runs with that one alone."""
        return iter(_expanded(self, track, (protocol,) if protocol else self.protocols))

    def on_teachers(self, track: str) -> tuple[str, ...]:
        """The names under which the runs of a track are made: one a teacher."""
        if of_teacher(track)[1] or self.teachers == (0,):
            return (track,)
        return tuple(with_teacher(track, seed) for seed in self.teachers)

    def placed(self, track: str) -> str:
        """The track in whose tables a run on `track` stands: without the seed of a teacher that they average over."""
        plain_name, seed = of_teacher(track)
        return plain_name if len(self.teachers) > 1 and seed in self.teachers else track

    def declares(self, spec: RunSpec) -> bool:
        """Whether it has that run."""
        return self.admits(spec.track) and spec in self.expand(track=self.placed(spec.track), protocol=spec.protocol)

    def admits(self, track: str) -> bool:
        """Whether it runs on a track."""
        return tracks.exists(track) and (
            track in self.tracks or tracks.track(track).base in self.tracks or tracks.is_own(track)
        )

    def choose_track(self, name: str = "") -> str:
        """The track to run on: the named one, or its first that this machine supports.

        Named may be one of the suite's, one of these with another recipe (`<track>+<recipe>`), or one that the user
        made.

        Raises:
            UsageError: unknown, or not a track of the suite.
        """
        if name:
            tracks.track(name)
            if not self.admits(name):
                raise UsageError(
                    f"track {name!r}: suite {self.name!r} runs on {', '.join(self.tracks)}; name one of them"
                )
            return name
        if len(self.tracks) == 1:
            return self.tracks[0]  # nothing to choose from: bfloat16 is slow where the CPU lacks it, not wrong
        for candidate in self.tracks:
            if tracks.track(candidate).precision == "float32" or device.supports_bf16():
                return candidate
        raise UsageError(
            f"suite {self.name!r}: this machine supports none of {', '.join(self.tracks)}; name one by --track"
        )

    def on_tracks(self, wanted: Iterable[str]) -> Suite:
        """The suite with those of the wanted tracks that it runs on without declaring them."""
        placed = {self.placed(track) for track in wanted}
        others = [track for track in sorted(placed) if track not in self.tracks and self.admits(track)]
        return replace(self, tracks=(*self.tracks, *others)) if others else self

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions it declares, in its order, those of floors at the end."""
        return tuple(dict.fromkeys(name for block in self.everything for name in block.conditions))

    def variant(
        self, *, submitted: tuple[str, ...] = (), tried: tuple[str, ...] = (), generator: str = ""
    ) -> Suite:  # fmt: skip
        """Its first block for submitted methods, for other conditions beside `standard` and `cod`, or with another
        generator; the suite itself if none differs."""
        made = self
        if tried:
            beside = [condition for condition in BESIDE if condition in self.blocks[0].conditions]
            block = replace(self.blocks[0], conditions=(*beside, *tried))
            made = made.departing("+".join(tried), title="another condition", blocks=(block,), tried=tried, floors=())
        if submitted:
            block = replace(made.blocks[0], methods=submitted)
            made = made.departing(
                "+".join(submitted), title="submitted", blocks=(block,), submitted=submitted, floors=()
            )
        if generator and generator != self.generator:
            blocks = tuple(replace(one, conditions=_had_by(generator, one.conditions)) for one in made.blocks)
            made = made.departing(generator, generator=generator, blocks=blocks)
        return made

    def with_tasks(self, tasks: Sequence[str]) -> Suite:
        """The suite on tasks under other names: on local slices, in tables of its own; itself if none differs."""
        if tuple(tasks) == self.tasks:
            return self
        return self.departing("local", title="on local slices", tasks=tuple(tasks))

    def on_task(self, task: str) -> Suite:
        """The suite on a task that no suite declares, in tables of its own."""
        return self.departing(task, title=f"on task {task}", tasks=(task,))

    def departing(self, how: str, *, title: str = "", **changes: object) -> Suite:
        """A variant with tables of its own under the name `<suite>+<how>`."""
        told = f"{self.title}; {title}" if title else self.title
        own = {"name": f"{self.name}+{how}", "title": told, "variant_of": self.family, "expected": (), "seen": ""}
        return replace(self, **{**own, **changes})  # type: ignore[arg-type]


def _had_by(generator: str, conditions: Sequence[str]) -> tuple[str, ...]:
    """Those of the conditions that a generator can serve: some want it with parameters that nobody has written."""
    known = registry.names("generator")
    return tuple(c for c in conditions if not generator_for(c, "") or generator_for(c, generator) in known)


@lru_cache(maxsize=16)
def _expanded(suite: Suite, track: str, protocols: tuple[str, ...]) -> tuple[RunSpec, ...]:
    """`Suite.expand`; remembered, since every table of a suite asks for it again."""
    seen: dict[RunSpec, None] = {}
    seeds = dict.fromkeys((*suite.seeds, *(seed for block in suite.floors for seed in block.seeds)))
    for protocol, named, seed in product(protocols, suite.on_teachers(track), seeds):
        for block in suite.everything:
            if seed not in (block.seeds or suite.seeds):
                continue
            for method, k, task, condition in product(block.methods, block.ks, suite.tasks, block.conditions):
                generator = generator_for(condition, suite.generator)
                seen[RunSpec(protocol, named, task, method, condition, generator, k, seed)] = None
    return tuple(seen)
