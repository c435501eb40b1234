"""Plugin file -> what it is and what it raises, as facts: what every probe starts with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cod_bench import registry

TASK = "toy"
"""What methods, generators and conditions are probed on: no asset, seconds."""

Facts = dict[str, Any]


def attempt(what: Callable[[], Any]) -> Facts:
    """{"value": ...} or {"error": one sentence}: whatever a plugin raises is a fact about it."""
    try:
        return {"value": what()}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
        named = "" if type(error).__module__ == "cod_bench.errors" else f"{type(error).__name__}: "
        return {"error": " ".join(f"{named}{error}".split())}


def load(file: Path, kind: str) -> Facts:
    """Facts `load` (the file can be imported and is a plugin) and `name` (it is what it says of itself)."""
    known = {"load": attempt(lambda: list(registry.installed_file(file) or registry.add_plugin(file)))}
    if "value" in known["load"]:
        known["name"] = attempt(lambda: told(registry.load(kind, registry.name_of(kind, file.stem))))
    return known


def usable(known: Facts) -> bool:
    """Whether `load` found a plugin to go on with."""
    return "value" in known.get("name", {})


def seed_everything(seed: int) -> None:
    """Every global random stream: two seeds that give two results are how a plugin that uses one is found."""
    import random

    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the very stream that plugins must not use
    torch.manual_seed(seed)


def told(plugin: Any) -> Facts:
    """What a plugin says of itself."""
    names = ("name", "version", "summary", "card", "meaning", "title", "licence", "citation")
    said = {name: getattr(plugin, name) for name in names if isinstance(getattr(plugin, name, None), (str, int))}
    if callable(plugin) and not isinstance(plugin, type):  # an executor
        return said
    own = plugin if isinstance(plugin, type) else type(plugin)
    return {**said, "docstring": vars(own).get("__doc__") or ""}
