"""What the losses on lists have in common: values by plain loops, gradients, and what must not matter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from math import exp, log

import pytest
import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.errors import UsageError
from recbench.gpu import everywhere_as_on_gpu
from recbench.losses.building_blocks.lists import DensePairs, SparsePairs, entropy_against, log_share
from tests.losses.by_hand import SINGLE, loss
from tests.losses.random_lists import (
    CASES,
    LENGTHS,
    LISTWISE,
    OPTIONS,
    SLOW,
    random_lists,
    value,
)


@pytest.fixture(params=["as on a CPU", "as on a GPU"], autouse=True)
def device(request: pytest.FixtureRequest) -> Iterator[None]:
    with everywhere_as_on_gpu() if request.param == "as on a GPU" else nullcontext():
        yield


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_equals_a_slow_loop(name: str, settings: dict[str, object]) -> None:
    logit, lists = random_lists()
    plain = [
        ((logit[b, :n] if name == "jrc" else logit[b, :n, 0]).tolist(), lists.label[b, :n, 0].int().tolist())
        for b, n in enumerate(LENGTHS)
    ]
    assert float(value(name, logit, lists, **settings)) == pytest.approx(SLOW[name](plain, **settings), abs=1e-10)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_order_and_width_of_lists_do_not_matter(name: str, settings: dict[str, object]) -> None:
    logit, lists = random_lists()
    expected = value(name, logit, lists, **settings)
    order = torch.randperm(logit.shape[1], generator=torch.Generator().manual_seed(1))
    assert lists.mask is not None
    moved = Batch(lists.user, lists.item, lists.label[:, order], lists.mask[:, order])
    torch.testing.assert_close(value(name, logit[:, order], moved, **settings), expected, rtol=1e-12, atol=0)
    wider, padded = random_lists(width=12)
    far = torch.full_like(wider[:, :5], 77.0)
    padded = Batch(
        lists.user,
        lists.item,
        torch.cat([padded.label, torch.ones_like(far[..., :1])], 1),
        torch.cat([lists.mask, torch.zeros_like(lists.mask[:, :5])], 1),
    )
    torch.testing.assert_close(value(name, torch.cat([wider, far], 1), padded, **settings), expected)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_gradients_are_those_of_finite_differences(name: str, settings: dict[str, object]) -> None:
    logit, lists = random_lists()
    own = logit if name == "jrc" else logit[..., :1]
    made = loss(name, SINGLE, **settings)
    nothing = torch.empty(0)

    def of(inner: Tensor) -> Tensor:
        result: Tensor = made(Towers(nothing, nothing, pair=inner), lists)
        return result

    assert torch.autograd.gradcheck(of, (own.clone().requires_grad_(),), atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("name", LISTWISE)
def test_lists_of_one_class_give_zero_and_no_gradient(name: str, label: float, dtype: torch.dtype) -> None:
    logit, lists = random_lists()
    inner = logit[..., :1].to(dtype).requires_grad_()
    one_class = replace(lists, label=torch.full_like(lists.label, label).float())
    for settings in OPTIONS[name]:
        result = loss(name, SINGLE, **settings)(Towers(torch.empty(0), torch.empty(0), pair=inner), one_class)
        assert result.item() == 0.0
        result.backward()
        assert inner.grad is not None
        assert not inner.grad.any()


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_a_list_of_padding_alone_changes_nothing(name: str, settings: dict[str, object]) -> None:
    logit, lists = random_lists()
    assert lists.mask is not None
    more = Batch(
        lists.user,
        lists.item,
        torch.cat([lists.label, lists.label[:1]]),
        torch.cat([lists.mask, torch.zeros_like(lists.mask[:1])]),
    )
    result = value(name, torch.cat([logit, logit[:1]]), more, **settings)
    torch.testing.assert_close(result, value(name, logit, lists, **settings))


@pytest.mark.parametrize("name", [*LISTWISE, "jrc"])
def test_two_threads_give_equal_bits_each_time(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(8, 400, 2 if name == "jrc" else 1, generator=generator)
    nothing = torch.empty(0)
    lists = Batch(nothing, nothing, (torch.rand(8, 400, 1, generator=generator) < 0.3).float())
    made = loss(name, SINGLE)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        gradients = []
        for _ in range(5):
            inner = start.clone().requires_grad_()
            made(Towers(nothing, nothing, pair=inner), lists).backward()
            gradients.append(inner.grad)
    finally:
        torch.set_num_threads(threads)
    assert gradients[0] is not None
    assert all(torch.equal(gradients[0], gradient) for gradient in gradients[1:] if gradient is not None)


def test_pairs_are_those_of_two_loops() -> None:
    generator = torch.Generator().manual_seed(5)
    first, second = torch.rand(2, 6, 9, generator=generator) < 0.4
    first[2], second[4] = False, False
    expected = [
        (row * 9 + i, row * 9 + j)
        for row in range(6)
        for i in first[row].nonzero()[:, 0].tolist()
        for j in second[row].nonzero()[:, 0].tolist()
    ]
    left, right = SparsePairs(first, second).slots
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == expected
    row, i, j = DensePairs(first, second).mask.nonzero(as_tuple=True)
    assert list(zip((row * 9 + i).tolist(), (row * 9 + j).tolist(), strict=True)) == expected


def test_shares_of_a_list() -> None:
    values = torch.tensor([[0.5, -1.0, 2.0, 60.0]], dtype=torch.float64)
    among = torch.tensor([[True, True, True, False]])
    total = exp(0.5) + exp(-1.0) + exp(2.0)
    assert log_share(values, among)[0].tolist() == pytest.approx(
        [0.5 - log(total), -1 - log(total), 2 - log(total), 0.0], abs=1e-12
    )
    chosen, rivals = torch.tensor([[True, False, False, False]]), torch.tensor([[False, True, True, False]])
    assert entropy_against(values, chosen, rivals)[0].tolist() == pytest.approx([log(total) - 0.5, 0, 0, 0], abs=1e-12)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("jrc", {"alpha": 1.5}, "loss.alpha=1.5: expected a number in [0, 1]"),
        ("jrc", {"pos_weight": 0.0}, "loss.pos_weight=0.0: expected a number above 0"),
        ("jrc", {"longest": 0}, "loss.longest=0: expected at least 1"),
        ("ranknet", {"longest": 1}, "loss.longest=1: expected at least 2"),
        ("lambdarank", {"longest": 1}, "loss.longest=1: expected at least 2"),
        ("setrank", {"longest": 1}, "loss.longest=1: expected at least 2"),
        ("s2srank", {"clip": -1.0}, "loss.clip=-1.0: expected at least 0"),
        ("gnolr-l", {"list_weight": -1.0}, "loss.list_weight=-1.0: expected at least 0"),
    ],
)
def test_settings_out_of_range(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        loss(name, SINGLE, **settings)
    assert str(caught.value).startswith(message)
