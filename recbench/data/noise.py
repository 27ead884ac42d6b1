"""False and missing positives put into the training rows, to see what a method makes of them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from recbench.data.dataset import Dataset, Log, Positives
from recbench.errors import UsageError


def parse_noise(word: str) -> tuple[float, float]:
    """Parse "pos=0.5,neg=0.5" into the shares (pos, neg); one left out is 0.

    Raises UsageError unless both are in [0, 1].
    """
    shares: dict[str, float] = {}
    try:
        for part in word.split(","):
            name, _, value = part.partition("=")
            if name not in ("pos", "neg") or name in shares:
                raise ValueError
            shares[name] = float(value)
    except ValueError:
        raise UsageError(f"noise {word}: expected shares, as in pos=0.5,neg=0.5") from None
    pos, neg = shares.get("pos", 0.0), shares.get("neg", 0.0)
    _check(pos, neg)
    return pos, neg


def with_noise(data: Dataset, pos: float, neg: float, seed: int) -> Dataset:
    """Return the dataset with noise in its training rows; validation and test stay as they are.

    Wu et al., CIKM 2022 (TIL), section 5.6.2, https://arxiv.org/abs/2208.01709, with pos, neg or both 0.5. With n the
    number of a user's training positives (distinct items with any feedback), each user gets floor(pos * n) further
    positives, or as many as there are: items that occur in train, but in no row of this user. Each is a copy of one of
    the user's positive rows, beside it in time, with the item exchanged. All rows of floor(neg * n) of the n positives
    lose their feedback. Both are drawn uniformly by `seed`, without replacement, the same on every device. The true
    probabilities of synthetic data do not hold for such rows and are left out.

    Raises UsageError unless both are in [0, 1].
    """
    _check(pos, neg)
    if not pos and not neg:
        return data
    generator = torch.Generator().manual_seed(seed)
    log = data.train
    user, item, label = log.user.long().cpu(), log.item.long().cpu(), log.label.cpu()
    users, items = len(data.users), len(data.items)
    row = label.amax(1).nonzero()[:, 0]
    positives = Positives.from_pairs(user[row], item[row], users, items)
    count = positives.start.diff()

    lost = _chosen(positives, _share(neg, count), generator)
    lost_keys = (positives.user * items + positives.item)[lost]
    kept_label = label.masked_fill(torch.isin(user * items + item, lost_keys)[:, None], 0)

    observed = torch.unique(user * items + item)
    free = data.items.seen - torch.bincount(torch.div(observed, items, rounding_mode="floor"), minlength=users)
    added = _unobserved(observed, torch.minimum(_share(pos, count), free), items, data.items.seen, generator)
    added_user = torch.div(added, items, rounding_mode="floor")
    source = _rows_of(user[row], row, added_user, generator)

    order = torch.cat([torch.arange(len(user)), source]).argsort(stable=True)
    time = None if log.time is None else log.time.cpu()
    weight = None if log.weight is None else log.weight.cpu()
    train = Log(
        torch.cat([user, added_user])[order].to(log.user),
        torch.cat([item, added % items])[order].to(log.item),
        torch.cat([kept_label, label[source]])[order].to(log.label),
        time=None if time is None else torch.cat([time, time[source]])[order].to(log.user.device),
        weight=None if weight is None else torch.cat([weight, weight[source]])[order].to(log.user.device),
    )
    return replace(data, train=train)


def _check(pos: float, neg: float) -> None:
    for name, share in (("pos", pos), ("neg", neg)):
        if not 0 <= share <= 1:
            raise UsageError(f"noise {name}={share}: expected a share from 0 to 1")


def _share(share: float, count: Tensor) -> Tensor:
    """Return floor(share * count); a product like 0.29 * 100 counts as the whole number that it stands for."""
    return (share * count.double() + 1e-9).floor().long()


def _shuffled_within(group: Tensor, generator: torch.Generator) -> Tensor:
    """Return the places of group [P] sorted by group, in random order within each."""
    order = torch.randperm(len(group), generator=generator)
    return order[group[order].argsort(stable=True)]


def _chosen(positives: Positives, count: Tensor, generator: torch.Generator) -> Tensor:
    """Return the places of `count` [users] of each user's pairs."""
    order = _shuffled_within(positives.user, generator)
    rank = torch.arange(len(order)) - positives.start[positives.user]
    return order[rank < count[positives.user]]


def _unobserved(taken: Tensor, count: Tensor, items: int, seen: int, generator: torch.Generator) -> Tensor:
    """Return keys `user * items + item`, `count` [users] per user, of distinct items below `seen`, none taken."""
    new = taken[:0]
    missing = count.clone()
    while bool(missing.any()):
        user = torch.repeat_interleave(torch.arange(len(missing)), missing)
        drawn = torch.unique(user * items + torch.randint(seen, (len(user),), generator=generator))
        drawn = drawn[~torch.isin(drawn, taken) & ~torch.isin(drawn, new)]
        new = torch.cat([new, drawn])
        missing -= torch.bincount(torch.div(drawn, items, rounding_mode="floor"), minlength=len(missing))
    return new.sort().values


def _rows_of(owner: Tensor, row: Tensor, user: Tensor, generator: torch.Generator) -> Tensor:
    """Return a row for each of user [A], sorted: its owner's rows in random order, over again if they run out."""
    order = _shuffled_within(owner, generator)
    users = int(owner.max()) + 1 if len(owner) else 0
    count = torch.bincount(owner, minlength=users)
    start = count.cumsum(0) - count
    needed_rows = torch.bincount(user, minlength=users)
    place = torch.arange(len(user)) - (needed_rows.cumsum(0) - needed_rows)[user]
    return row[order[start[user] + place % count[user].clamp(min=1)]]
