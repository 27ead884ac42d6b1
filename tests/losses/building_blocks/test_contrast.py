"""InfoNCE against published and hand-checked values, plain loops and finite differences, whole and in blocks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from recbench.batch import Batch, Encoding
from recbench.losses.building_blocks import contrast as building_block
from recbench.losses.building_blocks.contrast import contrast, contrast_with_all, distinct_rows, info_nce
from tests.losses import by_loops

HALF = 0.5**0.5


def encoding(user: list[list[float]], item: list[list[float]]) -> Encoding:
    return Encoding(torch.tensor(user + item, dtype=torch.double)[:, None], len(user))


def pairs(user: list[int], item: list[int]) -> Batch:
    return Batch(torch.tensor(user), torch.tensor(item)[:, None], torch.ones(len(user), 1, 1))


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


def test_value_of_three_pairs() -> None:
    one = [[1.0, 0.0], [0.0, 1.0], [HALF, HALF]]
    other = [
        [0.9950371902099893, 0.09950371902099893],
        [0.19611613513818402, 0.9805806756909201],
        [0.7808688094430303, 0.6246950475544243],
    ]
    temperature = torch.tensor(0.2, dtype=torch.double)
    rows = pairs([0, 1, 2], [0, 0, 0])  # of a single item nothing is to be told apart
    found = contrast(encoding(one, one), encoding(other, other), rows, temperature)
    assert float(found) == pytest.approx(0.35008284968297093, abs=1e-12)


def test_value_against_all_users() -> None:
    """Two users of a batch among three; of a single item there is nothing to be told apart."""
    one = [[0.9805806756909201, 0.19611613513818402], [0.09950371902099893, 0.9950371902099893], [1.0, 1.0]]
    other = [[0.9938837346736189, 0.11043152607484655], [0.0, 1.0], [HALF, -HALF]]
    item = [[1.0, 0.0]]
    temperature = torch.tensor(0.2, dtype=torch.double)
    first, second, rows = encoding(one, item), encoding(other, item), pairs([0, 1], [0, 0])
    assert float(2 * contrast_with_all(first, second, rows, temperature)) == pytest.approx(0.14038813711754106)
    assert float(contrast(first, second, rows, temperature)) == pytest.approx(0.018783535935507523)


def test_users_of_several_slates_count_once_among_the_distinct() -> None:
    first, second = (Encoding(numbers(9, 1, 3, seed=seed), 4) for seed in (0, 1))
    rows, temperature = pairs([3, 0, 3, 1, 3], [2, 4, 4, 4, 0]), torch.tensor(0.3, dtype=torch.double)
    expected = by_loops.contrast(first, second, rows, 0.3)
    assert float(contrast(first, second, rows, temperature)) == pytest.approx(expected, abs=1e-12)
    expected = by_loops.contrast_with_all(first, second, rows, 0.3)
    assert float(contrast_with_all(first, second, rows, temperature)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("size", "length"), [(9, 5), (6, 5), (4, 4)])
def test_the_distinct_rows_of_those_that_count(size: int, length: int) -> None:
    counts = torch.tensor([False, True, True, True, False])
    row, distinct = distinct_rows(torch.tensor([3, 2, 3, 3, 0]), size, counts)
    assert len(row) == length and sorted(row[distinct].tolist()) == [2, 3]


@pytest.mark.parametrize("block", [1, 13, 1 << 22])
@pytest.mark.parametrize("some", [False, True])
def test_value_and_gradients_in_blocks(monkeypatch: pytest.MonkeyPatch, block: int, some: bool) -> None:
    """Against torch's cross-entropy of the whole matrix, and gradients by finite differences."""
    monkeypatch.setattr(building_block, "BLOCK", block)
    query, key = numbers(7, 3).requires_grad_(), numbers(5, 3, seed=1).requires_grad_()
    own = torch.tensor([0, 1, 2, 3, 4, 4, 1])
    counts = torch.tensor([True, True, False, True, True, True, True])
    candidates = torch.tensor([True, True, False, True, True]) if some else None
    similarity = query @ key.T if candidates is None else (query @ key.T).masked_fill(~candidates, -torch.inf)
    expected = cross_entropy(similarity[counts], own[counts], reduction="sum")
    torch.testing.assert_close(info_nce(query, key, own, counts, candidates), expected)
    assert torch.autograd.gradcheck(lambda q, k: info_nce(q, k, own, counts, candidates), (query, key))


def test_no_more_similarities_are_held_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building_block, "BLOCK", 100)
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN204
            nonlocal largest
            out = function(*args, **(kwargs or {}))
            largest = max(largest, out.numel() if isinstance(out, Tensor) else 0)
            return out

    query, key = numbers(30, 2).requires_grad_(), numbers(40, 2).requires_grad_()
    with Watch():  # type: ignore[no-untyped-call]
        info_nce(query, key, torch.arange(30), torch.ones(30, dtype=torch.bool)).backward()
    assert largest <= 100


def test_opposite_vectors_at_a_small_temperature_stay_finite() -> None:
    query = torch.tensor([[1.0, 0.0]], requires_grad=True)
    value = info_nce(query / 1e-4, torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.tensor([0]), torch.tensor([True]))
    assert float(value.detach()) == pytest.approx(2e4)
    value.backward()
    assert query.grad is not None and bool(query.grad.isfinite().all())
