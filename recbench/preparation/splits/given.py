"""Split `given`: train and test as the raw data ship them."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbench.preparation.coded_log import CodedLog
from recbench.preparation.order_statistics import Numbers
from recbench.preparation.splits.base import SPLITS, Assign, PartOfRow, Ratio, Split
from recbench.preparation.splits.building_blocks.positions import positions
from recbench.preparation.splits.random import uniform
from recbench.sources.dataset_spec import DatasetSpec


@SPLITS.add("given")
class Given(Split):
    """Valid is shipped too, or else made of train rows: each user's last in time, or some at random."""

    shipped = True

    @property
    def rule(self) -> str:
        """What is done, as a sentence."""
        train, valid, _ = self.ratio
        fit = train + valid
        return (
            f"train and test as shipped; valid as shipped, else all after the first max(1, floor({train}/{fit} n)) of "
            f"each user's n train rows in time order, or {valid} of {fit} train rows drawn at random where there is no "
            "time"
        )

    def needs_whole_users(self, timed: bool) -> bool:
        """Return whether there are times, by which the last train rows of a user become valid."""
        return timed

    def raw_files(self, spec: DatasetSpec) -> tuple[str, ...]:
        """Return the names of the files that cannot be done without, those of the shipped parts among them."""
        return spec.files + spec.given_files

    def assign(self, log: CodedLog) -> Assign:
        """Return a function from a frame of the log, R rows, to the part of each row, [R]."""
        valid_is_shipped = any((frame["given"].to_numpy() == 1).any() for frame in log.frames("given"))

        def part(frame: pl.DataFrame) -> PartOfRow:
            given: PartOfRow = frame["given"].to_numpy()
            if valid_is_shipped:
                return given
            time = frame["time"].to_numpy() if log.timed else None
            return valid_of_train(given, frame["user"].to_numpy(), time, frame["row"].to_numpy(), self.ratio, self.seed)

        return part


def valid_of_train(
    part: PartOfRow, user: NDArray[np.uint32], time: Numbers | None, row: NDArray[np.uint32], ratio: Ratio, seed: int
) -> PartOfRow:
    """Return the parts [R] with some of the train rows made valid: each user's last in time, else drawn at random."""
    train, valid, _ = ratio
    fit = np.flatnonzero(part == 0)
    if time is None:
        chosen = uniform(row[fit], seed) >= train / (train + valid)
    else:
        position, count = positions(user[fit], time[fit])
        chosen = position >= np.maximum(1, count * train // (train + valid))
    part = part.copy()
    part[fit[chosen]] = 1
    return part
