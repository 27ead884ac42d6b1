"""How an objective after one step of gradient descent depends on the weights within that step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call

from recbench.backbones.base import Backbone
from recbench.batch import Batch, Towers

Parameters = Mapping[str, Tensor]


class Scoring(nn.Module):
    """A backbone and the head of a loss as one function of all their parameters."""

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, batch: Batch) -> Towers:
        """Return the towers of a batch."""
        towers: Towers = self.head(self.backbone.encode(batch))
        return towers

    def at(self, parameters: Parameters, batch: Batch) -> Towers:
        """Return the towers under other values of these parameters; running statistics stay as they are."""
        statistics = {name: value.clone() for name, value in self.state_dict().items() if name not in parameters}
        towers: Towers = functional_call(self, statistics | dict(parameters), (batch,))
        return towers


def slopes(
    each: Callable[[Parameters], Tensor],
    outer: Callable[[Parameters], Tensor],
    parameters: Parameters,
    inner: Parameters,
    rate: float,
) -> Tensor:
    """Return <gradient of each_t at `parameters`, gradient of outer at `parameters - rate * inner`> for every t, [B].

    If `inner` is the gradient of mean_t(w_t each_t), then the derivative of outer(parameters - rate * inner) by w_t is
    -rate / B times this number. One reverse pass at the new point and one forward-mode pass at the old one: no graph
    of second order is built.
    """
    ahead = {name: value.detach().add(inner[name], alpha=-rate).requires_grad_() for name, value in parameters.items()}
    gradient = torch.autograd.grad(outer(ahead), list(ahead.values()), materialize_grads=True)
    with torch.no_grad(), forward_ad.dual_level():
        dual = {
            name: _dual(value.detach(), along)
            for (name, value), along in zip(parameters.items(), gradient, strict=True)
        }
        value, tangent = forward_ad.unpack_dual(each(dual))
        return torch.zeros_like(value) if tangent is None else tangent


def _dual(value: Tensor, along: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated")  # torch's own use of it
        dual: Tensor = forward_ad.make_dual(value, along)
        return dual
