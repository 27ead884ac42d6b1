"""The synthetic log: how near the truth a model comes, and whether one index serves the sparse feedback best.

Needs `recbench prepare synthetic --rows 1e6`.
"""

from __future__ import annotations

from benchmarks.accuracy import Method, compare

SHARED = ("train.lr=0.003", "train.epochs=12", "train.patience=3")
LEARNED = ("loss.logit=learned",)
METHODS = [
    Method("GNOLR, one index", "gnolr"),
    Method("ESMM, learned", "esmm", LEARNED),
    Method("NSB, learned", "nsb", LEARNED),
    Method("BCE on view, learned", "bce", LEARNED, ("view",)),
    Method("BCE on buy, learned", "bce", LEARNED, ("buy",)),
]


def main() -> None:
    """Print the table; the index of a single-task run is asked for every feedback."""
    metrics = [f"{metric}/{feedback}" for metric in ("auc", "recall@50") for feedback in ("view", "cart", "buy")]
    compare("synthetic", METHODS, metrics, seeds=3, shared=SHARED)


if __name__ == "__main__":
    main()
