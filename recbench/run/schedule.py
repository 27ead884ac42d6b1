"""The settings of training itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recbench.data.dataset import Dataset
from recbench.data.noise import parse_noise, with_noise
from recbench.errors import UsageError
from recbench.settings import Value, owned_by


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long, how fast and towards what a model is trained; the same for every loss and backbone."""

    epochs: int = 20
    batch_size: int = 1024  # logged rows in a batch
    lr: float = 0.01
    patience: int = 3  # epochs without improvement on validation before stopping
    validate_every: int = 1  # epochs between looks at validation; only those looked at can be the best
    refit: bool = False  # then train anew on train and validation rows, for as many epochs as were best
    select: str = "auto"  # validation metric that chooses the epoch; its mean over feedback types counts
    noise: str = ""  # put into the positives of train, as in pos=0.5,neg=0.5; by the seed, alike for every method

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience", "validate_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"train.{name}={getattr(self, name)}: expected a whole number of at least 1")
        if self.lr <= 0:
            raise UsageError(f"train.lr={self.lr}: expected a number above 0")
        if self.noise:
            parse_noise(self.noise)

    @staticmethod
    def of(values: Mapping[str, Value]) -> Schedule:
        """Return the schedule of a run with these settings."""
        return Schedule(**owned_by("train", values))  # type: ignore[arg-type]

    def training(self, data: Dataset, seed: int) -> Dataset:
        """Return the data to train on: with noise, if there is any."""
        return with_noise(data, *parse_noise(self.noise), seed) if self.noise else data
