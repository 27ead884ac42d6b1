"""The triplet loss by hand."""

from __future__ import annotations

import pytest
import torch

from tests.losses.rank_slates import made, random_logits, value


@pytest.mark.parametrize("hardest", [0, 3])
def test_gradient_of_the_triplet_loss(hardest: int) -> None:
    loss = made("triplet", hardest=hardest, margin=1.0)
    assert torch.autograd.gradcheck(lambda x: value(loss, x), random_logits().requires_grad_())


def test_the_hardest_triplets() -> None:
    logit = torch.tensor([[1.0, 3.0, 2.0, -1.0, -9.0]], dtype=torch.float64)
    assert float(value(made("triplet", margin=1.0), logit)) == pytest.approx(3 + 2)
    assert float(value(made("triplet", margin=1.0, hardest=1), logit)) == pytest.approx(3)
    assert float(value(made("triplet", margin=1.0, hardest=9), logit)) == pytest.approx(5)
    mask = torch.tensor([[True, False, True, True, True]])
    assert float(value(made("triplet", margin=1.0, hardest=1), logit, mask=mask)) == pytest.approx(2)
