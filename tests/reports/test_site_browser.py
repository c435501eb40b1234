"""The page in real headless Chromium: marks, colour schemes, narrow screens, no request, no scripts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cod_bench.analysis.frontier import AXES
from cod_bench.reports.site import charts as site_charts
from cod_bench.reports.site import page as site
from tests.reports import test_frontier as costs
from tests.reports.test_site import EVIL, SUITE, grid, made, submitted
from tests.reports.test_site import page as rendered

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM)
        yield started
        started.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of two tracks."""
    toy = made["records"](SUITE, track="toy")
    text = site.page([grid(SUITE, made["records"](SUITE)), grid(SUITE, toy, track="toy")])
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser: Any, file: str) -> Iterator[Any]:
    """The page on a wide screen; whatever it complains of or asks for fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: None if request.url == file else troubles.append(request.url))
    page.goto(file)
    yield page
    assert troubles == []
    context.close()


def column(page: Any, name: str) -> list[str]:
    """The cells of a column of the main table as they stand now."""
    headers = [text.strip() for text in page.locator("#cells thead th").all_inner_texts()]
    place = headers.index(name) + 1
    return [text.strip() for text in page.locator(f"#cells tbody td:nth-child({place})").all_inner_texts()]


def choose(page: Any, label: str, value: str) -> None:
    page.locator(f"#filters select[name={label}]").select_option(value)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_submission_is_reached_from_the_top_and_its_tables_scroll_in_their_boxes(
    browser: Any, tmp_path: Path, width: int
) -> None:
    file = tmp_path / "index.html"
    file.write_text(site.page(submitted("elsewhere")), encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(file.as_uri())
    page.locator("nav a[href='#submissions']").click()
    section = page.locator("#submissions")
    assert section.locator("h2").is_visible()
    assert section.locator("table").count() == 2
    assert "unpaired" in section.locator("table").nth(1).inner_text()
    assert EVIL in section.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    context.close()


def test_the_colour_scheme_follows_the_button(opened: Any) -> None:
    def background() -> str:
        return str(opened.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = background()
    for shown in ("light", "dark"):
        opened.locator("#theme").click()
        assert shown in opened.locator("#theme").inner_text()
    assert background() != light
    opened.reload()
    assert background() != light


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("scripts", [True, False])
def test_a_narrow_page_never_scrolls_sideways(browser: Any, file: str, scheme: str, scripts: bool) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme=scheme, java_script_enabled=scripts
    )
    page = context.new_page()
    page.goto(file)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_axis_of_costs_is_chosen_by_mouse_and_keyboard_and_needs_no_script(
    browser: Any, tmp_path: Path, scripts: bool
) -> None:
    file = tmp_path / "index.html"
    file.write_text(site.page([costs.grid(), costs.grid(made["records"](SUITE)), costs.grid()]), encoding="utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=scripts)
    page = context.new_page()
    page.goto(file.as_uri())

    def shown(place: int = 0) -> list[str]:
        views = page.locator(".costs").nth(place).locator(".cost")
        return [str(views.nth(i).get_attribute("data-axis")) for i in range(4) if views.nth(i).is_visible()]

    chart = page.locator(".costs").first
    assert shown() == ["labels"]
    for axis in AXES:
        chart.locator(f"input[value={axis}]").check()
        assert shown() == [axis]
        assert chart.locator(f"[data-axis={axis}] p").inner_text()
        assert chart.locator(".panel > svg:visible").count() == (0 if axis == "dollars" else 2)
    chart.locator("input[value=labels]").focus()
    chart.locator("input[value=labels]").press("ArrowRight")
    assert shown() == ["queries"]
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert shown(1) == ["labels"]
    assert chart.locator("tbody tr").count() == 19
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_mark_tells_mean_interval_and_n_on_pointing_and_by_keyboard(
    browser: Any, file: str, scheme: str, width: int
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(file)
    drawing, tip = page.locator("#curves .panel > svg").first, page.locator("#tip")
    assert not tip.is_visible()
    mark = drawing.locator("use").nth(1)
    mark.scroll_into_view_if_needed()
    mark.hover(force=True)
    said = tip.inner_text()
    assert re.fullmatch(r"[\w-]+, k = \d+: \d+\.\d % \[\d+\.\d, \d+\.\d\], n = 5", said)
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    page.mouse.move(2, 2)
    assert not tip.is_visible()
    stops = drawing.locator("[tabindex='0']")
    assert stops.count() == 1  # one stop a panel, not one a mark
    page.evaluate("window.scrollTo(0, 0)")
    stops.focus()  # which scrolls the page
    page.wait_for_timeout(200)
    assert tip.is_visible()
    first = tip.inner_text()
    seen = [first]
    for _ in range(drawing.locator("[tabindex]").count() - 1):
        page.keyboard.press("ArrowRight")
        assert tip.is_visible()
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == tip.inner_text()
        assert page.evaluate("document.activeElement.getAttribute('aria-describedby')") == "tip"
        seen.append(tip.inner_text())
    assert len(set(seen)) == len(seen)
    assert said in seen
    assert any(text.startswith("teacher ") for text in seen)
    assert any(text.startswith("chance ") for text in seen)
    page.keyboard.press("ArrowRight")
    assert tip.inner_text() == first
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_of_every_kind_stand_out_from_the_page(browser: Any, file: str, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(file)
    page.locator("#curves .panel > svg [tabindex='0']").first.focus()
    for words in ("h1", ".standing", ".note", "#states .on", "tr.level td", ".legend li", "button.why", "#tip", "a"):
        colours = page.locator(words).first.evaluate(
            "e => { let b = e; while (getComputedStyle(b).backgroundColor === 'rgba(0, 0, 0, 0)') b = b.parentElement;"
            " return [getComputedStyle(e).color, getComputedStyle(b).backgroundColor]; }"
        )
        rgb = ["#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", colour)[:3]) for colour in colours]
        assert site_charts.contrast(*rgb) >= 4.5, (words, rgb)
    context.close()


def test_without_scripts_it_is_plain_tables(browser: Any, file: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file)
    assert page.locator("#cells tbody tr").count() == 2 * 90
    assert page.locator("#states > p").count() == 2
    assert page.locator("#states > p").last.is_visible()
    headers = [text.strip() for text in page.locator("#cells thead th").all_inner_texts()]
    right = "e => getComputedStyle(e).textAlign"
    places = {name: page.locator("#cells tbody tr").first.locator("td").nth(i) for i, name in enumerate(headers)}
    assert places["accuracy"].evaluate(right) == "right"
    assert places["task"].evaluate(right) != "right"
    for hidden in ("#columns", "#csv", "#bib", ".bib button"):
        assert not page.locator(hidden).first.is_visible()
    title = page.locator(".panel > svg g title").first
    assert ", n = 5" in title.text_content()
    assert page.locator("#cells tbody tr").first.is_visible()
    assert not page.locator("#filters").is_visible()
    assert not page.locator("#theme").is_visible()
    context.close()


def test_a_method_called_script_is_text_and_can_be_filtered(browser: Any, tmp_path: Path) -> None:
    suite = SUITE.__class__(
        "evil", "Evil", ("minilm",), ("rt_quotes", "brand_tweets"), (0, 1), (8, 16),
        (SUITE.blocks[0].__class__((EVIL, "kd"), ("standard", "cod"), (8, 16)),), "substitution",
    )  # fmt: skip
    path = tmp_path / "index.html"
    path.write_text(rendered(suite), encoding="utf-8")
    page = browser.new_context().new_page()
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    page.goto(path.as_uri())
    choose(page, "method", EVIL)
    assert set(column(page, "method")) - {"–"} == {EVIL}
    page.locator("button.why").nth(1).click()
    assert f"'{EVIL}'" in page.locator(".evidence .command").inner_text()  # in quotes, as a shell needs it
    assert page.locator(".evidence li").first.inner_text().startswith("results/last/minilm/rt_quotes/")
    assert page.locator(".evidence li a").count() == 0  # no repository is known
    assert alerts == []
    page.context.close()
