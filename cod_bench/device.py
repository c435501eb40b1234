"""`--device` -> what a run computes on: the CPU, or one CUDA device. Torch is imported only where tensors are.

The choice is a variable of the environment, so that every worker process has it. Without it everything is as it always
was: the CPU. Only the command line looks for a GPU, and it asks a process of its own, since a coordinator that held a
CUDA context would take memory from its workers.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cod_bench.errors import RunError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

VARIABLE = "COD_BENCH_DEVICE"
"""cpu, cuda or cuda:N, as `ask` has settled it; unset is cpu."""
CPU = "cpu"
DRIVER = (Path("/proc/driver/nvidia/version"), Path("/dev/dxg"))
"""One of these is there wherever an NVIDIA driver is (the second under WSL): without one torch need not be asked."""
READ_EVERY = 64
"""Steps between looks at the losses on a GPU: reading a value waits for everything before it."""
EVALUATED = {"cpu": 32, "cuda": 128}
"""Rows evaluated at once. On the CPU larger batches buy nothing and would move the last bits of records."""

_ASK = """
import json, torch
found = []
for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
    about = torch.cuda.get_device_properties(i)
    found.append([i, about.name, f"{about.major}.{about.minor}", about.total_memory, torch.version.cuda or "unknown"])
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A visible CUDA device: its index, its product name, compute capability, bytes of memory and torch's CUDA."""

    index: int
    name: str
    capability: str
    memory: int
    cuda: str

    @property
    def device(self) -> str:
        """As torch writes it."""
        return f"cuda:{self.index}"


def ask(name: str) -> str:
    """Settle what this process and its workers compute on, by `--device auto|cpu|cuda|cuda:N`; returns it.

    `auto` is CUDA where a device is visible, else the CPU.

    Raises:
        UsageError: another name, or a device that is not there.
    """
    if name == "auto":
        name = "cuda" if visible() else CPU
    if name != CPU:
        chosen(name)
    os.environ[VARIABLE] = name
    return name


def name() -> str:
    """What was settled: cpu, cuda or cuda:N."""
    return os.environ.get(VARIABLE) or CPU


def chosen(name: str) -> tuple[Gpu, ...]:
    """The CUDA devices that a name stands for; `cuda` is every visible one of the first one's product.

    Products are not mixed: they round differently, and records of two would not pair.

    Raises:
        UsageError: no such device, or no device name at all.
    """
    match = re.fullmatch(r"cuda(?::([0-9]{1,3}))?", name)
    if match is None:
        raise UsageError(f"--device {name!r}: choose auto, cpu, cuda or cuda:N")
    found = visible()
    if not found:
        raise UsageError(f"--device {name}: torch sees no CUDA device here; use --device cpu")
    if match[1] is None:
        return tuple(gpu for gpu in found if gpu.name == found[0].name)
    own = tuple(gpu for gpu in found if gpu.index == int(match[1]))
    if not own:
        raise UsageError(f"--device {name}: devices 0 to {len(found) - 1} are visible; name one of them")
    return own


@cache
def visible() -> tuple[Gpu, ...]:
    """The CUDA devices that torch can use here; none where there is no driver."""
    if not any(path.exists() for path in DRIVER):
        return ()
    return parse(subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=False).stdout)


def parse(told: str) -> tuple[Gpu, ...]:
    """Devices as the process that was asked told them; none if it said nothing.

    Raises:
        RunError: it said something else.
    """
    try:
        return tuple(Gpu(*one) for one in json.loads(told.strip().splitlines()[-1])) if told.strip() else ()
    except (ValueError, TypeError) as error:
        raise RunError(f"torch's list of CUDA devices cannot be read ({error}); use --device cpu") from error


def environment() -> dict[str, str]:
    """Its part of the environment key: `device` alone on the CPU; on CUDA product, capability and version too."""
    if name() == CPU:
        return {"device": CPU}
    gpu = chosen(name())[0]
    return {"device": "cuda", "gpu": gpu.name, "capability": gpu.capability, "cuda": gpu.cuda}


def artifact_key() -> dict[str, str]:
    """What a device adds to the key of a fitted teacher: nothing on the CPU.

    A teacher fitted on a GPU is another teacher with another hash, and so are its pools and reference files.
    """
    if name() == CPU:
        return {}
    facts = environment()
    return {"device": facts["device"], "gpu": facts["gpu"]}


def current() -> torch.device:
    """As a torch device: index 0 where none was named."""
    import torch

    return torch.device("cuda:0" if name() == "cuda" else name())


def prepare() -> None:
    """Settings under which CUDA's results depend on nothing but the inputs; before the first use. Nothing on the CPU.

    cuBLAS needs a fixed workspace; attention takes the plain kernel, the only one that takes a mask, has dropout and
    sums in a fixed order forwards and backwards; float32 products stay float32.
    """
    if name() == CPU:
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.cuda.set_device(current())
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.cuda.enable_mem_efficient_sdp(False)
    torch.backends.cuda.enable_cudnn_sdp(False)


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU's on the device, through pinned memory and without waiting; on the CPU itself."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


class Watch:
    """Values of steps, read at every step on the CPU and in groups on a GPU."""

    def __init__(self, device: torch.device) -> None:
        self._every = READ_EVERY if device.type == "cuda" else 1
        self._waiting: list[Tensor] = []

    def note(self, values: Tensor) -> list[list[float]]:
        """Take a step's values [n]; gives those of the steps that are due, first step first."""
        self._waiting.append(values.detach())
        return self.rest() if len(self._waiting) >= self._every else []

    def rest(self) -> list[list[float]]:
        """Those that have not been read yet."""
        import torch

        if not self._waiting:
            return []
        found: list[list[float]] = torch.stack(self._waiting).tolist()
        self._waiting.clear()
        return found


def memory() -> tuple[int, int]:
    """(peak, held) bytes of this process on its GPU since the last call; (0, 0) on the CPU, which is not counted.

    `held` is what stays while it waits for its next job: its warm models and the graphs of its steps.
    """
    if name() == CPU or (torch := sys.modules.get("torch")) is None or not torch.cuda.is_initialized():
        return 0, 0
    peak = int(torch.cuda.max_memory_reserved())
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return peak, int(torch.cuda.memory_reserved())


def exhausted(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on a GPU or on this machine."""
    torch: Any = sys.modules.get("torch")
    kinds: Sequence[type] = (MemoryError, *((torch.OutOfMemoryError,) if torch is not None else ()))
    return isinstance(error, tuple(kinds))


CPUINFO = Path("/proc/cpuinfo")


def instructions(cpuinfo: Path = CPUINFO) -> str:
    """The widest vector instructions of this CPU, which decide the order of float sums."""
    try:
        flags = set(cpuinfo.read_text(encoding="utf-8").split())
    except OSError:
        return "unknown"
    for name in ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "asimd"):
        if name in flags:
            return name
    return "baseline"


def supports_bf16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether this CPU multiplies bfloat16 natively; elsewhere autocast would be slower than float32."""
    return instructions(cpuinfo) in {"amx_bf16", "avx512_bf16"}


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads() -> None:
    """One torch thread: parallelism is processes, and results must not depend on how many threads there are."""
    prepare()
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # With the line above torch fills every new tensor before use, 2 % of a run; no kernel of ours reads what it has
    # not written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
