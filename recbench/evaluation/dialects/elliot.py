"""Elliot 0.3.1, Anelli et al., SIGIR 2021, https://arxiv.org/abs/2103.02590. Its source was read, not run.

Elliot computes AUC and GAUC over all items that are not in train; here they are computed over the scored rows. It
counts one negative more than there are, and ranks equal scores as the model listed them: here, in the order of rows.

The items of a user in train are no candidates (elliot/dataset/dataset.py allunrated_mask), but those that are in test
too stay relevant (elliot/evaluation/evaluator.py Evaluator): no list can hold them.
"""

from __future__ import annotations

from recbench.evaluation.dialects import rows, top
from recbench.evaluation.dialects.definition import Dialect, LibraryRowMetric, LibraryTopKMetric
from recbench.evaluation.ranked_lists import RankingRules

_FOLDER = "elliot/evaluation/metrics/accuracy"
_DROPPED = "users without relevant=left out"
_AREA = "negatives+1; ties=earlier row first"

ELLIOT = Dialect(
    name="elliot",
    version="Elliot 0.3.1",
    link="https://github.com/sisinflab/elliot",
    lists=RankingRules("catalogue", seen_positives="relevant but not ranked"),
    metrics={
        "auc": LibraryRowMetric(
            "AUC",
            f"per user, weight=positives of the user; {_AREA}; {_DROPPED}",
            f"{_FOLDER}/AUC/auc.py AUC.eval",
            rows.auc_one_more_negative,
        ),
        "gauc": LibraryRowMetric(
            "GAUC",
            f"per user, weight=1; {_AREA}; {_DROPPED}",
            f"{_FOLDER}/AUC/gauc.py GAUC.eval",
            rows.gauc_one_more_negative,
        ),
        "recall": LibraryTopKMetric("Recall", f"{_FOLDER}/recall/recall.py Recall.eval_user_metric", top.RECALL),
        "precision": LibraryTopKMetric(
            "Precision", f"{_FOLDER}/precision/precision.py Precision.eval_user_metric", top.PRECISION
        ),
        "hr": LibraryTopKMetric("HR", f"{_FOLDER}/hit_rate/hit_rate.py HR.eval_user_metric", top.HIT),
        "mrr": LibraryTopKMetric("MRR", f"{_FOLDER}/mrr/mrr.py MRR.eval_user_metric", top.FIRST_HIT),
        "ndcg": LibraryTopKMetric("nDCG", f"{_FOLDER}/ndcg/ndcg.py nDCG.compute_user_ndcg", top.NDCG_BY_RANK),
        "map": LibraryTopKMetric("MAP", f"{_FOLDER}/map/map.py MAP.eval_user_metric", top.PRECISION_AT_EVERY_RANK),
    },
)
