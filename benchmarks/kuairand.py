"""KuaiRand-Pure, click, like and follow: what a learned scale and bias are worth with several feedback types.

Needs `recbench prepare kuairand-pure --rule all`.
"""

from __future__ import annotations

from benchmarks.accuracy import Method, compare

SHARED = ("train.lr=0.005", "train.batch_size=1024", "train.epochs=20", "train.patience=4")
METHODS = [
    Method("NSB", "nsb"),
    Method("NSB, learned scale and bias", "nsb", ("loss.logit=learned",)),
    Method("ESMM, learned scale and bias", "esmm", ("loss.logit=learned",)),
    Method("GNOLR, scale 2.5", "gnolr", ("loss.scale=2.5",)),
]


def main() -> None:
    """Print the table."""
    compare("kuairand-pure/global+all", METHODS, ["auc"], seeds=3, shared=SHARED)


if __name__ == "__main__":
    main()
