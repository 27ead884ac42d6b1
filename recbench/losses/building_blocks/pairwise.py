"""What losses on differences between a positive and its negatives share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from recbench.batch import Batch, Towers


def differences(towers: Towers, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return logits of the positive less those of its negatives, and which pairs count, both [B, N - 1].

    Slot 0 of each slate is the positive; the first tower counts.
    """
    logit = towers.logit[..., 0]
    difference = logit[:, :1] - logit[:, 1:]
    if batch.mask is None:
        return difference, torch.ones_like(difference, dtype=torch.bool)
    return difference, batch.mask[:, 1:] & batch.mask[:, :1]


def bpr(towers: Towers, batch: Batch) -> Tensor:
    """Return the mean of -log sigmoid(s_ui - s_uj) over the pairs that count: BPR, to which other terms are added."""
    difference, counts = differences(towers, batch)
    return batch.mean(softplus(-difference), counts)
