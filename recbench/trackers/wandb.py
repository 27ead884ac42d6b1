"""Weights & Biases: the project of WANDB_PROJECT, or `recbench`; WANDB_MODE=offline keeps all on this machine."""

from __future__ import annotations

import os

from recbench.results.record import Epoch, RunRecord
from recbench.trackers.base import TRACKERS, TrackedRun, Tracker, final_numbers

PROJECT = "recbench"


@TRACKERS.add("wandb")
class WeightsAndBiases(Tracker):
    """https://docs.wandb.ai; a run that goes on later is the same run there."""

    package = "wandb"

    def __init__(self, run: TrackedRun) -> None:
        import wandb

        key = run.key
        run.results.mkdir(parents=True, exist_ok=True)
        self.metric = f"valid {run.select}"
        self.code = 1  # unless the run finishes
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            id=key.digest,
            name=run.name,
            group=f"{key.data} {key.method} {key.group}",
            config={**key.settings, "seed": key.seed, "data": key.data, "feedback": list(key.feedback)},
            dir=str(run.results),
            resume="allow",
            reinit="create_new",  # runs side by side are shown at the same time; by default the first would get all
        )

    def epoch(self, epoch: Epoch) -> None:
        """Show an epoch."""
        self.run.log({"loss": epoch["loss"], self.metric: epoch["metric"]}, step=epoch["epoch"])

    def finish(self, record: RunRecord) -> None:
        """Show the final numbers."""
        self.run.summary.update({**final_numbers(record), "command": record.command})
        self.code = 0

    def close(self) -> None:
        """Send what is left."""
        self.run.finish(exit_code=self.code)
