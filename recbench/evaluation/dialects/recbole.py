"""RecBole 1.2.1, Zhao et al., CIKM 2021, https://arxiv.org/abs/2011.01731.

An item that a user has in train and in test is a candidate and relevant: what is removed is the history without the
positives (recbole/data/dataloader/general_dataloader.py FullSortEvalDataLoader._set_user_property).
"""

from __future__ import annotations

from functools import partial

from recbench.evaluation.dialects import rows, top
from recbench.evaluation.dialects.definition import Dialect, LibraryRowMetric, LibraryTopKMetric
from recbench.evaluation.ranked_lists import RankingRules

_FILE = "recbole/evaluator/metrics.py"
_DROPPED = "users without relevant=left out"


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
        "logloss": LibraryRowMetric(
            "LogLoss",
            "unit=nats; mean=rows; p clipped to 1e-15",
            f"{_FILE} LogLoss.metric_info",
            partial(rows.log_loss_clipped, 1e-15),
            unit="rows",
            needs=frozenset({"probability"}),
            better="low",
        ),
        "recall": LibraryTopKMetric(
            "Recall", f"denominator=relevant; {_DROPPED}", f"{_FILE} Recall.metric_info", top.recall
        ),
        "precision": LibraryTopKMetric(
            "Precision", f"denominator=k; {_DROPPED}", f"{_FILE} Precision.metric_info", top.precision
        ),
        "hr": LibraryTopKMetric("Hit", f"value=1 for any hit; {_DROPPED}", f"{_FILE} Hit.metric_info", top.hit_rate),
        "mrr": LibraryTopKMetric("MRR", f"beyond k=0; {_DROPPED}", f"{_FILE} MRR.metric_info", top.reciprocal_rank),
        "ndcg": LibraryTopKMetric(
            "NDCG",
            f"ideal=min(k, relevant) items; discount=log2(rank+1); {_DROPPED}",
            f"{_FILE} NDCG.metric_info",
            top.ndcg,
        ),
        "map": LibraryTopKMetric(
            "MAP",
            f"precision at hits over min(k, relevant); {_DROPPED}",
            f"{_FILE} MAP.metric_info",
            top.average_precision,
        ),
    },
)
