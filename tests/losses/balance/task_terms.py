"""Terms of two weights that they share and one that each has of its own, and their gradients by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from recbench.data.dataset import Info
from recbench.losses.balance import BALANCES, Balance, Points

THREE = Info(10, 10, rates=(0.5, 0.2, 0.1), feedback=("view", "cart", "buy"))
TWO = Info(10, 10, rates=(0.5, 0.2), feedback=("view", "buy"))


def strategy(name: str, info: Info, **settings: object) -> Balance:
    return BALANCES.get(name)(info, **settings).double()


@dataclass
class Linear:
    """Term t is 5 + <g_t, shared> + 3 own_t, whose gradients are g_t, and 3 at its own weight."""

    gradients: Tensor  # [T, n]
    shared: nn.Parameter = field(init=False)
    own: list[nn.Parameter] = field(init=False)

    def __post_init__(self) -> None:
        self.gradients = self.gradients.double()
        self.shared = nn.Parameter(torch.zeros(self.gradients.shape[1], dtype=torch.float64))
        self.own = [nn.Parameter(torch.zeros(1, dtype=torch.float64)) for _ in self.gradients]

    @property
    def points(self) -> Points:
        return Points([self.shared, *self.own], [])

    def terms(self) -> Tensor:
        return 5 + self.gradients @ self.shared + 3 * torch.cat(list(self.own))

    def descend(self, balance: Balance) -> Tensor:
        """Take the gradients of what a strategy makes of the terms; return its value."""
        value = balance(self.terms(), self.points)
        value.backward()
        return value.detach()  # type: ignore[no-any-return]

    @property
    def shared_gradient(self) -> list[float]:
        assert self.shared.grad is not None
        return self.shared.grad.tolist()

    @property
    def own_gradients(self) -> list[float]:
        return [float(p.grad) for p in self.own if p.grad is not None]
