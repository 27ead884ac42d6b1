"""MovieLens-1M, per-user split, rating > 4: is GNOLR's gain over BCE more than a scale and a bias?

Needs `recbench prepare ml-1m --split user`. Published: GNOLR (KDD 2025), Table 2. About an hour on two cores.
"""

from __future__ import annotations

from benchmarks.accuracy import Method, compare

SHARED = ("train.lr=0.05", "train.batch_size=1024", "train.epochs=25", "train.patience=4", "train.refit=true")
METHODS = [
    Method("BCE", "bce", published="0.7542"),
    Method("BCE, pos_weight 2", "bce", ("loss.pos_weight=2",), published="0.7896"),
    Method("GNOLR, scale 2.57", "gnolr", ("loss.scale=2.57",), published="0.8139"),
    Method("BCE, learned scale and bias", "bce", ("loss.logit=learned",), published="–"),
]


def main() -> None:
    """Print the table."""
    compare("ml-1m/user", METHODS, ["auc", "gauc", "logloss", "recall@20"], seeds=5, shared=SHARED)


if __name__ == "__main__":
    main()
