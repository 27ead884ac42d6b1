"""LensKit 2025.8.1, Ekstrand, CIKM 2020, https://arxiv.org/abs/1809.03125.

The items of a user in train are no candidates (lenskit/basic/candidates.py UnratedTrainingItemsCandidateSelector), but
those that are in test too stay relevant: no list can hold them.
"""

from __future__ import annotations

from functools import partial

from recbench.evaluation.dialects import top
from recbench.evaluation.dialects.definition import Dialect, LibraryTopKMetric
from recbench.evaluation.ranked_lists import RankingRules

_FOLDER = "lenskit/metrics/ranking"
_top_k = partial(LibraryTopKMetric, without_relevant=0.0)

LENSKIT = Dialect(
    name="lenskit",
    version="LensKit 2025.8.1",
    link="https://github.com/lenskit/lkpy",
    lists=RankingRules("catalogue", seen_positives="relevant but not ranked"),
    metrics={
        "recall": _top_k("Recall", f"{_FOLDER}/_pr.py Recall.measure_list", top.RECALL_CAPPED),
        "precision": _top_k("Precision", f"{_FOLDER}/_pr.py Precision.measure_list", top.PRECISION_OF_LIST),
        "hr": _top_k("Hit", f"{_FOLDER}/_hit.py Hit.measure_list", top.HIT),
        "mrr": _top_k("RecipRank", f"{_FOLDER}/_recip.py RecipRank.measure_list", top.FIRST_HIT),
        "ndcg": _top_k(
            "NDCG",
            f"{_FOLDER}/_dcg.py NDCG.measure_list, {_FOLDER}/_weighting.py LogRankWeight.weight",
            top.NDCG_LOG_RANK,
        ),
        "map": _top_k(
            "AveragePrecision",
            f"{_FOLDER}/_map.py AveragePrecision.measure_list",
            top.AVERAGE_PRECISION_OF_LIST,
            without_relevant=float("nan"),
        ),
    },
)
