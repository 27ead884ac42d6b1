"""TensorBoard: event files in `tensorboard/` of the folder of results; `tensorboard --logdir results/tensorboard`."""

from __future__ import annotations

from recbench.results.record import Epoch, RunRecord
from recbench.trackers.base import TRACKERS, TrackedRun, Tracker, final_numbers


@TRACKERS.add("tensorboard")
class TensorBoard(Tracker):
    """https://www.tensorflow.org/tensorboard, by way of torch.utils.tensorboard."""

    package = "tensorboard"

    def __init__(self, run: TrackedRun) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.run = run
        key = run.key
        folder = f"{key.dataset}-{key.split}", f"{key.loss}-{key.backbone}", f"s{key.seed}-{key.digest}"
        path = run.results.joinpath("tensorboard", *folder)
        self.writer = SummaryWriter(str(path), purge_step=0)  # where a run goes on, all its epochs are told again

    def epoch(self, epoch: Epoch) -> None:
        """Show an epoch."""
        self.writer.add_scalar("loss", epoch["loss"], epoch["epoch"])
        self.writer.add_scalar(f"valid {self.run.select}", epoch["metric"], epoch["epoch"])

    def finish(self, record: RunRecord) -> None:
        """Show settings and final numbers, side by side with those of other runs."""
        settings = {**self.run.key.settings, "seed": record.key.seed, "command": record.command}
        self.writer.add_hparams(settings, final_numbers(record), run_name=".")

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()
