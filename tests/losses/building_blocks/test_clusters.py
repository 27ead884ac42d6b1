"""Soft clusters: membership and divergence."""

from __future__ import annotations

import pytest
import torch

from recbench.losses.building_blocks.clusters import divergence, log_membership, sharpened


def test_clustering_loss() -> None:
    item = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    centres = torch.tensor([[0.0, 0.0], [2.0, 0.0]], dtype=torch.float64)
    log_share = log_membership(item, centres)
    share = torch.tensor([[0.8333333333333334, 0.16666666666666669], [0.5, 0.5]], dtype=torch.float64)
    torch.testing.assert_close(log_share.exp(), share)
    target = sharpened(share)
    expected = [[0.925925925925926, 0.07407407407407408], [0.33333333333333337, 0.6666666666666667]]
    torch.testing.assert_close(target, torch.tensor(expected, dtype=torch.float64))
    assert float(divergence(target, log_share).sum()) == pytest.approx(0.09412014037672525, abs=1e-12)


def test_membership_of_an_item_on_its_centre_has_a_finite_gradient() -> None:
    centres = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    divergence(target, log_membership(centres[2:].detach(), centres)).sum().backward()
    assert centres.grad is not None
    assert centres.grad.isfinite().all()
    assert torch.autograd.gradcheck(lambda c: log_membership(torch.ones(2, 4, dtype=torch.float64), c), centres)
