"""The main table in real headless Chromium: order, filters, search, columns, address, evidence and downloads."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cod_bench.analysis import grids
from cod_bench.counterfactuals import tried
from cod_bench.design import suites
from cod_bench.design.filters import Filters, select, suite_for
from cod_bench.records.results import Results
from cod_bench.reports import render
from cod_bench.reports.site import page as site
from cod_bench.reports.site import rows as site_rows
from tests import ROOT
from tests.reports import test_floors
from tests.reports.test_site_browser import browser, choose, column, file, opened, pytestmark  # noqa: F401 - fixtures

REPOSITORY = "https://github.com/o/n"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the published records, with what lies beside it."""
    out = tmp_path_factory.mktemp("published")
    path = render.build(Results(ROOT / "results"), out, published=tried.published(), repository=REPOSITORY)
    return path.as_uri()


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["wide-light", "narrow-dark"])
def shown(request: pytest.FixtureRequest, browser: Any, published: str) -> Iterator[Any]:  # noqa: F811
    """The published page; whatever it complains of or asks for fails the test."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True)
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "request",
        lambda r: None if r.url.split("#")[0] == published or r.url.startswith("blob:") else troubles.append(r.url),
    )
    page.goto(published)
    yield page
    assert troubles == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    context.close()


def offered(page: Any, label: str) -> list[str]:
    return list(page.locator(f"#filters select[name={label}] option").evaluate_all("all => all.map((o) => o.value)"))


def chosen(page: Any, label: str) -> str:
    return str(page.locator(f"#filters select[name={label}]").input_value())


def address(page: Any) -> str:
    return str(page.evaluate("location.hash")).removeprefix("#")


def search(page: Any, text: str) -> None:
    page.locator(".dt-search input").fill(text)


def test_it_opens_sorted_on_the_means_beside_teacher_and_chance(opened: Any) -> None:  # noqa: F811
    values = [float(text) for text in column(opened, "accuracy")]
    assert len(values) == 9 + 2
    assert values == sorted(values, reverse=True)
    assert set(column(opened, "task")) == {"all tasks"}
    assert set(column(opened, "k")) == {"mean", "–"}
    assert column(opened, "kind")[0] == "teacher"
    assert column(opened, "kind").count("chance") == 1
    assert address(opened) == ""


def test_a_dash_is_last_whichever_way_a_header_sorts(opened: Any) -> None:  # noqa: F811
    gain = opened.locator("#cells thead th:text-is('gain'), #cells thead th:has(:text-is('gain'))").first
    gain.click()
    opened.wait_for_selector("#cells thead th[aria-sort=descending]")
    down = column(opened, "gain")
    known = [text for text in down if text != "–"]
    assert known == sorted(known, key=float, reverse=True)
    assert down == known + ["–"] * 4
    gain.locator("[role=button]").first.focus()
    opened.keyboard.press("Enter")
    opened.wait_for_selector("#cells thead th[aria-sort=ascending]")
    assert column(opened, "gain") == [*sorted(known, key=float), *["–"] * 4]
    bounds = opened.locator("#cells thead th").nth(3)
    for way in ("descending", "ascending"):
        bounds.click()
        opened.wait_for_selector(f"#cells thead th[aria-sort={way}]")
        assert column(opened, "95 %")[-2:] == ["–", "–"]


def test_filters_leave_what_they_name(opened: Any) -> None:  # noqa: F811
    choose(opened, "condition", "cod")
    assert set(column(opened, "condition")) == {"cod", "–"}
    choose(opened, "task", "rt_quotes")
    choose(opened, "k", "16")
    choose(opened, "kind", "student")
    assert column(opened, "method") != []
    for name, value in (("task", "rt_quotes"), ("k", "16"), ("condition", "cod")):
        assert set(column(opened, name)) == {value}
    search(opened, "lwd")
    assert column(opened, "method") == ["lwd"]
    opened.locator("#filters button[type=reset]").click()
    opened.locator("#cells tbody tr").nth(8).wait_for()
    choose(opened, "track", "toy")
    assert len(column(opened, "accuracy")) == 11
    assert "11 of 90 lines" in opened.locator(".dt-info").inner_text()


def test_the_line_above_the_table_is_of_the_chosen_section(shown: Any) -> None:
    line = shown.locator("#states p:visible")
    assert line.count() == 1
    assert "758 of 758" in line.inner_text()
    choose(shown, "suite", "six-local")
    assert line.count() == 1
    assert "six-local" in line.inner_text()
    assert "780 of 780" in line.inner_text()


def test_filters_offer_what_there_is_given_the_others(shown: Any) -> None:
    assert "teacher-only" not in offered(shown, "condition")
    assert "cola" not in offered(shown, "task")
    choose(shown, "suite", "why")
    assert "teacher-only" in offered(shown, "condition")
    assert "ted" not in offered(shown, "method")
    choose(shown, "suite", "six-local")
    assert {"cola", "all tasks"} <= {*offered(shown, "task")}
    assert "16" not in offered(shown, "k")
    choose(shown, "method", "majority")
    assert "random" not in offered(shown, "condition")
    assert offered(shown, "kind")[0] == ""
    for name in ("task", "kind", "method", "condition", "k"):
        for value in offered(shown, name):
            before = chosen(shown, name)
            choose(shown, name, value)
            assert shown.locator("#cells tbody td.dt-empty").count() == 0, (name, value)
            choose(shown, name, before)


def test_a_search_looks_in_all_tasks_and_says_where_else(shown: Any) -> None:
    search(shown, "brand_tweets")
    assert set(column(shown, "task")) == {"brand_tweets"}
    search(shown, "cola")
    assert shown.locator("#cells tbody td.dt-empty").count() == 1
    elsewhere = shown.locator("#elsewhere button")
    assert elsewhere.all_inner_texts() == ["six-local"]
    elsewhere.click()
    assert chosen(shown, "suite") == "six-local"
    assert set(column(shown, "task")) == {"cola"}
    choose(shown, "task", "cola")
    search(shown, "imdb")
    assert shown.locator("#cells tbody td.dt-empty").count() == 1  # a task that was chosen stays so


def test_the_address_keeps_filters_search_order_and_columns(shown: Any, published: str) -> None:
    choose(shown, "suite", "why")
    choose(shown, "condition", "teacher-only")
    choose(shown, "task", "")
    search(shown, "rt_quotes")
    shown.locator("#columns summary").click()
    shown.locator("#columns input[name=kl]").check()
    shown.locator("#columns input[name=gain]").uncheck()
    shown.locator("#cells thead th").nth(0).click()
    shown.wait_for_selector("#cells thead th[aria-sort=ascending]")
    kept = address(shown)
    assert "suite=why&task=any&condition=teacher-only&q=rt_quotes&sort=method.asc&columns=kl%2C-gain" in kept
    table = shown.locator("#cells").inner_text()
    other = shown.context.new_page()
    other.goto(f"{published}#{kept}")
    assert other.locator("#cells").inner_text() == table
    assert other.locator(".dt-search input").input_value() == "rt_quotes"
    assert address(other) == kept
    assert other.evaluate("document.getElementById('leaderboard').getBoundingClientRect().top") < 10
    other.reload()
    assert other.locator("#cells").inner_text() == table
    other.close()


def test_back_and_forward_undo_and_redo_choices(shown: Any) -> None:
    opening = shown.locator("#cells").inner_text()
    choose(shown, "suite", "why")
    choose(shown, "condition", "far")
    far = shown.locator("#cells").inner_text()
    shown.go_back()
    assert (chosen(shown, "suite"), chosen(shown, "condition")) == ("why", "")
    shown.go_back()
    assert shown.locator("#cells").inner_text() == opening
    assert address(shown) == ""
    shown.go_forward()
    shown.go_forward()
    assert shown.locator("#cells").inner_text() == far
    shown.locator("nav a[href='#gains']").click()  # an anchor leaves the table as it is
    assert shown.locator("#cells").inner_text() == far
    shown.go_back()
    assert shown.locator("#cells").inner_text() == far


def test_an_address_that_nobody_knows_is_passed_over(shown: Any, published: str) -> None:
    opening, other = shown.locator("#cells").inner_text(), shown.context.new_page()
    troubles: list[str] = []
    other.on("pageerror", lambda error: troubles.append(str(error)))
    for wrong in (
        "suite=nothing&task=%3Cscript%3E&k=7&sort=nothing.asc&columns=none,of,these&x=y",
        "suite=&protocol=any&track=toy", "sort=accuracy.sideways", "q=", "=", "%E0%A4%A=1",
    ):  # fmt: skip
        other.goto(f"{published}#suite=why")
        other.goto(f"{published}#{wrong}")
        assert chosen(other, "suite") == "embedded", wrong
        assert other.locator("#cells").inner_text() == opening, wrong
    other.goto("about:blank")
    other.goto(f"{published}#suite=nothing&method=nobody")
    assert other.locator("#cells").inner_text() == opening
    assert troubles == []
    other.close()


def test_columns_are_chosen_by_keyboard(shown: Any) -> None:
    headers = shown.locator("#cells thead th")
    assert "sd" not in headers.all_inner_texts()
    shown.locator("#columns summary").focus()
    shown.keyboard.press("Enter")
    box = shown.locator("#columns input[name=sd]")
    assert not box.is_checked()
    box.focus()
    shown.keyboard.press("Space")
    assert "sd" in [text.strip() for text in headers.all_inner_texts()]
    assert address(shown) == "columns=sd"
    shown.keyboard.press("Space")
    assert address(shown) == ""
    assert shown.locator("#columns input[name=suite]").count() == 0


def test_every_line_leads_to_its_records_and_to_the_command_that_makes_them(shown: Any) -> None:
    """Each command selects exactly the runs of its line."""
    every = {grid.suite.name: grid for grid in grids.every(Results(ROOT / "results"))}
    choose(shown, "suite", "why")
    choose(shown, "kind", "")
    buttons, heads = shown.locator("button.why"), ("kind", "method", "condition", "k", "runs")
    assert buttons.count() == shown.locator("#cells tbody tr").count()
    lines = list(zip(*(column(shown, name) for name in heads), strict=True))
    for place, (kind, method, condition, k, runs) in enumerate(lines):
        button = buttons.nth(place)
        button.click()
        assert button.get_attribute("aria-expanded") == "true"
        told = shown.locator(".evidence")
        links = [str(link) for link in told.locator("a").evaluate_all("all => all.map((a) => a.href)")]
        assert links
        for link in links:
            assert (ROOT / link.replace("%2B", "+").split("/HEAD/")[1]).exists(), link
            assert link.startswith(f"{REPOSITORY}/{'blob' if link.endswith('.json') else 'tree'}/HEAD/results/")
        if kind in ("teacher", "chance"):
            assert told.locator(".command").count() == 0
        else:
            words = shlex.split(told.locator(".command code").inner_text())
            assert words[:2] == ["cod-bench", "run"]
            given = dict(zip(words[2::2], words[3::2], strict=True))
            filters = Filters(
                track=given["--track"], task=tuple(given["--task"].split(",")), method=(given["--method"],),
                condition=(given["--condition"],), k=tuple(map(int, filter(None, given.get("--k", "").split(",")))),
            )  # fmt: skip
            found = select(suite_for(given["--suite"], filters), filters)
            assert len(found) == int(runs)
            wanted = [s for s in every["why"].declared if (s.method, s.condition) == (method, condition)]
            ks = {int(k)} if k.isdigit() else {0, *suites.suite("why").primary_k}
            assert {*found} == {s for s in wanted if s.k in ks}
        button.click()
        assert told.count() == 0


def test_a_command_is_copied(browser: Any, published: str) -> None:  # noqa: F811
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(published)
    choose(page, "kind", "student")
    page.locator("button.why").first.click()
    page.locator(".evidence button").click()
    page.wait_for_selector(".evidence button:text-is('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator(".evidence .command code").inner_text()
    page.locator(".bib button").first.click()
    page.wait_for_selector(".bib button:text-is('Copied')")
    assert page.evaluate("navigator.clipboard.readText()").startswith("@inproceedings{")
    context.close()


def test_what_is_shown_is_saved_as_csv_and_the_citations_as_bibtex(shown: Any, tmp_path: Path) -> None:
    choose(shown, "suite", "six-local")
    choose(shown, "task", "")
    with shown.expect_download() as download:
        shown.locator("#csv").click()
    download.value.save_as(tmp_path / "table.csv")
    lines = list(csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text(encoding="utf-8"))))
    assert f"{len(lines)} of " in shown.locator(".dt-info").inner_text()
    assert len(lines) > 25  # every page of the table
    assert {line["suite"] for line in lines} == {"six-local"}
    assert [line["accuracy"] for line in lines[:25]] == column(shown, "accuracy")
    assert "–" not in {value for line in lines for value in line.values()}
    with shown.expect_download() as download:
        shown.locator("#bib").click()
    assert download.value.suggested_filename == "cod-bench.bib"
    download.value.save_as(tmp_path / "own.bib")
    assert (tmp_path / "own.bib").read_text(encoding="utf-8") == site._own("cite.bib")


def test_files_beside_the_page_open_from_it(shown: Any, published: str) -> None:
    for name in render.DOWNLOADS:
        href = shown.locator(f".downloads a[href='{name}']").evaluate("a => a.href")
        assert Path(str(href).removeprefix("file://")).stat().st_size > 0


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_of_the_published_page_is_wider_than_the_screen(
    browser: Any,  # noqa: F811
    published: str, scheme: str, width: int,
) -> None:  # fmt: skip
    """With every part opened; what is wider scrolls in a box of its own."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{published}#suite=six-local")
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    for button in page.locator("button.why").all()[:6]:
        button.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    wide = page.evaluate(
        "(width) => [...document.querySelectorAll('main *')].filter((e) => !e.closest('.scroll, .dt-layout-table, svg')"
        " && e.getBoundingClientRect().right > width + 1).map((e) => e.outerHTML.slice(0, 80))", width,
    )  # fmt: skip
    assert wide == []
    assert page.locator("h1").count() == 1
    context.close()


def test_the_published_page_is_one_file_of_two_megabytes_each_five_thousand_records(published: str) -> None:
    records = len(Results(ROOT / "results").scan()[0])
    assert Path(published.removeprefix("file://")).stat().st_size <= site.LIMIT * max(1.0, records / 5000)


def test_floors_and_ceilings_stand_among_the_lines(browser: Any, tmp_path: Path) -> None:  # noqa: F811
    path = tmp_path / "index.html"
    path.write_text(site.page([test_floors.grid()]), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    assert set(column(page, "kind")) == {"student", "floor", "ceiling", "teacher", "chance"}
    choose(page, "k", "8")
    assert set(column(page, "kind")) == {"student", "floor", "ceiling", "teacher", "chance"}
    choose(page, "kind", "floor")
    own = [r for r in site_rows.rows(test_floors.grid()) if (r.task, r.kind, r.k) == ("all tasks", "floor", "8")]
    assert sorted(column(page, "method")) == sorted(r.method for r in own)
    page.close()
