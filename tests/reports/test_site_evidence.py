"""What leads from the page's numbers to records, commands, downloads and citations; published examples; re-runs."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from cod_bench.counterfactuals import tried
from cod_bench.design import suites
from cod_bench.records.results import REFERENCE, Results
from cod_bench.records.verdicts import REPRODUCED, TOLERANCE, Cell, Verdict, part, records_digest, sample, to_json
from cod_bench.reports import render
from cod_bench.reports.site import evidence
from cod_bench.reports.site import page as site
from tests import ROOT
from tests.cli.test_app import call
from tests.reports.test_site import EVIL, SUITE, Tags, grid, made, outside_scripts, page

MAIN = suites.suite("embedded")


def infos(text: str) -> list[dict[str, Any]]:
    return [json.loads(str(a["data-info"])) for _, a in Tags(text).found if a.get("data-info")]


def test_the_folders_that_the_script_names_are_those_of_the_records() -> None:
    found = grid(SUITE, made["records"](SUITE))
    (told,) = infos(page())
    assert told == evidence.of(found)
    for spec, run in found.runs.items():
        path = Results.name(spec, run.record.run_id)
        where = f"{told['protocol']}/{told['track']}/{spec.task}/{spec.method}/{told['folders'][spec.condition]}/"
        assert path.startswith(f"{where}k{spec.k:03d}-")
        assert told["references"][spec.task] == [f"{REFERENCE}/minilm/{run.record.reference}.json"]


def test_a_variant_s_command_names_the_declared_suite_and_the_generator() -> None:
    other = MAIN.variant(generator="llm")
    told = evidence.of(replace(grid(SUITE, made["records"](SUITE)), suite=other))
    assert (told["suite"], told["run"], told["generator"]) == ("embedded+llm", "embedded", "llm")
    assert evidence.of(replace(grid(SUITE, made["records"](SUITE)), suite=MAIN))["generator"] == ""
    local = MAIN.with_tasks(["imdb+local-00000000"])
    assert evidence.of(replace(grid(SUITE, made["records"](SUITE)), suite=local))["tasks"] == {
        "imdb+local-00000000": "imdb"
    }


def test_names_with_quotes_stay_inside_their_attribute() -> None:
    suite = replace(SUITE, tasks=('"><svg onload=alert(1)>', "b"), seeds=(0, 1))
    text = page(suite, made["records"](suite))
    assert not [tag for tag, attrs in Tags(outside_scripts(text)).found if "onload" in attrs]
    (told,) = infos(text)
    assert list(told["tasks"]) == list(suite.tasks)


@pytest.mark.parametrize("repository", ["", "https://github.com/o/n"])
def test_repository_documentation_and_files_are_linked_where_they_are_known(repository: str) -> None:
    beside = [site.Beside("runs.csv", "All runs as CSV", 81_234), site.Beside("runs.parquet", "as parquet", 2_400_000)]
    text = page(repository=repository, docs="docs/index.html" if repository else "", beside=beside)
    links = {attrs.get("href") for tag, attrs in Tags(text).found if tag == "a"}
    assert {"runs.csv", "runs.parquet"} <= links
    assert "81 kB" in text
    assert "2.4 MB" in text
    assert ({repository, "docs/index.html"} <= links) == bool(repository)
    states = next(attrs for _, attrs in Tags(text).found if attrs.get("id") == "states")
    assert states["data-records"] == "results"
    assert states.get("data-repository") == (repository or None)


def test_the_citations_are_those_of_the_citation_file() -> None:
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    (paper,) = cff["references"]
    shown = [html.unescape(t) for t in re.findall(r"<pre><code>(.*?)</code></pre>", page(), flags=re.DOTALL)]
    assert len(shown) == 2
    fields = [dict(re.findall(r"^ +(\w+) += \{(.*)\},?$", text, flags=re.MULTILINE)) for text in shown]
    authors = " and ".join(f"{a['family-names']}, {a['given-names']}" for a in paper["authors"])
    assert fields[0] == {
        "title": paper["title"], "author": authors, "booktitle": paper["collection-title"], "year": str(paper["year"]),
        "url": paper["url"],
    }  # fmt: skip
    own = {key: fields[1][key] for key in ("title", "version", "license")}
    assert own == {"title": cff["title"], "version": cff["version"], "license": cff["license"]}
    assert fields[1]["author"] == f"{{{cff['authors'][0]['name']}}}"


def example(text: str, made_of_it: str) -> tried.Tried:
    return tried.Tried(
        "rt_quotes", "minilm", "substitution", "abc123", text, tried.Said("fresh", 0.991), made_of_it,
        tried.Said(EVIL, 0.871), valid=True,
    )  # fmt: skip


def test_published_examples_are_shown_to_everyone_word_by_word_and_escaped() -> None:
    text = outside_scripts(page(published=[example(f"A clever film {EVIL}", f"A dull film {EVIL}")]))
    section = text.split('id="counterfactuals"')[1].split("</section>")[0]
    evil = html.escape(EVIL)
    assert f"A <del>clever</del> <ins>dull</ins> film {evil}" in section
    assert f"fresh, 99.1 % → {evil}, 87.1 %" in section
    assert "Teacher <code>abc123</code> of <code>rt_quotes</code>" in section
    assert 'class="pairs"' not in page()


def test_every_example_of_the_package_is_on_the_page() -> None:
    found = tried.published()
    section = outside_scripts(page(published=found)).split('id="counterfactuals"')[1].split("</section>")[0]
    plain = html.unescape(re.sub(r"<del>.*?</del> ?|</?ins>", "", section))
    for one in found:
        assert f'<p class="text">{one.counterfactual}</p>' in plain
        assert f"{one.before.name}, {100 * one.before.p:.1f} %" in section


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of some published runs whose `kd` was re-run on another kind of CPU, with what lies beside it."""
    root = tmp_path_factory.mktemp("built") / "results"
    for task in MAIN.tasks:
        for method in ("kd", "lwd"):
            there = Path("results", "last", MAIN.main, task, method)
            shutil.copytree(ROOT / there, root.parent / there)
    shutil.copytree(ROOT / "results" / REFERENCE, root / REFERENCE)
    results = Results(root)
    parts: dict[Any, list[Any]] = {}
    for record in results.scan()[0]:
        if record.spec.method == "kd":
            parts.setdefault(part(record.spec), []).append(record)
    verdicts = []
    for which, own in parts.items():
        there = own[0].provenance["environment"]
        assert isinstance(there, Mapping)
        again = tuple(Cell(r.run_id, REPRODUCED, 1.0) for r in sample(own, 0.05, 1))
        verdicts.append(
            Verdict(
                *which, tuple(sorted(r.run_id for r in own)), records_digest(own), TOLERANCE, 0.05, 1, "",
                {**there, "instructions": "made-up-isa"}, "2026-11-28", again,
            )
        )  # fmt: skip
    results.reproduced_path().write_text(to_json(verdicts))
    render.build(results, root.parent / "site", repository="https://github.com/o/n")
    return root.parent / "site"


def test_what_was_re_run_says_so_and_on_which_machine(built: Path) -> None:
    text = outside_scripts((built / "index.html").read_text())
    told = {one["suite"]: one for one in infos(text)}["embedded"]
    assert told["states"]["kd"].startswith("reproduced (")
    assert "on another kind of CPU (made-up-isa)" in told["states"]["kd"]
    assert told["states"]["lwd"] == "submitted"
    table = text.split('id="cells"')[1].split("</table>")[0]
    for method, state in (("kd", "reproduced"), ("lwd", "submitted")):
        lines = [line for line in table.split("<tr") if f"<td>{method}<td" in line]
        assert lines
        assert all(f"<td>{state}<td" in line for line in lines)
    (title,) = (a["title"] for _, a in Tags(text).found if "re-run" in (a.get("title") or ""))
    assert str(title).startswith("submitted: nobody has re-run them; reproduced: random cells")
    line = next(part for part in text.split("<p data-info")[1:] if "<code>embedded</code>" in part).split("</p>")[0]
    assert "on another kind of CPU (made-up-isa)" in line


def test_the_runs_lie_beside_the_page_as_csv_and_parquet(built: Path) -> None:
    table, same = pd.read_csv(built / "runs.csv"), pd.read_parquet(built / "runs.parquet")
    assert len(table) == len(same) > 0
    assert list(table.columns) == list(same.columns)
    text = (built / "index.html").read_text()
    told = infos(text)
    assert set(table["suite"]) == {one["suite"] for one in told}
    kb = round((built / "runs.csv").stat().st_size / 1e3)
    assert f"{kb} kB" in text


def test_a_repository_that_is_no_address_is_refused(tmp_path: Path) -> None:
    for wrong in ("javascript:alert(1)", "github.com/o/n", 'https://x"y'):
        done = call("site", "--out", "page", "--results", "x", "--repository", wrong, cwd=tmp_path)
        assert done.returncode == 2
        assert "write an address such as https://github.com/owner/name" in done.stderr
