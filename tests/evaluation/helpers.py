"""What several tests of the evaluation share: small inputs, and slow definitions to compare with."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor

from recbench.data.dataset import Positives
from recbench.evaluation.metric import Counted, TopKMetric
from recbench.evaluation.ranked_lists import Catalogue, RankedLists
from recbench.evaluation.request import parse


def brute(score: Tensor, seen: set[tuple[int, int]], k: int) -> list[list[int]]:
    """First k items of each user by a Python sort, -1 where none remain."""
    first = []
    for user, row in enumerate(score.tolist()):
        items = [item for item in range(len(row)) if (user, item) not in seen]
        items.sort(key=lambda item: (-row[item], item))
        first.append((items + [-1] * k)[:k])
    return first


def pairs_of(seen: set[tuple[int, int]], users: int, items: int) -> Positives:
    pairs = torch.tensor(sorted(seen), dtype=torch.long).view(-1, 2)
    return Positives.from_pairs(pairs[:, 0], pairs[:, 1], users, items)


def random_pairs(users: int, items: int, per_user: int, generator: torch.Generator) -> Positives:
    user = torch.arange(users).repeat_interleave(per_user)
    return Positives.from_pairs(user, torch.randint(items, (len(user),), generator=generator), users, items)


def as_set(pairs: Positives) -> set[tuple[int, int]]:
    return set(zip(pairs.user.tolist(), pairs.item.tolist(), strict=True))


def vectors(count: int, dim: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, dim, generator=generator)


def make_lists(
    hit: list[list[int]] | Tensor,
    relevant: list[int] | Tensor,
    length: list[int] | Tensor | None = None,
    others: int = 0,
) -> RankedLists:
    """Lists of users 0, 1, … with these hits [U, k]; full ones of items 0 to k - 1 where no length is given."""
    hit = torch.as_tensor(hit).bool()
    users, k = hit.shape
    length = torch.full((users,), k) if length is None else torch.as_tensor(length).long()
    item = torch.arange(k).expand(users, k).where(torch.arange(k) < length[:, None], -1)
    return RankedLists(hit, torch.as_tensor(relevant).long(), length, torch.arange(users), item, others)


def lists_of_items(item: list[list[int]], catalogue: Catalogue, k: int = 4) -> RankedLists:
    """Lists of users 0, 1, … that hold these items and have no hits."""
    rows = torch.tensor([(row + [-1] * k)[:k] for row in item], dtype=torch.long).view(-1, k)
    none = torch.zeros(len(item), dtype=torch.long)
    hit = torch.zeros_like(rows, dtype=torch.bool)
    return RankedLists(hit, none, (rows >= 0).sum(1), torch.arange(len(item)), rows, catalogue=catalogue)


def catalogue_of(popularity: list[int], users: int = 10, vectors: Tensor | None = None) -> Catalogue:
    return Catalogue(torch.tensor(popularity), users, vectors)


def counted(word: str, lists: RankedLists) -> Counted:
    """The metric of these lists, which is the ratio of the sums of its parts where it has any."""
    metric = parse(word).metric
    assert isinstance(metric, TopKMetric)
    result, parts = metric.value(lists), metric.parts(lists)
    if parts is not None:
        assert len(parts.user) == len(parts.numerator) == len(parts.denominator) == result.count
        ratio = float(parts.numerator.sum() / parts.denominator.sum())
        assert abs(ratio - result.value) < 1e-12 or (ratio != ratio and result.value != result.value)
    return result


@st.composite
def recommended(draw: st.DrawFn, items: int = 6, k: int = 4) -> list[list[int]]:
    """The lists of a few users: up to k different items each."""
    one = st.lists(st.integers(0, items - 1), max_size=k, unique=True)
    return draw(st.lists(one, min_size=1, max_size=8))
