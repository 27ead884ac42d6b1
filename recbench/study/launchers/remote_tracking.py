"""Trackers of runs that are trained elsewhere: epochs go to the driver, whose trackers show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from recbench.results.record import Epoch, RunKey, RunRecord
from recbench.trackers.base import Track, TrackedRun, Tracker
from recbench.training.tracking import Tracking

SendEpoch = Callable[[str, str, Epoch], None]  # digest of the run, its validation metric in words, a validated epoch


class EpochsToDriver(Tracker):
    """Where a run is trained: sends its epochs to the driver."""

    def __init__(self, run: TrackedRun, send: SendEpoch) -> None:
        self.run, self.send = run, send

    def epoch(self, epoch: Epoch) -> None:
        """Send an epoch."""
        self.send(self.run.key.digest, self.run.select, epoch)

    def finish(self, record: RunRecord) -> None:
        """Do nothing: the record goes to the driver anyway."""


class TrackedElsewhere:
    """On the driver: a run that is trained elsewhere, as the trackers of this machine show it."""

    def __init__(self, key: RunKey, track: Sequence[Track], results: Path) -> None:
        self.key, self.track, self.results = key, track, results
        self.tracking: Tracking | None = None  # once there is something to show
        self.shown = 0  # epochs

    def epoch(self, select: str, epoch: Epoch) -> None:
        """Show a validated epoch, unless it is shown: those of a run that went on from a checkpoint come again."""
        if not self.track or epoch["epoch"] <= self.shown:
            return
        if self.tracking is None:
            self.tracking = Tracking(self.track)
            self.tracking.start(TrackedRun(self.key, select, self.results), ())
        self.shown = epoch["epoch"]
        self.tracking.epoch(epoch)

    def finish(self, record: RunRecord) -> None:
        """Show the epochs that had not arrived, and what the run came to."""
        for epoch in record.curve:
            self.epoch(record.selected_by, epoch)
        if self.tracking is not None:
            self.tracking.finish(record)

    def close(self) -> None:
        """Let the trackers go."""
        if self.tracking is not None:
            self.tracking.close()
