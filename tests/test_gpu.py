"""What is computed otherwise on a GPU is the same sum."""

from __future__ import annotations

import pytest
import torch

from recbench.gpu import add_at, as_on_gpu, everywhere_as_on_gpu, rows_at

INDEX = torch.tensor([[2, 0, 2], [4, 2, 0]])


def test_the_switch_is_for_what_is_inside() -> None:
    assert as_on_gpu(torch.device("cuda"))
    assert not as_on_gpu(torch.device("cpu"))
    with pytest.raises(ZeroDivisionError), everywhere_as_on_gpu():
        assert as_on_gpu(torch.device("cpu"))
        _ = 1 / 0
    assert not as_on_gpu(torch.device("cpu"))


@pytest.mark.parametrize("gpu", [False, True])
def test_rows_and_their_gradients(gpu: bool) -> None:
    table = torch.randn(5, 3, dtype=torch.double).requires_grad_()
    weight = torch.randn(2, 3, 3, dtype=torch.double)
    expected = torch.zeros(5, 3, dtype=torch.double)
    for b in range(2):
        for n in range(3):
            expected[INDEX[b, n]] += weight[b, n]
    if gpu:
        with everywhere_as_on_gpu():
            rows = rows_at(table, INDEX)
    else:
        rows = rows_at(table, INDEX)
    assert torch.equal(rows, torch.stack([torch.stack([table[i] for i in row.tolist()]) for row in INDEX]))
    (rows * weight).sum().backward()
    torch.testing.assert_close(table.grad, expected)
    total = torch.ones(5, 3, dtype=torch.double)
    with everywhere_as_on_gpu():
        assert add_at(total, INDEX.flatten(), weight.flatten(0, 1)) is total
    torch.testing.assert_close(total, 1 + expected)
    torch.testing.assert_close(add_at(torch.zeros(5, 3).double(), INDEX.flatten(), weight.flatten(0, 1)), expected)
