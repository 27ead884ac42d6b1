"""What several tests of losses need."""

from __future__ import annotations

import pytest

from recbench.data.dataset import Dataset


@pytest.fixture
def view(toy: Dataset) -> Dataset:
    """The toy with its densest feedback alone."""
    return toy.narrow(["view"])
