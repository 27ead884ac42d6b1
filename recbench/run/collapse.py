"""Whether a run's vectors still tell users and items apart."""

from __future__ import annotations

from recbench.evaluation.metrics.vectors import collapsed
from recbench.evaluation.predictions import Predictions, score_vectors
from recbench.results.record import RunKey


def collapse_note(key: RunKey, predictions: Predictions) -> list[str]:
    """Return a line if the vectors that rank by some feedback of the run have collapsed, else nothing."""
    collapsed_sides = {}
    for column, name in enumerate(key.feedback):
        vectors = score_vectors(predictions, column)
        if vectors is not None:
            cosines = collapsed(vectors)
            collapsed_sides[name] = " and ".join(f"{side} {cosine:.4f}" for side, cosine in cosines.items())
    listed = "; ".join(f"{name}: {sides}" for name, sides in collapsed_sides.items() if sides)
    if not listed:
        return []
    learned = key.settings.get("loss.logit") in ("learned", None)  # None: a loss without scale and bias
    remedy = "try a lower --lr" if learned else "try a lower --lr, or --set loss.logit=learned"
    return [f"{key.title}: its vectors all point one way (mean cosine of {listed}) and tell little apart; {remedy}"]
