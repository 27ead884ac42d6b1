"""RecBole 1.2.1, Zhao et al., CIKM 2021, https://arxiv.org/abs/2011.01731.

An item that a user has in train and in test is a candidate and relevant: what is removed is the history without the
positives (recbole/data/dataloader/general_dataloader.py FullSortEvalDataLoader._set_user_property).
"""

from __future__ import annotations

from recbench.evaluation.dialects import rows, top
from recbench.evaluation.dialects.definition import Dialect, LibraryRowMetric, LibraryTopKMetric
from recbench.evaluation.ranked_lists import RankingRules

_FILE = "recbole/evaluator/metrics.py"


RECBOLE = Dialect(
    name="recbole",
    version="RecBole 1.2.1",
    link="https://github.com/RUCAIBox/RecBole",
    lists=RankingRules("catalogue", seen_positives="ranked"),
    metrics={
        "auc": LibraryRowMetric("AUC", "pooled; ties=half", f"{_FILE} AUC.metric_info", rows.pooled_auc, unit="rows"),
        "gauc": LibraryRowMetric(
            "GAUC",
            "weight=positives of the user; ties=half; one-class=skipped",
            f"{_FILE} GAUC.metric_info, recbole/evaluator/collector.py Collector._average_rank",
            rows.gauc_by_positives,
        ),
        "logloss": rows.log_loss("LogLoss", f"{_FILE} LogLoss.metric_info", 1e-15),
        "recall": LibraryTopKMetric("Recall", f"{_FILE} Recall.metric_info", top.RECALL),
        "precision": LibraryTopKMetric("Precision", f"{_FILE} Precision.metric_info", top.PRECISION),
        "hr": LibraryTopKMetric("Hit", f"{_FILE} Hit.metric_info", top.HIT),
        "mrr": LibraryTopKMetric("MRR", f"{_FILE} MRR.metric_info", top.FIRST_HIT),
        "ndcg": LibraryTopKMetric("NDCG", f"{_FILE} NDCG.metric_info", top.NDCG_BY_RANK),
        "map": LibraryTopKMetric("MAP", f"{_FILE} MAP.metric_info", top.AVERAGE_PRECISION),
    },
)
