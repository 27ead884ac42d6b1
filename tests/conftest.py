"""What several test files need: a tiny dataset, and folders of their own."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from recbench.backbones.base import BACKBONES
from recbench.baselines.base import BASELINES
from recbench.data.dataset import Dataset
from recbench.data.toy import toy as make_dataset
from recbench.evaluation.metric import METRICS
from recbench.losses.base import LOSSES
from recbench.registry import Registry

settings.register_profile("suite", deadline=None)  # a busy machine is no failure
settings.load_profile("suite")
signal.signal(signal.SIGINT, signal.default_int_handler)  # which jobs in the background ignore, and their children too


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's data or results."""
    monkeypatch.setenv("RECBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECBENCH_RESULTS", str(tmp_path / "results"))


@pytest.fixture(autouse=True)
def own_registries() -> Iterator[None]:
    """What a test imports is forgotten after it."""
    registries: list[Registry[Any]] = [LOSSES, BACKBONES, METRICS, BASELINES]
    before = [(registry, dict(registry._classes)) for registry in registries if registry.names()]
    yield
    for registry, classes in before:
        registry._classes = classes
    for module in [name for name in sys.modules if name.startswith("recbench_import_")]:
        del sys.modules[module]


@pytest.fixture
def toy() -> Dataset:
    return make_dataset()
