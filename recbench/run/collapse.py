"""Whether a run's vectors still tell users and items apart."""

from __future__ import annotations

from recbench.evaluation.metrics.vectors import collapsed
from recbench.evaluation.predictions import Predictions, score_vectors
from recbench.results.record import RunKey


def collapse_note(key: RunKey, held: Predictions) -> list[str]:
    """Return a line if the vectors that rank by some feedback of the run have collapsed, else nothing."""
    sides = {}
    for column, name in enumerate(key.feedback):
        own = score_vectors(held, column)
        if own is not None:
            sides[name] = " and ".join(f"{side} {value:.4f}" for side, value in collapsed(own).items())
    found = "; ".join(f"{name}: {words}" for name, words in sides.items() if words)
    if not found:
        return []
    remedy = "try a lower --lr, or --set loss.logit=learned"
    return [f"{key.title}: its vectors all point one way (mean cosine of {found}) and tell little apart; {remedy}"]
