"""Records of runs of a loss, as tests of what is said of it read them."""

from __future__ import annotations

from typing import Any

from recbench.results.record import Epoch, RunKey, RunRecord

SETTINGS: dict[str, Any] = {"loss.scale": 10.0, "train.lr": 0.01, "train.batch_size": 1024, "train.epochs": 20}


def run(valid: float = 0.5, loss: str = "ssm", seed: int = 0, seconds: float = 8.0, **changes: Any) -> RunRecord:
    """A run of four epochs that differs from the usual in these settings, or lacks those that are None."""
    settings = SETTINGS | {name.replace("__", "."): value for name, value in changes.items()}
    settings = {name: value for name, value in settings.items() if value is not None}
    key = RunKey("ml-1m", "user", "f" * 64, ("like",), loss, "mf", seed, "cpu", settings)
    return RunRecord(
        key=key,
        curve=[Epoch(epoch=4, loss=1.0, metric=valid, seconds=seconds, slots=1)],
        select="recall@20",
        best_epoch=4,
        valid=valid,
        seconds=seconds,
        slots=1,
        rows_per_second=1.0,
        peak_memory_mib=1.0,
        parameters=1,
        device_name="cpu",
        command="recbench train",
        non_default={},
        finished="2026-01-01T00:00:00Z",
    )
