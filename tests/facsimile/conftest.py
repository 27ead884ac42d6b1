"""What the tests of facsimiles share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import facsimile
from tests.facsimile import Contents

ROWS = 2000
MORE = {
    "amazon-books": 12_000,
    "amazon-cd": 20_000,
    "amazon-beauty": 20_000,
    "gowalla-checkins": 8000,
}  # so that something passes each rule


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Contents]]:
    """Write each facsimile once."""
    made: dict[str, tuple[Path, Contents]] = {}

    def write(name: str) -> tuple[Path, Contents]:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = folder, facsimile.write(name, folder, MORE.get(name, ROWS))
        return made[name]

    return write
