"""What a sweep found, as tables and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from recbench.results.json_structs import encode
from recbench.results.number_table import NumberTable
from recbench.results.number_words import mean_with_sd
from recbench.results.sweeps import Sweep


def sweep_table(sweep: Sweep) -> RenderableType:
    """Return one table per loss, its trials ranked by the validation metric."""
    parts: list[RenderableType] = []
    for loss in sweep.groups:
        trials = [trial for trial in sweep.trials if trial.loss == loss]
        select = next((trial.select for trial in trials if trial.select), "metric")
        table = NumberTable(show_edge=True)
        table.add_column("rank", justify="right")
        table.add_column("settings", overflow="fold")
        table.add_column(f"valid {select}", justify="right", no_wrap=True)
        table.add_column("seconds", justify="right", no_wrap=True)
        for rank, trial in enumerate(trials, 1):
            value = "failed" if trial.valid is None else mean_with_sd(trial.valid, trial.sd)
            table.add_row(
                "–" if trial.valid is None else str(rank), " ".join(trial.words), value, f"{trial.seconds:.1f}"
            )
        parts += [Text(f"{loss} × {sweep.title}", style="bold"), table]
        reasons = Counter(trial.failed for trial in trials if trial.failed)
        parts += [Text(f"{count} failed: {reason}") for reason, count in reasons.items()]
    return Group(*parts)


def sweep_json(sweep: Sweep) -> dict[str, Any]:
    """Return a sweep as it is recorded, with its digest."""
    return {"sweep": sweep.digest, **encode(sweep)}
