"""What a metric is: it declares what it needs, what it counts and which values are good."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from recbench.errors import UsageError
from recbench.evaluation.better import Better
from recbench.evaluation.ranked_lists import RankedLists
from recbench.registry import Registry

Need = Literal["probability", "level", "vectors", "all users", "catalogue", "dense vectors"]
Unit = Literal["rows", "users", "items"]

_NEEDS = get_args(Need)
_BETTER = get_args(Better)


@dataclass(frozen=True)
class Counted:
    """A number and how many rows, users or items it was computed from."""

    value: float  # NaN where the metric is undefined
    count: int


class Parts(NamedTuple):
    """A metric as a ratio of sums over users, which is what resampling users needs."""

    user: Tensor  # [U] int64, those who count, in ascending order
    numerator: Tensor  # [U] float64; the metric is its sum over that of the denominator
    denominator: Tensor  # [U] float64


class Metric(ABC):
    """What all metrics declare; one derives from RowMetric, TopKMetric or VectorMetric.

    `words` is the definition that the signature repeats. `variants` maps each variant to its own words, the default
    first; without variants it is empty.
    """

    name: ClassVar[str]
    words: str = ""
    variants: ClassVar[Mapping[str, str]] = MappingProxyType({})
    needs: frozenset[Need] = frozenset()  # beside scores and 0/1 labels
    better: Better = "high"  # which values are good: high ones, low ones, or those near 1
    unit: Unit = "rows"  # what `Counted.count` counts
    variant: str = ""

    def __init_subclass__(cls) -> None:
        for name, chosen, known in (("needs", set(cls.needs), _NEEDS), ("better", {cls.better}, _BETTER)):
            if chosen - set(known):
                wrong = ", ".join(sorted(chosen - set(known)))
                raise UsageError(f"metric {cls.__name__}: {name} of {wrong}; expected one of {', '.join(known)}")

    def __init__(self, variant: str = "") -> None:
        self.variant = variant or next(iter(self.variants), "")

    @property
    def definition(self) -> str:
        """The words of this variant and of the metric, joined by `; `."""
        return "; ".join(filter(None, (self.variants.get(self.variant, ""), self.words)))


class RowMetric(Metric):
    """A metric of scored rows."""

    @abstractmethod
    def value(self, score: Tensor, label: Tensor, user: Tensor) -> Counted:
        """Compute the metric from score [R] (higher = better), label [R] (0 or 1) and user [R].

        With `needs` "probability", `score` is the log-probability of the feedback; with "level", `label` is the
        ordinal level, 0 to T.
        """

    def parts(self, score: Tensor, label: Tensor, user: Tensor) -> Parts | None:
        """Return what each user adds to the metric, or None if it is not decomposable by user."""
        return None


class TopKMetric(Metric):
    """A metric of the first k items of each user.

    A mean over users defines `values`; any other metric `value`. With `needs` "all users", users without a relevant
    item have lists too; with "catalogue" or "dense vectors", `lists.catalogue` is what is known of the items.
    """

    unit: Unit = "users"

    def values(self, lists: RankedLists) -> Tensor:
        """Compute the metric of each user [U], float64; NaN for a user who does not count."""
        raise NotImplementedError

    def value(self, lists: RankedLists) -> Counted:
        """Compute the metric, by default the mean over users who count; NaN without any."""
        values = self.values_in_blocks(lists)
        values = values[~values.isnan()]
        return Counted(float(values.mean()), len(values))

    def parts(self, lists: RankedLists) -> Parts | None:
        """Return what each user adds to the mean over users, or None of a metric that defines `value` otherwise."""
        if type(self).value is not TopKMetric.value:
            return None
        values = self.values_in_blocks(lists)
        counts = ~values.isnan()
        return Parts(lists.user[counts], values[counts], torch.ones_like(values[counts]))

    def values_in_blocks(self, lists: RankedLists) -> Tensor:
        """Return `values` [U], computed for a few thousand users at a time."""
        return torch.cat([self.values(block) for block in lists.blocks()])


class VectorMetric(Metric):
    """A metric of the vectors whose inner products are the scores; it looks at no row."""

    needs: frozenset[Need] = frozenset({"vectors"})

    @abstractmethod
    def value(self, user: Tensor, item: Tensor) -> Counted:
        """Compute the metric from the vectors of all users [users, D] and all items [items, D]."""


METRICS: Registry[Metric] = Registry("metric", "recbench.evaluation.metrics", "recbench.metrics")
