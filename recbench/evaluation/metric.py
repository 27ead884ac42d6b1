"""What a metric is, and how its name is read: `auc`, `gauc(mean)`, `recall@50/buy`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor

from recbench.errors import UsageError, unknown
from recbench.registry import Registry

LARGEST_K = 10_000

_WORD = re.compile(r"([^@()/:]+)(@[^@()/:]*)?(\([^@()/:]*\))?(/[^/:]+)?(:[^/:]+)?")


@dataclass(frozen=True)
class Counted:
    """A number and how many rows or users it was computed from."""

    value: float  # NaN where the metric is undefined
    count: int


class Parts(NamedTuple):
    """A metric as a ratio of sums over users, which is what resampling users needs."""

    user: Tensor  # [U] int64, those who count, in ascending order
    numerator: Tensor  # [U] float64; the metric is its sum over that of the denominator
    denominator: Tensor  # [U] float64


class Definition(ABC):
    """What a metric means, in words that the signature repeats.

    `variants` maps each variant to its own words, the default first; without variants it is empty.
    """

    name: ClassVar[str]
    words: ClassVar[str] = ""
    variants: ClassVar[Mapping[str, str]] = MappingProxyType({})
    lower_is_better: ClassVar[bool] = False

    def __init__(self, variant: str = "") -> None:
        self.variant = variant or next(iter(self.variants), "")

    @property
    def definition(self) -> str:
        """The words of this variant and of the metric, joined by `; `."""
        return "; ".join(filter(None, (self.variants.get(self.variant, ""), self.words)))


class RowMetric(Definition):
    """A metric of scored rows."""

    needs_probability: ClassVar[bool] = False  # `score` is then the log-probability of the feedback
    needs_level: ClassVar[bool] = False  # `label` is then the ordinal level, 0 to T
    unit: ClassVar[Literal["rows", "users"]] = "rows"  # what `count` counts

    @abstractmethod
    def value(self, score: Tensor, label: Tensor, user: Tensor) -> Counted:
        """Compute the metric from score [R] (higher = better), label [R] (0 or 1, or the level) and user [R]."""

    def parts(self, score: Tensor, label: Tensor, user: Tensor) -> Parts | None:
        """Return what each user adds to the metric, or None if it is no ratio of sums over users."""
        return None


class TopKMetric(Definition):
    """A metric of the first k items of each user; the mean over users is reported."""

    unit: ClassVar[Literal["rows", "users"]] = "users"

    @abstractmethod
    def values(self, hit: Tensor, relevant: Tensor) -> Tensor:
        """Compute the metric of each user [U] from hit [U, k] bool and relevant [U], at least 1."""


class VectorMetric(Definition):
    """A metric of the vectors whose inner products are the scores; it looks at no row."""

    @property
    @abstractmethod
    def unit(self) -> Literal["users", "items"]:
        """What `count` counts."""

    @abstractmethod
    def value(self, user: Tensor, item: Tensor) -> Counted:
        """Compute the metric from the vectors of all users [users, D] and all items [items, D]."""


Metric = RowMetric | TopKMetric | VectorMetric

METRICS: Registry[Metric] = Registry("metric", "recbench.evaluation.metrics", "recbench.metrics")


@dataclass(frozen=True)
class Request:
    """A metric to compute; `str` gives back the shortest word that parses to it."""

    metric: str
    k: int | None = None
    variant: str = ""  # always named where the metric has variants
    feedback: str | None = None  # None: each feedback type
    by: str | None = None  # feedback whose scores rank; None: those of the feedback itself

    def __str__(self) -> str:
        cutoff = f"@{self.k}" if self.k else ""
        variant = "" if self.variant == METRICS.get(self.metric)().variant else f"({self.variant})"
        feedback = f"/{self.feedback}" if self.feedback else ""
        by = f":{self.by}" if self.by else ""
        return f"{self.metric}{cutoff}{variant}{feedback}{by}"

    @property
    def definition(self) -> Metric:
        """The metric, in the variant asked for."""
        return METRICS.get(self.metric)(self.variant)


def parse(word: str) -> Request:
    """Read `NAME[@K][(VARIANT)][/FEEDBACK][:BY]`; raises UsageError if it is not a metric."""
    match = _WORD.fullmatch(word)
    if match is None:
        raise UsageError(f"metric `{word}`: expected NAME[@K][(VARIANT)][/FEEDBACK][:BY], as in recall@50/buy")
    name, cutoff, variant, feedback, by = match.groups()
    name = name.lower()
    metric = METRICS.get(name)
    return Request(
        metric=name,
        k=_cutoff(word, name, cutoff, issubclass(metric, TopKMetric)),
        variant=_variant(metric, variant),
        feedback=feedback and feedback[1:],
        by=by and by[1:],
    )


def _cutoff(word: str, name: str, cutoff: str | None, needed: bool) -> int | None:
    if not needed:
        if cutoff is not None:
            raise UsageError(f"metric `{word}`: {name} has no cut-off; write `{name}`")
        return None
    if cutoff is None:
        raise UsageError(f"metric `{word}`: needs a cut-off; write for example `{name}@50`")
    if not re.fullmatch("[0-9]{1,9}", cutoff[1:]) or not 1 <= int(cutoff[1:]) <= LARGEST_K:
        raise UsageError(f"metric `{word}`: expected a cut-off from 1 to {LARGEST_K}, found `{cutoff[1:]}`")
    return int(cutoff[1:])


def _variant(metric: type[Metric], variant: str | None) -> str:
    if variant is None:
        return metric().variant
    if variant[1:-1] not in metric.variants:
        raise unknown(f"variant of {metric.name}", variant[1:-1], metric.variants)
    return variant[1:-1]
