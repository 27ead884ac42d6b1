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


def exhaustive(score: Callable[[Tensor], Tensor], user: Tensor, items: int, k: int, seen: Positives) -> Ranking:
    """Rank all items for each user [U], in blocks of users.

    `score(user [u])` returns the scores [u, items] on any device, where the ranking then is. `seen` holds the pairs to
    leave out, by position in `user`, on its device. Raises TrainingError if a score is NaN.
    """
    size = max(1, _BLOCK // items)
    blocks = []
    for start in range(0, len(user), size):
        position = torch.arange(start, min(start + size, len(user)), device=user.device)
        block = require_numbers(score(user[position]))
        block = block.clamp(min=torch.finfo(block.dtype).min)  # -inf is kept for the items left out
        seen_here = restrict(seen, position)
        block[seen_here.user.to(block.device), seen_here.item.to(block.device)] = -torch.inf
        blocks.append(_first(block, min(k, items)))
    return _pad(_concatenate(blocks), k)


def require_numbers(score: Tensor) -> Tensor:
    """Return the scores; raises TrainingError if one is NaN."""
    if len(score) and score.amin().isnan():
        raise TrainingError("a score is not a number; the training diverged, so lower the learning rate")
    return score


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
    return keep_first(item, score.gather(1, item).double(), k)


def _break_tie(score: Tensor, last: Tensor, k: int) -> Tensor:
    """The k items of each user that are above the score `last` [u, 1], and the first among its equals."""
    above, equal = score > last, score == last
    room = k - above.sum(1, keepdim=True)
    return (above | (equal & (equal.cumsum(1, dtype=torch.int32) <= room))).nonzero()[:, 1].view(-1, k)


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
