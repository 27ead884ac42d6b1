from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from recbench.results.record import Evaluation, MetricValue, RunKey, RunRecord
from recbench.results.store import Store

Add = Callable[..., RunRecord]

SETTINGS = {
    "loss.scale": 2.0,
    "loss.pos_weight": "1",
    "backbone.dim": 16,
    "train.lr": 0.01,
    "train.refit": False,
    "train.noise": "",
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def add(store: Store) -> Add:
    """Record a run with these test values, by (metric, feedback) or (metric, feedback, signature)."""

    def add_run(values: dict[tuple[str, ...], float | None] | None = None, **changes: Any) -> RunRecord:
        of_key = {
            "dataset": "shop",
            "split": "global",
            "fingerprint": "f" * 64,
            "feedback": ("view", "buy"),
            "loss": "gnolr",
            "backbone": "mf",
            "seed": 0,
            "device": "cpu",
        }
        settings = {name: value for name, value in changes.items() if "." in name}
        fields = {name: value for name, value in changes.items() if "." not in name}
        held = SETTINGS | settings
        if not held["train.noise"]:
            del held["train.noise"]
        key = RunKey(**of_key | {n: v for n, v in fields.items() if n in of_key}, settings=held)
        record = RunRecord(
            key=key,
            curve=[{"epoch": n + 1, "loss": 1.0, "metric": m, "seconds": 1.0, "slots": 1} for n, m in curve(fields)],
            select=fields.get("select", "auc"),
            best_epoch=1,
            valid=fields.get("valid", 0.5),
            seconds=fields.get("seconds", 1.0),
            slots=1,
            rows_per_second=1.0,
            peak_memory_mib=1.0,
            parameters=1,
            device_name=fields.get("device_name", "cpu"),
            command="recbench train",
            non_default=settings,
            finished=fields.get("finished", "2025-01-01T00:00:00.000000+00:00"),
        )
        store.write_record(record)
        for number, (place, value) in enumerate((values or {}).items()):
            metric, feedback, signature = (*place, "usual")[:3]
            store.add_evaluation(
                key,
                Evaluation(
                    run=key.digest,
                    values=[MetricValue(metric, feedback, value, signature, 10)],
                    when=f"2025-01-02T00:00:00.{number:06d}+00:00",
                    seconds=1.0,
                ),
            )
        return record

    return add_run


def curve(fields: dict[str, Any]) -> list[tuple[int, float]]:
    values: Sequence[float] = fields.get("curve", [0.5])
    return list(enumerate(values))
