"""Cornac 3.0.1, Salah et al., JMLR 2020, https://jmlr.org/papers/v21/19-805.html.

Cornac computes AUC, MAP and MRR over all items that are not in train; here they are computed over the scored rows.
An item that a user has in train and in test is a candidate and relevant (cornac/eval_methods/base_method.py
ranking_eval: the negatives are all items but the positives of train, validation and test, the candidates these and
the test positives).
"""

from __future__ import annotations

from torch import Tensor

from recbench.evaluation.dialects import rows, top
from recbench.evaluation.dialects.definition import Dialect, LibraryRowMetric, LibraryTopKMetric
from recbench.evaluation.metric import Counted
from recbench.evaluation.ranked_lists import RankingRules

_FILE = "cornac/metrics/ranking.py"
_DROPPED = "users without relevant=left out"


def mean_reciprocal_rank(score: Tensor, label: Tensor, user: Tensor) -> Counted:
    """Mean over users with a positive of 1 / rank of the first one; the later of two equal scores ranks first."""
    value = rows.reciprocal_ranks(score, label, user, later_first=True)
    some = value > 0
    return Counted(float(value[some].mean()), int(some.sum()))


CORNAC = Dialect(
    name="cornac",
    version="Cornac 3.0.1",
    link="https://github.com/PreferredAI/cornac",
    lists=RankingRules("catalogue", seen_positives="ranked"),
    metrics={
        "auc": LibraryRowMetric(
            "AUC",
            f"per user, weight=1; ties=lost; {_DROPPED}; users without other rows=undefined",
            f"{_FILE} AUC.compute, cornac/eval_methods/base_method.py ranking_eval",
            rows.gauc_strict,
        ),
        "map": LibraryRowMetric(
            "MAP",
            f"mean precision at positives, all ranks; ties=last rank of the run; {_DROPPED}",
            f"{_FILE} MAP.compute",
            rows.average_precision,
        ),
        "mrr": LibraryRowMetric(
            "MRR",
            f"1/rank of the first positive, all ranks; ties=later row first; {_DROPPED}",
            f"{_FILE} MRR.compute",
            mean_reciprocal_rank,
        ),
        "recall": LibraryTopKMetric("Recall", f"{_FILE} Recall.compute", top.RECALL),
        "precision": LibraryTopKMetric("Precision", f"{_FILE} Precision.compute", top.PRECISION),
        "hr": LibraryTopKMetric("HitRatio", f"{_FILE} HitRatio.compute", top.HIT),
        "ndcg": LibraryTopKMetric("NDCG", f"{_FILE} NDCG.compute", top.NDCG_BY_RANK),
    },
)
