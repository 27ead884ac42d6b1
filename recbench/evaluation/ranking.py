"""Metrics of scored rows: AUC, AUC per user, log loss. Exact counts of pairs, on any device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recbench.gpu import add_at
from recbench.numerics import log1mexp

_SMALLEST = 1e-38  # -log p where p rounds to 1: caps the loss of a wrong certainty at 87.5 instead of infinity


def auc(score: Tensor, label: Tensor) -> float:
    """Return the area under the ROC curve of score [R] for label [R] (0 or 1); ties count half.

    NaN if all labels are equal or a score is NaN.
    """
    order = _ascending(score)
    area, _ = _areas(score[order], label[order], torch.zeros_like(order))
    return float(area[0]) if len(area) else float("nan")


def auc_by_user(score: Tensor, label: Tensor, user: Tensor) -> tuple[Tensor, Tensor]:
    """Return the AUC [U] (float64) of each distinct user's rows, and how many rows [U] those are.

    Users are in ascending order. The AUC is NaN where all labels are equal or a score is NaN.
    """
    order = _ascending(score)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    order = _ascending(user.long() * len(order) + rank)
    return _areas(score[order], label[order], user[order])


def auc_influence(score: Tensor, label: Tensor, user: Tensor) -> tuple[Tensor, Tensor]:
    """Return each distinct user and its influence [U] (float64) on the AUC of all rows, whose mean is that AUC.

    The first-order (Hajek) projection of the two-sample statistic by users: Obuchowski, Biometrics 1997.
    Its resampled means spread as the AUC of resampled users does. NaN if all labels are equal.
    """
    order = _ascending(score)
    positive = label[order] > 0
    ends = _differs(score[order])
    run = ends.long().cumsum(0) - ends.long()
    up_to = ends.nonzero()[:, 0]
    positives = positive.cumsum(0)[up_to]
    negatives = up_to + 1 - positives
    both = torch.stack([positives, negatives]).double()
    below = (both - _steps(both) / 2)[:, run]  # positives and negatives with a lower score, ties half
    total = both[:, -1:] if both.shape[1] else both.sum(1, keepdim=True)
    placement = torch.where(positive, below[1] / total[1], 1 - below[0] / total[0])
    area = placement[positive].mean()
    by_row = torch.where(positive, (placement - area) / total[0], (placement - area) / total[1])
    users, position = user[order].long().unique(return_inverse=True)
    by_user = add_at(torch.zeros(len(users), dtype=torch.double).to(by_row), position, by_row)
    return users, area + len(users) * by_user


def log_loss(log_probability: Tensor, label: Tensor) -> float:
    """Return the mean of -log p(label) for log-probabilities [R] of label 1; NaN without rows.

    Stable: the loss of logits is `log_loss(F.logsigmoid(logit), label)` up to a loss of 87.5 a row.
    """
    return float(log_losses(log_probability, label).mean())


def log_losses(log_probability: Tensor, label: Tensor) -> Tensor:
    """Return -log p(label) of each row [R], float64."""
    cost = -log_probability.double()
    return torch.where(label > 0, cost, -log1mexp(cost.clamp(min=_SMALLEST)))


def _ascending(value: Tensor) -> Tensor:
    """Order of value [R]; on a CPU numpy sorts several times faster than torch."""
    if value.device.type == "cpu":
        return torch.from_numpy(np.argsort(value.detach().numpy()))
    return value.argsort()


def _areas(score: Tensor, label: Tensor, user: Tensor) -> tuple[Tensor, Tensor]:
    """AUC and rows of each user, from rows sorted by user and score.

    Counts pairs in integers, so the result is exact and the same on every device: 2·wins + ties over
    2·positives·negatives, summed over runs of equal score.
    """
    user_ends = _differs(user)
    run_end = (user_ends | _differs(score)).nonzero()[:, 0]
    user_end = user_ends[run_end].nonzero()[:, 0]  # index into the runs

    positives_up_to = (label > 0).cumsum(0)[run_end]
    negatives_up_to = run_end + 1 - positives_up_to
    positives = _steps(positives_up_to)
    wins_up_to = (positives * (2 * negatives_up_to - _steps(negatives_up_to))).cumsum(0)

    user_positives = _steps(positives_up_to[user_end])
    user_negatives = _steps(negatives_up_to[user_end])
    negatives_before = negatives_up_to[user_end] - user_negatives
    wins = _steps(wins_up_to[user_end]) - 2 * user_positives * negatives_before
    area = wins.double() / (2 * user_positives * user_negatives)
    invalid = _steps(score.isnan().cumsum(0)[run_end][user_end]) > 0
    return area.masked_fill(invalid, torch.nan), user_positives + user_negatives


def _differs(value: Tensor) -> Tensor:
    """Whether each row is the last or differs from the next one."""
    last = torch.ones_like(value, dtype=torch.bool)
    torch.ne(value[1:], value[:-1], out=last[:-1])
    return last


def _steps(total: Tensor) -> Tensor:
    """Return what each running total [..., R] adds to the one before it."""
    return total.diff(prepend=total.new_zeros(*total.shape[:-1], 1))
