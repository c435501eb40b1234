"""Nothing that comes from elsewhere is run: no pickle, no checkpoint's own code; actions and packages by their hash."""

from __future__ import annotations

import ast
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cod_bench.data import checkpoints as sources
from cod_bench.errors import RunError, UsageError
from cod_bench.track import Side
from tests import ROOT
from tests.checkpoints import save

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SOURCES = sorted(p for room in ("cod_bench", "tasks", "baselines", "benchmarks") for p in (ROOT / room).rglob("*.py"))
MODULES = {"pickle", "_pickle", "marshal", "shelve", "joblib", "dill", "cloudpickle"}
"""What they read may be code."""
CALLS = {"eval", "exec", "torch.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen"}
SWITCHES = {"trust_remote_code": False, "allow_pickle": False, "shell": False, "weights_only": True}
"""Keyword -> the one value that it may have, written out."""
ALLOWED = {
    ("cod_bench/cli/new.py", "exec"): "the package's own template of a task, which has been nobody else's",
}
"""(file, what) -> why."""


def dangers(text: str) -> set[str]:
    """What a source file does that would run what it reads."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] in MODULES}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module)} if (node.module or "").split(".")[0] in MODULES else set()
            found |= {f"{node.module}.{alias.name}" for alias in node.names} & CALLS
        elif isinstance(node, ast.Call):
            found |= {ast.unparse(node.func)} & CALLS
            found |= {f"{word.arg}={ast.unparse(word.value)}" for word in node.keywords if _open(word.arg, word.value)}
        elif isinstance(node, ast.Dict):  # options that a call is given by **
            found |= {
                f"{key.value}={ast.unparse(value)}"
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant) and _open(key.value, value)
            }
    return found


def _open(name: Any, value: ast.expr) -> bool:
    return name in SWITCHES and not (isinstance(value, ast.Constant) and value.value is SWITCHES[name])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import pickle", "pickle"),
        ("def f():\n    from joblib.memory import Memory", "joblib.memory"),
        ("from torch import load", "torch.load"),
        ("torch.load(path)", "torch.load"),
        ("eval(text)", "eval"),
        ("yaml.load(text)", "yaml.load"),
        ("np.load(path, allow_pickle=True)", "allow_pickle=True"),
        ("AutoModel.from_pretrained(folder, trust_remote_code=asked)", "trust_remote_code=asked"),
        ("safe = {'trust_remote_code': True}", "trust_remote_code=True"),
        ("subprocess.run(line, shell=True)", "shell=True"),
    ],
)
def test_each_danger_is_seen(text: str, found: str) -> None:
    assert dangers(text) == {found}


def test_no_source_file_runs_what_it_reads() -> None:
    assert len(SOURCES) > 150
    found = {(p.relative_to(ROOT).as_posix(), one) for p in SOURCES for one in dangers(p.read_text(encoding="utf-8"))}
    assert found == set(ALLOWED)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_names_actions_by_commit_and_may_read_alone(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    value = yaml.safe_load(text)
    assert value["permissions"] == {"contents": "read"}
    wider = {name: job["permissions"] for name, job in value["jobs"].items() if "permissions" in job}
    assert wider == ({"publish": {"pages": "write", "id-token": "write"}} if path.name == "page.yml" else {})
    steps = [step for job in value["jobs"].values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", name) for name in used)
    assert len(re.findall(r"uses: \S+@[0-9a-f]{40} # v\d+\.\d+\.\d+\n", text)) == len(used)  # what the commit is
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    # what a pull request may choose is never pasted into a shell
    assert not [step["run"] for step in steps if "${{" in step.get("run", "")]
    installs = [line for step in steps for line in step.get("run", "").splitlines() if "pip install" in line]
    assert all("--require-hashes" in line or "--no-deps" in line or "==" in line for line in installs)


def test_every_pin_has_its_hashes_and_no_other_file_is_let_in() -> None:
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    text = (ROOT / "constraints.hashes.txt").read_text().replace("\\\n", "")
    hashed = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    assert [words[0] for words in hashed] == pins, "run `python .github/hashes.py`"
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin) for pin in pins)
    assert all(len(words) > 1 for words in hashed)
    assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", word) for words in hashed for word in words[1:])


class Hostile:
    """What makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.marker,)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("model") / "bert", "bert", layers=2, width=16)


@pytest.fixture
def own(bert: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may spoil."""
    folder = tmp_path / "own"
    folder.mkdir()
    for file in bert.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def load(folder: Path) -> Any:
    """As a run loads a side, whatever its sum."""
    from cod_bench.training import pretrained

    return pretrained.load(Side(f"path:{folder}", sha256=sources.fingerprint(folder)), max_length=32)


def test_the_hostile_pickle_would_act(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Hostile(tmp_path / "marker")))  # noqa: S301 - our own
    assert (tmp_path / "marker").exists()


def test_a_model_in_a_pickle_alone_is_refused_unread(own: Path, tmp_path: Path) -> None:
    for file in own.glob("*.safetensors"):
        file.unlink()
    (own / "pytorch_model.bin").write_bytes(pickle.dumps(Hostile(tmp_path / "marker")))
    for ask in (lambda: sources.side_of(str(own), "--teacher"), lambda: load(own)):
        with pytest.raises(UsageError, match="in a pickle, which is never read"):
            ask()
    assert not (tmp_path / "marker").exists()


def test_a_pickle_beside_the_weights_or_named_as_a_shard_of_them_is_not_read(own: Path, tmp_path: Path) -> None:
    (own / "pytorch_model.bin").write_bytes(pickle.dumps(Hostile(tmp_path / "marker")))
    load(own)
    assert not (tmp_path / "marker").exists()
    (own / "model.safetensors").rename(own / "other.safetensors")
    (own / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": {"embeddings.word_embeddings.weight": "pytorch_model.bin"}})
    )
    with pytest.raises(UsageError, match=r"names 'pytorch_model\.bin' as weights, and only safetensors"):
        load(own)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("kind", ["bert", "unheard-of"])
def test_code_beside_a_model_is_not_imported(own: Path, tmp_path: Path, kind: str) -> None:
    (own / "evil.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'marker')!r}).touch()\n")
    for name, classes in {
        "config.json": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"},
        "tokenizer_config.json": {"AutoTokenizer": ["evil.Tokenizer", None]},
    }.items():
        value = json.loads((own / name).read_text())
        change = {"model_type": kind} if name == "config.json" else {}
        (own / name).write_text(json.dumps({**value, "auto_map": classes, **change}))
    if kind == "bert":
        load(own)  # as the class that transformers has for it
    else:
        with pytest.raises(UsageError, match="name a model that transformers knows without its own code"):
            load(own)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00" * 7, b"\xff" * 64, (1 << 40).to_bytes(8, "little") + b"{}", b"\x02" + b"\x00" * 7 + b"{}"],
    ids=["empty", "short", "noise", "a header of a terabyte", "no tensor"],
)
def test_malformed_safetensors_are_a_sentence(own: Path, data: bytes) -> None:
    (own / "model.safetensors").write_bytes(data)
    with pytest.raises((UsageError, RunError)) as told:
        load(own)
    assert "own" in str(told.value)
    assert len(str(told.value).splitlines()) == 1
