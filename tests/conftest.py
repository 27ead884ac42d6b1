"""What several test files need: a tiny dataset made by hand, and folders of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from recbench.backbones.base import BACKBONES
from recbench.data.dataset import Column, Dataset, Log, Table
from recbench.evaluation.metric import METRICS
from recbench.losses.base import LOSSES
from recbench.registry import Registry

settings.register_profile("suite", deadline=None)  # a busy machine is no failure
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's data or results."""
    monkeypatch.setenv("RECBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECBENCH_RESULTS", str(tmp_path / "results"))


@pytest.fixture(autouse=True)
def own_registries() -> Iterator[None]:
    """What a test imports is forgotten after it."""
    registries: list[Registry[Any]] = [LOSSES, BACKBONES, METRICS]
    before = [(registry, dict(registry._classes)) for registry in registries if registry.names()]
    yield
    for registry, classes in before:
        registry._classes = classes
    for module in [name for name in sys.modules if name.startswith("recbench_import_")]:
        del sys.modules[module]


def make_dataset(users: int = 30, items: int = 40, rows: int = 600, tasks: int = 3, seed: int = 0) -> Dataset:
    """A learnable log: feedback follows from the sum of a user's and an item's hidden number."""
    generator = torch.Generator().manual_seed(seed)

    def log(count: int) -> Log:
        user = torch.randint(users, (count,), generator=generator)
        item = torch.randint(items, (count,), generator=generator)
        taste = torch.sin(user.float()) * torch.cos(item.float()) * 3
        noise = torch.randn(count, tasks, generator=generator)
        label = taste[:, None] + noise - torch.arange(tasks) > 0.3
        return Log(user.int(), item.int(), label.to(torch.uint8))

    return Dataset(
        name="toy",
        split="global",
        fingerprint="0" * 64,
        folder=Path("nowhere"),
        feedback=("view", "cart", "buy", "gift")[:tasks],
        users=_table(users, generator),
        items=_table(items, generator),
        train=log(rows),
        valid=log(rows // 5),
    )


def _table(count: int, generator: torch.Generator) -> Table:
    columns = (Column("id", "categorical", count + 1, 1), Column("tags", "bag", 6, 3))
    tags = torch.randint(6, (count, 3), generator=generator)
    return Table(columns, torch.cat([torch.arange(1, count + 1)[:, None], tags], 1).int(), seen=count)


@pytest.fixture
def toy() -> Dataset:
    return make_dataset()
