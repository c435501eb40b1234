"""Specs -> identities and run ids, by the plugins as they are installed now; loads no data and no weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from cod_bench import registry
from cod_bench.data import origin
from cod_bench.design import tracks
from cod_bench.distiller import brings_fit
from cod_bench.errors import RunError, UsageError
from cod_bench.spec import RunSpec, canonical, digest, digest_text, identity


def identify(
    spec: RunSpec, *, params: Mapping[str, Any] | None = None, version: int | None = None
) -> dict[str, Any]:  # fmt: skip
    """The full identity of a run, from the plugins as they are installed now; loads no data and no weights.

    Args:
        params: of the generator, as a record tells them; it is asked for them where they are not given.
        version: of the condition, likewise.

    Raises:
        UsageError: a plugin that is not installed here.
    """
    return identity(
        spec,
        task=origin.find(spec.task).identity(),
        track=_track_identity(spec.track),
        method=_method_identity(spec.method, spec.track, spec.k),
        generator=_generator_identity(spec.generator, params) if spec.generator else None,
        condition_version=registry.load("condition", spec.condition).version if version is None else version,
    )


def run_id(spec: RunSpec) -> str:
    """The run id that the installed code gives a spec."""
    return digest(identify(spec))


def run_ids(specs: Iterable[RunSpec]) -> dict[RunSpec, str]:
    """`run_id` of many runs; for those that differ in the seed alone, all but the seed is put into words once."""
    alike: dict[tuple[Any, ...], list[RunSpec]] = {}
    for spec in specs:
        key = (spec.protocol, spec.track, spec.task, spec.method, spec.condition, spec.generator, spec.k)
        alike.setdefault(key, []).append(spec)
    found = {}
    for group in alike.values():
        whole = identify(group[0])
        before = canonical({key: value for key, value in whole.items() if key < "seed"})[:-1]
        after = canonical({key: value for key, value in whole.items() if key > "seed"})[1:]
        for spec in group:
            found[spec] = digest_text(f'{before},"seed":{spec.seed},{after}')
    return found


def expected(specs: Iterable[RunSpec]) -> dict[RunSpec, str]:
    """Spec -> run id, for readers of records: other ids under the same spec are stale.

    Runs that cannot be have none, nor have those whose learning rate has not been chosen here.
    """
    specs = list(specs)
    possible = {
        key
        for key in {(spec.track, spec.method, spec.task) for spec in specs}
        if not not_applicable(*key) and has_recipe(*key[:2])
    }
    return run_ids(spec for spec in specs if (spec.track, spec.method, spec.task) in possible)


def has_recipe(track: str, method: str) -> bool:
    """Whether a method's learning rate on a track has been chosen, or it needs none."""
    return tracks.track(track).recipe_for(method).learning_rate is not None or brings_fit(method)


def not_applicable(track: str, method: str, *tasks: str) -> str:
    """Why a method cannot run on a track, or not on one of the tasks; empty if it can."""
    own = registry.load("baseline", method)
    told = str(_asked(f"method {method!r}: its not_applicable(track)", own.not_applicable, tracks.track(track)))
    if not told and own.two_classes:
        several = {task: len(origin.find(task).classes) for task in tasks}
        told = next((f"tells two classes apart, and {task} has {n}" for task, n in several.items() if n > 2), "")
    return told


def excluded(specs: Iterable[RunSpec]) -> dict[tuple[str, str], str]:
    """(track, method) -> why the method cannot run there, or not on one of the tasks, for the pairs of these runs."""
    pairs: dict[tuple[str, str], dict[str, None]] = {}
    for spec in specs:
        pairs.setdefault((spec.track, spec.method), {})[spec.task] = None
    return {pair: reason for pair, tasks in pairs.items() if (reason := not_applicable(*pair, *tasks))}


def _track_identity(name: str) -> dict[str, Any]:
    # Not remembered: a hub model that is seen for the first time is pinned while the process lives.
    return tracks.track(name).identity()


@cache
def _method_identity(name: str, track: str, k: int) -> dict[str, Any]:
    method = registry.load("baseline", name)
    hparams = _asked(f"method {name!r}: its hparams(track, k)", method.hparams, tracks.track(track), k)
    return {"version": method.version, "hparams": hparams}


def _asked(what: str, ask: Callable[..., Any], *arguments: Any) -> Any:
    """What a plugin says: whatever it raises, SystemExit too, is a sentence.

    Raises:
        UsageError: it raised something.
    """
    try:
        return ask(*arguments)
    except (UsageError, RunError):
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{what} raised {type(error).__name__}: {error}") from error


def _generator_identity(name: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    generator = registry.load("generator", name)
    if params is None:
        # Remembered only where code alone decides: what a user names may change while the process lives.
        params = _params(name) if generator.carries_data else _code_params(name)
    return {"version": generator.version, "params": dict(params)}


@cache
def _code_params(name: str) -> dict[str, Any]:
    return _params(name)


def _params(name: str) -> dict[str, Any]:
    return dict(_asked(f"generator {name!r}: its params()", registry.load("generator", name).params))
