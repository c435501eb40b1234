"""A plugin whose file changed under its version is told, until the version is raised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cod_bench import registry
from cod_bench.records import plugins
from cod_bench.records.results import PLUGINS, Results

TEXT = """from cod_bench.baselines.kd import KD


class Mine(KD):
    name, version, summary = "mine", {version}, "Mine."


DISTILLER = Mine
"""


@pytest.fixture
def clean() -> Iterator[None]:
    before = dict(registry._plugin_files)
    yield
    registry._plugin_files.clear()
    registry._plugin_files.update(before)


def use(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.py").write_text(text)
    registry._plugin_files.clear()  # as another process
    registry.add_plugin(folder / "mine.py")


def test_a_changed_file_is_told_until_its_version_is_raised(tmp_path: Path, clean: None) -> None:
    results = Results(tmp_path / "runs")
    results.root.mkdir()
    use(tmp_path / "a", TEXT.format(version=1))
    assert plugins.changed(results) == []
    plugins.keep(results)
    assert plugins.changed(results) == []
    use(tmp_path / "b", TEXT.format(version=1) + "# another loss\n")
    for _ in range(2):
        (told,) = plugins.changed(results)
        assert told.startswith("method 'mine': its file changed since runs were made here, and its version is still 1")
        plugins.keep(results)  # what it was is what the runs were made by
    use(tmp_path / "c", TEXT.format(version=2) + "# another loss\n")
    assert plugins.changed(results) == []
    plugins.keep(results)
    use(tmp_path / "d", TEXT.format(version=2))
    assert len(plugins.changed(results)) == 1


def test_what_is_kept_and_makes_no_sense_is_nothing(tmp_path: Path, clean: None) -> None:
    results = Results(tmp_path)
    use(tmp_path / "a", TEXT.format(version=1))
    for text in ("{", "[]", '{"baseline/mine": 3}', '{"baseline/mine": []}'):
        (tmp_path / PLUGINS).write_text(text)
        assert plugins.changed(results) == []


def test_nothing_is_made_where_there_is_no_folder(tmp_path: Path, clean: None) -> None:
    use(tmp_path / "a", TEXT.format(version=1))
    plugins.keep(Results(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()
