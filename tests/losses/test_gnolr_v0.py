"""GNOLR with a tower of its own for each feedback, in closed form."""

from __future__ import annotations

from math import log

import pytest

from tests.losses.by_hand import THREE, batch, loss, sigmoid, towers


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_the_likelihood_of_a_level(level: int) -> None:
    """P(level >= c) = sigmoid(logit_c - a_c), with no sum over the towers before c."""
    logit = [0.7, -0.4, -0.6]
    above = [sigmoid(x - log((1 - rate) / rate)) for x, rate in zip(logit, THREE.rates, strict=True)]
    bounds = [1.0, *above, 0.0]
    value = loss("gnolr-v0", THREE)(towers([[logit]]), batch([[[float(c < level) for c in range(3)]]]))
    assert float(value) == pytest.approx(-log(bounds[level] - bounds[level + 1]), abs=1e-6)
