"""SetRank in closed form."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from recbench.batch import Towers
from recbench.data.dataset import Info
from tests.losses.by_hand import SINGLE, batch, loss, sigmoid, towers
from tests.losses.random_lists import (
    random_lists,
)

SIGMOIDS = [sigmoid(score) for score in (2, 1, 0, -1)]  # positive, negative, positive, negative


@pytest.mark.parametrize(
    ("form", "g"),
    [
        ("sigmoid", SIGMOIDS),
        ("exp-sigmoid", [exp(s) for s in SIGMOIDS]),
        ("exp", [exp(2), exp(1), exp(0), exp(-1)]),
    ],
)
def test_setrank(form: str, g: list[float]) -> None:
    expected = -sum(log(g[i] / (g[i] + g[1] + g[3])) for i in (0, 2))
    value = loss("setrank", form=form)(towers([[2, 1, 0, -1]]), batch([[1, 0, 1, 0]]))
    assert float(value) == pytest.approx(expected, abs=1e-12)


def test_setrank_of_exponentials_is_the_listwise_term_against_negatives() -> None:
    logit, lists = random_lists()
    one = Info(10, 10, rates=(0.4,))
    inner = Towers(torch.empty(0), torch.empty(0), pair=logit[..., :1])
    both = loss("gnolr-l", one, rivals="negatives")(inner, lists)
    pointwise = loss("gnolr-l", one, rivals="negatives", list_weight=0.0)(inner, lists)
    torch.testing.assert_close(both - pointwise, loss("setrank", SINGLE, form="exp")(inner, lists))
