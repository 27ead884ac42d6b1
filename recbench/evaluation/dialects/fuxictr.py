"""FuxiCTR 2.3.10, Zhu et al., CIKM 2021, https://arxiv.org/abs/2009.05794.

A list is all rows of a user: several rows of one item are ranked apart, each with its label. The order of equal scores
is that of numpy's default sort reversed, which is the later row first on short lists
without vector instructions and arbitrary otherwise; here it is always the later row first.
"""

from __future__ import annotations

import sys

from recbench.evaluation.dialects import rows, top
from recbench.evaluation.dialects.definition import Dialect, LibraryRowMetric, LibraryTopKMetric
from recbench.evaluation.ranked_lists import RankingRules

_FILE = "fuxictr/metrics.py"


FUXICTR = Dialect(
    name="fuxictr",
    version="FuxiCTR 2.3.10",
    link="https://github.com/reczoo/FuxiCTR",
    lists=RankingRules("rows", repeated_rows="apart", ties="later row first"),
    metrics={
        "auc": LibraryRowMetric("AUC", "pooled; ties=half", f"{_FILE} evaluate_metrics", rows.pooled_auc, unit="rows"),
        "gauc": LibraryRowMetric(
            "gAUC", "weight=rows of the user; ties=half; one-class=skipped", f"{_FILE} gAUC", rows.gauc_by_rows
        ),
        "avgauc": LibraryRowMetric(
            "avgAUC", "weight=1; ties=half; one-class=skipped", f"{_FILE} avgAUC", rows.gauc_by_user
        ),
        "logloss": rows.log_loss("logloss", f"{_FILE} evaluate_metrics", sys.float_info.epsilon),
        "mrr": LibraryRowMetric(
            "MRR",
            "mean of 1/rank over all positives of the user; ties=later row first; users without relevant=0",
            f"{_FILE} MRR",
            rows.mean_reciprocal_ranks,
        ),
        "ndcg": LibraryTopKMetric("NDCG", f"{_FILE} NDCG", top.NDCG_BY_RANK, without_relevant=0.0),
    },
)
