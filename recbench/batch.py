"""The two shapes that samplers, backbones and losses agree on.

Shape letters, used in every docstring: B users in the batch, N items on each slate, K towers per entity,
D dimension, T feedback types ordered from dense to sparse, R logged rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from recbench.numerics import gathered_inner

T = TypeVar("T")


class ComputedOnce(Generic[T]):
    """`functools.cached_property` without the lock of Python 3.11, which torch.compile cannot see through."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object | None, owner: type) -> T:
        if instance is None:  # asked of the class, as `inspect.getmembers` does
            return self  # type: ignore[return-value]
        kept = vars(instance)
        if self.name not in kept:
            kept[self.name] = self.function(instance)
        value: T = kept[self.name]
        return value


@dataclass(frozen=True)
class Pairs:
    """The feedback of B users where the slate is the whole catalogue and nearly all labels are 0.

    The P pairs of a user and an item that have some feedback, by user: a compressed sparse row matrix [B, N].
    """

    start: Tensor  # [B + 1] int64: the pairs of user b are start[b] to start[b + 1] - 1
    item: Tensor  # [P] int64 row of the item table, which is its slot on the slate too
    label: Tensor  # [P, T] raw feedback, 0.0 or 1.0, not all 0

    def of_users(self, chosen: Tensor) -> Pairs:
        """Return the pairs of some of the B users [n], in their order."""
        first = self.start[chosen]
        count = self.start[chosen + 1] - first
        start = torch.cat([count.new_zeros(1), count.cumsum(0)])
        shift = torch.repeat_interleave(first - start[:-1], count)
        place = shift + torch.arange(len(shift), device=shift.device)
        return Pairs(start, self.item[place], self.label[place])


@dataclass(frozen=True)
class Batch:
    """B users, each with a slate of N candidate items.

    Pointwise rows are slates of one, triplets slates of two or more, user lists padded slates; a slate shared by
    all users has one row of items. Where it is the whole catalogue, labels are given as `pairs` alone.
    """

    user: Tensor  # [B] row of the user table
    item: Tensor  # [B, N] row of the item table, or [1, N] when all users share the slate
    label: Tensor  # [B, N, T] raw feedback, 0.0 or 1.0; [B, 0, T] where there are `pairs`
    mask: Tensor | None = None  # [B, N] False on padding and on candidates that must not count; None: all count
    log_q: Tensor | None = None  # [B, N] log probability that a sampled candidate is on the slate, 0 if logged
    rows: int = 0  # logged rows that the batch stands for
    row: Tensor | None = None  # [B] row of the training log that each slate stands for; None: a list of several
    # The first slots, which hold positives while no other slot does; 0: they may be anywhere. Where there are as many
    # as slates, slot b has the positive of slate b.
    positive_slots: int = 0
    pairs: Pairs | None = None  # the feedback on the slate of the whole catalogue
    weight: Tensor | None = None  # [B] how often the row of each slate counts; None: once

    @ComputedOnce
    def level(self) -> Tensor:
        """Ordinal label [B, N], 0..T: the highest feedback reached, whether or not the lower ones were."""
        rank = torch.arange(1, self.label.shape[-1] + 1, device=self.label.device)
        return (self.label * rank).amax(-1).long()

    @property
    def slots(self) -> int:
        """Number of (user, item) slots on the slates, padding included."""
        return self.label.shape[0] * (self.label.shape[1] if self.pairs is None else self.item.shape[1])

    def mean(self, value: Tensor, counts: Tensor | None = None) -> Tensor:
        """Mean of `value` [B, N] over the slots that count, each row by its weight; 0 if none does.

        `counts`, of the shape of `value`, says which count; None: those that are not masked. Raises ValueError if
        there is a mask and `value` has not as many dimensions.
        """
        if counts is None and self.mask is not None and value.ndim != self.mask.ndim:
            slots, given = list(self.mask.shape), list(value.shape)
            raise ValueError(
                f"batch.mean takes a value for each slot, {slots}, and got {given}; "
                "of values for something else say which count: batch.mean(value, counts)"
            )
        counts = self.mask if counts is None else counts
        if counts is None and self.weight is None:
            return value.mean()
        counts = torch.ones_like(value, dtype=torch.bool) if counts is None else counts
        return self.weighted(value.masked_fill(~counts, 0)).sum() / self.number(counts)

    def weighted(self, value: Tensor) -> Tensor:
        """Return `value` [B, ...] times the weights of the rows; as it is where rows have none."""
        return value if self.weight is None else value * self.weight.view(-1, *[1] * (value.ndim - 1))

    def number(self, counts: Tensor) -> Tensor:
        """Return how many of `counts` [B, ...] are true, each as often as its row's weight says; never 0."""
        if self.weight is None:
            return counts.sum().clamp(min=1)
        return self.weighted(counts).sum().clamp(min=torch.finfo(self.weight.dtype).tiny)


@dataclass(frozen=True)
class Encoding:
    """All users, then all items, as one view of a backbone has them; or no users and the items that a view draws."""

    vectors: Tensor  # [users + items, K, D]
    users: int
    layers: tuple[Tensor, ...] = ()  # [users + items, K, D] of each layer of a graph convolution, free vectors first

    @property
    def user(self) -> Tensor:
        """Vectors of all users, [users, K, D]."""
        return self.vectors[: self.users]

    @property
    def item(self) -> Tensor:
        """Vectors of all items, [items, K, D]."""
        return self.vectors[self.users :]

    def layer(self, number: int) -> Encoding:
        """Return the vectors of one layer; 0 are the free vectors."""
        return Encoding(self.layers[number], self.users)


@dataclass(frozen=True)
class Towers:
    """What a backbone makes of a batch: K vectors of dimension D for each user and each item."""

    user: Tensor  # [B, K, D]
    item: Tensor  # [B, N, K, D], or [1, N, K, D] for a shared slate
    penalty: Tensor | float = 0.0  # the backbone's own regulariser, already weighted
    batch_penalty: Callable[[Batch], Tensor] | None = None  # what is added to it for the batch, whose mask it may read
    column: Tensor | None = None  # [B, N] which item of a shared slate stands in each slot; None: slot n has item n
    pair: Tensor | None = None  # [B, N, K] scores of a backbone that is not an inner product
    scale: Tensor | float = 1.0  # [K] or a number, applied to the inner products
    bias: Tensor | float = 0.0  # [K] or a number, added after the scale
    views: tuple[Encoding, ...] = ()  # one for each of the views that the loss asks for
    divergence: Tensor | None = None  # [B] of each user's code from a standard normal one, where codes are drawn
    apart: tuple[Tensor, ...] = ()  # scores as `pair`, of parts of the backbone that are trained each for itself

    @ComputedOnce
    def inner(self) -> Tensor:
        """Inner products [B, N, K] of user and item vectors (cosines where the vectors are unit)."""
        if self.pair is not None:
            return self.pair
        if self.column is not None:
            return gathered_inner(self.user, self.item[0], self.column)
        if self.item.shape[0] == 1:
            return torch.einsum("bkd,nkd->bnk", self.user, self.item[0])
        return (self.user.unsqueeze(1) * self.item).sum(-1)  # several times as fast on a CPU as einsum

    @ComputedOnce
    def logit(self) -> Tensor:
        """Logits [B, N, K]: `scale * inner + bias`."""
        return self.inner * self.scale + self.bias

    @property
    def trained(self) -> tuple[Towers, ...]:
        """The towers that the loss is summed over: these, or those of the parts that are trained each for itself."""
        return tuple(replace(self, pair=pair, apart=()) for pair in self.apart) or (self,)

    def regulariser(self, batch: Batch) -> Tensor | float:
        """Return the penalty, and what is added to it for this batch."""
        return self.penalty if self.batch_penalty is None else self.penalty + self.batch_penalty(batch)

    def affine(self, scale: Tensor | float, bias: Tensor | float) -> Towers:
        """Return the same towers with another scale and bias of the logits."""
        return replace(self, scale=scale, bias=bias)
