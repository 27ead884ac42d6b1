"""The code of GNOLR (KDD 2025), https://github.com/FuCongResearchSquad/GNOLR. It was read, not run.

A list there is at most 500 rows of a user; here it is all rows of the user. Equal scores are in no stated order there.
Several rows of one item are ranked apart, but for the recall, whose candidates are a set of items.
"""

from __future__ import annotations

from torch import Tensor

from recbench.evaluation.dialects import rows, top
from recbench.evaluation.dialects.definition import Dialect, LibraryRowMetric, LibraryTopKMetric
from recbench.evaluation.metric import Counted
from recbench.evaluation.ranked_lists import RankingRules

_FILE = "util/metric.py"


def mean_reciprocal_rank(score: Tensor, label: Tensor, user: Tensor) -> Counted:
    """Mean over users of 1 / rank of the first positive; 1 without one, but 0 if no user has any."""
    value = rows.reciprocal_ranks(score, label, user, later_first=False)
    filled = value.where(value > 0, float(value.any()))
    return Counted(float(filled.mean()), len(value))


GNOLR = Dialect(
    name="gnolr",
    version="GNOLR 0ed6954",
    link="https://github.com/FuCongResearchSquad/GNOLR",
    lists=RankingRules("rows", repeated_rows="apart", ties="earlier row first"),
    metrics={
        "auc": LibraryRowMetric(
            "auc", "pooled; ties=half", "script/DSSMTrainable.py test", rows.pooled_auc, unit="rows"
        ),
        "gauc": LibraryRowMetric(
            "group_auc", "weight=1; ties=half; one-class=0.5", f"{_FILE} group_auc", rows.gauc_one_class_half
        ),
        "mrr": LibraryRowMetric(
            "mrr",
            "1/rank of the first positive, all ranks; ties=earlier row first; users without relevant=1",
            f"{_FILE} mrr",
            mean_reciprocal_rank,
        ),
        "ndcg": LibraryTopKMetric("ndcg", f"{_FILE} ndcg", top.NDCG_BY_RANK, without_relevant=1.0),
        "recall": LibraryTopKMetric(
            "Recall",
            "test_kuairand_recall_k.py recall_k_session",
            top.RECALL,
            without_relevant=0.0,
            lists=RankingRules("rows"),
        ),
    },
)
