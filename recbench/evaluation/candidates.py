"""Each user's first k items, when the score of every candidate is known.

Order everywhere: score descending, then item row ascending; item -1 where fewer than k items remain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from recbench.data.dataset import Positives
from recbench.errors import TrainingError
from recbench.evaluation.pairs import restrict

_BLOCK = 1 << 21  # numbers in a block of scores: 16 MiB of float64, near the caches


class Ranking(NamedTuple):
    """The first k items of U users."""

    item: Tensor  # [U, k] int64, -1 where fewer than k items remain
    score: Tensor  # [U, k] float64, -inf there


class Hits(NamedTuple):
    """Which of the first k items of U users are relevant, and how many relevant items each has."""

    hit: Tensor  # [U, k] bool
    relevant: Tensor  # [U] int64, at least 1
    user: Tensor  # [U] int64, rows of the user table, ascending


def exhaustive(score: Callable[[Tensor], Tensor], user: Tensor, items: int, k: int, seen: Positives) -> Ranking:
    """Rank all items for each user [U], in blocks of users.

    `score(user [u])` returns the scores [u, items] on any device. `seen` holds the pairs to leave out, by
    position in `user`. Raises TrainingError if a score is NaN.
    """
    size = max(1, _BLOCK // items)
    blocks = []
    for start in range(0, len(user), size):
        position = torch.arange(start, min(start + size, len(user)))
        block = _require_numbers(score(user[position]))
        block = block.clamp(min=torch.finfo(block.dtype).min)  # -inf is kept for the items left out
        mine = restrict(seen, position)
        block[mine.user.to(block.device), mine.item.to(block.device)] = -torch.inf
        blocks.append(_first(block, min(k, items)))
    return _pad(_concatenate(blocks), k)


def within(score: Tensor, label: Tensor, user: Tensor, item: Tensor, k: int) -> Hits:
    """Rank each user's own rows [R] only.

    Several rows of one (user, item) count once, with the largest score and label. Users without a relevant
    row are left out. Raises TrainingError if a score is NaN.
    """
    _require_numbers(score)
    items = int(item.max()) + 1 if len(item) else 1
    key, row = torch.unique(user.long() * items + item.long(), return_inverse=True)
    best = torch.full((len(key),), -torch.inf, dtype=score.dtype, device=score.device)
    best = best.scatter_reduce(0, row, score, "amax")
    relevant = torch.zeros_like(key).scatter_reduce(0, row, label.long(), "amax")

    order = best.argsort(descending=True, stable=True)
    owner = torch.div(key[order], items, rounding_mode="floor")
    order = order[owner.argsort(stable=True)]
    owner, number, rows = torch.unique_consecutive(
        torch.div(key[order], items, rounding_mode="floor"), return_inverse=True, return_counts=True
    )
    rank = torch.arange(len(key), device=key.device) - (rows.cumsum(0) - rows)[number]
    hit = torch.zeros(len(rows), k, dtype=torch.bool, device=key.device)
    top = rank < k
    hit[number[top], rank[top]] = relevant[order][top] > 0
    count = torch.zeros_like(rows).index_add(0, number, relevant[order])
    return Hits(hit[count > 0], count[count > 0], owner[count > 0])


def keep_first(item: Tensor, score: Tensor, k: int) -> Ranking:
    """Return the first k of the candidates item, score [U, C] of each user; a score of -inf removes one."""
    order = item.argsort(1)
    item, score = item.gather(1, order), score.gather(1, order)
    score, order = score.sort(stable=True, dim=1, descending=True)
    item = item.gather(1, order).masked_fill(score == -torch.inf, -1)
    return _pad(Ranking(item[:, :k], score[:, :k]), k)


def _first(score: Tensor, k: int) -> Ranking:
    """First k of score [u, items], exact where equal scores meet at the cut-off."""
    top, item = score.topk(min(k + 1, score.shape[1]))
    item = item[:, :k]
    if top.shape[1] > k:
        tied = (top[:, k - 1] == top[:, k]).nonzero()[:, 0]
        item[tied] = _break_tie(score[tied], top[tied, k - 1 : k], k)
    return keep_first(item.cpu(), score.gather(1, item).double().cpu(), k)


def _break_tie(score: Tensor, last: Tensor, k: int) -> Tensor:
    """The k items of each user that are above the score `last` [u, 1], and the first among its equals."""
    above, equal = score > last, score == last
    room = k - above.sum(1, keepdim=True)
    return (above | (equal & (equal.cumsum(1, dtype=torch.int32) <= room))).nonzero()[:, 1].view(-1, k)


def _require_numbers(score: Tensor) -> Tensor:
    if len(score) and score.amin().isnan():
        raise TrainingError("a score is not a number; the training diverged, so lower the learning rate")
    return score


def _concatenate(blocks: list[Ranking]) -> Ranking:
    if not blocks:
        return Ranking(torch.zeros(0, 0, dtype=torch.long), torch.zeros(0, 0, dtype=torch.double))
    return Ranking(torch.cat([b.item for b in blocks]), torch.cat([b.score for b in blocks]))


def _pad(ranking: Ranking, k: int) -> Ranking:
    missing = k - ranking.item.shape[1]
    if missing <= 0:
        return ranking
    pad = torch.nn.functional.pad
    return Ranking(pad(ranking.item, (0, missing), value=-1), pad(ranking.score, (0, missing), value=-torch.inf))
