"""What several test modules share: a cache folder of their own and the real assets where they are at hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer

    from tests.endpoint import Server

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: two threads on two busy cores are slower than one


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Teachers, pools and prepared tasks of the tests, apart from the user's own."""
    before = os.environ.get("COD_BENCH_HOME")
    folder = tmp_path_factory.mktemp("home")
    os.environ["COD_BENCH_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["COD_BENCH_HOME"]
    else:
        os.environ["COD_BENCH_HOME"] = before


@pytest.fixture
def server(httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A scripted endpoint that the llm generators are told to ask, with leave, and a cache folder of its own."""
    from cod_bench.generators._llm import endpoint as _endpoint
    from tests.endpoint import KEY, Server

    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COD_BENCH_LLM_BASE_URL", httpserver.url_for("/v1"))
    monkeypatch.setenv("COD_BENCH_LLM_MODEL", "maker/tiny")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("COD_BENCH_LLM_YES", "1")
    monkeypatch.setattr(_endpoint, "MAX_RETRIES", 2)
    return Server(httpserver)
