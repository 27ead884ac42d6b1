"""What a baseline is: fitted to the positives of one kind of feedback, it scores every pair of user and item."""

from __future__ import annotations

from abc import ABC, abstractmethod
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


class Baseline(ABC):
    """A reference recommender. Keyword-only constructor arguments are its settings.

    Libraries that it needs are imported in `fit`, never before.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()  # modules beyond those that recbench itself needs
    seeded: ClassVar[bool] = False  # whether the seed changes anything
    size: ClassVar[str] = ""  # name of the setting that decides how much memory it takes

    @abstractmethod
    def fit(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        """Fit to the distinct positives of users × items."""

    @abstractmethod
    def memory(self, users: int, items: int, pairs: int) -> int:
        """Return about how many bytes fitting and scoring take, for one kind of feedback with `pairs` positives."""

    @classmethod
    def missing(cls) -> list[str]:
        """Return the needed modules that are not installed."""
        return [module for module in cls.needs if find_spec(module) is None]


BASELINES: Registry[Baseline] = Registry("baseline", "recbench.baselines")


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """Settings that all baselines have, under the prefix `train`."""

    refit: bool = False  # fit to train and validation rows, as trained runs with train.refit=true


def defaults(name: str) -> dict[str, settings.Value]:
    """Return all settings of a baseline's runs with their defaults; raises UsageError if there is no such baseline."""
    own, rows = settings.defaults(BASELINES.get(name)), settings.defaults(FitSettings)
    return settings.prefixed(name, own) | settings.prefixed("train", rows)


def sparse_matrix(pairs: Positives, items: int, weight: Tensor) -> Any:
    """Return the pairs [P] with their weights [P] as a scipy CSR matrix [users, items]."""
    from scipy.sparse import csr_matrix

    parts = (weight.numpy(), pairs.item.numpy(), pairs.start.numpy())
    return csr_matrix(parts, shape=(len(pairs.start) - 1, items))
