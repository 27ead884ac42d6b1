"""The definitions of metrics of scored rows that libraries share or differ in; none loops over users."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from recbench.evaluation.dialects.definition import LibraryRowMetric
from recbench.evaluation.metric import Counted, Need
from recbench.evaluation.metrics.rows import AUC, GAUC
from recbench.evaluation.ranking import auc_by_user
from recbench.gpu import add_at

pooled_auc = AUC().value  # of all rows together; ties count half; NaN if all labels are equal
gauc_by_rows = GAUC("impressions").value  # mean AUC of users, weighted by their rows; users of one class are left out
gauc_by_user = GAUC("mean").value  # mean AUC of users; users of one class are left out
gauc_one_class_half = GAUC("gnolr").value  # mean AUC of users; users of one class have 0.5


def gauc_by_positives(score: Tensor, label: Tensor, user: Tensor) -> Counted:
    """Mean AUC of users, weighted by their positives; users of one class are left out."""
    area, _ = auc_by_user(score, label, user)
    both = ~area.isnan()
    return _mean(area[both], positives(label, user)[both])


def gauc_strict(score: Tensor, label: Tensor, user: Tensor) -> Counted:
    """Mean AUC of users with a positive, where a tie is lost; NaN if one of them has no negative."""
    level = score.unique(return_inverse=True)[1]
    area, _ = auc_by_user(2 * level - (label > 0).long(), label, user)
    return _mean(area[positives(label, user) > 0])


def gauc_all_users(score: Tensor, label: Tensor, user: Tensor) -> Counted:
    """Mean AUC of users, weighted by their rows; NaN if a user has one class."""
    area, rows = auc_by_user(score, label, user)
    return _mean(area, rows)


def areas_one_more_negative(score: Tensor, label: Tensor, user: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over the positives of each user [U] of (negatives below + 1) / (negatives + 1), and positives [U].

    The earlier of two rows of equal score ranks first. Users without a positive are left out; one without
    a negative has 1.
    """
    area, rows = auc_by_user(-ranks(score, user), label, user)
    positive = positives(label, user)
    negative = rows - positive
    some = positive > 0
    return ((negative * area.nan_to_num(0.0) + 1) / (negative + 1))[some], positive[some]


def gauc_one_more_negative(score: Tensor, label: Tensor, user: Tensor) -> Counted:
    """Mean over users of `areas_one_more_negative`."""
    return _mean(areas_one_more_negative(score, label, user)[0])


def auc_one_more_negative(score: Tensor, label: Tensor, user: Tensor) -> Counted:
    """Mean over positives of `areas_one_more_negative`."""
    return _mean(*areas_one_more_negative(score, label, user))


def reciprocal_ranks(score: Tensor, label: Tensor, user: Tensor, *, later_first: bool) -> Tensor:
    """Reciprocal rank [U] of each user's first positive; 0 without one."""
    inverse = (label > 0) / ranks(score, user, later_first=later_first).double()
    position = user.unique(return_inverse=True)[1]
    return inverse.new_zeros(int(position.max()) + 1).scatter_reduce(0, position, inverse, "amax")


def mean_reciprocal_ranks(score: Tensor, label: Tensor, user: Tensor) -> Counted:
    """Mean over users of the mean of 1 / rank over the user's positives, 0 without one; ties: later row first."""
    inverse = (label > 0) / ranks(score, user, later_first=True).double()
    position = user.unique(return_inverse=True)[1]
    total = add_at(inverse.new_zeros(int(position.max()) + 1), position, inverse)
    return _mean(total / positives(label, user).clamp(min=1))


def average_precision(score: Tensor, label: Tensor, user: Tensor) -> Counted:
    """Mean over users with a positive of the mean precision at their positives; equal scores take the last rank."""
    positive = label > 0
    owner = user[positive]
    precision = _last_ranks(score[positive], owner).double() / _last_ranks(score, user)[positive]
    position, count = owner.unique(return_inverse=True, return_counts=True)[1:]
    return _mean(add_at(precision.new_zeros(len(count)), position, precision) / count)


def log_loss(spelling: str, source: str, smallest: float) -> LibraryRowMetric:
    """Return the mean over rows of -log p(label), p kept in [smallest, 1 - smallest]; 0 keeps what it is.

    NaN or infinite where an unclipped p is exactly 0 or 1.
    """
    words = f"unit=nats; mean=rows; {f'p clipped to {smallest:.2g}' if smallest else 'p not clipped'}"
    needs = frozenset[Need]({"probability"})
    value = partial(_log_loss, smallest)
    return LibraryRowMetric(spelling, words, source, value, unit="rows", needs=needs, better="low")


def _log_loss(smallest: float, log_probability: Tensor, label: Tensor, user: Tensor) -> Counted:
    probability = log_probability.double().exp().clamp(smallest, 1 - smallest)
    positive = (label > 0).double()
    cost = -(positive * probability.log() + (1 - positive) * (-probability).log1p())
    return Counted(float(cost.mean()), len(cost))


def positives(label: Tensor, user: Tensor) -> Tensor:
    """Positives [U] of each user, in ascending order of users."""
    position, count = user.unique(return_inverse=True, return_counts=True)[1:]
    return torch.zeros_like(count).index_add(0, position, (label > 0).long())


def ranks(score: Tensor, user: Tensor, *, later_first: bool = False) -> Tensor:
    """Rank [R] from 1 of each row among its user's rows; equal scores in the order of rows, or against it."""
    row = torch.arange(len(score), device=score.device)
    if later_first:
        row = row.flip(0)
    order = row[score[row].argsort(descending=True, stable=True)]
    order = order[user[order].argsort(stable=True)]
    count = user[order].unique_consecutive(return_counts=True)[1]
    start = (count.cumsum(0) - count).repeat_interleave(count)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(1, len(order) + 1, device=order.device) - start
    return rank


def _last_ranks(score: Tensor, user: Tensor) -> Tensor:
    level = score.unique(return_inverse=True)[1]
    run = (user.long() * len(score) + level).unique(return_inverse=True)[1]
    rank = ranks(score, user)
    return torch.zeros_like(rank).scatter_reduce(0, run, rank, "amax")[run]


def _mean(value: Tensor, weight: Tensor | None = None) -> Counted:
    if weight is None:
        return Counted(float(value.mean()), len(value))
    return Counted(float((value * weight).sum() / weight.sum()), len(value))
