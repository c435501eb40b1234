"""A model's source -> its folder on this machine and the sha256 of what is in it: assets, the hub, local copies."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cod_bench import device
from cod_bench.data import assets, locks
from cod_bench.errors import RunError, UsageError
from cod_bench.spec import canonical, digest
from cod_bench.store import home, lock, read_bytes, set_aside, settings, stamped, write_atomic
from cod_bench.task import Task
from cod_bench.track import Pooling, Side, Track

log = logging.getLogger(__name__)

FILES = (
    "*.safetensors", "*.safetensors.index.json", "config.json", "tokenizer*", "vocab*", "merges.txt", "*.model",
    "special_tokens_map.json", "added_tokens.json", "modules.json",
)  # fmt: skip
"""What a model is: weights, configuration and tokenizer. Nothing else is fetched or hashed, above all no pickle."""
WEIGHTS, MARKER = "model.safetensors", "teacher.json"
"""Of a fitted teacher's folder; the marker is sealed, names the weights' sha256 and is written last."""
WHOLE = "whole.json"
"""Sealed sums of a dequantised model's files, in its folder."""
HEAVIEST = 1 << 40
"""Bytes of weights that are read."""
EMBEDDING = re.compile(r"embed|wte|wpe|shared\.weight", re.IGNORECASE)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
CONVERTER = "SFconvertbot"
"""The hub's own account that offers safetensors of older repositories as pull requests."""
DECODERS = frozenset(
    ("bloom", "falcon", "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_neo", "gpt_neox", "gptj", "granite", "llama",
     "mistral", "olmo", "olmo2", "opt", "phi", "phi3", "qwen2", "qwen3", "smollm3", "stablelm", "starcoder2")
)  # fmt: skip
"""`model_type` of decoders whose checkpoints do not say so by an architecture `...ForCausalLM`."""


def folder(side: Side) -> Path:
    """Where the files of a pinned side lie, checked against its sha256; fetched on first use.

    Raises:
        UsageError: a local folder is gone. RunError: other weights than the pinned ones, or the hub cannot be reached.
    """
    kind, _, name = side.source.partition(":")
    if not name:
        if side.sha256 not in assets.ASSETS[kind].members.values():
            raise RunError(
                f"asset {kind!r}: holds other weights than the track names; take the sum that it is pinned to"
            )
        return assets.path(kind)
    found = Path(name) if kind == "path" else _snapshot(name, side.revision)
    check(found, side.source)
    there = fingerprint(found, anew=True)
    if there != side.sha256:
        raise RunError(
            f"model {side.source!r}: its files have sha256 {there} and should have {side.sha256}; name the track's "
            "--teacher and --student again if the change is meant"
        )
    return found


def resolve(side: Side) -> Side:
    """The side with revision and sha256: of a hub model from the lock file or, the first time, from the hub.

    Raises:
        UsageError: no such folder, or no safetensors. RunError: the hub cannot be reached.
    """
    if side.pinned:
        return side
    kind, _, name = side.source.partition(":")
    if kind == "path":
        check(Path(name), side.source)
        return replace(side, sha256=fingerprint(Path(name)))
    with lock(_lock_file().with_suffix(".lock")):
        found = known(side)
        if not found.pinned:
            where = _with_safetensors(name)
            found = replace(side, revision=where.name, sha256=fingerprint(where))
            pin = {"revision": found.revision, "sha256": found.sha256}
            write_atomic(_lock_file(), stamped({**_locked(), name: pin}))
            log.warning("hub model %s is pinned to %s; `cod-bench lock` writes it down here", name, found.revision)
    return found


def known(side: Side) -> Side:
    """The side as the committed lock file pins it, else as this machine's; unchanged if it has not been loaded yet."""
    kind, _, name = side.source.partition(":")
    if side.pinned or kind != "hub":
        return side
    pin = locks.committed("models").get(name) or _locked().get(name, {})
    return replace(side, revision=str(pin.get("revision", "")), sha256=str(pin.get("sha256", "")))


def seen() -> dict[str, Any]:
    """Hub models that this machine has pinned: id -> revision and sha256; raises RunError for a corrupt file."""
    return dict(_locked())


def side_of(text: str, option: str) -> Side:
    """The pinned side that a user names: a folder, or the id of a hub model.

    Raises:
        UsageError: neither, or its files cannot be used. RunError: the hub cannot be reached.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        side = Side(f"path:{path.resolve()}")
    elif text.count("/") == 1 and not text.startswith((".", "/", "~")):
        side = Side(f"hub:{text}")
    else:
        raise UsageError(f"{option} {text!r}: is no folder; name one with config.json, safetensors and a tokenizer")
    side = resolve(side)
    return replace(side, pooling=pooling_of(folder(side)))


def check(found: Path, what: str) -> None:
    """Refuse a folder that holds no model, code of its own, or weights in pickles.

    Raises:
        UsageError: with the remedy.
    """
    if not found.is_dir():
        raise UsageError(f"model {what!r}: the folder is gone; name the track again with --teacher and --student")
    if not (found / "config.json").is_file():
        raise UsageError(f"model {what!r}: has no config.json; name a folder written by save_pretrained")
    for file in found.glob("*.safetensors.index.json"):
        _check_shards(file, what)
    if any(found.glob("*.safetensors")):
        return
    if any(next(found.glob(pattern), None) for pattern in PICKLES):
        raise UsageError(
            f"model {what!r}: has its weights in a pickle, which is never read; convert it once, where you trust it, "
            "with transformers' from_pretrained and save_pretrained, and name the new folder"
        )
    raise UsageError(f"model {what!r}: has no *.safetensors; name a folder written by save_pretrained")


def _check_shards(file: Path, what: str) -> None:
    """Refuse a list of shards that names anything but safetensors beside it: loaders read whatever it names."""
    try:
        shards = set(json.loads(file.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(f"model {what!r}: {file.name} is corrupt; fetch or save the model again") from error
    odd = sorted(str(name) for name in shards if not str(name).endswith(".safetensors") or Path(str(name)).name != name)
    if odd:
        raise UsageError(
            f"model {what!r}: {file.name} names {odd[0]!r} as weights, and only safetensors beside it are read; save "
            "the model again with save_pretrained"
        )


def config(found: Path) -> dict[str, Any]:
    """The folder's config.json."""
    value: dict[str, Any] = json.loads((found / "config.json").read_text(encoding="utf-8"))
    return value


def layers_of(found: Path) -> int:
    """Number of layers of the model in a folder, by its configuration."""
    values = config(found)
    return int(values.get("num_hidden_layers", values.get("n_layer", values.get("num_layers", 0))))


def parameters(found: Path) -> int:
    """Parameters of the model in a folder outside its embeddings, which cost next to nothing; at least 1."""
    from safetensors import safe_open

    count = 0
    for file in sorted(found.glob("*.safetensors")):
        with safe_open(file, framework="numpy") as tensors:
            shapes = {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118
        count += sum(math.prod(shape) for name, shape in shapes.items() if not EMBEDDING.search(name))
    return max(1, count)


def pooling_of(found: Path) -> Pooling:
    """How a model's states become one vector: sentence encoders mean, decoders last token, other encoders first.

    Only the last token of a causal model has seen the whole text; encoders pretrained with a [CLS] token put the text
    there; sentence-transformers folders (modules.json) were trained with a mean.
    """
    values = config(found)
    architectures = values.get("architectures") or []
    if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in architectures):
        return "last"
    if values.get("model_type") in DECODERS:
        return "last"
    return "mean" if (found / "modules.json").exists() else "first"


def fingerprint(found: Path, *, anew: bool = False) -> str:
    """sha256 over names and sha256 of every file of FILES in a folder; large files are hashed once and remembered.

    Args:
        anew: hash every file now, as whoever is about to load them does.
    """
    files = sorted({file for pattern in FILES for file in found.glob(pattern) if file.is_file()})
    sums = _sums(files, anew)
    return hashlib.sha256(canonical([[file.name, sums[str(file)]] for file in files]).encode()).hexdigest()


def teacher_key(track: Track, task: Task) -> str:
    """What a teacher is a pure function of (on one kind of machine): the track's teacher, the task's content, a GPU."""
    own = {"track": track.teacher_identity(), "task": task.identity()}
    return digest({**own, "name": task.name, **device.artifact_key()})


def teacher(found: Path, told: str) -> tuple[dict[str, Any], bytes]:
    """What the marker of a fitted teacher's folder says, and its weights.

    Raises:
        ValueError: the weights are not those that the marker names.
    """
    about: dict[str, Any] = json.loads(told)
    try:
        data = read_bytes(found / WEIGHTS, HEAVIEST)
    except OSError as error:
        raise ValueError(f"the weights beside it cannot be read: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != about["sha256"]:
        raise ValueError("the weights beside it are not those that it names")
    return about, data


def sums_of(found: Path) -> dict[str, str]:
    """sha256 of every file of a folder by its name, but for the one that tells them."""
    return {
        file.name: hashlib.sha256(read_bytes(file, HEAVIEST)).hexdigest()
        for file in sorted(found.iterdir())
        if file.name != WHOLE
    }


def demand_whole(found: Path, told: str) -> None:
    """Raise ValueError unless the files of a folder are those that `told` names."""
    if json.loads(told) != sums_of(found):
        raise ValueError("its files are not those that were written")


def _sums(files: list[Path], anew: bool) -> dict[str, str]:
    """sha256 of each file; kept by path, size and times of change, since weights are gigabytes."""
    memory = home() / "locks" / "hashes.json"
    remembered = {} if anew else _remembered(memory)
    sums, new = {}, {}
    for file in files:
        facts = file.stat()
        key = f"{file.resolve()} {facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns}"
        value = remembered.get(key)
        if value is None:
            with file.open("rb") as stream:
                value = new[key] = hashlib.file_digest(stream, "sha256").hexdigest()
        sums[str(file)] = value
    if new and not anew:
        write_atomic(memory, stamped({**_remembered(memory), **new}))
    return sums


def _with_safetensors(name: str) -> Path:
    """The snapshot of a hub model's main branch or, if that holds pickles alone, of the hub's own conversion of it."""
    found = _snapshot(name, "")
    if not any(found.glob("*.safetensors")):
        number = _conversion(name)
        if number is None:
            raise UsageError(
                f"hub model {name!r}: has no safetensors, and pickles are never read; convert it once, where you trust "
                "it, with transformers' from_pretrained and save_pretrained, and name the new folder"
            )
        found = _snapshot(name, f"refs/pr/{number}")
    check(found, f"hub:{name}")
    return found


def _snapshot(name: str, revision: str) -> Path:
    """The folder, named by commit, of a hub model at a revision (main if empty); from the hub's cache if it can be."""
    from huggingface_hub import snapshot_download

    try:
        if revision and "/" not in revision:  # a commit never changes, so nothing need be asked
            try:
                return Path(
                    snapshot_download(name, revision=revision, allow_patterns=list(FILES), local_files_only=True)
                )
            except FileNotFoundError:
                log.info("fetching hub model %s at %s", name, revision)
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=list(FILES)))
    except Exception as error:
        raise _unreachable(name, error) from error


def _conversion(name: str) -> int | None:
    """Number of the open pull request in which the hub's converter offers safetensors; None if there is none."""
    from huggingface_hub import HfApi

    try:
        offers = HfApi().get_repo_discussions(
            name, author=CONVERTER, discussion_type="pull_request", discussion_status="open"
        )
        # The hub filters by account; the title keeps apart what else that account may have opened.
        return next((o.num for o in offers if o.author == CONVERTER and "safetensors" in o.title.lower()), None)
    except Exception as error:
        raise _unreachable(name, error) from error


def _unreachable(name: str, error: Exception) -> RunError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return RunError(
        f"hub model {name!r} cannot be had ({reason}); connect once, or name local copies with --track NAME --teacher "
        "FOLDER --student FOLDER"
    )


def _lock_file() -> Path:
    return home() / "locks" / "models.json"


def _locked() -> Mapping[str, Any]:
    """Hub models seen on this machine: id -> revision and sha256."""
    file = _lock_file()
    if not file.exists():
        return {}
    try:
        return settings(file)
    except ValueError as error:
        raise RunError(
            f"lock file {file} is corrupt ({error}); delete it to pin hub models anew, or put back what it said"
        ) from error


def _remembered(file: Path) -> dict[str, Any]:
    """The sums that were kept; none where the file is not there or is not what was written."""
    try:
        return settings(file)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        set_aside(file, "file of sums", str(error))
        return {}
