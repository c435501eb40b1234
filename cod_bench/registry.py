"""Names -> plugins: folder walk, entry points and --plugin files. File stem = registry key = leaderboard name."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from cod_bench.errors import UsageError, unknown

KINDS = {
    "task": "tasks", "baseline": "baselines", "generator": "generators", "condition": "conditions",
    "executor": "executors",
}  # fmt: skip
"""Kind -> sub-package of cod_bench and entry-point group `cod_bench.<sub-package>`."""

EXPORTS = {
    "task": "TASK", "baseline": "DISTILLER", "generator": "GENERATOR", "condition": "CONDITION",
    "executor": "execute",
}  # fmt: skip
"""Kind -> the one name that a plugin's module exports."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
DEVICE = re.compile(r"con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]", re.IGNORECASE)
"""What Windows takes for a device, whatever the folder and whatever follows a dot."""

_plugin_files: dict[tuple[str, str], Path] = {}
_values: dict[tuple[str, str], Any] = {}


def name_of(kind: str, stem: str) -> str:
    """What a plugin in a file of that stem is called: conditions have - for _, as tables and folders do."""
    return stem.replace("_", "-") if kind == "condition" else stem


def unfit_name(name: str) -> str:
    """What is wrong with the name of a plugin, to be told after "its name"; empty if nothing is."""
    if not NAME.fullmatch(name):
        return "must be letters, digits, _ or -"
    return "is what Windows calls a device" if DEVICE.fullmatch(name) else ""


def names(kind: str) -> tuple[str, ...]:
    """Every known name of a kind, sorted.

    Raises:
        UsageError: two plugins share a name.
    """
    return tuple(sorted(_sources(kind)))


def load(kind: str, name: str) -> Any:
    """The plugin of that kind and name; only its own module is imported.

    Raises:
        UsageError: nobody has that name (with the nearest one), or its module is broken.
    """
    sources = _sources(kind)
    if name not in sources:
        raise unknown("method" if kind == "baseline" else kind, name, sources)
    return _load(kind, name, sources[name])


def add_plugin(path: Path) -> tuple[str, str]:
    """Register a file the user asked for; returns (kind, name).

    Raises:
        UsageError: no such file, it exports no plugin, or its name is taken.
    """
    if not path.is_file():
        raise UsageError(f"--plugin {path}: no such file")
    if told := unfit_name(path.stem):
        raise UsageError(f"--plugin {path}: its name {told}; rename the file")
    module = _guarded(f"--plugin {path}", lambda: _import_file(path.resolve()))
    kinds = [kind for kind, export in EXPORTS.items() if hasattr(module, export)]
    if len(kinds) != 1:
        raise UsageError(f"--plugin {path}: must export exactly one of {', '.join(EXPORTS.values())}")
    kind = kinds[0]
    name = name_of(kind, path.stem)
    if _plugin_files.get((kind, name), path.resolve()) != path.resolve() or name in _installed(kind):
        raise UsageError(f"--plugin {path}: {kind} {name!r} exists already; rename the file")
    _plugin_files[kind, name] = path.resolve()
    return kind, name


def add_value(kind: str, name: str, value: Any) -> None:
    """Register a plugin that is a value without a file; the same name again is the same plugin.

    Raises:
        UsageError: its name is unfit, or is taken by a plugin with a file.
    """
    if told := unfit_name(name):
        raise UsageError(f"{kind} {name!r}: its name {told}; choose another name")
    if name in _installed(kind) or (kind, name) in _plugin_files:
        raise UsageError(f"{kind} {name!r} exists already; choose another name")
    _values[kind, name] = value


def value_names(kind: str) -> list[str]:
    """Names of the plugins of a kind that are values without a file."""
    return sorted(name for k, name in _values if k == kind)


def installed_file(path: Path) -> tuple[str, str] | None:
    """(kind, name) of the installed plugin whose own file this is; None if it is none. Imports no plugin."""
    for kind in KINDS:
        source = _installed(kind).get(name_of(kind, path.stem))
        spec = importlib.util.find_spec(source) if source else None
        if spec is not None and spec.origin and Path(spec.origin).resolve() == path.resolve():
            return kind, name_of(kind, path.stem)
    return None


def stand_in(kind: str, name: str, value: Any) -> Any:
    """Let a plugin's module export `value` from now on in this process; returns what it exported before.

    For checks alone, which show a plugin another task under the name of the one it knows.
    """
    before = load(kind, name)
    setattr(_module(kind, name, _sources(kind)[name]), EXPORTS[kind], value)
    return before


def plugin_files() -> tuple[str, ...]:
    """Files registered by --plugin, for worker processes to register again."""
    return tuple(sorted(str(path) for path in set(_plugin_files.values())))


def own_plugins() -> dict[str, Path]:
    """Plugins of files that the user named, as `<kind>/<name>`."""
    return {f"{kind}/{name}": path for (kind, name), path in sorted(_plugin_files.items())}


def foreign() -> tuple[str, ...]:
    """Plugins that other distributions bring, each with the time of its file: what changes where they do."""
    found = []
    for kind in KINDS:
        for entry in entry_points(group=f"cod_bench.{KINDS[kind]}"):
            spec = importlib.util.find_spec(entry.value.split(":")[0])
            origin = Path(spec.origin) if spec is not None and spec.origin else None
            changed = origin.stat().st_mtime_ns if origin is not None and origin.is_file() else 0
            found.append(f"{kind} {entry.name} {entry.value} {entry.dist.version if entry.dist else ''} {changed}")
    return tuple(sorted(found))


def _sources(kind: str) -> dict[str, str]:
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    own = {name: str(path) for (k, name), path in _plugin_files.items() if k == kind}
    return {**_installed(kind), **{name: "" for k, name in _values if k == kind}, **own}


@cache
def _installed(kind: str) -> dict[str, str]:
    package = importlib.import_module(f"cod_bench.{KINDS[kind]}")
    found = {
        name_of(kind, info.name): f"{package.__name__}.{info.name}"
        for info in pkgutil.iter_modules(package.__path__)
        if not info.name.startswith("_")
    }
    for entry in entry_points(group=f"cod_bench.{KINDS[kind]}"):
        name = name_of(kind, entry.name)
        if name in found:
            raise UsageError(f"{kind} {name!r} of {entry.value} exists already; uninstall one of the two")
        found[name] = entry.value.split(":")[0]
    return found


def _module(kind: str, name: str, source: str) -> ModuleType:
    own_file = source.endswith(".py")
    return _guarded(
        f"{kind} {name!r}", lambda: _import_file(Path(source)) if own_file else importlib.import_module(source)
    )


def _load(kind: str, name: str, source: str) -> Any:
    if not source:
        return _values[kind, name]
    module = _module(kind, name, source)
    export = EXPORTS[kind]
    if not hasattr(module, export):
        raise UsageError(f"{kind} {name!r}: its module must export {export}")
    value = getattr(module, export)
    if kind != "executor" and getattr(value, "name", None) != name:
        raise UsageError(
            f"{kind} {name!r}: {export}.name is {getattr(value, 'name', None)!r} but must be the file's name {name!r}"
        )
    version = getattr(value, "version", None)
    if kind != "executor" and (type(version) is not int or version < 1):
        raise UsageError(f"{kind} {name!r}: version={version!r}; give a whole number from 1 on")
    return value


def _guarded(what: str, load_module: Callable[[], ModuleType]) -> ModuleType:
    """A plugin's module; whatever it raises is a sentence, not the end of the program."""
    try:
        return load_module()
    except (Exception, SystemExit) as error:
        raise UsageError(f"{what} cannot be imported: {type(error).__name__}: {error}") from error


@cache
def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"cod_bench_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"--plugin {path}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
