"""How evenly unit vectors lie on the sphere, over all pairs of a batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from recbench.batch import Batch, Towers

ROWS = 128  # of the matrix of pairs at a time
KEPT = 1 << 24  # most pairs, 64 MiB, that are kept for the backward pass; where there are more they are computed twice


def unit_pairs(towers: Towers, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return unit vectors of users and of their positives, [B, D] each, and 1 for each pair that counts, else 0, [B].

    Slot 0 of each slate is the positive; the first tower counts.
    """
    user, item = F.normalize(towers.user[:, 0], dim=-1), F.normalize(towers.item[:, 0, 0], dim=-1)
    counts = torch.ones_like(user[:, 0]) if batch.mask is None else batch.mask[:, 0].to(user)
    return user, item, counts


def gaussian_potential(vector: Tensor, counts: Tensor) -> Tensor:
    """Return the sum of exp(-2 |x_a - x_b|^2) over the pairs a < b of unit vectors [B, D] of which both count [B].

    Of the B^2 pairs no more than ROWS * B, or KEPT, are in memory.
    """
    again = len(vector) ** 2 > KEPT
    total = vector.new_zeros(())
    for first in range(0, len(vector), ROWS):
        if again:
            part = checkpoint(_block, vector, counts, first, use_reentrant=False, preserve_rng_state=False)
        else:
            part = _block(vector, counts, first)
        total = total + part
    return total


def _block(vector: Tensor, counts: Tensor, first: int) -> Tensor:
    """Return the sum over the pairs whose first vector is one of ROWS from `first` on."""
    constant = vector.new_full((1,), -4.0)  # -2 |x - y|^2 = 4 <x, y> - 4
    kernel = torch.addmm(constant, vector[first : first + ROWS], vector[first:].T, alpha=4).exp().triu(1)
    return counts[first : first + ROWS] @ (kernel @ counts[first:])


def number_of_pairs(counts: Tensor) -> Tensor:
    """Return how many pairs there are of the vectors that count [B]."""
    number = counts.sum()
    return number * (number - 1) / 2


def log_mean(total: Tensor, number: Tensor) -> Tensor:
    """Return log(total / number) of scalars; 0 where there is nothing."""
    nothing = number == 0
    return (total.masked_fill(nothing, 1) / number.masked_fill(nothing, 1)).log()


def uniformity(vector: Tensor, counts: Tensor) -> Tensor:
    """Return log mean of exp(-2 |x - y|^2) over pairs of unit vectors [B, D] that count [B]; 0 where there is no pair.

    Wang & Isola, ICML 2020, https://arxiv.org/abs/2005.10242, with t = 2.
    """
    return log_mean(gaussian_potential(vector, counts), number_of_pairs(counts))
