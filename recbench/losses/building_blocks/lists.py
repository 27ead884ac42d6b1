"""What the losses on a user's list share: positives and negatives, their pairs, and shares of a softmax."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from recbench.batch import Batch
from recbench.gpu import fixed_shapes
from recbench.settings import Range

ListLength = Annotated[int, Range("at least 2", lambda number: number >= 2)]


def split_by_label(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return which slots hold a positive and which a negative of the only feedback, both [B, N]; masked: neither."""
    positive = batch.label[..., 0] > 0
    if batch.mask is None:
        return positive, ~positive
    return positive & batch.mask, ~positive & batch.mask


class SlotPairs(ABC):
    """Pairs (i, j) of slots of one list, for all B lists of a batch. One number for each is a tensor of some shape."""

    count: Tensor | int  # of the pairs, or 1 where there are none

    @abstractmethod
    def differences(self, value: Tensor) -> Tensor:
        """Return value_j - value_i of each pair, from the values of slots [B, N]."""

    @abstractmethod
    def total(self, of_pair: Tensor) -> Tensor:
        """Return the sum of a number over all pairs."""

    @abstractmethod
    def sums(self, of_pair: Tensor, by: Literal["first", "second"]) -> Tensor:
        """Return the sums [B, N] of a number over the pairs whose i, or whose j, is the slot."""


class SparsePairs(SlotPairs):
    """P pairs, written out one by one instead of as [B, N, N], most of which would be padding and equal labels."""

    def __init__(self, first: Tensor, second: Tensor) -> None:
        self.shape = first.shape
        each = second.sum(-1)
        start = each.cumsum(0) - each
        left, right = first.flatten().nonzero()[:, 0], second.flatten().nonzero()[:, 0]
        row = torch.div(left, first.shape[1], rounding_mode="floor")
        rivals = each[row]
        index = torch.repeat_interleave(torch.arange(len(left), device=left.device), rivals)
        offset = torch.arange(len(index), device=left.device) - (rivals.cumsum(0) - rivals)[index]
        self.slots = left[index], right[start[row][index] + offset]  # each [P], of the flattened slots
        self.count = max(len(index), 1)

    def differences(self, value: Tensor) -> Tensor:
        """Return value_j - value_i of each pair, [P]."""
        flat = value.flatten()
        # Indexing with brackets would add up gradients in whatever order the threads come.
        return flat.index_select(0, self.slots[1]) - flat.index_select(0, self.slots[0])

    def total(self, of_pair: Tensor) -> Tensor:
        """Return the sum over the pairs."""
        return of_pair.sum()

    def sums(self, of_pair: Tensor, by: Literal["first", "second"]) -> Tensor:
        """Return the sums [B, N] over the pairs of a slot."""
        none = of_pair.new_zeros(self.shape).flatten()
        return none.index_add(0, self.slots[0 if by == "first" else 1], of_pair).view(self.shape)


class DensePairs(SlotPairs):
    """All pairs of slots as [B, N, N], with a mask of those that count: one shape for all data."""

    def __init__(self, first: Tensor, second: Tensor) -> None:
        self.mask = first.unsqueeze(2) & second.unsqueeze(1)
        self.count = self.mask.sum().clamp(min=1)

    def differences(self, value: Tensor) -> Tensor:
        """Return value_j - value_i [B, N, N] of slots i and j."""
        return value.unsqueeze(1) - value.unsqueeze(2)

    def total(self, of_pair: Tensor) -> Tensor:
        """Return the sum over the pairs."""
        return of_pair.masked_fill(~self.mask, 0).sum()

    def sums(self, of_pair: Tensor, by: Literal["first", "second"]) -> Tensor:
        """Return the sums [B, N] over the pairs of a slot."""
        return of_pair.masked_fill(~self.mask, 0).sum(2 if by == "first" else 1)


def pairs(first: Tensor, second: Tensor) -> SlotPairs:
    """Return the pairs of a slot in `first` and one in `second`, both [B, N], of the same list."""
    return DensePairs(first, second) if fixed_shapes(first.device) else SparsePairs(first, second)


def log_share(value: Tensor, among: Tensor) -> Tensor:
    """Return log softmax of `value` over the slots `among`, both [B, N], and 0 in the other slots."""
    return value.masked_fill(~among, -torch.inf).log_softmax(-1).masked_fill(~among, 0)


def entropy_against(value: Tensor, chosen: Tensor, rivals: Tensor) -> Tensor:
    """Return -log(e^v_i / (e^v_i + sum of e^v_j over rivals j)) in the chosen slots, 0 in the others; all [B, N]."""
    total = value.masked_fill(~rivals, -torch.inf).logsumexp(-1, keepdim=True)
    return softplus(total - value).masked_fill(~chosen, 0)


def mean_of_lists(value: Tensor, real: Tensor) -> Tensor:
    """Return the mean over lists of the sums of `value` [B, N]; lists without any `real` slot do not count."""
    return value.sum() / real.any(-1).sum().clamp(min=1)
