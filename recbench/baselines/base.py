"""What a baseline is: fitted to the positives of one kind of feedback, it scores every pair of user and item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

import torch
from torch import Tensor

from recbench import settings
from recbench.data.dataset import Positives
from recbench.evaluation.evaluate import Blocks, Vectors
from recbench.registry import Registry

ROWS_PER_BLOCK = 65536
INSTALL = "pip install 'recbench[baselines]'"


class Scores(ABC):
    """What a fitted baseline says of users and items; higher = better."""

    @abstractmethod
    def rows(self, user: Tensor, item: Tensor) -> Tensor:
        """Return the scores [R] of pairs user [R], item [R]."""

    @abstractmethod
    def catalogue(self) -> Vectors | Blocks:
        """Return the scores of all users and items; those of a pair are the same as in `rows`."""


@dataclass(frozen=True)
class Inner(Scores):
    """Scores that are inner products."""

    user: Tensor  # [users, D] float32
    item: Tensor  # [items, D]

    def rows(self, user: Tensor, item: Tensor) -> Tensor:
        """Return the inner products [R]."""
        blocks = zip(user.long().split(ROWS_PER_BLOCK), item.long().split(ROWS_PER_BLOCK), strict=True)
        return torch.cat([(self.user[u] * self.item[i]).sum(-1) for u, i in blocks])

    def catalogue(self) -> Vectors:
        """Return the vectors."""
        return Vectors(self.user, self.item)


class Fitted(ABC):
    """A baseline fitted to one kind of feedback."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Numbers that it holds."""

    @abstractmethod
    def scores(self, known: Positives) -> Scores:
        """Return the scores of users of whom these pairs are known: those fitted, and the given rows of new users."""


class Baseline(ABC):
    """A reference recommender. Keyword-only constructor arguments are its settings.

    Libraries that it needs are imported in `fit`, never before.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()  # modules beyond those that recbench itself needs
    seeded: ClassVar[bool] = False  # whether the seed changes anything
    size: ClassVar[str] = ""  # the setting that decides how much memory it takes

    @abstractmethod
    def fit(self, train: Positives, items: int, seed: int) -> Fitted:
        """Fit to the distinct positives of users × items."""

    @abstractmethod
    def memory(self, users: int, items: int, pairs: int) -> int:
        """Return about how many bytes fitting and scoring take, for one kind of feedback with so many positives."""

    @classmethod
    def missing(cls) -> list[str]:
        """Return the modules that it needs and that are not installed."""
        return [module for module in cls.needs if find_spec(module) is None]


BASELINES: Registry[Baseline] = Registry("baseline", "recbench.baselines")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What all baselines are fitted to."""

    refit: bool = False  # train and validation rows, as trained runs with train.refit=true


def defaults(name: str) -> dict[str, settings.Value]:
    """Return all settings of a baseline's runs with their defaults; raises UsageError if there is no such baseline."""
    return prefixed(name, settings.defaults(BASELINES.get(name)), settings.defaults(Rows))


def prefixed(
    name: str, own: Mapping[str, settings.Value], rows: Mapping[str, settings.Value]
) -> dict[str, settings.Value]:
    """Return the settings of a baseline and of `Rows` as a key has them: "ials.factors", "train.refit"."""
    return {f"{name}.{key}": value for key, value in own.items()} | {f"train.{key}": v for key, v in rows.items()}


def matrix(pairs: Positives, items: int, weight: Tensor) -> Any:
    """Return the pairs [P] with their weights [P] as a scipy CSR matrix [users, items]."""
    from scipy.sparse import csr_matrix

    parts = (weight.numpy(), pairs.item.numpy(), pairs.start.numpy())
    return csr_matrix(parts, shape=(len(pairs.start) - 1, items))
