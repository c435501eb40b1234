"""The law of the house: who may import whom, as one table of rooms, and what every file must be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOMS = (
    "data", "design", "training", "counterfactuals", "runner", "records", "analysis", "reports", "checks", "cli", "lab",
)  # fmt: skip
PLUGINS = {
    "tasks": {"data"},
    "baselines": {"training"},
    "generators": {"data", "counterfactuals"},
    "conditions": set(),
    "executors": {"runner"},
}  # fmt: skip
"""Folder of plugins -> the rooms that they may import, besides the nouns."""
MAY: dict[str, set[str]] = {
    "nouns": set(),
    "data": set(),
    "lab": {"data", "design", "training", "counterfactuals", "runner", "records"},
    "records": set(),
    "design": {"data"},
    "training": {"data", "records"},
    "counterfactuals": {"data", "design", "training", "records"},
    "runner": {"data", "design", "training", "counterfactuals", "records"},
    "analysis": {"records", "design"},
    "reports": {"records", "design", "analysis"},
    "checks": {*ROOMS} - {"cli"},
    "api": {*ROOMS} - {"checks", "cli"},
    "cli": {*ROOMS, "api", "benchmarks"},
    "benchmarks": {*ROOMS} - {"checks", "cli"},
    **PLUGINS,
}  # fmt: skip
"""Room -> the rooms that it may import, besides itself and the nouns, which are what stands in `cod_bench/` itself."""
DOORS = {"__init__": "api", "__main__": "cli", "api": "api"}
"""Files beside the nouns that are none: the package's own doors."""
HEAVY = {"torch", "transformers", "datasets", "evaluate", "pandas", "matplotlib", "scipy", "sklearn", "openai"}
MAY_BE_HEAVY = {
    "training": HEAVY,
    "cod_bench/runner/metrics.py": {"datasets", "evaluate"},
    "cod_bench/lab/networks.py": {"torch"},
    "benchmarks/plain.py": HEAVY,
    "benchmarks/test_bench.py": HEAVY,
}
"""Room or file -> what it may import at import time; everybody else does so inside functions."""
TOPMOST = ("tasks", "baselines", "benchmarks")
"""Folders beside `cod_bench/` that are packages of it."""
LONGEST = 400
MOST_FILES = 15


@dataclass(frozen=True)
class House:
    """A checkout, or what it would be with other texts in some of its files."""

    root: Path
    instead: tuple[tuple[str, str], ...] = ()
    """(path, text) of files that are changed or new."""

    def text(self, path: Path) -> str:
        """What a file says."""
        told = dict(self.instead).get(path.relative_to(self.root).as_posix())
        return path.read_text(encoding="utf-8") if told is None else told

    @cached_property
    def files(self) -> dict[str, Path]:
        """Every source file by its dotted name."""
        found = {}
        there = {self.root / name for name, _ in self.instead}
        for folder in ("cod_bench", *TOPMOST):
            inside = {path for path in there if path.is_relative_to(self.root / folder)}
            for path in sorted({*(self.root / folder).rglob("*.py"), *inside}):
                dotted = path.relative_to(self.root).with_suffix("").as_posix().replace("/", ".")
                dotted = dotted.removesuffix(".__init__")
                found[dotted if folder == "cod_bench" else f"cod_bench.{dotted}"] = path
        return found

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """The same, parsed."""
        return {name: _parsed(self.text(path)) for name, path in self.files.items()}

    @cached_property
    def folders(self) -> set[str]:
        """The folders of the package, as names of rooms."""
        paths = (path.relative_to(self.root).parts for path in self.files.values())
        return {parts[1] for parts in paths if parts[0] == "cod_bench" and len(parts) > 2}

    def room(self, name: str) -> str:
        """The room of a module; `nouns` for what stands in `cod_bench/` itself."""
        parts = name.split(".")
        if len(parts) == 1:
            return DOORS["__init__"]
        return parts[1] if parts[1] in self.folders or parts[1] in TOPMOST else DOORS.get(parts[1], "nouns")

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """Own modules that each module imports: at the top, inside functions and under TYPE_CHECKING alike."""
        return {name: set(self._imported(name, tree)) - {name} for name, tree in self.trees.items()}

    @cached_property
    def at_import_time(self) -> dict[str, set[str]]:
        """Own modules that each module imports when it is imported."""
        return {
            name: {found for node in _run_at_import(tree) for found in self._named(name, node)} - {name}
            for name, tree in self.trees.items()
        }

    @cached_property
    def public(self) -> dict[str, str]:
        """Public name of the package -> the module that it comes from."""
        nodes = ast.walk(self.trees["cod_bench"]) if "cod_bench" in self.trees else ()
        return {a.name: str(n.module) for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names}

    def _imported(self, name: str, tree: ast.Module) -> Iterator[str]:
        for node in ast.walk(tree):
            yield from self._named(name, node)

    def _named(self, name: str, node: ast.AST) -> Iterator[str]:
        """Own modules that one statement imports; a public name counts as its module, a bare `baselines` as ours."""
        package = name if self.files[name].name == "__init__.py" else name.rpartition(".")[0]
        if isinstance(node, ast.Import):
            yield from (own for alias in node.names if (own := _ours(alias.name)) in self.files)
        elif isinstance(node, ast.ImportFrom):
            base = _ours(node.module or "")
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                if whole in self.files:
                    yield whole
                elif whole == "cod_bench.__version__":
                    continue
                elif base == "cod_bench" and name != "cod_bench" and self.public.get(alias.name) in self.files:
                    yield self.public[alias.name]
                elif base in self.files:
                    yield base

    def reached(self, name: str, graph: dict[str, set[str]]) -> set[str]:
        """Every module that one leads to."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            fresh = graph.get(waiting.pop(), set()) - found
            found |= fresh
            waiting += fresh
        return found


def nouns_know_no_room(house: House) -> list[str]:
    """1: files in `cod_bench/` import each other and nothing else of ours; the package's doors are the exception."""
    return _strangers(house, {"nouns"})


def rooms_keep_to_the_table(house: House) -> list[str]:
    """2 to 5: each room imports the nouns, itself and what the table grants; a room that it lacks is none."""
    unknown = sorted({room for name in house.files if (room := house.room(name)) not in MAY})
    return [
        *(f"room {room}: is not in the table" for room in unknown),
        *_strangers(house, {*ROOMS, "api", "benchmarks"}),
    ]


def readers_know_no_maker(house: House) -> list[str]:
    """4: what shows records never names what makes them, not even by way of another module."""
    makers = {"training", "counterfactuals", "runner"}
    readers = [name for name in house.files if house.room(name) in ("analysis", "reports")]
    return [
        f"{name} reaches {other}"
        for name in readers
        for other in sorted(house.reached(name, house.imports))
        if house.room(other) in makers
    ]


def plugins_keep_to_their_base(house: House) -> list[str]:
    """6: a plugin imports the nouns and the rooms that its kind is granted."""
    return _strangers(house, set(PLUGINS))


def nobody_names_a_plugin(house: House) -> list[str]:
    """7: nothing imports a plugin by name but its own kind."""
    return [
        f"{name} imports {other}"
        for name, own in house.imports.items()
        for other in sorted(own)
        if (kind := house.room(other)) in PLUGINS and house.room(name) != kind and other != f"cod_bench.{kind}"
    ]


def torch_is_imported_by_one_room(house: House) -> list[str]:
    """7: only `training` imports torch and its like at import time."""
    found = []
    for name, tree in house.trees.items():
        path = house.files[name].relative_to(house.root).as_posix()
        allowed = MAY_BE_HEAVY.get(path, MAY_BE_HEAVY.get(house.room(name), set()))
        found += [f"{name} imports {package}" for package in sorted(_at_import_time(tree) & HEAVY - allowed)]
        if allowed != HEAVY:
            led = sorted(m for m in house.reached(name, house.at_import_time) if house.room(m) == "training")
            found += [f"{name} leads to {led[0]}"] if [m for m in led if m != "cod_bench.training"] else []
    return found


def no_circles(house: House) -> list[str]:
    """8: no circle of files, and none of rooms."""
    rooms: dict[str, set[str]] = {}
    for name, own in house.imports.items():
        here = house.room(name)
        rooms.setdefault(here, set()).update({house.room(other) for other in own} - {here})
    return [*_circles(house.imports), *_circles(rooms)]


def files_are_small_and_say_what_they_are(house: House) -> list[str]:
    """9: at most 15 files a room, 400 lines a file, and a first line that says what goes in and comes out.

    A folder of plugins, a file each, may grow.
    """
    found = []
    for name, path in house.files.items():
        if (lines := len(house.text(path).splitlines())) > LONGEST:
            found.append(f"{name}: {lines} lines")
        said = (ast.get_docstring(house.trees[name]) or "").splitlines()[:1]
        free = path.name == "__init__.py" or house.room(name) in PLUGINS
        if not said or len(said[0]) < 20 or not (free or "->" in said[0]):
            found.append(f"{name}: its first line does not say what goes in -> what comes out")
    folders = {path.parent for name, path in house.files.items() if house.room(name) not in PLUGINS}
    counts = {
        folder.relative_to(house.root): sum(path.parent == folder for path in house.files.values())
        for folder in sorted(folders)
    }
    return [*found, *(f"{folder}: {count} files" for folder, count in counts.items() if count > MOST_FILES)]


def every_folder_is_in_the_wheel(house: House) -> list[str]:
    """9: every folder with Python is a package of the distribution."""
    import tomllib

    settings = tomllib.loads((house.root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    declared, there = set(settings["packages"]), set(settings["package-dir"])
    folders = {name if path.name == "__init__.py" else name.rpartition(".")[0] for name, path in house.files.items()}
    return [f"{name}: not in pyproject.toml's packages" for name in sorted((folders | there) - declared)]


LAW = (
    nouns_know_no_room, rooms_keep_to_the_table, readers_know_no_maker, plugins_keep_to_their_base,
    nobody_names_a_plugin, torch_is_imported_by_one_room, no_circles, files_are_small_and_say_what_they_are,
    every_folder_is_in_the_wheel,
)  # fmt: skip


def _strangers(house: House, rooms: set[str]) -> list[str]:
    """Imports of modules in these rooms that the table does not grant."""
    return [
        f"{name} ({here}) imports {other} ({there})"
        for name, own in house.imports.items()
        if (here := house.room(name)) in rooms
        for other in sorted(own)
        if (there := house.room(other)) not in (here, "nouns") and there not in MAY.get(here, set())
        and not (there in PLUGINS and other == f"cod_bench.{there}")
    ]  # fmt: skip


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _ours(dotted: str) -> str:
    """A module's name inside the package: folders beside it are sub-packages of it."""
    return f"cod_bench.{dotted}" if dotted.split(".")[0] in TOPMOST else dotted


def _run_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """The statements that run when a module is imported: in no function and not under TYPE_CHECKING."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for other in node.orelse:
                yield other
                yield from _run_at_import(other)
            continue
        yield node
        yield from _run_at_import(node)


def _at_import_time(tree: ast.AST) -> set[str]:
    """Top-level packages imported when a module is."""
    found: set[str] = set()
    for node in _run_at_import(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
    return found


def _circles(graph: dict[str, set[str]]) -> list[str]:
    """A circle of nodes as a sentence; none where there is an order."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [f"a circle: {' -> '.join(error.args[1])}"]
    return []
