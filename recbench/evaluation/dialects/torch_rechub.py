"""Torch-RecHub 0.9.0, https://github.com/datawhalechina/torch-rechub.

Its `gauc` calls scikit-learn for each user, which gives NaN for users of one class since version 1.6 and stops before.

Its lists are the caller's. Its examples search all items (match_evaluation), so that an item that a user has in train
and in test is a candidate and relevant; `--keep-seen` leaves the other items of train there too.
"""

from __future__ import annotations

from functools import partial

from recbench.evaluation.dialects import rows, top
from recbench.evaluation.dialects.definition import Dialect, LibraryRowMetric, LibraryTopKMetric
from recbench.evaluation.ranked_lists import RankingRules

_FILE = "torch_rechub/basic/metric.py"
_ZERO = "users without relevant=0; a list shorter than k=undefined"
_TOP = f"{_FILE} topk_metrics"


TORCH_RECHUB = Dialect(
    name="torch-rechub",
    version="Torch-RecHub 0.9.0",
    link="https://github.com/datawhalechina/torch-rechub",
    lists=RankingRules("catalogue", seen_positives="ranked"),
    metrics={
        "auc": LibraryRowMetric("auc_score", "pooled; ties=half", f"{_FILE} auc_score", rows.pooled_auc, unit="rows"),
        "gauc": LibraryRowMetric(
            "gauc_score",
            "weight=rows of the user; ties=half; one-class=undefined",
            f"{_FILE} gauc_score",
            rows.gauc_all_users,
        ),
        "logloss": LibraryRowMetric(
            "log_loss",
            "unit=nats; mean=rows; p not clipped",
            f"{_FILE} log_loss",
            partial(rows.log_loss_clipped, 0.0),
            unit="rows",
            needs=frozenset({"probability"}),
            better="low",
        ),
        "recall": LibraryTopKMetric(
            "Recall", f"denominator=relevant; {_ZERO}", _TOP, top.recall, without_relevant=0.0, needs_full_lists=True
        ),
        "precision": LibraryTopKMetric(
            "Precision", f"denominator=k; {_ZERO}", _TOP, top.precision, without_relevant=0.0, needs_full_lists=True
        ),
        "hr": LibraryTopKMetric(
            "Hit",
            "hits of all users over relevant of all users; a list shorter than k=undefined",
            _TOP,
            top.recall,
            weight="relevant",
            needs_full_lists=True,
        ),
        "mrr": LibraryTopKMetric(
            "MRR", f"beyond k=0; {_ZERO}", _TOP, top.reciprocal_rank, without_relevant=0.0, needs_full_lists=True
        ),
        "ndcg": LibraryTopKMetric(
            "NDCG",
            f"ideal=min(k, relevant) items; discount=log2(rank+1); {_ZERO}",
            _TOP,
            top.ndcg,
            without_relevant=0.0,
            needs_full_lists=True,
        ),
    },
)
