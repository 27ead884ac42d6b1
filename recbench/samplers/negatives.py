"""Where negatives come from: items in proportion to a weight, never a positive of the user."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from recbench.data.dataset import Dataset, Positives
from recbench.errors import UsageError
from recbench.settings import Range

DRAWS = 2**62  # numbers that a remainder is taken of: far more than any TOTAL, so that all remainders are as likely
TOTAL = 2**40  # that weights sum up to at most, about
# Of popularity: far above 30, powers of counts overflow, and long before, the most popular item alone is drawn.
Exponent = Annotated[float, Range("a number in [0, 30]", lambda number: 0 <= number <= 30)]


class Negatives(ABC):
    """Draws negatives from one dataset's items."""

    several_batches: ClassVar[bool] = False  # cheaper for several batches at once; what is drawn is the same on a CPU

    @abstractmethod
    def draw(self, user: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return item, valid and log_q, each [B, count], for user [B].

        The draws are independent. `valid` is False where no item is left to draw for the user. `log_q` is the log of
        the probability with which this item is drawn for this user, positives excluded; it is finite throughout.
        """


class Proposal(ABC):
    """A distribution of negatives, whatever the dataset."""

    sampler: ClassVar[str] = ""  # name of the sampler that draws by it, if there is one
    needs: ClassVar[frozenset[str]] = frozenset()  # what it asks of a backbone's `offers`

    @abstractmethod
    def on(self, data: Dataset) -> Negatives:
        """Return what draws from the items of a dataset that occur in train."""


class ModelProposal(Proposal):
    """A proposal that draws by the vectors of a model, as they were at the last `refresh`."""

    needs: ClassVar[frozenset[str]] = frozenset({"vectors"})
    scaled: ClassVar[bool] = False  # draws by the logits, rather than by the inner products of the vectors
    _vectors: tuple[Tensor, Tensor] | None = None

    def refresh(self, user: Tensor, item: Tensor) -> None:
        """Take the vectors of all users [users, D] and all items [items, D], by which the next epochs draw."""
        self._vectors = user, item

    def vectors(self, data: Dataset) -> tuple[Tensor, Tensor]:
        """Return the vectors of users and of the items that occur in train; raises UsageError if there are none."""
        if self._vectors is None:
            raise UsageError(f"{type(self).__name__} draws by the vectors of a model; call its `refresh` with them")
        return self._vectors[0], self._vectors[1][: data.items.seen]


@dataclass(frozen=True)
class Uniform(Proposal):
    """All items alike; log_q = -log(number of items that are no positives of the user)."""

    sampler: ClassVar[str] = "uniform"

    def on(self, data: Dataset) -> Negatives:
        """Return what draws uniformly."""
        return UniformNegatives(data.positives, data.items.seen)


@dataclass(frozen=True)
class AnyItem(Proposal):
    """All items alike, positives of the user too, as several released codes draw; log_q = -log(number of items)."""

    def on(self, data: Dataset) -> Negatives:
        """Return what draws uniformly from all items that occur in train."""
        return AnyNegatives(data.items.seen)


@dataclass(frozen=True)
class Popularity(Proposal):
    """In proportion to popularity^beta, the number of users who have the item to a power beta >= 0.

    log_q = log(popularity^beta of the item / sum of it over the items that are no positives of the user). Items that
    are nobody's positives are not drawn unless beta is 0. Gantner et al., JMLR W&CP 18, 2012,
    https://proceedings.mlr.press/v18/gantner12a.html.
    """

    sampler: ClassVar[str] = "popularity"
    beta: float = 1.0

    def on(self, data: Dataset) -> Negatives:
        """Return what draws in proportion to the popularity among the training positives."""
        if self.beta == 0:
            return UniformNegatives(data.positives, data.items.seen)
        weight = data.popularity[: data.items.seen].double() ** self.beta
        return WeightedNegatives(data.positives, whole_weights(weight, len(data.users)))


class UniformNegatives(Negatives):
    """Draws items uniformly among those that are not a user's positives, exactly and without rejection.

    The r-th free item of a user is r plus the number of positives p_j with p_j - j <= r, which one binary search over
    the sorted keys `user * items + p_j - j` finds.
    """

    several_batches: ClassVar[bool] = True

    def __init__(self, positives: Positives, items: int) -> None:
        rank = torch.arange(len(positives.item), device=positives.item.device) - positives.start[positives.user]
        self.items = items
        self.start = positives.start
        self.free = items - positives.start.diff()
        self.key = positives.user * items + positives.item - rank

    def draw(self, user: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return item, valid and log_q = -log(free items of the user), each [B, count]."""
        free = self.free.index_select(0, user)[:, None]
        nth = random_below(free, count, generator)
        passed = count_up_to(self.key, user[:, None] * self.items + nth)
        item = (nth + passed - self.start.index_select(0, user)[:, None]).clamp(max=self.items - 1)
        return item, (free > 0).expand_as(item), -torch.log(free.clamp(min=1).float()).expand_as(item)


class AnyNegatives(Negatives):
    """Draws items uniformly, whoever the user is."""

    several_batches: ClassVar[bool] = True

    def __init__(self, items: int) -> None:
        self.items = items

    def draw(self, user: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return item, valid and log_q = -log(number of items), each [B, count]."""
        shape = (len(user), count)
        item = torch.randint(self.items, shape, generator=generator, device=user.device)
        log_q = torch.full((1, 1), self.items, dtype=torch.float, device=user.device).log().neg()
        return item, torch.ones_like(item, dtype=torch.bool), log_q.expand(shape)


class WeightedNegatives(Negatives):
    """Draws items in proportion to whole weights among those that are not a user's positives, without rejection.

    Items lie end to end, each as long as its weight. With the user's positives taken out, the t-th unit of what is
    left is the (t + r)-th of all, where r is the length of the positives before it: one binary search over the sorted
    keys `user * total + length left before the positive` finds r, another over the ends of the items the item.
    `weight` [items] is int64; its sum times the number of users must stay below 2^63.
    """

    several_batches: ClassVar[bool] = True

    def __init__(self, positives: Positives, weight: Tensor) -> None:
        self.weight = weight
        self.end = weight.cumsum(0)
        self.total = int(self.end[-1])
        width = weight[positives.item]
        self.passed = torch.zeros(len(width) + 1, dtype=torch.long, device=width.device)
        torch.cumsum(width, 0, out=self.passed[1:])
        self.before = self.passed[positives.start[:-1]]
        self.free = self.total - self.passed[positives.start].diff()
        own = self.passed[:-1] - self.before[positives.user]
        self.key = positives.user * self.total + (self.end - weight)[positives.item] - own

    def draw(self, user: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return item, valid and log_q = log(weight of the item / free weight of the user), each [B, count]."""
        free = self.free.index_select(0, user)[:, None]
        item = self.at(user, random_below(free, count, generator))
        log_q = self.weight[item].clamp(min=1).double().log() - free.clamp(min=1).double().log()
        return item, (free > 0).expand_as(item), log_q.float()

    def at(self, user: Tensor, unit: Tensor) -> Tensor:
        """Return the item in which the unit [B, n] of user [B]'s free weight lies, [B, n]."""
        number = count_up_to(self.key, user[:, None] * self.total + unit)
        unit = unit + self.passed[number] - self.before.index_select(0, user)[:, None]
        return torch.searchsorted(self.end, unit, right=True).clamp(max=len(self.end) - 1)


def count_up_to(key: Tensor, value: Tensor) -> Tensor:
    """Return how many of the sorted keys [n] are at most each value [B, N].

    A CPU looks up the values in ascending order, in which neighbours meet the same keys in its caches.
    """
    if value.device.type != "cpu":
        return torch.searchsorted(key, value, right=True)
    ascending, place = value.flatten().sort()
    count = torch.searchsorted(key, ascending, right=True)
    return torch.empty_like(count).scatter_(0, place, count).view_as(value)


def random_below(bound: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return whole numbers [B, count], each uniform from 0 up to bound [B, 1] or [B, count], itself left out."""
    shape = (len(bound), count)
    return torch.randint(DRAWS, shape, generator=generator, device=bound.device) % bound.clamp(min=1)


def whole_weights(weight: Tensor, users: int) -> Tensor:
    """Return weights [n] of 0 or more as int64 in the same proportions, down to TOTAL^-1; none above 0 becomes 0.

    Whole weights keep their proportions exactly. The sum times `users` stays below 2^63.
    """
    total = float(weight.sum())
    if not total:
        return torch.zeros_like(weight, dtype=torch.long)
    factor = min(TOTAL, DRAWS // users) / total
    return (weight * (factor // 1 or factor)).round().clamp(min=1).where(weight > 0, 0).long()


def draw_columns(weight: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return columns [B, count] drawn independently in proportion to weight [B, n], whose rows are not all 0."""
    level = weight.double().cumsum(1)
    point = torch.rand(len(weight), count, generator=generator, device=weight.device, dtype=torch.double)
    return torch.searchsorted(level, point * level[:, -1:], right=True)
