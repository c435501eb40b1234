"""An asset -> a local OpenAI-compatible server: a language model for who has neither key nor hub.

SmolLM2 by `transformers serve`, or any GGUF asset by llama.cpp's own server, which is faster by far.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cod_bench.data import assets
from cod_bench.errors import RunError, UsageError, unknown
from cod_bench.store import home, lock, write_atomic

ASSET = "smollm2-135m"
NEEDED = ("accelerate", "fastapi", "gguf", "uvicorn")
"""Of the extra `serve`."""
SLOTS, CONTEXT = 4, 2048
"""Of llama.cpp's server: answers at once, which is also what one request may ask for, and tokens of each."""


def model_folder() -> Path:
    """The asset as a folder that `transformers serve` takes: dequantised once, bfloat16 safetensors with tokenizer.

    Raises:
        UsageError: the extra `serve` is not installed. RunError: the asset cannot be had.
    """
    missing = missing_packages()
    if missing:
        raise UsageError(f"cfe serve: {', '.join(missing)} not installed; pip install 'cod-bench[serve]'")
    weights = assets.ASSETS[ASSET].sha256[:12]
    folder = home() / "served" / weights / ASSET
    with lock(folder.parent / ".lock"):
        if not (folder / ".complete").exists():
            _convert(assets.path(ASSET), folder)
            write_atomic(folder / ".complete", "\n")
    return folder


def missing_packages() -> list[str]:
    """What of the extra `serve` is not installed."""
    from importlib.util import find_spec

    return [name for name in NEEDED if find_spec(name) is None]


def command(folder: Path, port: int) -> tuple[list[str], Path, dict[str, str]]:
    """Command line, working folder and environment variables of the server; the model's name is the folder's.

    It is started in the parent folder, so that no path of this machine becomes the model's name and so part of run ids.
    """
    line = [
        sys.executable, "-m", "transformers.cli.transformers", "serve", folder.name, "--device", "cpu",
        "--dtype", "float32",
        "--host", "127.0.0.1", "--port", str(port), "--default-seed", "0",
    ]  # fmt: skip
    return line, folder.parent, {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def serve(port: int, tell: Any) -> int:
    """Serve until Ctrl-C; returns the server's exit code."""
    import os

    folder = model_folder()
    line, where, variables = command(folder, port)
    tell(_told(folder.name, port))
    return _run(line, where, {**os.environ, **variables})


def serve_gguf(asset: str, port: int, threads: int, tell: Any) -> None:
    """Serve a GGUF asset in this process by llama.cpp's server until Ctrl-C.

    Raises:
        UsageError: the extra `local-llm` is not installed, or the asset is none or no GGUF model.
        RunError: it cannot be had, or the server does not start.
    """
    import importlib
    import threading
    from contextlib import suppress

    if asset not in assets.ASSETS:
        raise unknown("asset", asset, assets.ASSETS)
    try:
        llama: Any = importlib.import_module("xllamacpp")
    except ImportError:
        raise UsageError("cfe serve --asset: xllamacpp is not installed; pip install 'cod-bench[local-llm]'") from None
    files = sorted(assets.path(asset).rglob("*.gguf"))
    if len(files) != 1:
        raise UsageError(f"--asset {asset}: holds no GGUF model; name {ASSET} or another one that does")
    wanted = llama.CommonParams()
    wanted.model.path, wanted.model_alias = str(files[0]), {asset}
    wanted.hostnames, wanted.port = ["127.0.0.1"], port
    wanted.n_parallel, wanted.n_ctx = SLOTS, SLOTS * CONTEXT
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = threads
    try:
        server = llama.Server(wanted)  # serves from threads of its own for as long as it is held
    except RuntimeError as error:
        raise RunError(f"llama.cpp's server did not start ({error}); is port {port} taken?") from error
    tell(_told(asset, port))
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    del server


def _told(name: str, port: int) -> str:
    return (
        f"serving {name}; in another terminal: export OPENAI_API_KEY=none COD_BENCH_LLM_MODEL={name} "
        f"COD_BENCH_LLM_BASE_URL=http://127.0.0.1:{port}/v1"
    )


def _run(line: Sequence[str], where: Path, environment: dict[str, str]) -> int:
    with subprocess.Popen(line, cwd=where, env=environment) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            return process.wait()


def _convert(asset: Path, folder: Path) -> None:
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    (file,) = asset.glob("*.gguf")
    safe = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
    tokenizer = transformers.AutoTokenizer.from_pretrained(asset, **safe)
    packed = transformers.AutoModelForCausalLM.from_pretrained(
        asset, **safe,
        quantization_config=transformers.GgufConfig(dequantize=True), dtype=torch.float32,
    )  # fmt: skip
    # the server samples only where the model's own configuration does; a request's temperature of 0 turns it off
    packed.generation_config.update(do_sample=True)
    packed.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
