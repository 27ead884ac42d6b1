"""The weight network of TIL, and how its weights are distributed."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

Output = Literal["sigmoid", "softplus"]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
QUARTERS = 4


class WeightNetwork(nn.Module):
    """Weights of triplets from their states s: w = sigmoid(W2 relu(W1 s + b1) + b2), TIL (CIKM 2022), equation 3."""

    def __init__(self, states: int, hidden: int, output: Output) -> None:
        super().__init__()
        self.first = nn.Linear(states, hidden)
        self.last = nn.Linear(hidden, 1)
        self.output = torch.sigmoid if output == "sigmoid" else softplus
        for layer in (self.first, self.last):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, state: Tensor) -> Tensor:
        """Return the weights [B] of states [B, S]."""
        return self.output(self.last(torch.relu(self.first(state)))[..., 0])


def states(user: Tensor, interest: Tensor, item: Tensor) -> Tensor:
    """Return the states [B, 2 D] of user and interest [B, D] and item [B, 2, D], the positive first.

    Each half is item * user + item * interest: equation 5 of TIL (CIKM 2022). With the centre of its cluster added
    to each item, `alpha` times, it is equation 6.
    """
    return (item * (user + interest).unsqueeze(1)).flatten(1)


def distribution(weight: Tensor, popularity: Tensor) -> Tensor:
    """Return mean, standard deviation and QUANTILES of weights [P], as [1 + QUARTERS, 2 + len(QUANTILES)].

    The first row is of all triplets, the others of their quarters by the popularity [P] of the positive, the least
    popular first; a row of NaN has no triplet.
    """
    order = popularity.argsort(stable=True)
    return torch.stack([_summary(part) for part in (weight, *weight[order].tensor_split(QUARTERS))])


def describe(summary: Tensor) -> str:
    """Return what `distribution` returns as a sentence."""
    overall, *quarters = summary.tolist()
    mean, deviation, *quantiles = overall
    percent = "/".join(f"{quantile:.0%}".rstrip("%") for quantile in QUANTILES)
    return (
        f"triplet weights of the last epoch: mean {mean:.3g}, sd {deviation:.2g}, "
        f"quantiles {percent} % {_joined(quantiles)}; "
        f"means by popularity of the positive, rare to popular: {_joined([quarter[0] for quarter in quarters])}"
    )


def _summary(weight: Tensor) -> Tensor:
    if not len(weight):
        return torch.full((2 + len(QUANTILES),), torch.nan, device=weight.device)
    ordered = weight.float().sort().values
    place = (torch.tensor(QUANTILES, device=weight.device, dtype=torch.double) * (len(ordered) - 1)).round().long()
    return torch.cat([torch.stack([ordered.mean(), ordered.std(correction=0)]), ordered[place]])


def _joined(values: list[float]) -> str:
    return " ".join(f"{value:.3g}" for value in values)
