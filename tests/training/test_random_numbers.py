"""Random numbers of several runs in one step against those that each draws alone."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, create_autospec

import pytest
import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional as F

from recbench.training.captured_step import CudaGraphs
from recbench.training.random_numbers import DrawnByEach, RandomNumbers

RUNS = 3


def random_numbers() -> list[RandomNumbers]:
    found = []
    for seed in range(RUNS):
        torch.manual_seed(seed)
        found.append(RandomNumbers())
    return found


def attention(x: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(x[None], x[None], x[None], attn_mask=x @ x.T > 0, dropout_p=0.3)


DRAW: dict[str, Callable[[Tensor], Tensor]] = {
    "dropout of what is each's": lambda x: F.dropout(x, 0.4),
    "a layer, twice": lambda x: nn.Dropout(0.5)(nn.Dropout(0.2)(x)),
    "dropout of what all share": lambda x: F.dropout(torch.ones(5), 0.4) * x,
    "attention": attention,
    "like": lambda x: x * torch.rand_like(x) + torch.randn_like(x),
    "of a shape": lambda x: x * torch.rand(4, 5) + torch.randn((5,)) + torch.randint(9, (4, 1)),
    "of an order": lambda x: x[:, torch.randperm(5)] * x.mean(),
    "of a share": lambda x: x * torch.bernoulli(x.detach().sigmoid()),
}


@pytest.mark.parametrize("name", DRAW)
def test_each_draws_what_it_draws_alone(name: str) -> None:
    values = torch.randn(RUNS, 4, 5, generator=torch.Generator().manual_seed(9)).requires_grad_()
    random = random_numbers()

    def together(value: Tensor, run: Tensor) -> Tensor:
        with DrawnByEach(run, random):
            return DRAW[name](value)

    for _ in range(2):  # the second goes on from the first
        found = vmap(together)(values, torch.arange(RUNS))
    (gradients,) = torch.autograd.grad(found.square().sum(), values)
    for seed, value in enumerate(values.unbind()):
        torch.manual_seed(seed)
        DRAW[name](value)
        expected = DRAW[name](value)
        torch.testing.assert_close(found[seed], expected)
        (gradient,) = torch.autograd.grad(expected.square().sum(), value)
        torch.testing.assert_close(gradients[seed], gradient)
        with random[seed].in_use():
            number = torch.rand(())
        torch.manual_seed(seed)
        for _ in range(2):
            DRAW[name](value)
        assert number == torch.rand(())


def test_what_would_draw_for_all_at_once_is_refused() -> None:
    def together(value: Tensor, run: Tensor) -> Tensor:
        with DrawnByEach(run, random_numbers()):
            return value + torch.empty(2).uniform_()

    with pytest.raises(RuntimeError, match="random operation"):
        vmap(together)(torch.ones(RUNS, 2), torch.arange(RUNS))


def test_on_a_gpu_the_global_generator_is_another_as_long_as_one_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU no more can be said than which of torch's calls are made, in what order."""
    usual, own = (create_autospec(torch.Generator, instance=True) for _ in range(2))
    own.device = torch.device("cuda:1")
    usual.clone_state.return_value = own
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "default_generators", (None, usual))
    with pytest.raises(ValueError, match="wrong"), RandomNumbers().in_use():
        usual.graphsafe_set_state.assert_called_once_with(own)
        raise ValueError("wrong")
    assert [call.args for call in usual.graphsafe_set_state.call_args_list] == [
        (own,),
        (usual.graphsafe_get_state.return_value,),
    ]


def test_a_cuda_graph_knows_the_generators_that_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Mock()
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: calls)
    for name in ("Stream", "stream", "current_stream", "graph_pool_handle", "graph"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, **__: calls.context)
    calls.context.__enter__, calls.context.__exit__ = Mock(), Mock(return_value=None)
    random: Any = [SimpleNamespace(cuda="first"), SimpleNamespace(cuda="second")]
    replay, _ = CudaGraphs(torch.device("cuda:0"), random).record(lambda: calls.step() or torch.ones(()))
    assert replay is calls.replay
    found = [(name, arguments) for name, arguments, _ in calls.mock_calls if not name.startswith("context")]
    registered = [("register_generator_state", (each,)) for each in ("first", "second")]
    assert found == [*registered, ("step", ()), ("replay", ())]
