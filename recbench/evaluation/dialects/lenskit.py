"""LensKit 2025.8.1, Ekstrand, CIKM 2020, https://arxiv.org/abs/1809.03125.

The items of a user in train are no candidates (lenskit/basic/candidates.py UnratedTrainingItemsCandidateSelector), but
those that are in test too stay relevant: no list can hold them.
"""

from __future__ import annotations

from recbench.evaluation.dialects import top
from recbench.evaluation.dialects.definition import Dialect, LibraryTopKMetric
from recbench.evaluation.ranked_lists import RankingRules

_FOLDER = "lenskit/metrics/ranking"
_ZERO = "users without relevant=0"

LENSKIT = Dialect(
    name="lenskit",
    version="LensKit 2025.8.1",
    link="https://github.com/lenskit/lkpy",
    lists=RankingRules("catalogue", seen_positives="relevant but not ranked"),
    metrics={
        "recall": LibraryTopKMetric(
            "Recall",
            f"denominator=min(k, relevant); {_ZERO}",
            f"{_FOLDER}/_pr.py Recall.measure_list",
            top.recall_capped,
            without_relevant=0.0,
        ),
        "precision": LibraryTopKMetric(
            "Precision",
            f"denominator=items in the list; {_ZERO}",
            f"{_FOLDER}/_pr.py Precision.measure_list",
            top.precision_of_list,
            without_relevant=0.0,
        ),
        "hr": LibraryTopKMetric(
            "Hit",
            f"value=1 for any hit; {_ZERO}",
            f"{_FOLDER}/_hit.py Hit.measure_list",
            top.hit_rate,
            without_relevant=0.0,
        ),
        "mrr": LibraryTopKMetric(
            "RecipRank",
            f"beyond k=0; {_ZERO}",
            f"{_FOLDER}/_recip.py RecipRank.measure_list",
            top.reciprocal_rank,
            without_relevant=0.0,
        ),
        "ndcg": LibraryTopKMetric(
            "NDCG",
            f"ideal=min(k, relevant) items; discount=log2(max(rank, 2)); {_ZERO}",
            f"{_FOLDER}/_dcg.py NDCG.measure_list, {_FOLDER}/_weighting.py LogRankWeight.weight",
            top.ndcg_log_rank,
            without_relevant=0.0,
        ),
        "map": LibraryTopKMetric(
            "AveragePrecision",
            "precision at hits over min(items in the list, relevant); users without relevant=undefined",
            f"{_FOLDER}/_map.py AveragePrecision.measure_list",
            top.average_precision_of_list,
            without_relevant=float("nan"),
        ),
    },
)
