"""A stranger's condition in a file of its own: what it is given, what its record tells, and how tables name it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cod_bench import device, registry
from cod_bench.analysis import grids
from cod_bench.checks.rows import alone
from cod_bench.condition import condition
from cod_bench.counterfactuals import warm
from cod_bench.design import filters, suites
from cod_bench.design.filters import Filters
from cod_bench.design.identity import identify, run_id
from cod_bench.errors import UsageError
from cod_bench.records.record import record_from_json, to_json
from cod_bench.records.results import Results
from cod_bench.reports import page
from cod_bench.runner import work
from cod_bench.runner.plan import make
from cod_bench.spec import RunSpec
from tests.samples import sample_record

TEXTS = '''"""A condition for tests: the originals and texts that the teacher labelled."""

from cod_bench.condition import Condition, Pair, Row, TrainingSet


class MoreTexts(Condition):
    """k/2 originals, and as many texts of the pool with the teacher's class."""

    name = "more-texts"
    version = {version}
    meaning = "k/2 originals and 12 texts that the teacher labelled"
    needs = "texts"
    equal_k = False

    def texts_at(self, k):
        return 12

    def rows(self, draw, k, given):
        own = [Pair(Row.of(slot.original, slot.index)) for slot in draw.slots(k)]
        more = [Pair(Row(t.text, t.said, k // 2 + i, "unlabelled", t.id)) for i, t in enumerate(given)]
        return TrainingSet((*own, *more))


CONDITION = MoreTexts()
'''


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    before = dict(registry._plugin_files)
    device.set_threads()
    yield
    registry._plugin_files.clear()
    registry._plugin_files.update(before)


def plugin(folder: Path, version: int = 1) -> str:
    path = folder / "more_texts.py"
    path.write_text(TEXTS.replace("{version}", str(version)))
    kind, name = registry.add_plugin(path)
    assert kind == "condition"
    return name


def spec(name: str, generator: str = "") -> RunSpec:
    return RunSpec("last", "toy", "toy", "kd", name, generator, 8, 0)


def test_it_trains_on_what_it_says_and_its_record_counts_it(tmp_path: Path) -> None:
    name = plugin(tmp_path)
    record = work.run_one(spec(name), {})
    assert record.rows["roles"] == "oooo" + "u" * 12
    assert record.cost["unlabelled_texts"] == 12
    assert record.cost["teacher_passes"] == 16
    assert record.cfe is None
    assert alone(record) == ""
    assert record_from_json(to_json(record)) == record
    assert record.run_id == work.run_one(spec(name), {}).run_id


def test_its_version_is_in_the_id_from_two_on(tmp_path: Path) -> None:
    name = plugin(tmp_path, version=2)
    assert identify(spec(name))["condition_version"] == 2
    assert "condition_version" not in identify(spec("standard"))


def test_a_generator_belongs_to_conditions_with_entries_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="condition 'more-texts' never depends on one"):
        spec(plugin(tmp_path), "substitution")


def test_it_is_a_variant_beside_standard_and_cod(tmp_path: Path) -> None:
    name = plugin(tmp_path)
    asked = Filters(condition=(name,), method=("kd",), k=(8,))
    suite = filters.suite_for("toy", asked)
    assert (suite.name, suite.family, suite.tried) == ("toy+more-texts", "toy", (name,))
    assert suite.conditions == ("standard", "cod", name)
    assert {run.spec.condition for run in make(suite, asked, Results(tmp_path / "runs")).runs} == {name}
    results = Results(tmp_path / "runs")
    for one in (spec(name), spec("standard"), spec("cod", "substitution")):
        results.write(work.run_one(one, {}))
        results.write_reference(work.reference("toy", "toy"))
    assert [shown.name for shown in grids.suites_with_records(results)] == ["toy+more-texts"]
    (grid,) = grids.of(suite, records=results.scan()[0], references=results.references())
    assert grid.shown == ("standard", "cod", name)
    assert not grid.conditions_about[name].equal_k
    told = page.meaning(grid, name)
    assert told.endswith("the teacher is asked about unlabelled texts: 12 (not at equal k)")
    assert not grid.generated(name)
    assert grid.generated("cod")


def test_a_name_that_is_no_files_is_told(tmp_path: Path) -> None:
    path = tmp_path / "other_texts.py"
    path.write_text(TEXTS.replace("{version}", "1"))
    registry.add_plugin(path)
    with pytest.raises(UsageError, match=r"CONDITION\.name is 'more-texts' but must be the file's name 'other-texts'"):
        condition("other-texts")


def test_the_declared_conditions_are_the_files() -> None:
    assert sorted(suites.CONDITIONS) == sorted(set(registry.names("condition")))
    assert all(condition(name).meaning.strip() for name in suites.CONDITIONS)


def test_needs_that_nobody_knows_and_texts_without_a_number_are_told(tmp_path: Path) -> None:
    path = tmp_path / "more_texts.py"
    path.write_text(TEXTS.replace("{version}", "1").replace('needs = "texts"', 'needs = "everything"'))
    registry.add_plugin(path)
    with pytest.raises(UsageError, match="needs='everything'; choose one of nothing, entries, texts"):
        condition("more-texts")
    other = tmp_path / "again" / "more_texts.py"
    other.parent.mkdir()
    other.write_text(TEXTS.replace("{version}", "1").replace("def texts_at", "def how_many"))
    registry._plugin_files.clear()
    registry.add_plugin(other)
    with pytest.raises(UsageError, match="say how many by a method"):
        work.run_one(spec("more-texts"), {})


def test_a_suite_whose_runs_are_beside_is_not_its_variant(tmp_path: Path) -> None:
    """A variant is smaller than its suite and holds `standard` and `cod` too, of other suites and methods as well."""
    name, results = plugin(tmp_path), Results(tmp_path / "runs")
    for track, one, method in (("minilm-fp32", "rt_quotes", "lwd"), ("toy", "toy", "kd")):
        for plain in ("standard", "cod"):
            found = RunSpec("last", track, one, method, plain, "substitution" if plain == "cod" else "", 8, 0)
            results.write(sample_record(spec=found, identity=identify(found), run_id=run_id(found)))
    own = spec(name)
    results.write(sample_record(spec=own, identity=identify(own), run_id=run_id(own)))
    names = [suite.name for suite in grids.suites_with_records(results)]
    assert names == ["embedded", f"toy+{name}"]


@pytest.mark.parametrize("others", [("second",), ("random",), ("second", "standard")])
def test_one_condition_of_ones_own_is_run_at_a_time(others: tuple[str, ...], tmp_path: Path) -> None:
    name = plugin(tmp_path)
    second = tmp_path / "second.py"
    second.write_text(TEXTS.replace("{version}", "1").replace("more-texts", "second"))
    registry.add_plugin(second)
    with pytest.raises(UsageError, match="run one such condition at a time"):
        filters.suite_for("toy", Filters(condition=(name, *others)))
    assert filters.suite_for("toy", Filters(condition=("standard", "cod", name))).tried == (name,)


@pytest.mark.parametrize("taken", ["kd", "substitution", "local"])
def test_a_condition_is_not_called_as_what_else_makes_variants(taken: str, tmp_path: Path) -> None:
    path = tmp_path / f"{taken}.py"
    path.write_text(TEXTS.replace("{version}", "1").replace("more-texts", taken))
    registry.add_plugin(path)
    with pytest.raises(UsageError, match="variants of suites would be called alike"):
        condition(taken)


def test_a_made_text_that_is_nearly_an_evaluation_row_is_refused(tmp_path: Path) -> None:
    held_out = warm.corpus("toy").evaluation[0].text
    path = tmp_path / "leaking.py"
    path.write_text(f"""'''A condition for tests: it writes an evaluation row beside its first original.'''

from cod_bench import Condition, Pair, Row, TrainingSet


class Leaking(Condition):
    '''Evaluation rows under training rows' names.'''

    name = "leaking"
    meaning = "an evaluation row beside each original"

    def rows(self, draw, k, given):
        (first, *others) = draw.slots(k)
        made = Row({held_out!r} + " !", 0, 0, "partner", first.original.id)
        alone = [Pair(Row.of(slot.original, slot.index)) for slot in others]
        return TrainingSet((Pair(Row.of(first.original, 0), made), *alone))


CONDITION = Leaking()
""")
    registry.add_plugin(path)
    with pytest.raises(UsageError, match="equals or nearly equals an evaluation row"):
        work.run_one(spec("leaking"), {})


def test_what_a_condition_raises_is_a_sentence_to_readers_too(tmp_path: Path) -> None:
    name = plugin(tmp_path)
    record = work.run_one(spec(name), {})
    broken = condition(name)
    broken.faults = lambda *_: {}["x"]  # type: ignore[method-assign]
    with pytest.raises(UsageError, match="condition 'more-texts': faults raised KeyError: 'x'"):
        alone(record)


@pytest.mark.parametrize("said", ["text = 'first'", "flips = True", "entry = 'first'\n    flips = True"])
def test_a_partnered_condition_names_its_text_and_whether_labels_flip(said: str, tmp_path: Path) -> None:
    path = tmp_path / "half_said.py"
    path.write_text(
        "from cod_bench import Partnered\n\n\nclass HalfSaid(Partnered):\n    name = 'half-said'\n"
        f"    meaning = 'something'\n    {said}\n\n\nCONDITION = HalfSaid()\n"
    )
    registry.add_plugin(path)
    with pytest.raises(UsageError, match="must say text, one of cfe, first, random, preserving, and flips"):
        condition("half-said")


def test_the_same_file_may_be_named_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert registry.add_plugin(Path("more_texts.py")) == ("condition", "more-texts")


CHEAT = """from cod_bench import Pair, Partnered, Row, TrainingSet


class Cheat(Partnered):
    name = 'cheat'
    meaning = 'something'
    text = 'cfe'
    flips = True

    def rows(self, draw, k, given):
        {body}


CONDITION = Cheat()
"""


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("self.equal_k = False; return super().rows(draw, k, given)", "changes equal_k while it makes rows"),
        ("given[0] = given[1]; return super().rows(draw, k, given)", "does not support item assignment"),
        (
            "return type('Other', (TrainingSet,), {})(super().rows(draw, k, given).pairs)",
            "gave a Other; give a TrainingSet of Pair of Row",
        ),
    ],
)
def test_what_it_is_given_and_says_cannot_be_changed_under_way(body: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "cheat.py"
    path.write_text(CHEAT.format(body=body))
    registry.add_plugin(path)
    with pytest.raises((UsageError, TypeError), match=told):
        work.run_one(spec("cheat", "substitution"), {})


def test_a_condition_that_writes_to_its_draw_changes_nothing_for_others(tmp_path: Path) -> None:
    before = work.resolve(spec("standard")).rows()[0]
    path = tmp_path / "cheat.py"
    path.write_text(
        CHEAT.format(
            body="found = super().rows(draw, k, given); draw.seed = 1 - draw.seed; "
            "draw._taken[0].reverse(); return found"
        )
    )
    registry.add_plugin(path)
    work.run_one(spec("cheat", "substitution"), {})
    assert work.resolve(spec("standard")).draw.seed == 0
    assert work.resolve(spec("standard")).rows()[0] == before


def test_a_plugin_that_ends_the_program_ends_only_itself(tmp_path: Path) -> None:
    name = plugin(tmp_path)
    record = work.run_one(spec(name), {})

    def leave(*_: object) -> str:
        raise SystemExit(0)

    condition(name).faults = leave  # type: ignore[method-assign]
    with pytest.raises(UsageError, match="faults raised SystemExit"):
        alone(record)
