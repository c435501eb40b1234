"""Plugin file -> is it fit to be run with all others: conformance checks as data, on the toy task. No torch here.

The file's code runs in processes of its own (`probe`), with cache folders that are thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cod_bench import registry
from cod_bench.checks.processes import Probed, kind_of, probe, toy_tracks
from cod_bench.checks.report import Check, Result, judge
from cod_bench.errors import UsageError


def check(path: Path, *, tracks: Sequence[str] = ()) -> list[Result]:
    """Every check of the file's kind, in order; those that a failed one makes impossible are skipped.

    Args:
        tracks: to run on; all toy tracks if empty.

    Raises:
        UsageError: no such file.
    """
    if not path.is_file():
        raise UsageError(f"check {path}: no such file; name a plugin file or a folder of records")
    if not registry.NAME.fullmatch(path.stem):
        return [Result("loads", "FAILED", f"the name {path.stem!r} must be letters, digits, _ or -; rename the file")]
    try:
        kind = kind_of(path)
    except UsageError as error:
        return [Result("loads", "FAILED", str(error))]
    return judge(CHECKS[kind], probe(path, kind, tuple(tracks) or toy_tracks()))


# What must hold of every plugin


def _loads(found: Probed) -> str | None:
    poisoned = found.poisoned["load"].get("error", "")
    return str(found.clean["load"].get("error", "") or ("" if _reads(found) else poisoned))


def _named(found: Probed) -> str | None:
    if "name" not in found.clean:
        return None
    told = found.clean["name"]
    if "error" in told:
        return str(told["error"])
    version = told["value"].get("version")
    if found.kind != "executor" and (type(version) is not int or version < 1):
        return f"version={version!r}; give a whole number from 1 on"
    lacking = [field for field in SAYS.get(found.kind, ()) if not str(told["value"].get(field, "")).strip()]
    return f"{lacking[0]}=''; say it in a sentence" if lacking else ""


SAYS: Mapping[str, tuple[str, ...]] = {
    "baseline": ("summary", "docstring"),
    "generator": ("card",),
    "condition": ("meaning", "docstring"),
    "task": ("title", "licence", "citation"),
}
"""What a plugin of each kind must say of itself; the page shows it."""


def _stable(found: Probed) -> str | None:
    if "identity" not in found.clean:
        return None
    one, other = found.clean["identity"], found.poisoned.get("identity")
    if "error" in one:
        return f"{one['error']}; return plain JSON values that depend on the arguments alone"
    if other is not None and one != other:
        return f"another process gives other values: {_apart(one['value'], other)}; draw nothing, sort what was a set"
    return ""


def _apart(one: Any, other: Mapping[str, Any]) -> str:
    if "error" in other:
        return str(other["error"])
    there = other["value"]
    names = [name for name in sorted({*one, *there}) if one.get(name) != there.get(name)]
    return f"{names[0]} is {one.get(names[0])!r}, then {there.get(names[0])!r}"


def _reads(found: Probed) -> list[str]:
    return list(found.poisoned.get("evaluation_reads", ()))


def _blind(found: Probed) -> str | None:
    if _reads(found):
        what = sorted(set(_reads(found)))[0]
        told = "the task's rows were" if what == "all" else f"a row of the {what} split was"
        return f"{told} asked for; use only the rows that you are handed"
    if "identity" not in found.poisoned:
        return None
    moved = _moved(found)
    return f"{moved} once evaluation and dev rows are others; use only the rows that you are handed" if moved else ""


def _moved(found: Probed) -> str:
    """What the plugin did otherwise where evaluation and dev rows are others; where it does so anyway, nothing."""
    if found.kind == "baseline" and not _deterministic(found):
        for name, there in found.altered.get("runs", {}).items():
            (here, _) = found.clean["runs"][name]
            if "value" in here and here != there:
                how = there.get("error") or _differing(here["value"], there["value"])
                return f"{name}: {how}"
    if found.kind == "generator" and not _pure(found):
        for track, there in found.altered.get("entries", {}).items():
            (here, _) = found.clean["entries"][track]
            if "value" in here and here != there:
                return f"{track}: {there.get('error') or 'other counterfactuals'}"
    if found.kind == "condition" and not _same(found) and "rows" in found.altered:
        here, there = found.clean["rows"][0], found.altered["rows"]
        if "value" in here and here != there:
            return str(there.get("error") or _other_rows(here["value"], there["value"]))
    return ""


# Methods


def _first_error(runs: Mapping[str, Any]) -> str:
    """The first error among runs, with the run's name."""
    for name, run in runs.items():
        for one in run if isinstance(run, list) else [run]:
            if "error" in one:
                return f"{name}: {one['error']}"
    return ""


def _on(found: Probed, *tracks: str) -> dict[str, Any]:
    """The clean runs on these tracks."""
    return {name: runs for name, runs in found.clean["runs"].items() if name.split()[0] in tracks}


def _falls(found: Probed) -> str | None:
    if "runs" not in found.clean:
        return None
    own = _on(found, found.tracks[0])
    if error := _first_error(own):
        return error
    for name, runs in own.items():
        losses = runs[0]["value"]["losses"]
        start, end = (sum(part) / max(len(part), 1) for part in (losses[:3], losses[-3:]))
        if losses and not end < start:
            return f"{name}: {start:.4g} over the first three steps, {end:.4g} over the last three; check its sign"
    return str(found.clean["record"].get("error", ""))


def _deterministic(found: Probed) -> str | None:
    runs = {name: pair for name, pair in found.clean.get("runs", {}).items() if not _first_error({name: pair})}
    if not runs:
        return None
    for name, (one, other) in runs.items():
        if one != other:
            return f"{name}: {_differing(one['value'], other['value'])} in two runs; draw from cod_bench.spec.stream"
        there = found.poisoned.get("runs", {}).get(name, {})
        if "value" in there and there != one:
            return f"{name}: {_differing(one['value'], there['value'])} in another process; sort what was a set"
    return ""


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Where two trainings part."""
    for step, (here, there) in enumerate(zip(one["losses"], other["losses"], strict=False), start=1):
        if here != there:
            return f"loss {here} and {there} at step {step}"
    what = "weights" if one["losses"] else "probabilities"
    return f"other {what}" if one["weights"] != other["weights"] else "another number of steps"


def _within_budget(found: Probed) -> str | None:
    if found.poisoned.get("pool_reads"):
        return "rows of the training pool beyond the k it is handed were asked for; use those in the batch or the setup"
    own = [run["value"] for run in found.poisoned.get("closed", {}).values() if "value" in run]
    clean = [run["value"] for pair in found.clean.get("runs", {}).values() for run in pair if "value" in run]
    if not own or not clean:
        return None
    for run in (*clean, *own):
        if run["steps"] != run["declared_steps"]:
            return f"{run['steps']} steps where hparams declares {run['declared_steps']}; leave setup.batches alone"
    if _deterministic(found):
        return ""  # another result then tells nothing, and no row was read
    closed, before = found.poisoned["closed"], found.poisoned["runs"]
    name = next((name for name in closed if closed[name] != before[name]), "")
    return f"{name}: another result once the training pool is closed" if name else ""


def _everywhere(found: Probed) -> str | None:
    if "runs" not in found.clean or _first_error(_on(found, found.tracks[0])):
        return None
    return _first_error(_on(found, *found.tracks[1:]))


def _on_which(found: Probed) -> str:
    return "on " + ", ".join(found.tracks)


# Generators


def _flips(found: Probed) -> str | None:
    if "entries" not in found.clean:
        return None
    if error := _first_error(_on_entries(found, found.tracks[:1])):
        return error
    entries = found.clean["entries"][found.tracks[0]][0]["value"]
    valid = sum(entry["cfe"] is not None for entry in entries)
    return "" if valid else f"none of {len(entries)} texts got a counterfactual that flips the teacher"


def _on_entries(found: Probed, tracks: Sequence[str]) -> dict[str, Any]:
    return {track: found.clean["entries"][track] for track in tracks}


def _pure(found: Probed) -> str | None:
    if "entries" not in found.clean or _first_error(found.clean["entries"]):
        return None
    for track, (one, other) in found.clean["entries"].items():
        there = found.poisoned.get("entries", {}).get(track, one)
        for what, pool in (("in another order of texts", other), ("in another process", there)):
            if "value" in pool and pool != one:
                place = next(i for i, entry in enumerate(one["value"]) if entry != pool["value"][i])
                return f"{track}: another entry for text {place} {what}; an answer may depend on the query alone"
    return ""


def _asked_first(found: Probed) -> str | None:
    first = found.clean.get("first")
    if first is None:
        return None
    if "error" in first:
        return str(first["error"])
    changed = sum(one != other for one, other in first["value"])
    asked = "depend on what the teacher says of edited versions; fix `first` before asking"
    return f"{changed} of {len(first['value'])} first answers {asked}" if changed else ""


def _keeps(found: Probed) -> str | None:
    kept = found.clean.get("preserved")
    if kept is None:
        return None
    if "error" in kept:
        return str(kept["error"])
    return f"preserve gave {max(kept['value'])} rewrites; give at most 20" if max(kept["value"]) > 20 else ""


def _all_teachers(found: Probed) -> str | None:
    return None if "entries" not in found.clean else _first_error(found.clean["entries"])


# Conditions


def _draws(found: Probed) -> str | None:
    if "rows" not in found.clean:
        return None
    return str(found.clean["rows"][0].get("error", "") or found.clean["holes"].get("error", ""))


def _same(found: Probed) -> str | None:
    if "rows" not in found.clean or _draws(found):
        return None
    one, other = found.clean["rows"]
    there = found.poisoned.get("rows", one)
    for what, rows in (("in two runs", other), ("in another process", there)):
        if "value" in rows and rows != one:
            told = _other_rows(one["value"], rows["value"])
            return f"{told} {what}; take rows from the draw, draw from cod_bench.stream, sort what was a set"
    return ""


def _other_rows(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> str:
    here = next(here for here, there in zip(one, other, strict=True) if here != there)
    return f"other rows at k={here['k']}, seed {here['seed']}"


def _balanced(found: Probed) -> str | None:
    """Every class is there; how many rows of each is told."""
    if _draws(found) != "":
        return None
    every = [*found.clean["rows"][0]["value"], *found.clean["holes"]["value"]]
    alone = [f"k={rows['k']}, seed {rows['seed']}" for rows in every if len(rows["balance"]) < 2]
    return f"one class alone at {alone[0]}; batches need every class" if alone else ""


def _balance(found: Probed) -> str:
    whole, holed = (
        ", ".join(dict.fromkeys(f"{':'.join(map(str, one['balance']))} at k={one['k']}" for one in rows["value"]))
        for rows in (found.clean["rows"][0], found.clean["holes"])
    )
    return f"rows by class {whole}" + (f"; where counterfactuals are missing {holed}" if holed != whole else "")


def _sound(found: Probed) -> str | None:
    if "record" not in found.clean:
        return None
    made = found.clean["record"]
    return str(made.get("error") or made["value"]["fault"])


# Tasks and executors


def _rows_fit(found: Probed) -> str | None:
    if "rows" not in found.clean:
        return None
    return str(found.clean["rows"].get("error", ""))


def _pinned(found: Probed) -> str | None:
    rows = found.clean.get("rows", {}).get("value")
    if rows is None:
        return None
    for name, pin in found.clean["pins"].items():
        if pin != rows[name]:
            return f"{name}={pin!r} and the prepared rows have {rows[name]!r}; pin that, and raise the version"
    return ""


def _same_rows(found: Probed) -> str | None:
    one, other = found.clean.get("rows"), found.poisoned.get("rows")
    if not one or "error" in one:
        return None
    return "" if one == other else "another process reads other rows; draw nothing, sort what was a set"


def _trains(found: Probed) -> str | None:
    return None if "record" not in found.clean else str(found.clean["record"].get("error", ""))


def _does_jobs(found: Probed) -> str | None:
    done = found.clean.get("outcomes")
    if done is None:
        return None
    if "error" in done:
        return str(done["error"])
    for key, wanted in found.clean["wanted"].items():
        if (got := done["value"].get(key, "no outcome")) != wanted:
            return f"job {key!r}: {got} instead of {wanted}"
    return ""


_ALWAYS: tuple[Check[Probed], ...] = (
    Check("loads", "the file can be imported and exports one plugin", _loads),
    Check("name = file stem", "it is called as its file, has a version and says what it is", _named),
)
_IDENTITY: Check[Probed] = Check("identity stable", "what enters run ids is JSON and equal in every process", _stable)
_BLIND: Check[Probed] = Check(
    "reads no evaluation row",
    "these and dev rows are closed, then others, from the import on: nothing asks for them and nothing changes",
    _blind,
)

CHECKS: Mapping[str, tuple[Check[Probed], ...]] = {
    "baseline": (
        *_ALWAYS,
        _IDENTITY,
        Check("loss finite and falling", "at k = 8, and the student can be scored", _falls, Probed.without_loss),
        Check("deterministic", "two runs and two processes give equal losses and weights", _deterministic),
        Check("respects k", "the training pool is closed, and steps are those declared", _within_budget),
        _BLIND,
        Check("encoder and decoder", "a student of every toy track can be trained", _everywhere, _on_which),
    ),
    "generator": (
        *_ALWAYS,
        _IDENTITY,
        Check("flips the teacher", "of eight texts at least one", _flips),
        Check("deterministic", "equal entries whatever the order and the process", _pure),
        Check("first answer unchecked", "it does not depend on the teacher's view of edited versions", _asked_first),
        Check("preserves the label", "at most 20 rewrites for a control", _keeps),
        _BLIND,
        Check("encoder and decoder", "every toy track's teacher can be asked", _all_teachers, _on_which),
    ),
    "condition": (
        *_ALWAYS,
        _IDENTITY,
        Check("rows", "taken from the draw or made from what it is given, at most k unless it says otherwise", _draws),
        Check("deterministic", "two runs and two processes give equal rows", _same),
        _BLIND,
        Check("balance", "every class is trained on, also where counterfactuals are missing", _balanced, _balance),
        Check("trains", "a student at k = 8 can be trained, and its record is sound", _sound),
    ),
    "task": (
        *_ALWAYS,
        _IDENTITY,
        Check("rows", "they can be read, split without leaks and balanced", _rows_fit, Probed.rows_told),
        Check("pinned", "the prepared rows have the pinned sums", _pinned),
        Check("deterministic", "two processes read equal rows", _same_rows),
        Check("trains", "a teacher and a student at k = 8 can be trained and scored", _trains),
    ),
    "executor": (
        *_ALWAYS,
        Check("does every job", "in order of needs; a failure ends neither itself nor others", _does_jobs),
    ),
}
"""Kind -> its checks, in the order in which they are told."""
