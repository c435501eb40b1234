"""All that README, CONTRIBUTING and docs/ ask a reader to type works; what cannot be carried out here is looked up."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT, docs

BLOCKS = {page: docs.blocks(page) for page in docs.PAGES}
ELSEWHERE = {"docs/own/index.md": "test_half_hour.py", "docs/python.md": "test_api.py"}
"""Page -> the test file that carries out its slow blocks, or all of them."""
SLOW = [
    page
    for page, own in BLOCKS.items()
    if page.relative_to(ROOT).as_posix() not in ELSEWHERE
    and any(block.run and block.why("slow") is not None for block in own)
]
HERE = [page for page in docs.PAGES if page != ROOT / "docs" / "python.md"]
ALL = [block for page in HERE for block in BLOCKS[page]]
LOOKED_UP = [block for block in ALL if block.why("not run") is not None]
FOREIGN = {
    "--require-hashes", "--no-deps", "--no-ff", "--strict", "--disable-usage-stats", "--include-dashboard",
    "--generate", "--head", "--port",
}  # fmt: skip
"""Options within sentences that are other programs'."""
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def name(value: object) -> str:
    """Of a page or block, as pytest shows it."""
    return value.relative_to(ROOT).as_posix() if isinstance(value, Path) else str(value)


# Carried out


@pytest.mark.parametrize("page", HERE, ids=name)
def test_what_a_page_says_works(page: Path, tmp_path: Path) -> None:
    """Its blocks up to the first slow one, in an empty folder; what follows may rest on that."""
    folder = tmp_path / "here"
    folder.mkdir()
    own = BLOCKS[page]
    first = next((at for at, block in enumerate(own) if block.run and block.why("slow") is not None), len(own))
    docs.carry_out(own[:first], folder)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", SLOW, ids=name)
def test_all_that_a_page_says_works(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    docs.carry_out(BLOCKS[page], folder)


@pytest.mark.parametrize("block", ALL, ids=name)
def test_every_block_is_carried_out_or_says_why_not(block: docs.Block) -> None:
    assert block.language in (*docs.TYPED, *docs.SHOWN), f"{block}: fence it and say its language"
    assert {mark for mark, _ in block.marks} <= {*docs.MARKS}, block
    assert all(why for _, why in block.marks), block
    if block.language in docs.SHOWN and block.why("file") is None:
        assert not re.search(r"^\s*(\$ )?(cod-bench|pip|make|python3?|git) ", block.text, re.MULTILINE), block
    if block.why("not run") is not None:
        assert block.language == "sh", f"{block}: nothing can look up a script"


def test_the_pair_is_one_and_its_percentages_follow_from_the_margins() -> None:
    """As `cfe validate` told them; README and concepts show the same pair."""
    readme, concepts = (
        path.read_text(encoding="utf-8") for path in (ROOT / "README.md", ROOT / "docs" / "concepts.md")
    )
    shown = re.findall(r"^> (.*) \(teacher: \*fresh\*, (\d+) %\)$", readme, re.MULTILINE)
    assert shown == re.findall(r"^> (.*) \(teacher: \*fresh\*, (\d+) %\)$", concepts, re.MULTILINE)
    (pair,) = [json.loads(block.text) for block in BLOCKS[ROOT / "docs" / "concepts.md"] if block.language == "json"]
    texts = [text.replace("**", "") for text, _ in shown]
    assert texts == [pair["original"], pair["counterfactual"]]
    before, after = (float(re.findall(rf"{when} (-?0\.\d+)", concepts)[0]) for when in ("before", "after"))
    assert [f"{(1 - margin) / 2:.0%}" for margin in (before, after)] == [f"{share}%" for _, share in shown]


@pytest.mark.parametrize(("page", "file"), ELSEWHERE.items())
def test_the_file_that_carries_out_a_page_is_there_and_reads_it(page: str, file: str) -> None:
    assert (ROOT / page).is_file()
    assert f'"{Path(page).name}"' in (ROOT / "tests" / file).read_text(encoding="utf-8")


def test_most_of_it_is_carried_out() -> None:
    done = [words for block in ALL if block.run for words in docs.commands(block.text)]
    left = [words for block in LOOKED_UP for words in docs.commands(block.text)]
    assert len(done) > 70
    assert len(left) < len(done) / 2
    assert {docs.split(words)[0] for words in done} >= {"run", "plan", "new", "check", "compare", "site", "merge"}


# Looked up


@pytest.mark.parametrize("block", LOOKED_UP, ids=name)
def test_what_is_not_carried_out_would_be_taken(
    block: docs.Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = docs.commands(block.text)
    assert sum("cod-bench" in line for line in block.lines) <= len(found), block
    for words in found:
        assert docs.unknown(words) == [], block
        assert docs.refused(words) == "", block
        if (plan := docs.planned(words)) is not None:
            docs.call(plan)  # raises what a user would be told
    for line in block.lines:
        assert docs.foreign(line) == "", block


@pytest.mark.parametrize("page", docs.PAGES, ids=name)
def test_commands_and_options_within_sentences_are_there(page: Path) -> None:
    for words in (found for block in BLOCKS[page] for found in docs.commands(block.text)):
        assert docs.unknown(words) == [], words
    for span in docs.spans(page):
        for words in docs.commands(span):
            assert docs.unknown(words) == [], span
        if not re.match(r"(pip|pytest|python|ray|git|mkdocs|RAY_|\.venv/bin/pip) ?", span):
            named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", span))
            assert named <= docs.every_option() | FOREIGN, span


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("cod-bench runs --all", "no verb runs"),
        ("cod-bench run --al", "run has no --al"),
        ("cod-bench cfe inspect --k 8", "cfe inspect has no --k"),
        ("sbatch --wrap 'cod-bench run --nodes 3'", "run has no --nodes"),
        (".venv/bin/cod-bench run --suite toy \\\n  --seeds 3", "run has no --seeds"),
    ],
)
def test_a_slip_in_a_command_is_seen(line: str, told: str) -> None:
    assert [fault for words in docs.commands(line) for fault in docs.unknown(words)] == [told]


def test_a_value_that_would_be_refused_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert docs.refused(["run", "--workers", "none"])
    assert docs.refused(["check"])
    assert not docs.refused(["check", "not_there.py"])
    assert docs.foreign("make ruin")
    assert docs.foreign("pip install -e '.[rays]'")
    assert docs.foreign("conda install it")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match="unknown suite 'embeded'"):
        docs.call(docs.planned(["run", "--suite", "embeded", "--all"]) or [])


def test_an_unmarked_block_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Say:\n\n    cod-bench list\n\n<!-- slow: a\nminute -->\n<!-- clone: it reads -->\n```sh\nls\n```\n\n"
        "<!-- slow: not of the next -->\n\nWords.\n\n```sh\nls\n```\n"
    )
    found = docs.blocks(page)
    assert [block.language for block in found] == ["", "sh", "sh"]
    assert [block.marks for block in found] == [(), (("slow", "a\nminute"), ("clone", "it reads")), ()]


def test_a_command_that_fails_fails(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    block = docs.Block(ROOT / "README.md", 1, "sh", "cod-bench list --plugin nowhere.py\necho after\n", ())
    with pytest.raises(AssertionError, match="no such file"):
        docs.carry_out([block], folder)


# The site


def _links() -> Any:
    spec = spec_from_file_location("links", ROOT / ".github" / "links.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("markdown", "folder", "there", "nowhere"),
    [
        ("[a](use.md#x)", "", "[a](use.md#x)", "[a](use.md#x)"),
        ("[a](../tables.md)", "own", "[a](../tables.md)", "[a](../tables.md)"),
        ("[a](../../CONTRIBUTING.md#b)", "own", "[a](https://h/o/n/blob/main/CONTRIBUTING.md#b)", "a"),
        ("![a](../leaderboard/x.svg)", "", "a", "a"),
        ("[a](https://example.org/)", "", "[a](https://example.org/)", "[a](https://example.org/)"),
    ],
)
def test_links_out_of_the_site_lead_into_the_repository(markdown: str, folder: str, there: str, nowhere: str) -> None:
    outside: Callable[[str, str, str], str] = _links().outside
    assert outside(markdown, folder, "https://h/o/n") == there
    assert outside(markdown, folder, "") == nowhere


@cache
def _built(folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    return _built(tmp_path_factory.mktemp("site"))


class Asked(HTMLParser):
    """What a browser would fetch for a page without anybody's click."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "link" and found.get("rel") not in ("canonical", "prev", "next", "alternate"):
            self.addresses.append(found.get("href") or "")
        elif tag in ("script", "img", "iframe", "source", "video", "audio", "embed", "object"):
            self.addresses += [found.get("src") or found.get("data") or ""]


def test_the_site_is_built_strictly_and_has_every_page(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert pages <= {path.relative_to(site) for path in site.rglob("*.html")}
    assert "Does it run here?" in (site / "index.html").read_text(encoding="utf-8")
    assert "cod-bench" in (site / "search" / "search_index.js").read_text(encoding="utf-8")


def test_the_site_names_nothing_elsewhere(site: Path) -> None:
    asked = {(path.name, one) for path in site.rglob("*.html") for one in Asked(path.read_text()).addresses}
    assert len(asked) > 10
    assert not [one for one in asked if re.match(r"(\w+:)?//", one[1])]
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)\"']*", styles)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM)
        yield started
        started.close()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_asks_nobody_and_finds_words(site: Path, browser: Any, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    elsewhere: list[str] = []
    page.on("request", lambda asked: elsewhere.append(asked.url) if not asked.url.startswith("file:") else None)
    page.on("pageerror", lambda error: elsewhere.append(str(error)))
    for told in ("index.html", "tables.html", "own/task.html"):
        page.goto((site / told).as_uri())
        assert page.locator("h1").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.goto((site / "index.html").as_uri())
    if width < 500:
        page.locator("header label[for=__search]").first.click()
    page.locator("input.md-search__input").press_sequentially("near-duplicates", delay=20)
    page.locator(".md-search-result__item").first.wait_for(timeout=20_000)
    assert elsewhere == []
    context.close()
