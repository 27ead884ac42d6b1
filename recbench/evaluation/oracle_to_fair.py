"""From the most relevant lists that there could be to the fairest, by one exchange of an item after the other.

Oracle2Fair of Rampisela et al., WWW 2025, https://doi.org/10.1145/3696410.3714589.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from recbench.data.dataset import Positives


@dataclass(frozen=True)
class Exchanges:
    """The most relevant lists of U users, and S exchanges of an item for another that make them fairer."""

    hits: Tensor  # [U] int64, relevant items in each list at first
    count: Tensor  # [I] int64, how often each item was recommended at first
    user: Tensor  # [S] int64, whose list is changed
    before: Tensor  # [S] int64, relevant items in that list before
    after: Tensor  # [S] int64, relevant items in it afterwards
    more: Tensor  # [S] int64, how often the item that leaves was recommended before
    less: Tensor  # [S] int64, how often the item that comes was recommended before


def oracle_to_fair(relevant: Positives, seen: Positives, length: Tensor, items: int) -> Exchanges:
    """Return the way from the most relevant lists of these lengths [U] to the fairest.

    A list never holds what its user has seen. At first it holds relevant items, and others only if these are too few;
    where it can choose, those least recommended so far, in the order of the items. Then, as long as an item is
    recommended more often than an even share, the most recommended item makes room for the least recommended one: in
    the list of a user to whom the latter is relevant, if there is one, and of such lists where the former is lowest.
    """
    lists = _Lists(relevant, seen, items)
    lists.fill(length.tolist())
    hits = torch.tensor([lists.hits(user) for user in range(len(length))])
    count = torch.tensor(lists.count)
    steps = torch.tensor(list(lists.exchanges(math.ceil(int(length.sum()) / items))), dtype=torch.long).view(-1, 5)
    return Exchanges(hits, count, *steps.unbind(1))


class _Lists:
    def __init__(self, relevant: Positives, seen: Positives, items: int) -> None:
        self.relevant, self.seen = _sets(relevant), _sets(seen)
        self.count = [0] * items  # how often each is recommended
        self.least = [(0, item) for item in range(items)]  # a heap of these, and of what no longer holds
        self.of_user: list[list[int]] = [[] for _ in self.relevant]  # relevant items first
        self.with_item: list[set[int]] = [set() for _ in range(items)]

    def hits(self, user: int) -> int:
        """Return how many items of a list are relevant."""
        return sum(item in self.relevant[user] for item in self.of_user[user])

    def fill(self, length: list[int]) -> None:
        """Make the most relevant lists: first of those whose relevant items fill it, then of those with more."""
        surplus = [len(relevant) - places for relevant, places in zip(self.relevant, length, strict=True)]
        users = sorted(range(len(length)), key=lambda user: (surplus[user] < 0, surplus[user], user))
        for user in users:
            wanted = sorted(self.relevant[user], key=lambda item: (self.count[item], item))
            for item in wanted[: length[user]]:
                self._add(user, item)
        for user in users:
            for item in self._least(self.seen[user] | self.relevant[user], length[user] - len(self.of_user[user])):
                self._add(user, item)

    def exchanges(self, enough: int) -> Iterator[tuple[int, int, int, int, int]]:
        """Make one exchange after the other, until no item is in more than `enough` lists; yield what `Exchanges` has.

        An item that no user can give up for a rarer one stays where it is.
        """
        most = [(-count, item) for item, count in enumerate(self.count)]
        heapq.heapify(most)
        while most and -most[0][0] > enough:
            count, old = heapq.heappop(most)
            if self.count[old] != -count:
                continue
            found = self._exchange(old)
            if found is None:
                continue
            user, new = found
            before, more, less = self.hits(user), self.count[old], self.count[new]
            self._remove(user, old)
            self._add(user, new)
            for item in (old, new):
                heapq.heappush(most, (-self.count[item], item))
            yield user, before, self.hits(user), more, less

    def _exchange(self, old: int) -> tuple[int, int] | None:
        """Return a user and the item that takes the place of `old` in the user's list."""
        users = self.with_item[old]
        with closing(self._rarer(self.count[old] - 1)) as rarer:
            for new in rarer:
                allowed = [user for user in users if user not in self.with_item[new] and new not in self.seen[user]]
                if allowed:
                    return max(allowed, key=lambda u: (new in self.relevant[u], self.of_user[u].index(old), -u)), new
        return None

    def _rarer(self, count: int) -> Generator[int, None, None]:
        """Yield the items recommended fewer times than that, the rarest first; to be closed before counts change."""
        tried = []
        try:
            while self.least and self.least[0][0] < count:
                tried.append(heapq.heappop(self.least))
                if self.count[tried[-1][1]] != tried[-1][0]:
                    tried.pop()
                    continue
                yield tried[-1][1]
        finally:
            for entry in tried:
                heapq.heappush(self.least, entry)

    def _least(self, excluded: set[int], number: int) -> list[int]:
        """Return the rarest items that are not excluded."""
        with closing(self._rarer(len(self.of_user) + 1)) as rarer:
            return list(islice((item for item in rarer if item not in excluded), number))

    def _add(self, user: int, item: int) -> None:
        self.of_user[user].append(item)
        self.of_user[user].sort(key=lambda one: one not in self.relevant[user])
        self.with_item[item].add(user)
        self._count(item, 1)

    def _remove(self, user: int, item: int) -> None:
        self.of_user[user].remove(item)
        self.with_item[item].remove(user)
        self._count(item, -1)

    def _count(self, item: int, change: int) -> None:
        self.count[item] += change
        heapq.heappush(self.least, (self.count[item], item))


def _sets(pairs: Positives) -> list[set[int]]:
    return [set(part.tolist()) for part in pairs.item.cpu().split(pairs.start.diff().tolist())]
