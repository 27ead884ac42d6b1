"""Joint ranking and calibration in closed form."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from recbench.batch import Batch, Towers
from recbench.losses.base import LOSSES
from recbench.samplers import Lists
from tests.losses.by_hand import SINGLE, batch, loss, sigmoid, softplus, towers

# Two lists, of three rows and of one; the padding must not count.
JRC_LOGITS = [[[0.0, 2.0], [0.5, 1.0], [1.0, 0.0]], [[0.0, -1.0], [9.0, 9.0], [9.0, -9.0]]]
JRC_LABELS = [[[1.0], [0.0], [1.0]], [[0.0], [0.0], [1.0]]]
JRC_MASK = [[True, True, True], [True, False, False]]
CALIBRATION = (softplus(-2) + softplus(0.5) + softplus(1) + softplus(-1)) / 4
GENERATIVE = [  # of the rows of the first list; the only row of the second has no rival
    -log(exp(2) / (exp(2) + exp(1) + exp(0))),
    -log(exp(0.5) / (exp(0) + exp(0.5) + exp(1))),
    -log(exp(0) / (exp(2) + exp(1) + exp(0))),
]
OF_ROWS, OF_LISTS = sum(GENERATIVE) / 4, sum(GENERATIVE) / 3 / 2


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"alpha": 1.0}, CALIBRATION),
        ({"alpha": 0.0, "per": "lists"}, OF_LISTS),
        ({"alpha": 0.0}, OF_ROWS),
        ({"per": "lists"}, (CALIBRATION + OF_LISTS) / 2),
        ({}, (CALIBRATION + OF_ROWS) / 2),
    ],
)
def test_jrc(settings: dict[str, object], expected: float) -> None:
    value = loss("jrc", SINGLE, **settings)(towers(JRC_LOGITS), batch(JRC_LABELS, JRC_MASK))
    assert float(value) == pytest.approx(expected, abs=1e-12)


def test_jrc_with_rivals_of_the_other_label() -> None:
    value = loss("jrc", SINGLE, alpha=0.0, rivals="other")(towers(JRC_LOGITS), batch(JRC_LABELS, JRC_MASK))
    positives = softplus(1 - 2) + softplus(1 - 0)  # the logit of label 1 against that of the negative
    negative = -log(exp(0.5) / (exp(0.5) + exp(0) + exp(1)))
    assert float(value) == pytest.approx((positives + negative) / 4, abs=1e-12)


def test_jrc_probability_is_the_sigmoid_of_the_difference() -> None:
    logit = torch.tensor([[0.0, 2.0], [0.5, 1.0], [1.0, 0.0]], dtype=torch.float64)
    made = loss("jrc", SINGLE)
    log_probability = made.log_probability(logit)
    assert log_probability is not None
    expected = [sigmoid(2), sigmoid(0.5), sigmoid(-1)]
    assert log_probability.exp()[:, 0].tolist() == pytest.approx(expected, abs=1e-12)


def test_jrc_generative_term_vanishes_on_lists_of_one_row() -> None:
    logit = torch.randn(9, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    label = (torch.arange(9) % 3 == 0).double().view(9, 1, 1)
    nothing = torch.empty(0)
    rows = Batch(nothing, nothing, label)
    for rivals in ("list", "other"):
        for per in ("rows", "lists"):
            made = loss("jrc", SINGLE, alpha=0.0, rivals=rivals, per=per, pos_weight=7.0)
            assert float(made(Towers(nothing, nothing, pair=logit), rows)) == 0.0
    half = loss("jrc", SINGLE, longest=1)
    difference = logit[..., 1:] - logit[..., :1]
    entropy = loss("bce", SINGLE)(Towers(nothing, nothing, pair=difference), rows)
    assert float(half(Towers(nothing, nothing, pair=logit), rows)) == pytest.approx(float(entropy) / 2, abs=1e-12)


def test_jrc_trains_on_rows_when_asked() -> None:
    assert loss("jrc", SINGLE, longest=1).sampler == Lists(longest=1)


def test_jrc_starts_from_the_log_odds_of_the_feedback() -> None:
    rates = LOSSES.get("jrc")(SINGLE).base_rates()
    assert rates is not None
    bias = torch.logit(rates)
    assert float(bias[1] - bias[0]) == pytest.approx(log(0.25 / 0.75), abs=1e-6)
