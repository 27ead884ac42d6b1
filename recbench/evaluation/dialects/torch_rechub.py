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
_TOP = f"{_FILE} topk_metrics"
_top_k = partial(LibraryTopKMetric, without_relevant=0.0, needs_full_lists=True)


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
        "logloss": rows.log_loss("log_loss", f"{_FILE} log_loss", 0.0),
        "recall": _top_k("Recall", _TOP, top.RECALL),
        "precision": _top_k("Precision", _TOP, top.PRECISION),
        "hr": _top_k("Hit", _TOP, top.RECALL_OF_ALL, weight="relevant", without_relevant=None),
        "mrr": _top_k("MRR", _TOP, top.FIRST_HIT),
        "ndcg": _top_k("NDCG", _TOP, top.NDCG_BY_RANK),
    },
)
