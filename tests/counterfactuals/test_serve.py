"""End to end with a real language model in another process: it answers, the teacher judges, a student is distilled."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cod_bench import device
from cod_bench.counterfactuals import purchase as cfe
from cod_bench.counterfactuals import serve
from cod_bench.data import assets
from cod_bench.errors import RunError, UsageError
from cod_bench.generator import Terms
from cod_bench.generators._llm.ledger import Ledger
from cod_bench.runner import work
from cod_bench.spec import RunSpec
from tests import ROOT

TRACK, TASK = "minilm-smoke-fp32", "rt_quotes"


def test_the_servers_command_names_the_model_and_no_path(tmp_path: Path) -> None:
    line, where, variables = serve.command(tmp_path / serve.ASSET, 8123)
    assert where == tmp_path
    assert not any(str(tmp_path) in word for word in line[1:])
    assert line[line.index("serve") + 1] == serve.ASSET
    assert "--trust-remote-code" not in line
    assert variables["HF_HUB_OFFLINE"] == "1"


def test_what_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "NEEDED", ("no_such_package",))
    with pytest.raises(UsageError, match=r"cfe serve: no_such_package not installed; pip install 'cod-bench\[serve\]'"):
        serve.model_folder()


def test_nothing_of_the_model_asks_to_run_its_own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    asked: list[dict[str, object]] = []

    class StopError(Exception):
        """Ends the conversion once both parts have been asked for."""

    def tokenizer(*_: object, **options: object) -> None:
        asked.append(options)

    def weights(*_: object, **options: object) -> None:
        asked.append(options)
        raise StopError

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", tokenizer)
    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", weights)
    (tmp_path / "model.gguf").touch()
    with pytest.raises(StopError):
        serve._convert(tmp_path, tmp_path / "made")
    # None would make transformers ask on the terminal
    assert [options.get("trust_remote_code") for options in asked] == [False, False]


@pytest.fixture
def address() -> Iterator[str]:
    """The address of SmolLM2, served by `transformers serve` in another process."""
    missing = serve.missing_packages()
    if missing:
        pytest.skip(f"the extra `serve` is not installed: {', '.join(missing)}")
    try:
        for name in (serve.ASSET, "minilm", "rotten-tomatoes-quotes"):
            assets.path(name)
    except (RunError, UsageError) as error:
        pytest.skip(f"an asset cannot be had: {error}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    line, where, variables = serve.command(serve.model_folder(), port)
    with subprocess.Popen(
        line, cwd=where, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            for _ in range(600):
                assert process.poll() is None, "the server ended"
                with socket.socket() as asked:
                    if asked.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_served_model_makes_counterfactuals_that_a_student_is_distilled_from(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COD_BENCH_LLM_BASE_URL", address)
    monkeypatch.setenv("COD_BENCH_LLM_MODEL", serve.ASSET)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    device.set_threads()
    need = cfe.Need(TRACK, TASK, "llm", 0, False, 8, 0)
    (made,) = cfe.generate([need], Terms(concurrency=1), lambda bills: None)
    assert made.slots == 4
    ledger = Ledger.of(serve.ASSET)
    rows = ledger.path.read_text().splitlines()
    assert 4 <= len(rows) <= 20
    assert (ledger.requests_per_text(4, "llm") or 0) >= 1
    record = work.run_one(RunSpec("last", TRACK, TASK, "kd", "cod", "llm", 8, 0), {})
    assert record.cfe is not None
    assert record.cfe["valid"] == made.valid  # a weak model: how many is not the point
    assert 0.3 < record.metrics["accuracy"] < 1
    assert record.identity["generator"]["params"]["model"] == serve.ASSET


@pytest.fixture
def llama() -> Iterator[str]:
    """The address of SmolLM2, served by llama.cpp's own server in another process."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("the extra `local-llm` is not installed: xllamacpp")
    try:
        for name in (serve.ASSET, "minilm", "rotten-tomatoes-quotes"):
            assets.path(name)
    except (RunError, UsageError) as error:
        pytest.skip(f"an asset cannot be had: {error}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    line = [sys.executable, "-m", "cod_bench", "cfe", "serve", "--asset", serve.ASSET, "--port", str(port)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            assert any(told.startswith("serving smollm2-135m") for told in process.stdout), "the server ended"
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_llama_cpp_gives_four_samples_at_once_and_a_student_is_distilled_from_them(
    llama: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COD_BENCH_LLM_BASE_URL", llama)
    monkeypatch.setenv("COD_BENCH_LLM_MODEL", serve.ASSET)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    device.set_threads()
    need = cfe.Need(TRACK, TASK, "llm_shots", 0, False, 8, 0)
    (made,) = cfe.generate([need], Terms(concurrency=1), lambda bills: None)
    assert made.slots == 4
    ledger = Ledger.of(serve.ASSET)
    rows = [json.loads(line) for line in ledger.path.read_text().splitlines()]
    ours = [row for row in rows if row["of"]["generator"] == "llm_shots"]
    assert 4 <= len(ours) <= 8
    assert all(len(row["more"]) == 3 and row["counted_first"] for row in ours)
    assert ledger.requests_per_text(4, "llm_shots") == len(ours) / 4
    record = work.run_one(RunSpec("last", TRACK, TASK, "kd", "cod", "llm_shots", 8, 0), {})
    assert record.cfe is not None
    assert record.cfe["valid"] == made.valid  # a weak model: how many is not the point
    assert record.cost["llm_requests"] == len(ours)
    assert record.identity["generator"]["params"]["samples"] == 4


def test_an_asset_that_is_none_is_told() -> None:
    with pytest.raises(UsageError, match=r"asset 'smol'.*smollm2-135m"):
        serve.serve_gguf("smol", 1, 1, print)
