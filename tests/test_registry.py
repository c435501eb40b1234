"""Plugins by folder, entry point and file; nothing in the core names one."""

from __future__ import annotations

from pathlib import Path

import pytest

from cod_bench import registry
from cod_bench.errors import UsageError


def test_the_folders_are_walked() -> None:
    assert {"kd", "lwd", "ted", "finetune"} <= set(registry.names("baseline"))
    assert {"rt_quotes", "brand_tweets", "toy"} <= set(registry.names("task"))
    assert "substitution" in registry.names("generator")
    assert "local" in registry.names("executor")
    assert not any(name.startswith("_") for kind in registry.KINDS for name in registry.names(kind))


@pytest.mark.parametrize("kind", ["task", "baseline", "generator"])
def test_file_stem_is_key_is_name(kind: str) -> None:
    for name in registry.names(kind):
        assert registry.load(kind, name).name == name


def test_unknown_names_suggest_the_near_miss() -> None:
    with pytest.raises(UsageError, match=r"unknown method 'kdd': did you mean 'kd'\? choose from finetune, kd"):
        registry.load("baseline", "kdd")
    with pytest.raises(UsageError, match="unknown kind 'metod'"):
        registry.names("metod")


@pytest.fixture
def no_plugins_left_behind() -> object:
    before = dict(registry._plugin_files)
    yield None
    registry._plugin_files.clear()
    registry._plugin_files.update(before)


@pytest.mark.usefixtures("no_plugins_left_behind")
class TestPluginFiles:
    def write(self, folder: Path, name: str, text: str) -> Path:
        path = folder / f"{name}.py"
        path.write_text(text)
        return path

    def test_a_file_is_a_plugin_once_asked_for(self, tmp_path: Path) -> None:
        source = "from cod_bench.baselines.kd import KD\nclass Mine(KD):\n    name = 'mine'\nDISTILLER = Mine\n"
        path = self.write(tmp_path, "mine", source)
        assert "mine" not in registry.names("baseline")
        assert registry.add_plugin(path) == ("baseline", "mine")
        assert registry.load("baseline", "mine").name == "mine"
        assert registry.plugin_files() == (str(path),)

    @pytest.mark.parametrize(
        ("name", "text", "sentence"),
        [
            ("empty", "", "must export exactly one of"),
            ("kd", "DISTILLER = object()", "baseline 'kd' exists already; rename the file"),
        ],
    )
    def test_files_that_are_no_new_plugin_are_refused(
        self, tmp_path: Path, name: str, text: str, sentence: str
    ) -> None:
        with pytest.raises(UsageError, match=sentence):
            registry.add_plugin(self.write(tmp_path, name, text))

    def test_a_missing_file_and_a_wrong_name_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no such file"):
            registry.add_plugin(tmp_path / "nothing.py")
        source = "from cod_bench.baselines.kd import KD\nDISTILLER = KD\n"
        registry.add_plugin(self.write(tmp_path, "other", source))
        with pytest.raises(UsageError, match="must be the file's name 'other'"):
            registry.load("baseline", "other")

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ("mine", ""),
            ("console", ""),
            ("com10", ""),
            ("con", "is what Windows calls a device"),
            ("NUL", "is what Windows calls a device"),
            ("lpt9", "is what Windows calls a device"),
            ("-x", "must be letters, digits, _ or -"),
            ("a b", "must be letters, digits, _ or -"),
            ("", "must be letters, digits, _ or -"),
        ],
    )
    def test_a_name_that_some_system_cannot_hold_is_none(self, tmp_path: Path, name: str, sentence: str) -> None:
        assert registry.unfit_name(name) == sentence
        if not sentence:
            return
        path = self.write(tmp_path, name, "raise SystemExit(5)")
        with pytest.raises(UsageError, match=f"its name {sentence}; rename the file"):
            registry.add_plugin(path)
