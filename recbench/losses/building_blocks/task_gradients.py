"""The gradient of every term of a loss, and a scalar with a given gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class TaskGradients:
    """The gradients of the terms [T] of a loss at each of some tensors, by one backward pass per term.

    Shared are the tensors at which the gradients of at least two terms are not 0. That is a matter of values, because
    backbones put the towers of all terms into one tensor, through which every term reaches every tower, with zeros.
    """

    def __init__(self, terms: Tensor, points: Sequence[Tensor]) -> None:
        each = [torch.autograd.grad(term, points, retain_graph=True, allow_unused=True) for term in terms.unbind()]
        reached = zip(points, zip(*each, strict=True), strict=True)
        self.at = [(point, of_terms) for point, of_terms in reached if any(g is not None for g in of_terms)]
        self.products = [_inner_products(of_terms) for _, of_terms in self.at]
        self.shared = [(product.diagonal() > 0).sum() > 1 for product in self.products]
        self.none = terms.new_zeros(len(terms), len(terms))

    def gram(self) -> Tensor:
        """Return the inner products [T, T] of the terms' gradients at the shared tensors."""
        total = self.none
        for product, shared in zip(self.products, self.shared, strict=True):
            total = total + torch.where(shared, product, 0)
        return total

    def objective(self, value: Tensor, at_shared: Tensor, elsewhere: Tensor) -> Tensor:
        """Return a scalar of that value, whose gradient is the sum of the terms' gradients, weighted [T].

        The weights are `at_shared` at the shared tensors, and others `elsewhere`.
        """
        points, gradients = [], []
        for (point, of_terms), shared in zip(self.at, self.shared, strict=True):
            weight = torch.where(shared, at_shared, elsewhere).unbind()
            points.append(point)
            gradients.append(sum(w * g for w, g in zip(weight, of_terms, strict=True) if g is not None))
        return _given(value.detach(), len(points), *points, *gradients)


def _inner_products(gradients: Sequence[Tensor | None]) -> Tensor:
    """Return the inner products [T, T] of the gradients of T terms at one tensor."""
    zero = torch.zeros_like(next(gradient for gradient in gradients if gradient is not None))
    flat = torch.stack([(zero if gradient is None else gradient).flatten() for gradient in gradients])
    return flat @ flat.T


class _Given(torch.autograd.Function):
    """A scalar that passes for a function of some tensors with these gradients."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, count: int, *tensors: Tensor) -> Tensor:  # noqa: D102
        ctx.gradients = tensors[count:]
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102
        gradients = ctx.gradients
        return (None, None, *(upstream[0] * gradient for gradient in gradients), *(None for _ in gradients))


_given: Callable[..., Tensor] = _Given.apply
