"""CORN: published values, and its likeness to other losses."""

from __future__ import annotations

import pytest
import torch

from tests.losses.by_hand import SINGLE, TWO, batch, loss, rows, towers

LOGITS = [[[1.0, -0.5]], [[0.2, -1.0]], [[-0.3, -0.6]]]
LEVELS = [[[1.0, 1.0]], [[1.0, 0.0]], [[0.0, 0.0]]]


def test_value_of_the_formula() -> None:
    corn = loss("corn", TWO)
    assert corn(towers(LOGITS), batch(LEVELS)).item() == pytest.approx(0.5506188946133342, abs=1e-12)
    probability = corn.log_probability(towers(LOGITS).logit)
    assert probability is not None
    expected = [
        [0.7310585786300049, 0.27600434470659363],
        [0.549833997312478, 0.14787313675476388],
        [0.425557483188341, 0.1507936105062107],
    ]
    torch.testing.assert_close(probability.exp()[:, 0], torch.tensor(expected, dtype=torch.float64))


def test_a_step_that_no_row_reached_has_no_term() -> None:
    corn = loss("corn", TWO)
    terms = corn.terms(towers(LOGITS), batch([[[0.0, 0.0]]] * 3))
    assert terms[0] > 0 and terms[1] == 0


def test_masked_rows_do_not_count() -> None:
    corn = loss("corn", TWO)
    masked = corn(towers(LOGITS), batch(LEVELS, [[True], [True], [False]]))
    assert masked.item() == pytest.approx(corn(towers(LOGITS[:2]), batch(LEVELS[:2])).item(), abs=1e-12)


def test_with_one_feedback_it_is_bce() -> None:
    labels, cosine = batch(rows([1.0, 0.0, 0.0])), towers(rows([0.4, 0.1, -0.7]))
    corn, bce = loss("corn", SINGLE), loss("bce", SINGLE)
    assert corn(cosine, labels).item() == pytest.approx(bce(cosine, labels).item(), abs=1e-12)
