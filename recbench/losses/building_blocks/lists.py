"""What the losses on a user's list share: positives and negatives, their pairs, and shares of a softmax."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import softplus

from recbench.batch import Batch
from recbench.settings import Range

ListLength = Annotated[int, Range("at least 2", lambda number: number >= 2)]


def split_by_label(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return which slots hold a positive and which a negative of the only feedback, both [B, N]; masked: neither."""
    positive = batch.label[..., 0] > 0
    if batch.mask is None:
        return positive, ~positive
    return positive & batch.mask, ~positive & batch.mask


def pairs(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the P pairs of a slot in `first` and one in `second`, both [B, N], of the same list.

    Two index tensors [P] into the flattened slots. The pairs are written out one by one instead of as [B, N, N],
    most of which would be padding and pairs of equal labels.
    """
    count = second.sum(-1)
    start = count.cumsum(0) - count
    left, right = first.flatten().nonzero()[:, 0], second.flatten().nonzero()[:, 0]
    row = torch.div(left, first.shape[1], rounding_mode="floor")
    each = count[row]
    index = torch.repeat_interleave(torch.arange(len(left), device=left.device), each)
    offset = torch.arange(len(index), device=left.device) - (each.cumsum(0) - each)[index]
    return left[index], right[start[row][index] + offset]


def differences(value: Tensor, pair: tuple[Tensor, Tensor]) -> Tensor:
    """Return value_j - value_i, [P], of the pairs (i, j) of slots of `value` [B, N]."""
    flat = value.flatten()
    # Indexing with brackets would add up gradients in whatever order the threads come.
    return flat.index_select(0, pair[1]) - flat.index_select(0, pair[0])


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
