"""Split `random`: each row is drawn by itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recbench.preparation.coded_log import CodedLog
from recbench.preparation.splits.base import SPLITS, Assign, PartOfRow, Ratio, Split


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


def uniform(row: NDArray[np.uint32], seed: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each row number [R] and the seed: SplitMix64 (Steele et al., OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        state = (row.astype(np.uint64) + 1) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed % 2**64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return (state ^ (state >> np.uint64(31))) / 2.0**64
