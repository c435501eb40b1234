"""Pages for readers -> their blocks, and what carries these out or says whether they would be taken.

What a page asks its reader to type stands in fenced blocks. A block of `sh` or `python` is carried out, in the order of
the page, in one empty folder. HTML comments directly above it, which no reader sees, say otherwise and why:

    <!-- slow: WHY -->         carried out among the slow tests only
    <!-- clone: WHY -->        the folder has the published `results` and `leaderboard`, as a clone has
    <!-- file: NAME -->        not carried out but saved under that name
    <!-- not run: WHY -->      not carried out here; its options are looked up, and what `plan` takes of it is planned
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from tests import ROOT

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md")))
TYPED = ("sh", "python")
"""Languages of blocks that a reader carries out."""
SHOWN = ("text", "json", "csv", "toml", "bibtex")
"""Languages of blocks to look at."""
MARKS = ("slow", "clone", "file", "not run")
MARK = re.compile(r"<!--\s*([a-z ]+?)\s*:\s*(.*?)\s*-->", re.DOTALL)
COMMAND = re.compile(r"(?<![\w/.-])(?:\.venv/bin/)?cod-bench((?:[ \t]+(?:\"[^\"]*\"|[^\s'\"`;&|)]+))+)")
"""`cod-bench` and its words, up to what ends a command."""
VARIABLE = re.compile(r"\$\{\{[^}]*\}\}|\$\w+|\$\{\w+\}")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    marks: tuple[tuple[str, str], ...]

    def why(self, mark: str) -> str | None:
        """What a mark says; None if the block has no such mark."""
        return dict(self.marks).get(mark)

    @property
    def run(self) -> bool:
        """Whether the tests carry it out."""
        return self.language in TYPED and self.why("not run") is None and self.why("file") is None

    @property
    def lines(self) -> list[str]:
        """Its commands, a line each, without comments."""
        found = re.sub(r"\\\n\s*", "", self.text).splitlines()
        return [bare for line in found if (bare := re.sub(r"(^|\s)#\s.*", "", line).strip())]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def tokens(page: Path) -> list[Any]:
    """What a page is made of."""
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in its order, indented ones too, which have no language."""
    found, marks, after = [], (), -1
    for token in tokens(page):
        if token.type == "html_block":
            marks = (*(marks if after == token.map[0] else ()), *MARK.findall(token.content))
            after = token.map[1]
        if token.type in ("fence", "code_block"):
            language = token.info.split()[0] if token.info.split() else ""
            own = tuple(marks) if after == token.map[0] else ()
            found.append(Block(page, token.map[0] + 1, language, token.content, own))
    return found


def spans(page: Path) -> Iterator[str]:
    """The code within its sentences and tables."""
    for token in tokens(page):
        yield from (child.content for child in token.children or () if child.type == "code_inline")


def prose(text: str) -> list[str]:
    """The words that a reader reads: neither blocks nor comments nor addresses of links."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return [word for word in text.split() if re.search(r"[A-Za-z0-9]", word)]


# Carried out


def carry_out(own: Sequence[Block], folder: Path, *, instead: Mapping[str, str] | None = None) -> None:
    """Carry blocks out in their order; `instead` are files that somebody brings, which no block then writes.

    Raises:
        AssertionError: a command that fails, with what it said.
    """
    brought = instead or {}
    for name, text in brought.items():
        (folder / name).write_text(text, encoding="utf-8")
    if any(block.why("clone") is not None for block in own):
        for name in ("results", "leaderboard"):
            shutil.copytree(ROOT / name, folder / name)  # what a command writes there is not the checkout's
    for number, block in enumerate(own):
        named = block.why("file")
        if named is not None and named not in brought:
            (folder / named).write_text(block.text, encoding="utf-8")
        elif block.run and not (block.language == "python" and any(f'"{name}"' in block.text for name in brought)):
            _do(block, folder, number)


def _do(block: Block, folder: Path, number: int) -> None:
    env = {
        **os.environ,
        "PATH": f"{_door(folder)}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    if block.language == "python":
        script = folder / f"block{number}.py"  # worker processes import it again
        script.write_text(block.text, encoding="utf-8")
        words = [sys.executable, script.name]
    else:
        words = ["bash", "-exuo", "pipefail", "-c", block.text]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if block.language == "python":
        script.unlink()
    assert done.returncode == 0, f"{block}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def _door(folder: Path) -> Path:
    """A folder with `cod-bench`, whose `check` forgives a checkout that has changes, and nothing else."""
    real = Path(sys.executable).parent / "cod-bench"
    door = folder.parent / f"{folder.name}-bin"
    door.mkdir(exist_ok=True)
    (door / "cod-bench").write_text(
        f"""#!/bin/sh
[ "$1" = check ] || exec {real} "$@"
told=$({real} "$@" 2>&1); code=$?
echo "$told"
[ $code = 0 ] && exit 0
echo "$told" | grep -q "FAILED.*clean code" || exit $code
! echo "$told" | grep FAILED | grep -qv "clean code"
"""
    )
    (door / "cod-bench").chmod(0o755)
    return door


# Looked up


@cache
def _verbs() -> dict[str, Any]:
    """Every verb, `cfe make` and the like too, as the command line has it; the bare program under ''."""
    import typer

    from cod_bench.cli.app import app

    whole = typer.main.get_command(app)
    found = {"": whole}
    for name, verb in whole.commands.items():
        found[name] = verb
        found |= {f"{name} {inner}": one for inner, one in getattr(verb, "commands", {}).items()}
    return found


def options(verb: str) -> set[str]:
    """The options of a verb."""
    own = _verbs()[verb]
    return {"--help", *(name for param in own.params for name in (*param.opts, *param.secondary_opts))}


def every_option() -> set[str]:
    """Those of any verb."""
    return {name for verb in _verbs() for name in options(verb)}


def commands(text: str) -> list[list[str]]:
    """The words of every `cod-bench` in a text, quoted ones within others too."""
    text = re.sub(r"\\\n\s*", "", text)
    text = "\n".join(re.sub(r"(^|\s)#\s.*", "", line) for line in text.splitlines())
    return [shlex.split(VARIABLE.sub("1", words)) for words in COMMAND.findall(text)]


def split(words: Sequence[str]) -> tuple[str, list[str]]:
    """The verb and what follows it."""
    for length in (2, 1):
        if " ".join(words[:length]) in _verbs():
            return " ".join(words[:length]), list(words[length:])
    return "", list(words)


def unknown(words: Sequence[str]) -> list[str]:
    """What of a command there is not: its verb, options of it."""
    verb, rest = split(words)
    if not verb and rest and not rest[0].startswith("-"):
        return [f"no verb {rest[0]}"]
    named = [word.partition("=")[0] for word in rest if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word)]
    return [f"{verb or 'cod-bench'} has no {name}" for name in named if name not in options(verb)]


def refused(words: Sequence[str]) -> str:
    """Why the command line would not take these words; paths that are not there are no reason."""
    verb, rest = split(words)
    if not verb:
        return "; ".join(unknown(words))
    try:
        _verbs()[verb].make_context(verb, list(rest))
    except Exception as error:  # noqa: BLE001 - typer's own and ours alike are sentences
        told = error.format_message() if hasattr(error, "format_message") else str(error)
        return "" if "does not exist" in told or "no such file" in told else told
    return ""


def planned(words: Sequence[str]) -> list[str] | None:
    """A `run` as a `plan`: with those of its options that this has; None if it rests on files that are not here."""
    verb, rest = split(words)
    if verb != "run" or {"--data", "--plugin", "--teacher", "--pairs"} & {*rest}:
        return None
    taken = {"--all": 0, **dict.fromkeys(options("plan"), 1)}
    found = ["plan"]
    for at, word in enumerate(rest):
        if word in taken and word != "--all":
            found += [word, *rest[at + 1 : at + 1 + taken[word]]]
    return found


def foreign(line: str) -> str:
    """What is wrong with a command of another program; the empty string where nothing can be told or nothing is."""
    words = shlex.split(VARIABLE.sub("1", line))
    while re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    program = words[0].rpartition("/")[2]
    if program in ("cod-bench", "git", "export", "sbatch", "cd", ".", "python3"):
        return ""
    if program == "make":
        done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True)
        return done.stderr if done.returncode else ""
    if program == "pip":
        there = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        lacking = {name for extras in re.findall(r"\[([\w,]+)\]", line) for name in extras.split(",")} - {*there}
        return f"no extra {sorted(lacking)}" if lacking else ""
    if program == "pytest":
        files = [ROOT / word for word in words if word.startswith(("tests/", "benchmarks"))]
        text = "".join(file.read_text(encoding="utf-8") for file in files if file.is_file())
        lost = [str(file) for file in files if not file.exists()]
        return (
            f"no {lost}"
            if lost
            else ""
            if "-k" not in words or words[words.index("-k") + 1] in text
            else "no such test"
        )
    if program == "ray":
        help_ = subprocess.run(
            [Path(sys.executable).parent / "ray", words[1], "--help"], capture_output=True, text=True
        ).stdout
        return ", ".join(word for word in words if word.startswith("--") and word.partition("=")[0] not in help_)
    return f"{program}: say in tests/docs.py how its commands are looked up"


def call(words: Sequence[str]) -> None:
    """The command line in this process; what a user would be told is raised."""
    from cod_bench.cli.app import app

    app(args=list(words), prog_name="cod-bench", standalone_mode=False)
