"""The SmolLM2 asset -> a local OpenAI-compatible server: a language model for who has neither key nor hub."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cod_bench.data import assets
from cod_bench.errors import UsageError
from cod_bench.store import home, lock, write_atomic

ASSET = "smollm2-135m"
NEEDED = ("accelerate", "fastapi", "gguf", "uvicorn")
"""Of the extra `serve`."""


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
    tell(
        f"serving {folder.name}; in another terminal: export OPENAI_API_KEY=none "
        f"COD_BENCH_LLM_MODEL={folder.name} COD_BENCH_LLM_BASE_URL=http://127.0.0.1:{port}/v1"
    )
    return _run(line, where, {**os.environ, **variables})


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
