"""The losses of an epoch's steps, which stay on the device until somebody looks."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from recbench.errors import TrainingError

BLOCK = 100  # losses that are added up at a time, so that the sum does not depend on when they are read
READ_EVERY = {"cpu": 0.2, "cuda": 5.0}  # seconds; to read is to wait for the device


class StepLosses:
    """Collects the loss of each step of an epoch, and reads them every few seconds."""

    def __init__(self, epoch: int, device: torch.device) -> None:
        self.epoch = epoch
        self.seconds = READ_EVERY[device.type]
        self.read_at = time.perf_counter()
        self.total, self.steps = 0.0, 0  # of whole blocks that have been read
        self._unread: list[Tensor] = []
        self._rest = torch.zeros(0)  # read, of the block that is not yet whole

    @property
    def mean(self) -> float | None:
        """The mean of those that have been read; None if none has."""
        steps = self.steps + len(self._rest)
        return (self.total + float(self._rest.double().sum())) / steps if steps else None

    def add(self, loss: Tensor) -> None:
        """Take the loss of the next step, a scalar, and read all if it is time to.

        Raises TrainingError, naming the first step whose loss is not finite, once that is read.
        """
        self._unread.append(loss)
        if time.perf_counter() - self.read_at > self.seconds:
            self.read()

    def read(self) -> None:
        """Read what has not been read; raises as `add` does."""
        self.read_at = time.perf_counter()
        if not self._unread:
            return
        values = torch.stack(self._unread).cpu()
        self._unread.clear()
        bad = (~values.isfinite()).nonzero()
        if len(bad):
            step = self.steps + len(self._rest) + 1 + int(bad[0, 0])
            raise TrainingError(
                f"the loss became {float(values[bad[0, 0]])} at step {step} of epoch {self.epoch}; "
                f"try a lower --lr, a smaller loss.scale, or loss.logit=learned"
            )
        for block in torch.cat([self._rest, values]).split(BLOCK):
            self._rest = block
            if len(block) == BLOCK:
                self.total += float(block.double().sum())
                self.steps += BLOCK
                self._rest = block[:0]

    def mean_of_epoch(self) -> float:
        """Read the rest and return the mean over all steps; raises as `add` does."""
        self.read()
        if len(self._rest):
            self.total += float(self._rest.double().sum())
            self.steps += len(self._rest)
            self._rest = self._rest[:0]
        return self.total / self.steps
