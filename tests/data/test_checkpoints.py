"""Folders and hub models: hashing, pinning, refusals. The hub is a loopback server that the real client talks to."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cod_bench.data import checkpoints as sources
from cod_bench.errors import RunError, UsageError
from cod_bench.store import settings
from cod_bench.track import Side
from tests.checkpoints import save

COMMIT, OFFER = "c" * 40, "d" * 40


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("model") / "bert", "bert", layers=2, width=16)


def copy(source: Path, target: Path) -> Path:
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_the_sum_is_of_the_files_and_not_of_their_place(bert: Path, tmp_path: Path) -> None:
    other = copy(bert, tmp_path / "moved")
    (other / "README.md").write_text("a model")
    assert sources.fingerprint(other) == sources.fingerprint(bert)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "hidden_dropout_prob": 0.3}))
    assert sources.fingerprint(other) != sources.fingerprint(bert)


def test_a_folder_that_changed_after_it_was_pinned_is_told(bert: Path, tmp_path: Path) -> None:
    own = copy(bert, tmp_path / "own")
    side = sources.side_of(str(own), "--teacher")
    assert sources.folder(side) == own
    (own / "tokenizer.json").write_text((own / "tokenizer.json").read_text() + "\n")
    with pytest.raises(RunError, match=r"should have [0-9a-f]{64}; name the track's"):
        sources.folder(side)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "has no config.json; name a folder written by save_pretrained"),
        ({"config.json": "{}"}, "has no *.safetensors; name a folder"),
        ({"config.json": "{}", "pytorch_model.bin": ""}, "in a pickle, which is never read; convert it once"),
    ],
)
def test_what_is_no_model_is_refused_with_the_remedy(files: dict[str, str], sentence: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError) as caught:
        sources.side_of(str(tmp_path), "--student")
    assert sentence in str(caught.value)


def test_a_name_that_is_neither_folder_nor_hub_id_is_told() -> None:
    with pytest.raises(UsageError, match=r"--teacher '\./nothing': is no folder"):
        sources.side_of("./nothing", "--teacher")


def test_pooling_follows_the_model(bert: Path, tmp_path: Path) -> None:
    own = copy(bert, tmp_path / "own")
    assert sources.pooling_of(own) == "first"
    (own / "modules.json").write_text("[]")
    assert sources.pooling_of(own) == "mean"
    for config in ({"model_type": "qwen2"}, {"model_type": "new", "architectures": ["NewForCausalLM"]}):
        (own / "config.json").write_text(json.dumps(config))
        assert sources.pooling_of(own) == "last"


class Hub:
    """What the hub's client asks of a server for one model: revisions, files, pull requests."""

    def __init__(self, server: HTTPServer, folder: Path, *, offers: list[dict[str, Any]] | None = None) -> None:
        self.folder, self.offers, self.asked = folder, offers, list[str]()
        server.expect_request("/api/models/tiny/bert/discussions").respond_with_handler(self._discussions)
        for pattern in (r"/api/models/tiny/bert/.*", r"/tiny/bert/resolve/.*"):
            import re

            server.expect_request(re.compile(pattern)).respond_with_handler(self._answer)

    def _files(self, revision: str) -> dict[str, bytes]:
        files = {file.name: file.read_bytes() for file in self.folder.iterdir()}
        if self.offers is not None and revision not in (OFFER, "refs/pr/7"):
            files["pytorch_model.bin"] = files.pop("model.safetensors")
        return files

    def _answer(self, request: Request) -> Response:
        from urllib.parse import unquote

        path = unquote(request.path)
        self.asked.append(path)
        if path.startswith("/api/"):
            kind, _, revision = path.removeprefix("/api/models/tiny/bert/").partition("/")
            commit = OFFER if revision in (OFFER, "refs/pr/7") else COMMIT
            files = self._files(revision)
            if kind == "tree":
                entries = [
                    {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}  # noqa: S324
                    for name, data in files.items()
                ]
                return Response(json.dumps(entries), content_type="application/json")
            body = {"id": "tiny/bert", "sha": commit, "siblings": [{"rfilename": name} for name in files]}
            return Response(json.dumps(body), content_type="application/json")
        revision, _, name = path.removeprefix("/tiny/bert/resolve/").rpartition("/")
        data = self._files(revision)[name]
        headers = {
            "X-Repo-Commit": OFFER if revision == OFFER else COMMIT,
            "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
        }
        return Response(data, headers=headers)

    def _discussions(self, request: Request) -> Response:
        self.asked.append(request.path)
        return Response(
            json.dumps({"discussions": self.offers or [], "count": len(self.offers or []), "start": 0}),
            content_type="application/json",
        )


def offer(number: int, title: str, author: str = sources.CONVERTER) -> dict[str, Any]:
    return {
        "num": number, "title": title, "status": "open", "isPullRequest": True, "createdAt": "2026-01-01T00:00:00.000Z",
        "author": {"name": author}, "repo": {"name": "tiny/bert", "type": "model"},
    }  # fmt: skip


def resolve(home: Path, endpoint: str) -> subprocess.CompletedProcess[str]:
    """Pin the hub model in a process of its own, since the client reads its settings when it is imported."""
    script = (
        "from cod_bench.data import checkpoints as sources\nfrom cod_bench.errors import RunError, UsageError\n"
        "from cod_bench.track import Side\n"
        "try:\n    side = sources.resolve(Side('hub:tiny/bert'))\n    print(side.revision, side.sha256)\n"
        "    print(sources.folder(side))\nexcept (RunError, UsageError) as error:\n    print(error)\n"
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        "COD_BENCH_HOME": str(home / "cod"), "HF_HOME": str(home / "hf"), "HF_ENDPOINT": endpoint.rstrip("/"),
        "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1",
    }  # fmt: skip
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)


def test_the_first_load_pins_a_hub_model_and_the_next_needs_no_hub(
    bert: Path, tmp_path: Path, httpserver: HTTPServer
) -> None:
    hub = Hub(httpserver, bert)
    done = resolve(tmp_path, httpserver.url_for("/"))
    assert done.stdout.splitlines()[0] == f"{COMMIT} {sources.fingerprint(bert)}", done.stdout + done.stderr
    kept = settings(tmp_path / "cod" / "locks" / "models.json")
    assert kept == {"tiny/bert": {"revision": COMMIT, "sha256": sources.fingerprint(bert)}}
    assert not [path for path in hub.asked if path.endswith(".bin")]
    again = resolve(tmp_path, "http://127.0.0.1:9")
    assert again.stdout == done.stdout


def test_of_a_hub_model_in_pickles_the_hubs_own_conversion_is_taken(
    bert: Path, tmp_path: Path, httpserver: HTTPServer
) -> None:
    hub = Hub(httpserver, bert, offers=[offer(3, "Fix typo"), offer(7, "Adding `safetensors` variant of this model")])
    done = resolve(tmp_path, httpserver.url_for("/"))
    assert done.stdout.splitlines()[0] == f"{OFFER} {sources.fingerprint(bert)}", done.stdout + done.stderr
    assert not [path for path in hub.asked if path.endswith(".bin")]


def test_a_conversion_by_somebody_else_is_not_taken(bert: Path, tmp_path: Path, httpserver: HTTPServer) -> None:
    Hub(httpserver, bert, offers=[offer(7, "Adding `safetensors` variant of this model", author="somebody")])
    assert "has no safetensors, and pickles are never read" in resolve(tmp_path, httpserver.url_for("/")).stdout


def test_without_a_hub_one_sentence_names_the_remedy(tmp_path: Path) -> None:
    said = resolve(tmp_path, "http://127.0.0.1:9").stdout
    assert said.startswith("hub model 'tiny/bert' cannot be had (")
    assert said.strip().endswith("name local copies with --track NAME --teacher FOLDER --student FOLDER")


def test_a_torn_lock_file_is_told_and_not_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path))
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "models.json").write_text('{"a')
    with pytest.raises(RunError, match=r"models.json is corrupt .*; delete it"):
        sources.known(Side("hub:tiny/bert"))
