"""Implicit alternating least squares."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recbench.backbones.building_blocks.least_squares import solve_rows
from recbench.baselines.base import BASELINES, Baseline, FittedBaseline, Size, sparse_matrix
from recbench.data.dataset import Positives
from recbench.evaluation.predictions import InnerProductScores
from recbench.settings import at_least

_STEPS = 3  # of conjugate gradients from the last solution, as in implicit
_STEPS_ANEW = 20  # from 0


@BASELINES.add("ials")
class IALS(Baseline):
    """Factors of the matrix of positives, which weigh `alpha` where all else weighs 1, by alternating least squares.

    Hu, Koren and Volinsky, ICDM 2008, https://doi.org/10.1109/ICDM.2008.22. A row's factors are regularised by
    l2 (c / mean c)^frequency, where c is the weight of all pairs of the row: Rendle et al., RecSys 2022,
    https://arxiv.org/abs/2110.14037, with their nu = `frequency` and alpha0 = 1 / (alpha - 1). Without it the library
    implicit does the work. A positive whose rows have weights, r in sum, weighs 1 + (alpha - 1) r, the paper's
    confidence of r observations. New users are folded in; a user without positives scores 0 everywhere.
    """

    needs = ("implicit",)
    seeded = True
    weighs_rows = True
    saving = "lower ials.factors with --set"
    former = {"frequency": 0.0}
    search = {
        "l2": (3.0, 10.0, 30.0, 100.0, 300.0),
        "alpha": (3.0, 10.0, 30.0, 100.0),
        "factors": (64, 128, 256),
        "frequency": (0.5, 1.0),
    }

    def __init__(
        self,
        *,
        factors: int = 128,
        l2: float = 50.0,
        alpha: float = 10.0,
        iterations: int = 15,
        frequency: float = 1.0,
    ) -> None:
        at_least("ials.factors", factors, 1)
        at_least("ials.iterations", iterations, 1)
        at_least("ials.l2", l2, 0)
        at_least("ials.frequency", frequency, 0)
        at_least("ials.alpha", alpha, 1)
        self.factors, self.l2, self.alpha = factors, l2, alpha
        self.iterations, self.frequency = iterations, frequency

    def fit(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        """Solve for users and items in turn."""
        return self._fit_scaled(train, items, seed) if self.frequency else self._fit_plain(train, items, seed)

    def memory(self, size: Size) -> int:
        """Return about how many bytes it takes: the factors four times, fitted, kept, as queries and as an index."""
        return 4 * 4 * self.factors * (size.users + size.items) + 32 * size.pairs

    def _fit_scaled(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        users = len(train.start) - 1
        by_item = Positives.from_pairs(train.item, train.user, items, users, train.weight)
        generator = torch.Generator().manual_seed(seed)
        scale = 0.1 / self.factors**0.5
        user = torch.randn(users, self.factors, generator=generator) * scale
        item = torch.randn(items, self.factors, generator=generator) * scale
        of_user, of_item = (self.regularisation(pairs, other) for pairs, other in ((train, items), (by_item, users)))
        for _ in range(self.iterations):
            user = solve_rows(train, item, user, self.alpha, of_user, _STEPS)
            item = solve_rows(by_item, user, item, self.alpha, of_item, _STEPS)
        return ScaledFactors(self, user, item, train)

    def _fit_plain(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "blas"):  # implicit has threads of its own, and warns of others
            model = AlternatingLeastSquares(
                factors=self.factors,
                regularization=self.l2,
                alpha=self.alpha,
                iterations=self.iterations,
                num_threads=torch.get_num_threads(),
                random_state=seed,
            )
            model.fit(sparse_matrix(train, items, self.confidence(train)), show_progress=False)
        return Factors(self, model, train)

    def confidence(self, pairs: Positives) -> Tensor:
        """Return what each pair weighs over `alpha`, [P], as implicit wants it: 1 without weights."""
        if pairs.weight is None:
            return torch.ones(len(pairs.item))
        return (1 + (self.alpha - 1) * pairs.weight) / self.alpha

    def regularisation(self, pairs: Positives, others: int, fitted: Positives | None = None) -> Tensor:
        """Return the weight of the squared factors of each row, [rows]; its mean over the fitted rows is about `l2`."""
        weight, usual = ((self.alpha - 1) * _weights_of_rows(rows) + others for rows in (pairs, fitted or pairs))
        return self.l2 * (weight / usual.mean()).pow(self.frequency)


def _weights_of_rows(pairs: Positives) -> Tensor:
    """Return the number of pairs of each row [rows], or the sum of their weights."""
    if pairs.weight is None:
        return pairs.start.diff().float()
    return pairs.weight.new_zeros(len(pairs.start) - 1).index_add(0, pairs.user, pairs.weight)


class ScaledFactors(FittedBaseline):
    """Factors of users and items; those of new users are solved for, given what is known of them."""

    def __init__(self, model: IALS, user: Tensor, item: Tensor, train: Positives) -> None:
        self.model, self.user, self.item, self.train = model, user, item, train

    @property
    def parameters(self) -> int:
        """Number of factors of all users and items."""
        return self.user.numel() + self.item.numel()

    def scores(self, known: Positives) -> InnerProductScores:
        """Return the factors, those of users that were not fitted from their known positives."""
        new = (known.start.diff() > 0) & (self.train.start.diff() == 0)
        if not bool(new.any()):
            return InnerProductScores(self.user, self.item)
        of_new_users = new[known.user]
        pairs = Positives.from_pairs(
            known.user[of_new_users],
            known.item[of_new_users],
            len(self.user),
            len(self.item),
            None if known.weight is None else known.weight[of_new_users],
        )
        l2 = self.model.regularisation(pairs, len(self.item), self.train)
        solved = solve_rows(pairs, self.item, torch.zeros_like(self.user), self.model.alpha, l2, _STEPS_ANEW)
        return InnerProductScores(torch.where(new[:, None], solved, self.user), self.item)


class Factors(FittedBaseline):
    """Factors by implicit of users and items; those of new users are solved for, given what is known of them."""

    def __init__(self, baseline: IALS, model: Any, train: Positives) -> None:
        self.baseline, self.model = baseline, model
        self.fitted = train.start.diff() > 0  # [users]

    @property
    def parameters(self) -> int:
        """Number of factors of all users and items."""
        return int(self.model.user_factors.size + self.model.item_factors.size)

    def scores(self, known: Positives) -> InnerProductScores:
        """Return the factors, those of users that were not fitted from their known positives."""
        from threadpoolctl import threadpool_limits

        user: Tensor = torch.from_numpy(self.model.user_factors).clone()
        item: Tensor = torch.from_numpy(self.model.item_factors)
        new = ((known.start.diff() > 0) & ~self.fitted).nonzero()[:, 0].numpy()
        if len(new):
            pairs = sparse_matrix(known, len(item), self.baseline.confidence(known))[new]
            with threadpool_limits(1, "blas"):
                user[new] = torch.from_numpy(self.model.recalculate_user(new, pairs))
        return InnerProductScores(user, item)
