"""What a balance strategy is: how the terms of several kinds of feedback become one number to descend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from recbench import settings
from recbench.data.dataset import Info
from recbench.errors import UsageError
from recbench.registry import Registry

SUM = "sum"  # the loss as it is: no strategy
At = Literal["parameters", "vectors"]


class Points(NamedTuple):
    """The tensors at which the gradients of the terms can be taken."""

    parameters: list[Tensor]  # what is trained of backbone and loss
    vectors: list[Tensor]  # what the backbone made of the batch, and what is trained of the loss

    def at(self, where: At) -> list[Tensor]:
        """Return the parameters or the vectors."""
        return self.parameters if where == "parameters" else self.vectors


class Balance(nn.Module, ABC):
    """A way to combine T terms. Subclasses implement `forward`; keyword-only constructor arguments are its settings.

    Its parameters are trained with those of the model, without weight decay. Whatever a resumed run needs must be a
    parameter or a buffer.
    """

    name: ClassVar[str]

    def __init__(self, info: Info) -> None:
        super().__init__()
        self.tasks = info.tasks

    @abstractmethod
    def forward(self, terms: Tensor, points: Points) -> Tensor:
        """Return the scalar whose gradient a step descends, from the terms of a batch [T]."""

    def start_epoch(self, epoch: int) -> None:
        """Do what is to be done before an epoch (counted from 1); nothing by default."""


BALANCES: Registry[Balance] = Registry("balance", "recbench.losses.balance", reserved=(SUM,))


def belongs(key: str) -> bool:
    """Return whether a setting of a loss is `balance` or one of the chosen strategy's, as `balance.alpha`."""
    return key == "balance" or key.startswith("balance.")


def defaults(name: str) -> dict[str, settings.Value]:
    """Return the settings of a strategy with their defaults, as a loss has them."""
    return {} if name == SUM else settings.prefixed("balance", settings.defaults(BALANCES.get(name)))


def resolve(words: Mapping[str, str]) -> dict[str, settings.Value]:
    """Return the strategy that the word `balance` chooses, and all its settings; nothing for `sum`.

    Raises UsageError for a strategy or a setting that does not exist.
    """
    name = words.get("balance", SUM)
    own = {key.removeprefix("balance."): word for key, word in words.items() if key != "balance"}
    if name == SUM:
        if own:
            key, word = next(iter(own.items()))
            raise UsageError(
                f"loss.balance.{key}={word}: of which strategy? Set loss.balance too; see `recbench list strategies`"
            )
        return {}
    values = settings.resolve(BALANCES.get(name), "loss.balance", own)
    return {"balance": name, **settings.prefixed("balance", values)}


def create(info: Info, values: Mapping[str, settings.Value]) -> Balance | None:
    """Build the strategy that these settings of a loss choose, None for `sum`; raises UsageError for a wrong one."""
    name = str(values.get("balance", SUM))
    if name == SUM:
        return None
    own = settings.owned_by("balance", values)
    settings.check_ranges(BALANCES.get(name), "loss.balance", own)
    return BALANCES.get(name)(info, **own)
