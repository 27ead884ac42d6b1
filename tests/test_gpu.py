"""What is computed otherwise on a GPU is the same sum."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from benchmarks.gpu_sections.shapes import batch_on
from recbench.gpu import add_at, as_on_gpu, everywhere_as_on_gpu, free_memory, rows_at
from recbench.inspect.loss_trial import Trial
from recbench.losses.base import LOSSES
from recbench.losses.bce import BCE

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


@given(st.integers(1, 5000), st.integers(0, 9000), st.sampled_from([1, 3, 16, 64]), st.integers(0, 10**6))
def test_gradients_on_a_cpu_are_those_of_an_embedding_bit_for_bit(rows: int, reads: int, width: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    index = (torch.rand(reads, generator=generator) ** 3 * rows).int()  # some rows are read often
    table, weight = (torch.randn(count, width, generator=generator) for count in (rows, reads))
    (one, other) = (table.clone().requires_grad_() for _ in range(2))
    (rows_at(one, index) * weight).sum().backward()
    (F.embedding(index, other) * weight).sum().backward()
    assert one.grad is not None and other.grad is not None
    assert torch.equal(one.grad, other.grad)


def test_what_torch_holds_unused_is_free_too(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"memory_reserved": 700, "memory_allocated": 300, "mem_get_info": (1000, 4000)}
    for name, size in sizes.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, size=size: size)
    assert free_memory(torch.device("cuda")) == 1400


def objective_on_a_device_of_its_own(name: str) -> torch.Tensor:
    """The objective of a loss on torch's device of tensors without numbers, to which those of the CPU are foreign."""
    trial = Trial(name)
    model = trial.model()
    model.start_epoch(1)
    batch = next(model.loss.sampler.batches(trial.data(), 24, torch.Generator().manual_seed(1)))
    model.backbone.to("meta")
    model.loss.to("meta")
    return model.loss.objective(model.backbone, batch_on(batch, "meta"))


@pytest.mark.parametrize("name", LOSSES.names())
def test_no_loss_makes_tensors_on_another_device_than_its_batch(name: str) -> None:
    assert objective_on_a_device_of_its_own(name).device.type == "meta"


def test_a_tensor_on_another_device_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BCE, "forward", lambda _, towers, batch: (towers.logit[:, 0, 0] * torch.ones(24)).sum())
    with pytest.raises(RuntimeError, match="device"):
        objective_on_a_device_of_its_own("bce")
