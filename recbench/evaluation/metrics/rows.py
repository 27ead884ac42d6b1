"""Metrics of scored rows."""

from __future__ import annotations

from types import MappingProxyType

import torch
from torch import Tensor

from recbench.evaluation.metric import METRICS, Counted, Parts, RowMetric
from recbench.evaluation.ranking import auc, auc_by_user, auc_influence, log_loss, log_losses
from recbench.gpu import add_at

BINS = 15  # of the calibration error


@METRICS.add("auc")
class AUC(RowMetric):
    """Share of (positive, negative) pairs of rows in the right order, over all users together."""

    words = "ties=half; one-class=undefined"

    def value(self, score: Tensor, label: Tensor, user: Tensor) -> Counted:
        """Compute the AUC of all rows; NaN if all labels are equal."""
        return Counted(auc(score, label), len(score))

    def parts(self, score: Tensor, label: Tensor, user: Tensor) -> Parts | None:
        """Return each user's influence on the AUC, of which it is the mean."""
        users, influence = auc_influence(score, label, user)
        return Parts(users, influence, torch.ones_like(influence))


@METRICS.add("gauc")
class GAUC(RowMetric):
    """Mean over users of the AUC of each user's rows.

    Zhou et al., KDD 2018 (DIN), https://arxiv.org/abs/1706.06978; the variant `gnolr` is the
    mean that the code of GNOLR (KDD 2025) computes, which draws towards 0.5 where most users have one class.
    """

    words = "ties=half"
    variants = MappingProxyType(
        {
            "impressions": "weight=rows of the user; one-class=skipped",
            "mean": "weight=1; one-class=skipped",
            "gnolr": "weight=1; one-class=0.5",
        }
    )
    unit = "users"

    def value(self, score: Tensor, label: Tensor, user: Tensor) -> Counted:
        """Compute the mean and the number of users in it; NaN if no user has both classes."""
        parts = self.parts(score, label, user)
        if score.isnan().any() or not len(parts.user):
            return Counted(float("nan"), 0)
        return Counted(float(parts.numerator.sum() / parts.denominator.sum()), len(parts.user))

    def parts(self, score: Tensor, label: Tensor, user: Tensor) -> Parts:
        """Return each user's AUC times its weight, and the weight."""
        area, rows = auc_by_user(score, label, user)
        both = ~area.isnan()
        if self.variant == "gnolr" and both.any():
            area, both = area.nan_to_num(0.5), torch.ones_like(both)
        weight = rows[both].double() if self.variant == "impressions" else both[both].double()
        return Parts(user.long().unique()[both], area[both] * weight, weight)


@METRICS.add("cindex")
class CIndex(RowMetric):
    """Share of pairs of a user's rows of different level in which the higher level has the higher score.

    The concordance index (Harrell et al., JAMA 1982) of the ordinal level within users: how well one score orders all
    kinds of feedback. With a single feedback it is the AUC within users, weighted by pairs.
    """

    words = "ties=half; pairs=rows of one user with different levels; weight=pairs"
    needs = frozenset({"level"})
    unit = "users"

    def value(self, score: Tensor, label: Tensor, user: Tensor) -> Counted:
        """Compute the share and the number of users with a pair; NaN if there is none, or a score is NaN."""
        wins, pairs, users = 0.0, 0.0, set[int]()
        for level in range(1, int(label.max()) + 1 if len(label) else 1):
            rows = label <= level
            reached = (label[rows] == level).long()
            area, count = auc_by_user(score[rows], reached, user[rows])
            distinct, position = user[rows].unique(return_inverse=True)
            positive = torch.zeros_like(count).index_add_(0, position, reached)
            weight = (positive * (count - positive)).double()
            both = weight > 0
            wins += float((area[both] * weight[both]).sum())
            pairs += float(weight.sum())
            users.update(distinct[both].tolist())
        return Counted(wins / pairs if pairs else float("nan"), len(users))


@METRICS.add("logloss")
class LogLoss(RowMetric):
    """Mean negative log-likelihood of the labels, in nats."""

    words = "unit=nats; mean=rows"
    needs = frozenset({"probability"})
    better = "low"

    def value(self, score: Tensor, label: Tensor, user: Tensor) -> Counted:
        """Compute the log loss of log-probabilities."""
        return Counted(log_loss(score, label), len(score))

    def parts(self, score: Tensor, label: Tensor, user: Tensor) -> Parts:
        """Return the sum over each user's rows and their number."""
        users, position, rows = user.long().unique(return_inverse=True, return_counts=True)
        cost = torch.zeros(len(users), dtype=torch.double, device=score.device)
        return Parts(users, add_at(cost, position, log_losses(score, label)), rows.double())


@METRICS.add("ece")
class ECE(RowMetric):
    """Expected calibration error: how far predicted and observed rates are apart, by bins of the prediction.

    Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599, with 15 bins of equal width; the variant `mass`
    has bins of equal numbers of rows, which says more where most predictions are near 0 (Nixon et al., 2019,
    https://arxiv.org/abs/1904.01685).
    """

    variants = MappingProxyType({"width": "bins=15 of equal width", "mass": "bins=15 of equal rows"})
    words = "weight=rows of the bin"
    needs = frozenset({"probability"})
    better = "low"

    def value(self, score: Tensor, label: Tensor, user: Tensor) -> Counted:
        """Compute the mean over rows of |mean prediction - share of positives| of the row's bin; NaN without rows."""
        if not len(score):
            return Counted(float("nan"), 0)
        predicted = score.double().exp()
        if self.variant == "mass":
            rank = torch.empty(len(score), dtype=torch.long, device=score.device)
            rank[predicted.argsort(stable=True)] = torch.arange(len(score), device=score.device)
            bin_of_row = rank * BINS // len(score)
        else:
            bin_of_row = (predicted * BINS).ceil().long().clamp(1, BINS) - 1
        gap = torch.zeros(BINS, dtype=torch.double, device=score.device)
        add_at(gap, bin_of_row, predicted - label.double())
        return Counted(float(gap.abs().sum()) / len(score), len(score))


@METRICS.add("pcoc")
class PCOC(RowMetric):
    """Predicted over observed positives: 1 is right, 2 is twice too many; a base rate that is off shows at once.

    He et al., ADKDD 2014 (there "calibration"), https://doi.org/10.1145/2648584.2648589.
    """

    words = "predicted/observed"
    better = "one"
    needs = frozenset({"probability"})

    def value(self, score: Tensor, label: Tensor, user: Tensor) -> Counted:
        """Compute the sum of probabilities over the number of positives; NaN without positives."""
        positives = float(label.double().sum())
        return Counted(float(score.double().exp().sum()) / positives if positives else float("nan"), len(score))
