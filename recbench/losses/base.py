"""What a loss is: an objective on logits, and the scores that it means to be ranked by."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from recbench import settings
from recbench.backbones.base import Backbone
from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Info
from recbench.errors import UsageError, unknown
from recbench.registry import Registry
from recbench.samplers import Rows, Sampler

LogitKind = Literal["bare", "fixed", "learned"]


class Head(nn.Module):
    """From inner products to logits: bare, or with a fixed or a learned scale and bias per tower.

    A bare cosine lies in [-1, 1], so its sigmoid cannot express a base rate of 2 %; these settings belong to every
    loss so that no loss is compared with another by its parametrisation. A learned bias starts at `bias`, or, where
    that is 0, at the log-odds of the loss's base rates.
    """

    def __init__(
        self,
        towers: int,
        *,
        cosine: bool = False,
        logit: LogitKind = "bare",
        scale: float = 1.0,
        bias: float = 0.0,
    ) -> None:
        super().__init__()
        if scale <= 0:
            raise UsageError(f"loss.scale={scale}: expected a number above 0")
        if logit == "bare" and (scale, bias) != (1.0, 0.0):
            raise UsageError("loss.scale and loss.bias need loss.logit=fixed or loss.logit=learned")
        self.cosine = cosine
        self.log_scale: Tensor
        self.bias: Tensor
        for name, value in (
            ("log_scale", torch.full((towers,), scale).log()),
            ("bias", torch.full((towers,), bias)),
        ):
            if logit == "learned":
                self.register_parameter(name, nn.Parameter(value))
            else:
                self.register_buffer(name, value, persistent=False)
        self.bare = logit == "bare"

    def forward(self, towers: Towers) -> Towers:
        """Return the towers with this scale and bias."""
        return towers if self.bare else towers.affine(self.log_scale.exp(), self.bias)

    def logits(self, inner: Tensor) -> Tensor:
        """Return logits of inner products [..., K]."""
        return inner if self.bare else inner * self.log_scale.exp() + self.bias


@dataclass(frozen=True)
class Logit:
    """The defaults of the settings that every loss has (see Head)."""

    logit: LogitKind = "bare"
    scale: float = 1.0
    bias: float = 0.0


class Loss(nn.Module, ABC):
    """A training objective. Subclasses implement `forward`; keyword-only constructor arguments are its settings.

    Whatever a resumed run needs must be a parameter or a buffer.
    """

    name: ClassVar[str]
    sampler: Sampler = Rows()  # the slates it trains on
    multitask: ClassVar[bool] = False  # sees every kind of feedback, or one only
    min_tasks: ClassVar[int] = 1  # kinds of feedback it needs
    cosine: ClassVar[bool] = False  # is defined on cosines rather than inner products
    logit: ClassVar[Logit] = Logit()  # its scale and bias unless the user sets others
    reads_logits: ClassVar[bool] = True  # False: works on the vectors, so that scale and bias do nothing
    needs: ClassVar[frozenset[str]] = frozenset()  # what it asks of a backbone's `offers`

    head: Head  # set by `create`

    def __init__(self, info: Info) -> None:
        super().__init__()
        self.info = info
        self.towers = info.tasks  # K, the number of vectors it wants per entity
        self.notes: list[str] = []  # remarks that the user should read beside the result

    @abstractmethod
    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar."""

    def base_rates(self) -> Tensor | None:
        """Return the probabilities [K] that a learned bias starts from, or None to start from 0."""
        return None

    def score(self, logit: Tensor) -> Tensor:
        """Return what to rank by, [..., T], from logits [..., K]; the higher, the better."""
        return logit

    def log_probability(self, logit: Tensor) -> Tensor | None:
        """Return log P(feedback) [..., T] from logits [..., K], or None if the loss is not probabilistic."""
        return None

    def vectors(self, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors [users, K, D'] and [items, K, D'] to score by, from those of the backbone."""
        return user, item

    def setup(self, data: Dataset) -> None:
        """Take what is needed of the training data beyond `info`, once, before `prepare`; nothing by default."""

    def prepare(self, backbone: Backbone, lr: float) -> Optimizer:
        """Return the optimiser of backbone and loss; raises UsageError if the two cannot work together."""
        refuse(type(self), type(backbone))
        parameters = [*backbone.parameters(), *self.parameters()]
        return Adam([p for p in parameters if p.requires_grad], lr=lr, fused=True)

    def start_epoch(self, backbone: Backbone, epoch: int) -> None:
        """Do what is to be done before an epoch (counted from 1); nothing by default."""

    def step(self, backbone: Backbone, batch: Batch, optimizer: Optimizer) -> Tensor:
        """Make one update and return the loss before it, detached."""
        towers = self.head(backbone.encode(batch))
        loss: Tensor = self(towers, batch) + towers.regulariser(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()


LOSSES: Registry[Loss] = Registry("loss", "recbench.losses")


def refuse(loss: type[Loss], backbone: type[Backbone]) -> None:
    """Raise UsageError if the backbone lacks something that the loss needs."""
    missing = loss.needs - backbone.offers
    if missing:
        raise UsageError(
            f"loss `{loss.name}` needs {', '.join(sorted(missing))}, which backbone `{backbone.name}` does not have; "
            f"see `recbench list losses` for the pairs that work"
        )


def head_defaults(loss: type[Loss]) -> dict[str, settings.Value]:
    """Return the settings that every loss has, with this loss's defaults."""
    return {"cosine": loss.cosine, **(asdict(loss.logit) if loss.reads_logits else {})}


def defaults(loss: type[Loss]) -> dict[str, settings.Value]:
    """Return all settings of a loss with their defaults."""
    return {**settings.defaults(loss), **head_defaults(loss)}


def resolve(loss: type[Loss], words: Mapping[str, str]) -> dict[str, settings.Value]:
    """Return all settings of a loss, defaults overridden by `words`; a scale or bias alone means `logit=fixed`."""
    own, shared = settings.defaults(loss), head_defaults(loss)
    clash = sorted(own.keys() & shared.keys())
    if clash:
        raise UsageError(f"loss `{loss.name}`: `{clash[0]}` is a setting of every loss; rename it or drop it")
    for key in words:
        if key not in own and key not in shared:
            raise unknown(f"setting of loss `{loss.name}`", key, own | shared)
    mine = settings.resolve(loss, "loss", {k: w for k, w in words.items() if k in own})
    given = settings.resolve(Head, "loss", {k: w for k, w in words.items() if k in shared})
    shared.update({key: given[key] for key in words if key in shared})
    if shared.get("logit") == "bare" and "logit" not in words and words.keys() & {"scale", "bias"}:
        shared["logit"] = "fixed"
    return {**mine, **shared}


def create(loss: type[Loss], info: Info, values: Mapping[str, settings.Value]) -> Loss:
    """Build a loss with its head from all its settings.

    Raises UsageError if the data has too few kinds of feedback for it.
    """
    if info.tasks < loss.min_tasks:
        raise UsageError(
            f"loss `{loss.name}` needs at least {loss.min_tasks} kinds of feedback, the data has {info.tasks} "
            f"({', '.join(info.feedback)}); use a loss for a single feedback, such as bce or gnolr"
        )
    shared = head_defaults(loss).keys()
    made = loss(info, **{k: v for k, v in values.items() if k not in shared})
    made.head = Head(made.towers, **{k: v for k, v in values.items() if k in shared})  # type: ignore[arg-type]
    rates = made.base_rates()
    if rates is not None and values.get("logit") == "learned" and values["bias"] == 0:
        with torch.no_grad():
            made.head.bias.copy_(torch.logit(rates, eps=1e-6))
    return made


def per_task(word: str, tasks: int, name: str) -> Tensor:
    """Parse "10" or "10,100" into one number per kind of feedback, [T]."""
    try:
        numbers = [float(part) for part in word.split(",")]
    except ValueError:
        raise UsageError(f"{name}={word}: expected a number, or one per feedback as in 10,100") from None
    if not all(math.isfinite(number) and number > 0 for number in numbers):
        raise UsageError(f"{name}={word}: expected numbers above 0")
    if len(numbers) == 1:
        numbers *= tasks
    if len(numbers) != tasks:
        raise UsageError(f"{name}={word}: expected 1 or {tasks} numbers, one per feedback from dense to sparse")
    return torch.tensor(numbers)
