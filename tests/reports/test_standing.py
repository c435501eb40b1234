"""What nobody re-ran is told as submitted wherever it stands and takes no headline, forged records included."""

from __future__ import annotations

import re
import runpy
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench.analysis import claims, grids
from cod_bench.analysis.aggregate import Grid
from cod_bench.condition import outdated
from cod_bench.design import suites
from cod_bench.design.identity import identify
from cod_bench.design.suite import Suite
from cod_bench.records import evaluate, verdicts
from cod_bench.records.declarations import Declared
from cod_bench.records.record import SCALE, Record, Reference, rounded
from cod_bench.records.results import REFERENCE, Results
from cod_bench.records.verdicts import CONTRADICTED, REPRODUCED, SUBMITTED, TOLERANCE, Cell, Verdict
from cod_bench.reports import leaderboard, page, render, standing
from cod_bench.reports.site import data as site_data
from cod_bench.reports.site import page as site
from cod_bench.spec import digest
from tests import ROOT
from tests.reports.test_site import grid as collected

EMBEDDED = suites.suite("embedded")
OTHER = "minilm"
AGAIN = "reproduced (1 of 1 re-run cells found again, of 9 records, on the same kind of machine; 2026-01-01)"
NOBODY = "Submitted: nobody has re-run these records."
made = runpy.run_path(str(ROOT / "tests" / "golden" / "regenerate.py"))


def states(**told: str) -> Grid:
    return replace(collected(made["SUITE"], made["records"](made["SUITE"])), states=told)


def forge(results: Results, record: Record, target: Reference) -> None:
    """The same run on another track, its `cod` students right more often: what a pull request may bring."""
    spec = replace(record.spec, track=OTHER)
    identity = identify(spec)
    predictions, p = list(record.predictions), list(record.probabilities)
    if spec.condition == "cod":
        wrong = [i for i, gold in enumerate(target.gold) if gold != predictions[i]]
        for i in wrong[::2]:
            predictions[i], p[i] = target.gold[i], SCALE - p[i]
    digits = "".join(predictions)
    forged = replace(
        record, spec=spec, identity=identity, run_id=digest(identity), predictions=digits, probabilities=tuple(p),
        metrics=rounded(evaluate.metrics(digits, p, target)),
    )  # fmt: skip
    results.write(forged)


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The published runs of the main suite, and 400 better ones of the very same methods on another track."""
    root = tmp_path_factory.mktemp("forged") / "results"
    for task in EMBEDDED.tasks:
        shutil.copytree(ROOT / "results" / "last" / EMBEDDED.main / task, root / "last" / EMBEDDED.main / task)
    shutil.copytree(ROOT / "results" / REFERENCE, root / REFERENCE)
    results = Results(root)
    known = {
        (r.task, r.teacher_hash): r for r in (replace(r, track=OTHER) for r in results.references().values())
    }  # fmt: skip
    for record in results.scan()[0]:
        if not outdated(record.spec.condition, record.identity):
            target = known[record.spec.task, record.teacher_hash]
            forge(results, record, target)
            results.write_reference(target)
    return results


def reproduce(results: Results, track: str) -> None:
    """As if a maintainer had re-run records of that track."""
    parts: dict[verdicts.Part, list[Record]] = {}
    for record in results.scan()[0]:
        if record.spec.track == track and not outdated(record.spec.condition, record.identity):
            parts.setdefault(verdicts.part(record.spec), []).append(record)
    found = [
        Verdict(
            *part, tuple(sorted(r.run_id for r in own)), verdicts.records_digest(own), TOLERANCE, 0.05, 1, "", {},
            "2026-11-28",
            tuple(Cell(r.run_id, REPRODUCED, 1.0) for r in verdicts.sample(own, 0.05, 1)),
        )
        for part, own in parts.items()
    ]  # fmt: skip
    results.reproduced_path().write_text(verdicts.to_json(found))


def headline(results: Results, out: Path) -> str:
    text = render.build(results, out).read_text()
    found = re.search(r'<h1 id="headline">(.*?)</h1>', text)
    assert found
    return found[1]


@pytest.mark.parametrize("again", [False, True])
def test_forged_records_on_another_track_take_no_headline(forged: Results, tmp_path: Path, *, again: bool) -> None:
    forged.reproduced_path().unlink(missing_ok=True)
    if again:
        reproduce(forged, EMBEDDED.main)
    files = render.files(forged, grids.suites_with_records(forged), figures=False)
    index = files["README.md"]
    assert index.index("track `minilm-fp32`") < index.index("track `minilm`,")
    assert "**`cod` - `standard`: +4.87 to +5.56 accuracy points (kd, lwd, ted).**" in index
    runs = sum(1 for _ in EMBEDDED.expand(track=OTHER))
    assert re.search(rf"Also: .*track `minilm`, .*, {runs} runs, submitted\.", index)
    assert (NOBODY in index) != again
    assert "Reproduced: random cells of these records were found again" in index or not again
    main, other = files["embedded/main.txt"], files["embedded/last-minilm/main.txt"]
    assert main.startswith("suite embedded, track minilm-fp32,")
    assert main.splitlines()[2].startswith("kd: +5.56,")
    assert main.splitlines()[-2] == NOBODY or again
    assert not other.splitlines()[2].startswith("kd: +5.56,")
    assert other.splitlines()[-2] == NOBODY
    forged_page = files["embedded/last-minilm/README.md"]
    assert forged_page.count("Records: submitted.") == forged_page.count("Conditional on one teacher")
    said = headline(forged, tmp_path)
    assert said.startswith("Here they do: +4.9 to +5.6 accuracy points at the same number of labels.")
    assert (NOBODY in said) != again
    assert grids.one("embedded", forged).track == EMBEDDED.main


def test_without_a_main_track_they_would_take_it(forged: Results) -> None:
    """What the defence is for: as many runs on a track whose name sorts before."""

    def first(suite: suites.Suite) -> str:
        records = forged.scan()[0]
        return grids.of(suite, records=records, references=forged.references())[0].track

    assert first(EMBEDDED) == EMBEDDED.main
    assert first(replace(EMBEDDED, tracks=(EMBEDDED.main, OTHER), main_track="")) == EMBEDDED.main
    assert first(replace(EMBEDDED, main_track="")) == OTHER


def test_every_published_suite_has_its_published_track_as_the_main_one() -> None:
    published = {path.name for path in (ROOT / "results" / "last").iterdir()}
    assert {suites.suite(name).main for name in ("embedded", "six-local", "why", "soft-labels-embedded")} <= published
    assert all(suite.main in suite.tracks for suite in suites.SUITES.values())


def test_a_headline_is_of_reproduced_methods_and_names_the_others() -> None:
    grid = states(kd=AGAIN, lwd=SUBMITTED)
    gains = claims.gains(grid)
    by_method = {g.method: g for g in gains if (g.condition, g.over) == ("cod", "standard")}
    lines = leaderboard.main_figure(replace(grid, states={"kd": SUBMITTED, "lwd": AGAIN}))
    assert [re.match(r"(\w+): .*, records: (\w+)$", line).groups() for line in lines[2:]] == [  # type: ignore[union-attr]
        ("lwd", "reproduced"), ("kd", "submitted"),
    ]  # fmt: skip
    assert re.match(r"all methods: .*, records: kd submitted; lwd reproduced$", lines[1])
    (text,) = leaderboard.headline(grid, gains)
    assert text == (
        f"**`cod` - `standard`: +{100 * by_method['kd'].mean:.2f} accuracy points (kd).** "
        f"Reproduced: random cells of these records were found again {AGAIN.removeprefix('reproduced ')}."
    )
    shown = site_data.section(grid)
    assert [row.method for row in shown.answer.rows] == ["kd"]
    said = site_data.headline(shown)
    assert f"+{100 * by_method['kd'].mean:.1f} accuracy points" in said.sentence
    assert "nobody" not in said.sentence
    assert said.basis.endswith(f"Not in this headline: lwd. {NOBODY}")
    rows = page.accuracy(grid).splitlines()
    assert any(row.startswith("| lwd *submitted*") for row in rows)
    assert any(row.startswith("| kd  ") for row in rows)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, NOBODY),
        ({"kd": SUBMITTED, "lwd": SUBMITTED}, NOBODY),
        ({"kd": AGAIN, "lwd": AGAIN}, "Reproduced: random cells of these records were found again"),
        (
            {"kd": AGAIN},
            (
                "kd reproduced: random cells of these records were found again; "
                "lwd submitted: nobody has re-run these records."
            ),
        ),
        (
            dict.fromkeys(("kd", "lwd"), "submitted (1 of 1 re-run cells)"),
            "Submitted: nobody has re-run some of these records.",
        ),
        (
            dict.fromkeys(("kd", "lwd"), f"{CONTRADICTED} (0 of 1)"),
            "Another result: what was re-run with the same teacher",
        ),
    ],
)
def test_words_for_what_was_and_was_not_re_run(told: Mapping[str, str], words: str) -> None:
    grid = states(**told)
    assert standing.words(grid).startswith(words)
    assert standing.words(grid) in page.state(grid)
    reproduced = any(state == AGAIN for state in told.values())
    sentence = site_data.headline(site_data.section(grid)).sentence
    assert sentence.endswith(standing.words(grid)) != reproduced
    assert f"Records: {standing.brief(grid)}." in page.conditional(grid)
    shown = site.page([grid])
    assert f"Records: suite tiny on track minilm {standing.brief(grid)}." in shown.split('id="paper"')[1]


def test_states_are_told_of_every_method_whosever_it_is() -> None:
    results = Results(ROOT / "results")
    records = results.scan()[0]
    (grid,) = grids.of(EMBEDDED, records=records, references=results.references())
    told = render.states(results, records)(grid)
    assert set(told) == {"kd", "lwd", "ted", *suites.FLOORS}
    figure = render.main_figure(results, EMBEDDED, track=EMBEDDED.main, protocol="last")
    assert figure == leaderboard.main_figure(replace(grid, states=told))
    assert figure[-1].startswith("Best floor: ")
    assert (figure[-2] == NOBODY) == (set(told.values()) == {SUBMITTED})


FRESH = replace(suites.suite("toy"), seeds=(40, 41))
BROUGHT = Declared("2026-11-28")
WHEN = "Declared on 2026-11-28 before its first record"
TEACHERS = "how results vary from teacher to teacher it does not tell"
SEEDS = "served to settle generator and recipe, and confirmation takes seeds that did not"
SETTLED = "served to settle generator, recipe and track, so it confirms nothing about others"


@pytest.mark.parametrize(
    ("suite", "found", "told"),
    [
        (FRESH, None, "Exploratory: not declared before it was run."),
        (
            FRESH,
            replace(BROUGHT, departs="grid.runs was declared as 47 and is 48"),
            "Exploratory: declared on 2026-11-28, but grid.runs was declared as 47 and is 48.",
        ),
        (
            FRESH,
            BROUGHT,
            f"Confirmatory, for one teacher a task: d{WHEN[1:]}; {TEACHERS}.",
        ),
        (
            FRESH,
            replace(BROUGHT, teachers=3),
            "Confirmatory: declared on 2026-11-28 before its first record.",
        ),
        (
            replace(EMBEDDED, seeds=(40,)),
            BROUGHT,
            f"{WHEN}, not confirmatory: its corpora {SETTLED}.",
        ),
        (
            replace(FRESH, tasks=("toy", "rt_quotes")),
            BROUGHT,
            f"{WHEN}, not confirmatory: rt_quotes {SETTLED}.",
        ),
        (
            replace(FRESH, seeds=(4, 40, 100)),
            replace(BROUGHT, teachers=3),
            f"{WHEN}, not confirmatory: seeds 4, 100 {SEEDS}.",
        ),
    ],
    ids=str,
)
def test_what_a_declaration_confirms_is_told(suite: Suite, found: Declared | None, told: str) -> None:
    grid = Grid(suite, "last", suite.tracks[0], (), {}, (), (), {}, declared_as=found)
    assert standing.declared(grid) == told


def test_the_published_suites_were_not_declared() -> None:
    results = Results(ROOT / "results")
    for name in ("embedded", "six-local"):
        grid = render.as_declared(results, grids.one(name, results))
        assert standing.declared(grid) == "Exploratory: not declared before it was run."
