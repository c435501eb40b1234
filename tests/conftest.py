"""What several test modules share: a cache folder of their own and the real assets where they are at hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

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
