"""What one tower takes from the one before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Transfer(nn.Module):
    """Adaptive information transfer between K towers (AITM; Xi et al., KDD 2021, https://arxiv.org/abs/2105.08489).

    From the second tower on, z_k is a mixture of V x over the tower's own vector x = q_k and what the tower before
    passes on, x = ReLU(P z_{k-1} + b), weighted by softmax(<Q x, K x> / sqrt(D)). Every tower has weights of its own,
    Q, K and V from N(0, 0.01^2) as in the released code.
    """

    def __init__(self, towers: int, dim: int) -> None:
        super().__init__()
        self.passed = nn.ModuleList(nn.Linear(dim, dim) for _ in range(towers - 1))
        self.attention = nn.ParameterList(0.01 * torch.randn(3, dim, dim) for _ in range(towers - 1))

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the vectors [..., K, D] after the transfer."""
        first, *others = vectors.unbind(-2)
        result = [first]
        for own, passed, weights in zip(others, self.passed, self.attention, strict=True):
            result.append(mixture(torch.stack([own, passed(result[-1]).relu()], -2), weights))
        return torch.stack(result, -2)


def mixture(vectors: Tensor, weights: Tensor) -> Tensor:
    """Return sum_r a_r V x_r [..., D] of vectors x [..., R, D], a = softmax_r(<Q x_r, K x_r> / sqrt(D)).

    Q, K and V are `weights` [3, D, D], applied from the right.
    """
    query, key, value = (vectors @ weight for weight in weights.unbind())
    share = ((query * key).sum(-1) / vectors.shape[-1] ** 0.5).softmax(-1)
    mixed: Tensor = (share.unsqueeze(-1) * value).sum(-2)
    return mixed
