from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbench.results.record import Evaluation, MetricValue, RunKey, RunRecord
from recbench.results.store import Store

SETTINGS = {"loss.scale": 2.0, "loss.logit": "fixed", "backbone.dim": 32, "train.cosine": False}


def key_of(**changes: Any) -> RunKey:
    fields: dict[str, Any] = {
        "dataset": "synthetic",
        "split": "random",
        "fingerprint": "f" * 16,
        "feedback": ("click", "buy"),
        "loss": "gnolr",
        "backbone": "twintower",
        "seed": 0,
        "device": "cpu",
        "settings": SETTINGS,
        "sources": {},
    }
    return RunKey(**fields | changes)


def record_of(key: RunKey, **changes: Any) -> RunRecord:
    fields: dict[str, Any] = {
        "key": key,
        "curve": [{"epoch": 1, "loss": 0.5, "metric": 0.7, "seconds": 1.5, "slots": 1000}],
        "select": "auc",
        "best_epoch": 1,
        "valid": 0.7,
        "seconds": 1.5,
        "slots": 1000,
        "rows_per_second": 666.5,
        "peak_memory_mib": 120.0,
        "parameters": 4096,
        "device_name": "a processor",
        "command": "recbench train --dataset synthetic",
        "non_default": {},
        "finished": "2025-01-01T00:00:00.000000+00:00",
        "versions": {"python": "3.11.2"},
        "commit": "c" * 40,
        "dirty": False,
        "imports": ["mine.py"],
        "notes": ["valid has no buy"],
    }
    return RunRecord(**fields | changes)


def evaluation_of(key: RunKey, *values: MetricValue, **changes: Any) -> Evaluation:
    fields: dict[str, Any] = {
        "run": key.digest,
        "values": list(values),
        "when": "2025-01-02T00:00:00.000000+00:00",
        "seconds": 0.5,
        "options": {"candidates": "all", "index": "flat"},
        "bound": [],
    }
    return Evaluation(**fields | changes)


def auc(value: float, **changes: Any) -> MetricValue:
    fields: dict[str, Any] = {
        "metric": "auc",
        "feedback": "click",
        "value": value,
        "signature": "auc|ties:half",
        "counted": 100,
    }
    return MetricValue(**fields | changes)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def make_key() -> Callable[..., RunKey]:
    return key_of


@pytest.fixture
def make_record() -> Callable[..., RunRecord]:
    return record_of


@pytest.fixture
def make_evaluation() -> Callable[..., Evaluation]:
    return evaluation_of


@pytest.fixture
def make_value() -> Callable[..., MetricValue]:
    return auc


@pytest.fixture
def add(store: Store) -> Callable[..., RunKey]:
    """Record a run and one evaluation of it with the values given."""

    def add_run(*values: MetricValue, bound: tuple[MetricValue, ...] = (), non_default: Any = None, **changes: Any):
        key = key_of(**changes)
        store.write_record(record_of(key, non_default=non_default or {}))
        store.add_evaluation(key, evaluation_of(key, *values, bound=list(bound)))
        return key

    return add_run
