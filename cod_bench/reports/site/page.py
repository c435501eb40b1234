"""Grids -> one self-contained HTML page: tables, charts, claims, recipes, provenance. No request leaves it; pure."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cod_bench.analysis.aggregate import Grid
from cod_bench.design import suites
from cod_bench.errors import RunError
from cod_bench.records.results import BadFile
from cod_bench.reports import page as markdown
from cod_bench.reports import standing, tables
from cod_bench.reports.figures.scale import short
from cod_bench.reports.site import charts as site_charts
from cod_bench.reports.site import data as site_data
from cod_bench.reports.site import evidence as site_evidence
from cod_bench.reports.site import facts as site_facts
from cod_bench.reports.site import frontier as site_frontier
from cod_bench.reports.site import rows as site_rows
from cod_bench.reports.site.charts import Style

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from cod_bench.reports.site.rows import Row

QUESTION = (
    "Do counterfactual explanations help when a small language model is distilled from a handful of labelled texts?"
)
LIMIT = 2_000_000
"""Bytes that the page of 5,000 records may take; a test holds it there."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the main table, in the template's order."""

    name: str
    numeric: bool = False
    title: str = ""
    shown: bool = True
    """Whether it is there before anybody chooses columns; without scripts all are."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A file that lies in the page's folder."""

    name: str
    what: str
    size: int


COLUMNS = (
    Column("method"),
    Column("condition"),
    Column("accuracy", True, "in %"),
    Column("95 %", True, "t interval of the accuracy over (task, seed) units, evaluation rows fixed; none below four"),
    Column("gain", True, "over standard, paired, in points"),
    Column("gain 95 %", True, "interval of the gain over units and evaluation rows; none below four units"),
    Column("kind", title="floor: no distillation; ceiling: the whole pool’s labels; chance: the larger class alone"),
    Column("task"),
    Column("k", True, "labelled texts; mean: over the suite’s primary k"),
    Column("runs", True),
    Column("records", title="submitted: nobody has re-run them; reproduced: random cells of them were found again"),
    Column("sd", True, "standard deviation over seeds, in points", shown=False),
    Column(
        "collapsed", True, "% of runs whose most predicted class exceeds its gold share by over 30 points", shown=False
    ),
    *(Column(name.replace("_", "-"), True, shown=False) for name in site_rows.SHOWN),
    Column("suite", shown=False),
    Column("track", shown=False),
    Column("protocol", shown=False),
)


@dataclass(frozen=True, slots=True)
class Filter:
    """A choice over one column; a `whole` one has no "any", since its values never share a table."""

    label: str
    column: int
    values: tuple[str, ...]
    first: str
    whole: bool = False


def page(
    grids: Sequence[Grid],
    *,
    about: Mapping[str, str] | None = None,
    examples: Sequence[Any] = (),
    published: Sequence[Any] = (),
    bad: Sequence[BadFile] = (),
    repository: str = "",
    records: str = "results",
    docs: str = "",
    beside: Sequence[Beside] = (),
) -> str:
    """The whole page as text; the same grids give the same bytes.

    Args:
        grids: with counted runs, the main one first; its answer is the headline.
        about: method -> what it says of itself, in paragraphs, for the methods' sections.
        examples: `counterfactuals.examples.Shown`, local texts; none are published.
        published: `counterfactuals.tried.Tried`, texts of our own, which every visitor sees.
        bad: files that should be records and are not; listed by name.
        repository: address of the repository, for links; empty where there is none to name.
        records: folder of the records, under the repository if that is named.
        docs: address of the documentation; empty where there is none to name.
        beside: files in the page's folder to be downloaded.
    """
    conditions = {name: markdown.meaning(grid, name) for grid in grids for name in grid.shown}
    sections = [site_data.section(grid, bad if place == 0 else (), [*conditions]) for place, grid in enumerate(grids)]
    rows = [row for grid in grids for row in site_rows.rows(grid)]
    styles = site_charts.styles(conditions)
    theme, script = _own("theme.js"), _script()
    text: str = _environment().get_template("page.html.j2").render(
        sections=sections, headline=site_data.headline(*sections), question=QUESTION, rows=rows, columns=COLUMNS,
        filters=_filters(rows), metrics=site_rows.SHOWN, all_tasks=site_rows.ALL_TASKS, styles=styles,
        infos=[json.dumps(site_evidence.of(grid), separators=(",", ":")) for grid in grids],
        conditions=[(name, conditions[name]) for name in suites.in_order(conditions)],
        size={name.lower(): getattr(site_charts, name) for name in ("WIDTH", "HEIGHT", "LEFT", "RIGHT", "BOTTOM")},
        methods=site_facts.methods(sections, about or {}), submissions=site_facts.submissions(sections),
        paper=site_facts.paper_answers(grids), costs=[site_frontier.chart(grid, styles) for grid in grids],
        examples=examples, examples_shown=max((e.place + 1 for e in examples), default=0),
        teachers=site_facts.teachers(grids), environments=site_facts.environments(grids),
        generators=site_facts.generators(grids), runs=len({spec for grid in grids for spec in grid.runs}),
        resting=_resting(grids), published=published, repository=repository, records=records, docs=docs, beside=beside,
        citations=[part.strip() for part in _own("cite.bib").split("\n\n")], policy=_policy(theme, script),
        theme_script=_trusted(theme), script=_trusted(script),
        style=_trusted(_own("style.css") + _colours(styles) + _numbers()),
    )  # fmt: skip
    return text


def _resting(grids: Sequence[Grid]) -> str:
    """Which teachers and generators the page's numbers are conditional on."""
    several = dict.fromkeys(grid.suite.name for grid in grids if grid.crossed)
    if not several:
        return "Conditional on one teacher and one generator per task."
    return (
        f"Conditional on one generator and one teacher per task; runs of {', '.join(several)} are made with several "
        "teachers, and each seed is averaged over them."
    )


def _filters(rows: Sequence[Row]) -> list[Filter]:
    """One a coordinate, opened on the main section's means."""
    place = {column.name: i for i, column in enumerate(COLUMNS)}
    found = []
    for name in ("suite", "track", "protocol"):
        values = tuple(dict.fromkeys(getattr(row, name) for row in rows))
        found.append(Filter(name, place[name], values, values[0], whole=True))
    for name in ("task", "kind", "method", "condition"):
        # the teacher and the larger class are lines of no method
        values = tuple(
            dict.fromkeys(getattr(row, name) for row in rows if name == "kind" or row.condition != tables.NONE)
        )
        first = site_rows.ALL_TASKS if name == "task" and rows[0].task == site_rows.ALL_TASKS else ""
        found.append(Filter(name, place[name], values, first))
    ks = sorted({(row.order, row.k) for row in rows if row.order is not None})
    first = site_rows.MEAN_K if rows[0].k == site_rows.MEAN_K else ""
    return [*found, Filter("k", place["k"], tuple(k for _, k in ks), first)]


def _policy(*scripts: str) -> str:
    """Nothing may be loaded or sent; only these very scripts run, whatever else a name in a record might try."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@cache
def _script() -> str:
    """DataTables as itables bundles it, licences included, followed by the page's own script, in one module."""
    where = find_spec("itables")  # found, not imported: that would import pandas for one file
    if where is None or not where.submodule_search_locations:
        raise RunError("itables: is not installed; install the version of constraints.txt")
    folder = Path(where.submodule_search_locations[0])
    bundle = (folder / "html" / "dt_bundle.js").read_text(encoding="utf-8")
    found = re.search(r"export\{[^{}]*?\b([\w$]+) as default\b[^{}]*\};?", bundle)
    if found is None or "</script" in bundle.lower():
        raise RunError("itables: its bundle exports no default table; install the version of constraints.txt")
    inside = bundle[: found.start()] + bundle[found.end() :]
    own = "".join(map(_own, ("page.js", "table.js", "evidence.js", "tips.js")))
    return f"{inside}\nconst DataTable = {found[1]};\n{{\n{own}}}\n"  # a block: the bundle has short names of its own


def _colours(styles: Mapping[str, Style]) -> str:
    rules = [f".{s.css}{{--c:light-dark({s.light},{s.dark})}}" for s in styles.values()]
    return "\n".join(rules) + "\n"


def _numbers() -> str:
    """Columns of numbers to the right where no script does it: a class in every cell would be a tenth of the page."""
    places = [f"#cells td:nth-child({place})" for place, column in enumerate(COLUMNS, 1) if column.numeric]
    return f"html:not(.scripted-page) :is({','.join(places)}){{text-align:right}}\n"


def _own(name: str) -> str:
    return resources.files("cod_bench.reports.site").joinpath("templates", name).read_text(encoding="utf-8")


def _trusted(text: str) -> Markup:
    """A file of this package, which needs no escaping."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - never a value from a record


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("cod_bench.reports.site", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters["short"] = short
    made.globals.update(
        percent=tables.percent, points=tables.points, number=tables.number, counted=tables.counted, inline=_inline,
        blocks=_blocks, brief=standing.brief, interval=tables.interval, spread=_spread, weight=_weight,
    )  # fmt: skip
    return made


def _spread(bounds: tuple[float, float] | None) -> str:
    """An interval of accuracies in %."""
    return tables.NONE if bounds is None else "–".join(map(tables.percent, bounds))


def _weight(count: int) -> str:
    """Bytes as a reader of a link wants them."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


@cache
def _markdown() -> Any:
    from markdown_it import MarkdownIt

    # Raw HTML and links stay text: names in records are data. The leaderboard's own markdown needs neither.
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink"])


def _inline(text: str) -> Markup:
    """A line of the leaderboard's markdown."""
    from markupsafe import Markup

    return Markup(_markdown().renderInline(text))  # noqa: S704 - its renderer escapes text


def _blocks(text: str, label: str) -> Markup:
    """The leaderboard's markdown; its tables scroll inside a box of their own."""
    from markupsafe import Markup, escape

    found = re.sub(r"<(/?)h([12])>", lambda tag: f"<{tag[1]}h{int(tag[2]) + 3}>", _markdown().render(text))
    opening = f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}"><table>'
    found = found.replace("<table>", opening).replace("</table>", "</table></div>").replace("<th", '<th scope="col"')
    found = found.replace('style="text-align:right"', 'class="n"').replace(' style="text-align:left"', "")
    found = found.replace('<th scope="col"ead>', "<thead>")
    # ends that HTML leaves out: thousands of cells have them
    return Markup(re.sub(r"</t[dhr]>\n", "", found))  # noqa: S704 - its renderer escapes text
