"""Exact search of the whole catalogue for the items with the largest inner product, on the device of the vectors.

Products in float32 find the candidates, and products in float64 their order; users for whom the rounding of the first
could have hidden an item are searched in float64 throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from recbench.data.dataset import Positives
from recbench.errors import TrainingError
from recbench.evaluation.first_items import Ranking, exhaustive, keep_first
from recbench.evaluation.pairs import restrict
from recbench.gpu import free_memory

_GROUP = 64  # neighbouring items: those of the k largest scores lie in the k groups with the largest maxima
_SPARE = 12  # candidates beyond the first k, at least, so that few users are doubtful
_DEEPEST = 2048  # candidates; whoever needs more of them is searched in float64
_BYTES_ON_CPU = 24 << 20  # of a block of users: what stays near the caches
_BYTES_ON_GPU = 2 << 30


def search_exactly(query: Tensor, item: Tensor, k: int, seen: Positives) -> Ranking:
    """Return the first k items, by inner product, of each query [U, D] among item [I, D], without those seen.

    `seen` holds the pairs to leave out, by position in `query`, on the same device as the vectors. The order is by the
    product in float64 descending, then item row ascending, whatever the device and the number of threads. Blocks of
    users are as large as the free memory allows. Raises TrainingError if a vector is not finite.
    """
    query, item = prepared(query), prepared(item)
    device, items = query.device, len(item)
    possible = min(k, items)
    size = min(items, k + max(_SPARE, k // 2))
    if size > _DEEPEST:
        return _in_float64(query, item, k, seen)
    groups = -(-items // _GROUP)
    padded = torch.nn.functional.pad(item, (0, 0, 0, groups * _GROUP - items))
    longest = item.norm(dim=1).max() if items else item.new_zeros(())
    result = Ranking(
        torch.full((len(query), k), -1, device=device),
        torch.full((len(query), k), -torch.inf, dtype=torch.double, device=device),
    )
    doubtful = []
    with _full_precision():
        for user in torch.arange(len(query), device=device).split(_users_at_once(device, groups, size, item.shape[1])):
            rows = query[user]
            score = rows @ padded.T
            score[:, items:] = -torch.inf
            removed = restrict(seen, user)
            score[removed.user, removed.item] = -torch.inf
            candidate, score = _largest(score, size)
            exact = (rows.double().unsqueeze(1) * padded[candidate].double()).sum(2)
            first = keep_first(candidate, exact.masked_fill(score == -torch.inf, -torch.inf), k)
            result.item[user], result.score[user] = first
            last = score[:, -1].double()
            surpassed = first.score[:, possible - 1] > last + _rounding(rows, longest)
            doubtful.append(user[~surpassed & (last > -torch.inf)] if size < items else user[:0])
    user = torch.cat([torch.empty(0, dtype=torch.long, device=device), *doubtful])
    if len(user):
        result.item[user], result.score[user] = _in_float64(query[user], item, k, restrict(seen, user))
    return result


def prepared(vectors: Tensor) -> Tensor:
    """Return the vectors as float32; raises TrainingError if one is not finite."""
    vectors = vectors.detach().float().contiguous()
    if not vectors.isfinite().all():
        raise TrainingError("a user or item vector is not finite; the training diverged, so lower the learning rate")
    return vectors


def _largest(score: Tensor, size: int) -> Ranking:
    """Return the `size` largest of score [u, groups * _GROUP], in descending order, with their columns.

    A score outside the groups with the `size` largest maxima is exceeded or equalled by all of these. Looking for the
    maxima first reads the scores once, and so takes a third of the time.
    """
    by_group = score.unflatten(1, (-1, _GROUP))
    if size >= by_group.shape[1]:
        return Ranking(*reversed(score.topk(size)))
    group = by_group.amax(2).topk(size, sorted=False).indices
    top, place = by_group.gather(1, group.unsqueeze(2).expand(-1, -1, _GROUP)).flatten(1).topk(size)
    number = torch.div(place, _GROUP, rounding_mode="floor")
    return Ranking(group.gather(1, number) * _GROUP + place % _GROUP, top)


def _rounding(query: Tensor, longest: Tensor) -> Tensor:
    """Return the bound [u] on the error of products in float32, added in any order; infinite where they overflow."""
    reach = query.norm(dim=1).double() * longest.double()
    error: Tensor = query.shape[1] * 2.0**-23 * reach
    return error.masked_fill(reach > torch.finfo(torch.float32).max, torch.inf)


def _in_float64(query: Tensor, item: Tensor, k: int, seen: Positives) -> Ranking:
    """Rank every item; equal vectors share one product, so that they tie exactly."""
    distinct, number = torch.unique(item, dim=0, return_inverse=True)
    vectors = distinct.double().T
    everyone = torch.arange(len(query), device=query.device)
    return exhaustive(lambda user: (query[user].double() @ vectors)[:, number], everyone, len(item), k, seen)


def _users_at_once(device: torch.device, groups: int, size: int, dim: int) -> int:
    """Return how many users are scored together."""
    of_user = 4 * groups * (_GROUP + 1) + size * (12 * _GROUP + 20 * dim)
    if device.type == "cpu":
        return max(1, _BYTES_ON_CPU // of_user)
    return max(1, min(_BYTES_ON_GPU, free_memory(device) // 2) // of_user)


@contextmanager
def _full_precision() -> Iterator[None]:
    """Multiply in float32 proper, whatever the process allows elsewhere: the bound on the rounding is of that."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
