"""Split `random`: each row is drawn by itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recbench.preparation.coded_log import CodedLog
from recbench.preparation.splits.base import SPLITS, Assign, PartOfRow, Ratio, Split
from recbench.preparation.splits.building_blocks.row_draws import uniform


@SPLITS.add("random")
class Random(Split):
    """The part of a row depends on its number in the log and the seed alone."""

    @property
    def rule(self) -> str:
        """What is done, as a sentence."""
        train, valid, test = self.ratio
        return f"each row by itself, seeded by its number in the log: {train} : {valid} : {test} on average"

    def assign(self, log: CodedLog) -> Assign:
        """Return a function from a frame of the log, R rows, to the part of each row, [R]."""
        return lambda frame: draw_rows(frame["row"].to_numpy(), self.ratio, self.seed)


def draw_rows(row: NDArray[np.uint32], ratio: Ratio, seed: int) -> PartOfRow:
    """Draw a part for each row from its number [R] alone, whatever is read together with it, [R]."""
    train, valid, test = ratio
    share = uniform(row, seed) * (train + valid + test)
    return (share >= train).astype(np.uint8) + (share >= train + valid)
