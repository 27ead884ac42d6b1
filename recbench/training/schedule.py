"""The settings of training itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from recbench.data.dataset import Dataset
from recbench.data.noise import parse_noise, with_noise
from recbench.errors import UsageError
from recbench.settings import NonNegative, Value, owned_by

LEAST_RATE = 1e-12  # below it no step of Adam changes a weight of 32 bits


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long, how fast and towards what a model is trained; the same for every loss and backbone.

    Training goes through batches of `batch_size` logged rows for `epochs` at most. Every `validate_every` epochs the
    validation metric `select` is computed: its best epoch is kept, and after `patience` epochs without a better one
    training ends. With `refit` it then starts anew on train and validation rows, for as many epochs as were best.

    The learning rate rises step by step from almost 0 to `lr` in the first `warmup` epochs (or a part of one), and with
    `decay` falls to almost 0 at the end of `epochs`, whether or not training stops earlier. `weight_decay` times the
    weights is added to the gradient, or with adamw taken off the weights. Gradients whose Euclidean norm exceeds `clip`
    are scaled down to it; 0: never. The optimisers are torch's, otherwise at its defaults.

    With `row_weights`, losses are means over rows weighted by what the catalogue entry names as `weight`. `noise` is
    put into the positives of train, as in `pos=0.5,neg=0.5`.

    What makes steps cheaper: `lazy` updates a table's rows when they are next read, to what the optimiser would have
    made of them meanwhile (of the same gradients, within 1e-5 of the largest weights). `capture` replays a step on CUDA
    as one launch, where that is possible, and `shard=tables` spreads the rows of large tables over the processes that
    torchrun starts, both to the same numbers. `compile` changes the last digits.
    """

    epochs: int = 20
    batch_size: int = 1024  # logged rows in a batch
    lr: float = 0.01
    patience: int = 3  # epochs without improvement on validation before stopping
    validate_every: int = 1  # epochs between looks at validation; only those looked at can be the best
    refit: bool = False  # then train anew on train and validation rows, for as many epochs as were best
    select: str = "auto"  # validation metric that chooses the epoch; its mean over feedback types counts
    optimizer: Literal["adam", "adamw", "sgd", "adagrad"] = "adam"
    weight_decay: NonNegative = 0.0  # of all parameters; apart from the gradient with adamw, else added to it
    warmup: NonNegative = 0.0  # epochs, or a part of one, in which the learning rate rises to `lr`, step by step
    decay: Literal["none", "cosine", "linear"] = "none"  # of the learning rate, after that and until `epochs` are over
    clip: NonNegative = 0.0  # norm that gradients are scaled down to where they exceed it; 0: never
    lazy: Literal["auto", "on", "off"] = "auto"  # updates of a table's rows when they are read; auto: of large tables
    capture: bool = True  # steps on CUDA as recorded graphs where that is possible, with the same numbers
    shard: Literal["off", "tables"] = "off"  # tables: torchrun's processes hold some rows each, to the same numbers
    compile: bool = False  # forward pass and loss by torch.compile, which changes the last digits
    row_weights: bool = False  # each row counts as often as the data's `weight` says
    noise: str = ""  # put into the positives of train, as in pos=0.5,neg=0.5; by the seed, alike for every method

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience", "validate_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"train.{name}={getattr(self, name)}: expected a whole number of at least 1")
        if self.lr <= 0:
            raise UsageError(f"train.lr={self.lr}: expected a number above 0")
        if self.lr < LEAST_RATE:
            raise UsageError(f"train.lr={self.lr}: too small to change any weight; expected at least {LEAST_RATE:g}")
        if self.warmup and self.warmup >= self.epochs:
            raise UsageError(f"train.warmup={self.warmup:g}: expected fewer epochs than train.epochs={self.epochs}")
        if self.noise:
            parse_noise(self.noise)

    @staticmethod
    def of(values: Mapping[str, Value]) -> Schedule:
        """Return the schedule of a run with these settings."""
        return Schedule(**owned_by("train", values))  # type: ignore[arg-type]

    @property
    def constant_rate(self) -> bool:
        """Whether the learning rate is the same at every step."""
        return not self.warmup and self.decay == "none"

    def rate_factor(self, before: float, after: float) -> float:
        """Return what the learning rate of a step is multiplied by, from 0 to 1, never 0.

        `before` and `after` are the epochs done before and after the step, in logged rows, so that neither the size of
        batches nor a resumed run changes the schedule: min(1, after / warmup) first, then with x = (before - warmup) /
        (epochs - warmup) the decay 1 - x or (1 + cos(pi x)) / 2.
        """
        if before < self.warmup:
            return min(1.0, after / self.warmup)
        if self.decay == "none":
            return 1.0
        x = (before - self.warmup) / (self.epochs - self.warmup)
        return 1 - x if self.decay == "linear" else (1 + math.cos(math.pi * x)) / 2

    def training(self, data: Dataset, seed: int) -> Dataset:
        """Return the data to train on: with noise and with weights of rows, if that is asked for.

        Raises UsageError if rows are to have weights and the data have none.
        """
        data = data.weighing_rows(self.row_weights)
        return with_noise(data, *parse_noise(self.noise), seed) if self.noise else data
