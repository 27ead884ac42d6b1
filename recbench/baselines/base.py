"""What a baseline is: fitted to the positives of one kind of feedback, it scores every pair of user and item."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

from torch import Tensor

from recbench import settings
from recbench.data.dataset import Positives
from recbench.evaluation.predictions import CatalogueScores
from recbench.registry import Registry

INSTALL = "pip install 'recbench[baselines]'"


class FittedBaseline(ABC):
    """A baseline fitted to one kind of feedback."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Number of the numbers that it holds."""

    @abstractmethod
    def scores(self, known: Positives) -> CatalogueScores:
        """Return the scores of all users and items, given what is known of the users.

        `known` holds the pairs [users × items] that it was fitted to and the given rows of new users. Return vectors
        where scores are inner products, so that an index can search them; else a function of blocks of users.
        """


@dataclass(frozen=True)
class Size:
    """What decides how much memory and time a baseline takes, for one kind of feedback."""

    users: int
    items: int
    pairs: int  # positives, each user and item once
    pairs_of_users: int  # pairs of positives of the same user: at least the pairs of items that share a user

    @staticmethod
    def of(pairs: Positives, items: int) -> Size:
        """Measure the positives of users × items."""
        count = pairs.start.diff()
        return Size(len(count), items, len(pairs.item), int(count.square().sum()))


class Baseline(ABC):
    """A reference recommender. Keyword-only constructor arguments are its settings.

    Libraries that it needs are imported in `fit`, never before.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()  # modules beyond those that recbench itself needs
    seeded: ClassVar[bool] = False  # whether the seed changes anything
    saving: ClassVar[str] = ""  # what a user can do where it takes too much memory
    scores_new_users: ClassVar[bool] = True  # from what is given of them, though they have no training rows
    search: ClassVar[Mapping[str, Sequence[settings.Value]]] = {}  # setting → values to try, in order
    former: ClassVar[Mapping[str, settings.Value]] = {}  # setting → what runs did before there was that setting
    weighs_rows: ClassVar[bool] = False  # whether `Positives.weight` changes anything
    recent: float = 1.0  # share of the training rows, the last in time, that it is fitted to

    @abstractmethod
    def fit(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        """Fit to the distinct positives of users × items."""

    @abstractmethod
    def memory(self, size: Size) -> int:
        """Return about how many bytes fitting and scoring take, for one kind of feedback."""

    def seconds(self, size: Size) -> float:
        """Return about how long fitting and scoring all users take on two cores; infinite if it is never short."""
        return math.inf

    @classmethod
    def missing(cls) -> list[str]:
        """Return the needed modules that are not installed."""
        return [module for module in cls.needs if find_spec(module) is None]


BASELINES: Registry[Baseline] = Registry("baseline", "recbench.baselines")


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """Settings that all baselines have, under the prefix `train`."""

    refit: bool = False  # fit to train and validation rows, as trained runs with train.refit=true
    select: str = "auto"  # the validation metric that settings are chosen by: auto as for trained runs, or its name
    row_weights: bool = False  # each row counts as often as the data's `weight` says


FORMER_FIT: Mapping[str, settings.Value] = {"select": "auto", "row_weights": False}  # as `Baseline.former`


def defaults(name: str) -> dict[str, settings.Value]:
    """Return all settings of a baseline's runs with their defaults; raises UsageError if there is no such baseline."""
    own, rows = settings.defaults(BASELINES.get(name)), settings.defaults(FitSettings)
    return settings.prefixed(name, own) | settings.prefixed("train", rows)


def restore(name: str, recorded: Mapping[str, settings.Value]) -> Baseline:
    """Return the baseline of a run's settings, by full name: those that it lacks did not exist when it was made."""
    cls = BASELINES.get(name)
    return cls(**{**cls.former, **settings.owned_by(name, recorded)})


def complete(name: str, recorded: Mapping[str, settings.Value]) -> dict[str, settings.Value]:
    """Return the settings of a run by full name, and what it did where it lacks one."""
    return {**_former(name), **recorded}


def recorded(name: str, values: Mapping[str, settings.Value]) -> dict[str, settings.Value]:
    """Return settings by full name as a run's key has them: a setting that leaves all as it was before is left out."""
    former = _former(name)
    return {setting: value for setting, value in values.items() if setting not in former or former[setting] != value}


def _former(name: str) -> dict[str, settings.Value]:
    return settings.prefixed(name, BASELINES.get(name).former) | settings.prefixed("train", FORMER_FIT)


def sparse_matrix(pairs: Positives, items: int, weight: Tensor) -> Any:
    """Return the pairs [P] with their weights [P] as a scipy CSR matrix [users, items]."""
    from scipy.sparse import csr_matrix

    parts = (weight.numpy(), pairs.item.numpy(), pairs.start.numpy())
    return csr_matrix(parts, shape=(len(pairs.start) - 1, items))
