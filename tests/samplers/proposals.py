"""Sources of negatives on small data, and what they draw from by plain loops."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import torch
from torch import Tensor

from recbench.data.dataset import Dataset, Log
from recbench.samplers import AdaptiveRank, Clustered, Popularity, Proposal, Uniform
from recbench.samplers.clustered import k_means
from tests.conftest import make_dataset

ITEMS, DIM, SHARE = 9, 3, 0.3
KINDS = ["uniform", "popularity", "root", "adaptive", "cluster", "cluster-uniform"]


def data_of(taken: list[set[int]], items: int = ITEMS, unseen: int = 0) -> Dataset:
    """A dataset whose users have these training positives, and `unseen` further items that nobody has."""
    pairs = [(user, item) for user, own in enumerate(taken) for item in sorted(own)]
    table = torch.tensor(pairs, dtype=torch.int32).reshape(-1, 2)
    data = make_dataset(users=len(taken), items=items + unseen, tasks=1)
    train = Log(table[:, 0].contiguous(), table[:, 1].contiguous(), torch.ones(len(table), 1, dtype=torch.uint8))
    return replace(data, train=train, items=replace(data.items, seen=items))


def vectors(users: int, items: int = ITEMS, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(users, DIM, generator=generator), torch.randn(items, DIM, generator=generator)


def proposal(kind: str, users: int, items: int = ITEMS) -> Proposal:
    made: Proposal
    match kind:
        case "uniform":
            return Uniform()
        case "popularity":
            return Popularity()
        case "root":
            return Popularity(0.5)
        case "adaptive":
            made = AdaptiveRank(SHARE)
        case "cluster":
            made = Clustered(3)
        case _:
            made = Clustered(3, 0.0)
    assert isinstance(made, AdaptiveRank | Clustered)
    made.refresh(*vectors(users, items))
    return made


def expected(kind: str, taken: list[set[int]], user: int) -> list[float]:
    """Return the probability of each item for a user, by loops over items."""
    popularity = [float(sum(item in own for own in taken)) for item in range(ITEMS)]
    mass = {
        "uniform": lambda: [1.0] * ITEMS,
        "popularity": lambda: popularity,
        "root": lambda: [count**0.5 for count in popularity],
        "adaptive": lambda: ranked(*vectors(len(taken)), user, SHARE * ITEMS),
        "cluster": lambda: clustered(popularity, user, len(taken)),
        "cluster-uniform": lambda: clustered([1.0] * ITEMS, user, len(taken)),
    }[kind]()
    free = [0.0 if item in taken[user] else value for item, value in enumerate(mass)]
    return [value / sum(free) if sum(free) else 0.0 for value in free]


def ranked(user_table: Tensor, item_table: Tensor, user: int, scale: float) -> list[float]:
    """Return the sum over factors of p(factor) p(rank of the item)."""
    items, dim = item_table.shape
    geometric = [exp(-rank / scale) for rank in range(items)]
    mass = [0.0] * items
    for factor in range(dim):
        column = item_table[:, factor].tolist()
        taste = float(user_table[user, factor])
        mean = sum(column) / items
        deviation = (sum((value - mean) ** 2 for value in column) / items) ** 0.5
        for rank, item in enumerate(sorted(range(items), key=lambda i: -taste * column[i])):
            mass[item] += abs(taste) * deviation * geometric[rank]
    return mass


def clustered(weight: list[float], user: int, users: int) -> list[float]:
    """Return exp(<user, centre of the item's cluster>) times the item's weight: free masses of clusters cancel."""
    user_table, item_table = vectors(users)
    cluster, centres = k_means(item_table, 3)
    return [weight[i] * exp(float(user_table[user] @ centres[cluster[i]])) for i in range(ITEMS)]


def chi_squared(drawn: Tensor, probability: list[float]) -> float:
    """Return the p-value of drawn items under these probabilities; those of probability 0 must not occur."""
    count = torch.bincount(drawn.flatten(), minlength=len(probability)).double()
    share = torch.tensor(probability, dtype=torch.double)
    assert count[share == 0].sum() == 0
    count, wanted = count[share > 0], share[share > 0] * drawn.numel()
    assert wanted.min() > 5
    statistic = ((count - wanted).square() / wanted).sum()
    return float(torch.special.gammaincc(torch.tensor((len(count) - 1) / 2, dtype=torch.double), statistic / 2))


TAKEN = [{0, 3, 4}, {1}, set(range(ITEMS)), {0, 1, 2, 3}, {8}, {0, 8}, {3, 5}, {2, 6, 7}]


def columns(log: Log) -> tuple[Tensor, Tensor, Tensor]:
    return log.user, log.item, log.label
