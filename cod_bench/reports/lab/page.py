"""The lab's files -> a folder's page: each question, its sentence, its table and the pictures."""

from __future__ import annotations

from pathlib import Path

from cod_bench.errors import UsageError
from cod_bench.reports.figures import sheets
from cod_bench.reports.lab import draw, fisher, moons, read, text, words
from cod_bench.reports.lab.moons import Section
from cod_bench.store import write_atomic

MOONS = """# Two moons

The picture by which the paper explains itself, in numbers. {seeds} seeds; a seed has 1,000 points with noise 0.2, a
teacher (2-64-64-2, tanh, Adam, 400 steps) and students (2-16-2, 1,500 steps) that learn k rows with CE + 20 T² KL,
T = 2, all rows a step, all starting alike. A counterfactual is the nearest point of the teacher's boundary and
{overshoot} beyond it and carries the class that the teacher gives it; originals that the teacher gets wrong are passed
over unless it says so. Intervals are 95 % t intervals of paired differences over seeds, one by one, for none of which a
family was declared. Made by `cod-bench lab moons`; every student is a row of [moons.csv](moons.csv).

![Boundaries of the teacher, dashed, and of students on k = 20 rows](moons-pair.svg)

![The same for every condition](moons-conditions.svg)

![cod minus every other condition, in distance and in agreement](moons-effects.svg)

![Overshoot and errors of the teacher varied](moons-sweeps.svg)
"""
FISHER = """# Logistic regression

Rows are standard normal in five dimensions, the teacher is sigmoid(w'x), 40 rows a student, {draws} draws. `cod` has 20
originals and, for each, its counterfactual: moved along w to where w'x is a stated number of logits on the other side.
Estimators are ridge (0.1) and Firth's. Made by `cod-bench lab fisher`; every setting is a row of
[fisher-order.csv](fisher-order.csv) and [fisher-errors.csv](fisher-errors.csv), which hold random moves too.

![Smallest eigenvalue and gain in angle against the overshoot](fisher.svg)
"""

TEXT = """# Geometry on real texts

{students} students of {tasks}, kd, k = {k}, {seeds} seeds that no suite has, by the same code and recipes as the
suites'. Differences are means over tasks of paired differences over seeds, with 95 % t intervals over (task, seed)
units, evaluation rows and pairs fixed, one by one, for none of which a family was declared. Made by
`cod-bench lab text`; every student is a row of [text.csv](text.csv), margins are in
[text-margins.csv](text-margins.csv).
"""

WORDS = """# A student that says the word

Beyond classification, small and exploratory: SmolLM2-135M-Instruct, fine-tuned to answer a film review quote with the
word of its class, teaches a student of every second of its layers by what it says (sequence-level distillation, arXiv
1606.07947): no logits, no head. Counterfactuals are those that flip the classifier of track `minilm`, kept where they
flip this teacher's word too; a slot without one holds one more original. Made by `cod-bench lab words`; every student
is a row of [words.csv](words.csv).
"""


def write_moons(folder: Path) -> list[str]:
    """Write `moons.md` and its figures.

    Returns:
        The finding of each question.

    Raises:
        UsageError: a file of the lab is missing.
    """
    found = read.rows(folder, "moons.csv")
    seeds = len({row["seed"] for row in found})
    sections = moons.sections(found)
    for name, figure in draw.of_moons(folder).items():
        write_atomic(folder / f"{name}.svg", sheets.data(figure, "svg"))
    write_atomic(
        folder / "moons.md", _page(MOONS.format(seeds=seeds, overshoot=read.Setting("cod", 0).overshoot), sections)
    )
    return [section.finding for section in sections]


def write_fisher(folder: Path) -> list[str]:
    """Write `fisher.md` and its figure.

    Returns:
        The finding of each question.

    Raises:
        UsageError: a file of the lab is missing.
    """
    orders = read.rows(folder, "fisher-order.csv")
    sections = fisher.sections(orders, read.rows(folder, "fisher-errors.csv"))
    for name, figure in draw.of_fisher(folder).items():
        write_atomic(folder / f"{name}.svg", sheets.data(figure, "svg"))
    write_atomic(folder / "fisher.md", _page(FISHER.format(draws=fisher.draws(orders)), sections))
    return [section.finding for section in sections]


def write_text(folder: Path) -> list[str]:
    """Write `text.md`.

    Returns:
        The finding of each question.

    Raises:
        UsageError: a file of the lab is missing.
    """
    found = read.rows(folder, "text.csv")
    sections = text.sections(found, read.rows(folder, "text-margins.csv"))
    students = [row for row in found if row["condition"] != text.TEACHER]
    if not students:
        raise UsageError(f"{folder / 'text.csv'}: has no student; run `cod-bench lab text --out {folder}` again")
    told = TEXT.format(
        students=len(students), seeds=len({row["seed"] for row in students}),
        tasks=" and ".join(dict.fromkeys(row["task"] for row in students)), k=students[0]["k"],
    )  # fmt: skip
    write_atomic(folder / "text.md", _page(told, sections))
    return [section.finding for section in sections]


def write_words(folder: Path) -> list[str]:
    """Write `words.md`.

    Returns:
        The finding of each question.

    Raises:
        UsageError: the file of the lab is missing.
    """
    sections = words.sections(read.rows(folder, "words.csv"))
    write_atomic(folder / "words.md", _page(WORDS, sections))
    return [section.finding for section in sections]


WRITERS = {"moons": write_moons, "fisher": write_fisher, "text": write_text, "words": write_words}
"""Experiment -> what writes its page."""


def _page(head: str, sections: list[Section]) -> str:
    from tabulate import tabulate

    parts = [head]
    for one in sections:
        table = tabulate(one.rows, one.head, tablefmt="pipe", disable_numparse=True)
        parts.append(f"## {one.title}\n\n{one.how}\n\n**{one.finding}**\n\n{table}\n")
    return "\n".join(parts)
