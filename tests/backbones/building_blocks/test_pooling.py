"""Weighted sums of rows of a table."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import embedding_bag

from recbench.backbones.building_blocks.pooling import pooled


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own use of it
def test_pooling_is_that_of_embedding_bag_and_has_all_derivatives() -> None:
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(6, 3, dtype=torch.double, generator=generator).requires_grad_()
    index = torch.tensor([[5, 0, 5, 1], [0, 0, 0, 0], [1, 2, 5, 4]])  # row 3 is nobody's
    weight = torch.rand(3, 4, dtype=torch.double, generator=generator)
    found = pooled(table, index, weight)
    expected = (table.detach()[index] * weight[..., None]).sum(1)
    torch.testing.assert_close(found, expected)
    assert torch.autograd.gradcheck(lambda t: pooled(t, index, weight), table, check_forward_ad=True)
    torch.testing.assert_close(found, embedding_bag(index, table, mode="sum", per_sample_weights=weight))
