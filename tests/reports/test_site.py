"""Grids -> the page: what it says, what it escapes, how large it is, and that it never changes by itself."""

from __future__ import annotations

import base64
import hashlib
import re
import runpy
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cod_bench.analysis import aggregate
from cod_bench.design.identity import identify
from cod_bench.design.suite import Block, Suite
from cod_bench.design.suites import CONDITIONS
from cod_bench.records.record import to_json
from cod_bench.records.results import Results
from cod_bench.reports.site import charts as site_charts
from cod_bench.reports.site import data as site_data
from cod_bench.reports.site import page as site
from cod_bench.reports.site import rows as site_rows
from cod_bench.spec import digest
from tests import ROOT

made = runpy.run_path(str(ROOT / "tests" / "golden" / "regenerate.py"))
SUITE: Suite = made["SUITE"]
EVIL = "<script>alert(1)</script>"
FIVE_THOUSAND = Suite(
    "large", "Large suite", ("minilm",), tuple(f"task{i}" for i in range(5)), tuple(range(10)), (8, 16, 32, 64),
    (Block(("kd", "lwd", "ted", "finetune"), ("standard", "cod", "random", "unvalidated", "label-preserving"),
          (8, 16, 32, 64, 128)),),
    "substitution",
)  # fmt: skip


def grid(suite: Suite, records: list[Any], *, rows: int = 100, track: str = "minilm") -> aggregate.Grid:
    return aggregate.collect(
        suite, protocol="last", track=track, records=records, expected=made["expected"](records),
        references=made["references"](suite.tasks, rows=rows, track=track),
    )  # fmt: skip


def page(suite: Suite = SUITE, records: list[Any] | None = None, **options: Any) -> str:
    return site.page([grid(suite, made["records"](suite) if records is None else records)], **options)


def outside_scripts(text: str) -> str:
    return re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


class Tags(HTMLParser):
    """Collects every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_headline_is_the_main_answer_with_its_basis() -> None:
    text = page()
    assert re.search(r'<h1 id="headline">Here they do(: | for 1 of 2 methods: )\+\d\.\d', text)
    assert "n = 10 units" in text
    assert "Conditional on one teacher and one generator per task" in text


@pytest.mark.parametrize(
    ("lift", "sentence"), [(0.2, "Here they do: "), (-0.2, "Here they hurt: "), (0.0, "Not shown: ")]
)
def test_the_headline_says_which_way(lift: float, sentence: str) -> None:
    def chance(spec: Any) -> float:
        return 0.6 + lift * (spec.condition == "cod")

    records = made["records"](SUITE, chance=chance)
    assert site_data.headline(site_data.section(grid(SUITE, records))).sentence.startswith(sentence)


def test_a_partial_grid_shows_no_interval_and_no_verdict() -> None:
    text = outside_scripts(page(records=made["records"](SUITE)[:-1]))
    assert "Not decided yet: 189 of 190 trainings are there." in text
    assert "[+" not in text
    assert "[-" not in text
    assert "<strong>shown</strong>" not in text
    assert "What is missing or not counted" in text
    assert 'class="whisker"' not in text


def test_a_suite_without_the_main_comparison_says_so() -> None:
    suite = replace(SUITE, blocks=(Block(("kd",), ("standard",), (8, 16)),))
    assert "this suite does not compare cod with standard" in page(suite)
    single = replace(suite, tasks=("rt_quotes",), seeds=(0,), primary_k=(8,), blocks=(Block(("kd",), ("cod",), (8,)),))
    assert "this suite does not compare cod with standard" in page(single)


def test_names_from_records_are_text_wherever_they_stand() -> None:
    suite = replace(
        SUITE, title=f"{EVIL} <img src=x onerror=alert(1)>", tasks=(EVIL, '"><svg onload=alert(1)>'), seeds=(0, 1),
        blocks=(Block((EVIL, "[x](javascript:alert(1))"), ("standard", "cod"), (8, 16)),),
    )  # fmt: skip
    records = [
        replace(r, provenance={"environment": {"torch": EVIL}, "cod_bench": EVIL, "git": {"commit": EVIL}})
        for r in made["records"](suite)
    ]
    for some in (records, records[:-1]):
        text = page(suite, some, about={EVIL: EVIL})
        tags = Tags(text).found
        assert sum(tag == "script" for tag, _ in tags) == 2
        assert not [tag for tag, _ in tags if tag in ("img", "iframe", "object", "link", "base")]
        assert not [attrs for _, attrs in tags if any(name.startswith("on") for name in attrs)]
        assert not [attrs for _, attrs in tags if (attrs.get("href") or "").startswith("javascript")]
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_what_a_method_says_and_the_state_of_its_records_stand_in_table_and_section() -> None:
    told = {"kd": "reproduced (2 of 2 re-run cells found again, of 90; 2026-11-24)", "lwd": f"submitted {EVIL}"}
    found = replace(grid(SUITE, made["records"](SUITE)), states=told)
    text = site.page([found], about={"kd": f"A summary.\n\nIdea: *{EVIL}*\n`over` two lines.\n\n    When: [x](y)."})
    section = outside_scripts(text).split('id="methods"')[1].split("</section>")[0]
    assert "<p>A summary.</p>" in section
    assert "<p>Idea: <em>&lt;script&gt;alert(1)&lt;/script&gt;</em> <code>over</code> two lines.</p>" in section
    assert "<p>When: [x](y).</p>" in section
    assert "Records: reproduced (2 of 2 re-run cells found again, of 90; 2026-11-24)." in section
    table = text.split('id="cells"')[1].split("</table>")[0]
    rows = list(site_rows.rows(found))
    assert table.count("<td>reproduced<td") == sum(row.method == "kd" for row in rows) > 0
    assert table.count("<td>submitted &lt;script&gt;") == sum(row.method == "lwd" for row in rows)
    nobody = [row for row in site_rows.rows(grid(SUITE, made["records"](SUITE))) if row.n]
    assert {row.state for row in nobody} == {"submitted"}


def submitted(teacher: str = "") -> list[aggregate.Grid]:
    """The declared suite and a submission to it, trained by another teacher if one is named."""
    mine = SUITE.variant(submitted=(EVIL,))
    records, references = made["records"](mine), made["references"](mine.tasks)
    if teacher:
        records = [replace(r, teacher_hash=teacher, reference=f"{r.spec.task}-{teacher}") for r in records]
        references = {
            (track, task, teacher): replace(r, teacher_hash=teacher) for (track, task, _), r in references.items()
        }
    own = aggregate.collect(
        mine, protocol="last", track="minilm", records=records, expected=made["expected"](records),
        references=references,
    )  # fmt: skip
    told = {EVIL: "reproduced (4 of 4 re-run cells found again, of 80; 2026-11-24)"}
    return [grid(SUITE, made["records"](SUITE)), replace(own, states=told)]


@pytest.mark.parametrize("teacher", ["", "elsewhere"])
def test_a_submission_stands_beside_the_declared_methods_with_state_and_pairing(teacher: str) -> None:
    text = outside_scripts(site.page(submitted(teacher)))
    section = text.split('<section id="submissions"')[1].split("</section>")[0]
    assert '<a href="#submissions">' in text
    assert "reproduced (4 of 4 re-run cells found again, of 80; 2026-11-24)" in section
    assert "<strong>&lt;script&gt;alert(1)&lt;/script&gt;</strong>" in section
    rows = section.split("<tbody>")[2].split("</tbody>")[0].split("<tr>")[1:]
    assert len(rows) == 8  # four conditions, two declared methods
    how = "<td><strong>unpaired</strong><td>" if teacher else "<td>paired<td>"
    assert all(how in re.sub(' class="n"', "", row) for row in rows)
    assert ("a difference may be the teacher's." in section) == bool(teacher)
    assert len(re.findall(r"<td[^>]*>another<" if teacher else r"<td[^>]*>same<", section)) == 8


def test_a_submission_alone_has_its_figures_and_a_page_without_any_no_section() -> None:
    alone = outside_scripts(site.page(submitted()[1:]))
    assert "No declared method of its suite has a counted run here." in alone
    assert 'id="submissions"' not in page()


def test_only_the_pages_own_scripts_may_run_and_nothing_may_load() -> None:
    text = page()
    policy = next(attrs["content"] for tag, attrs in Tags(text).found if attrs.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", text, flags=re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    loaded = [(tag, a) for tag, a in Tags(text).found if a.get("src") or (tag == "link" and a.get("href"))]
    assert not loaded
    assert "url(" not in text.split("<style>")[1].split("</style>")[0]


def test_the_same_records_give_the_same_bytes_in_any_order() -> None:
    records = made["records"](SUITE)
    assert page(records=records) == page(records=records[::-1])


def test_the_main_table_agrees_with_the_leaderboard() -> None:
    found = grid(SUITE, made["records"](SUITE))
    rows = list(site_rows.rows(found))
    (mean,) = [
        r for r in rows if (r.task, r.method, r.condition, r.k) == (site_rows.ALL_TASKS, "lwd", "cod", site_rows.MEAN_K)
    ]
    expected, n = aggregate.mean_accuracy(found, "lwd", "cod", (8, 16))
    assert (mean.accuracy, mean.n) == (pytest.approx(expected), n)
    gain = next(
        g for g in site_data.section(found).gains if (g.method, g.condition, g.over) == ("lwd", "cod", "standard")
    )
    assert mean.gain == pytest.approx(gain.mean)
    assert mean.gain_bounds == pytest.approx((gain.effect.low, gain.effect.high))  # type: ignore[union-attr]
    # all tasks and each of two: nine (method, condition) at both k and their mean, label-preserving at one k; the
    # teacher, chance
    assert len(rows) == 3 * (9 * 3 + 1 + 2)


def test_sections_of_other_tracks_stand_apart() -> None:
    records, toy = made["records"](SUITE), made["records"](SUITE, track="toy")
    text = site.page([grid(SUITE, records), grid(SUITE, toy, track="toy")])
    assert text.count('<details class="other">') == 3  # its gains, its curves and its costs
    assert re.search(r'data-whole="1"><option selected>minilm</option><option>toy</option>', text)


def test_every_picture_has_words_and_every_table_a_name() -> None:
    tags = Tags(outside_scripts(page())).found
    pictures = [attrs for tag, attrs in tags if tag == "svg"]
    assert pictures
    assert all(a.get("aria-hidden") == "true" or (a.get("role") == "img" and a.get("aria-label")) for a in pictures)
    boxes = [attrs for _, attrs in tags if "scroll" in (attrs.get("class") or "").split()]
    assert boxes
    assert all(a.get("tabindex") == "0" and a.get("aria-label") for a in boxes)


def test_lines_stand_out_from_both_pages() -> None:
    others = [f"own-{number}" for number in range(6)]
    styles = site_charts.styles(others)
    assert list(styles) == [*CONDITIONS, *others]
    for style in styles.values():
        assert site_charts.contrast(style.light, site_charts.PAPER) >= 3
        assert site_charts.contrast(style.dark, site_charts.NIGHT) >= 3
    assert len({(s.marker, s.dash) for s in styles.values()}) == len(styles)
    assert site_charts.contrast("#000000", "#ffffff") == pytest.approx(21)


def test_a_forest_holds_zero_and_every_interval() -> None:
    plot = site_data.section(grid(SUITE, made["records"](SUITE))).answer
    assert [row.method for row in plot.rows] == ["kd", "lwd"]
    for row in plot.rows:
        assert row.low is not None
        assert row.at is not None
        assert row.high is not None
        assert 0 < row.low < row.at < row.high < 100
    assert 0 < plot.zero < 100


def test_five_thousand_records_fit_in_two_megabytes() -> None:
    records = made["records"](FIVE_THOUSAND)
    assert len(records) == 5000
    assert len(page(FIVE_THOUSAND, records).encode()) <= site.LIMIT


BIG = Suite(
    "big", "Ten thousand runs", ("minilm-fp32",), ("rt_quotes", "brand_tweets", "sst2", "imdb", "cola"),
    tuple(range(20)), (8, 16, 32, 64), FIVE_THOUSAND.blocks, "substitution",
)  # fmt: skip
RENDER = """
import resource, sys, time
start = time.perf_counter()
from pathlib import Path
from cod_bench.analysis import grids
from cod_bench.design import suites
from cod_bench.records.results import Results
from cod_bench.reports import leaderboard, render
from tests.reports.test_site import BIG

others = {name: suite for name, suite in suites.SUITES.items() if not set(suite.tracks) & set(BIG.tracks)}
suites.SUITES, suites.DEFAULT_SUITE = {"big": BIG, **others}, "big"
results, out = Results(Path(sys.argv[1])), Path(sys.argv[2])
results.scan()
read = time.perf_counter()
leaderboard.write(out, render.files(results, grids.suites_with_records(results)))
tables = time.perf_counter()
path = render.build(results, out)
end = time.perf_counter()
used = resource.getrusage(resource.RUSAGE_SELF)
status = Path("/proc/self/status")
if status.exists():  # ru_maxrss is inherited from the process that started this one
    memory = int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 1e6
else:
    memory = used.ru_maxrss / 1e9
print(
    f"imports and reading {read - start:.1f} s, leaderboard {tables - read:.1f} s, page {end - tables:.1f} s "
    f"({path.stat().st_size / 1e6:.2f} MB), {used.ru_utime + used.ru_stime:.1f} CPU s in all, peak {memory:.2f} GB"
)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_thousand_files_become_a_leaderboard_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, like = Results(tmp_path / "runs"), Results(ROOT / "results")
    published = like.read(like.record_paths()[0])
    for reference in made["references"](BIG.tasks, rows=1000, track="minilm-fp32").values():
        results.write_reference(reference)
    for record in made["records"](BIG, rows=1000, track="minilm-fp32"):
        found = identify(record.spec)
        full = replace(
            record, identity=found, run_id=digest(found), history=published.history, rows=published.rows,
            cost=published.cost, provenance=published.provenance,
        )  # fmt: skip
        path = results.path(full.spec, full.run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_json(full))  # `Results.write` waits for the disk, ten thousand times
    arguments = [sys.executable, "-c", RENDER, str(results.root), str(tmp_path / "out")]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True)
    with capsys.disabled():
        sys.stdout.write(f"\n10,000 records: {done.stdout}")
    text = (tmp_path / "out" / "index.html").read_text()
    assert "10000 of 10000 runs" in text
    assert len(text.encode()) < site.LIMIT
    assert float(done.stdout.split("peak ")[1].split()[0]) < 1.0
