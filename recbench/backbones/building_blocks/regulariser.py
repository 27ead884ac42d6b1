"""The L2 penalty of a backbone: on which tensors, in which form, divided by what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from recbench.batch import Batch
from recbench.errors import UsageError

Penalty = Callable[[Batch], Tensor]
Pair = tuple[Tensor, Tensor]  # of users [B, ...] and of items [B, N, ...], or [1, N, ...] for a shared slate


@dataclass(frozen=True, kw_only=True)
class Regulariser:
    """What the weight `l2` of a backbone penalises; every backbone that has an `l2` has these settings too.

    `l2_of`, what: the `rows` of its free vectors that a batch reads; these and all other parameters (`rows+weights`);
    the `vectors` that it makes of them, before they are scaled to unit length; the `tables` of free vectors as a whole;
    or all its `parameters`.
    `l2_slots`, which slots of a slate: all that count, or the `first` alone, where the positive is; of a slate that all
    users share, always all.
    `l2_form`: half the `squares`, or Frobenius `norms`, one of the users and one of each column of the slates (of a
    shared slate as a whole), or one of each table or parameter.
    `l2_divisor`: the number of users of the `batch`, of `rows` of the last of these tensors, or `1`.
    `docs/protocol.md` says which settings the weights of which paper mean.
    """

    l2_of: Literal["rows", "rows+weights", "vectors", "tables", "parameters"] = "rows"
    l2_slots: Literal["all", "first"] = "all"
    l2_form: Literal["squares", "norms"] = "squares"
    l2_divisor: Literal["batch", "rows", "1"] = "batch"

    def __post_init__(self) -> None:
        whole = self.l2_of in ("tables", "parameters")
        if whole and self.l2_slots == "first":
            raise UsageError(f"backbone.l2_slots=first: l2_of={self.l2_of} is the same whatever is on the slates")
        if self.l2_of == "parameters" and self.l2_divisor == "rows":
            raise UsageError(
                "backbone.l2_divisor=rows: parameters have no common rows; use batch or 1, or l2_of=tables"
            )

    def penalty(
        self, l2: Tensor | None, backbone: nn.Module, *, rows: Pair, vectors: Pair, tables: Sequence[Tensor]
    ) -> Penalty | None:
        """Return the penalty of weight `l2` as a function of the batch that these rows belong to; None without weight.

        `rows` are those of the free vectors, `vectors` what the backbone makes of them, users' and items'; `tables`
        all free vectors, those of items last.
        """
        if l2 is None:
            return None
        if self.l2_of == "tables":
            return partial(self._of_whole, l2, tables)
        if self.l2_of == "parameters":
            return partial(self._of_whole, l2, list(backbone.parameters()))
        weights: list[Tensor] = []
        if self.l2_of == "rows+weights":
            weights = [p for p in backbone.parameters() if not any(p is table for table in tables)]
        return partial(self._of_slates, l2, vectors if self.l2_of == "vectors" else rows, weights)

    def _of_slates(self, l2: Tensor, pair: Pair, weights: Sequence[Tensor], batch: Batch) -> Tensor:
        user, item = pair[0], pair[1].flatten(2)
        if len(item) == 1 < len(batch.item):  # every item was encoded once for slates that users do not share
            item = item[0, batch.item]
        shared = len(item) != len(user)
        counts = None if batch.mask is None or batch.mask.shape != item.shape[:2] else batch.mask
        if self.l2_slots == "first" and not shared:
            item, counts = item[:, :1], None if counts is None else counts[:, :1]
        rows = item.shape[1] if shared else len(item)
        divisor = {"batch": len(user), "rows": rows, "1": 1}[self.l2_divisor]
        if self.l2_form == "norms":
            items = item if counts is None else item.masked_fill(~counts[..., None], 0)
            columns = torch.linalg.vector_norm(items, dim=None if shared else (0, 2))
            total: Tensor = _norm(user) + columns.sum() + sum(map(_norm, weights))
            return l2 * total / divisor
        slots = l2 * 0.5 * item.square().sum(-1)
        if counts is not None:
            slots = slots.masked_fill(~counts, 0)
        value = l2 * 0.5 * user.square().sum() / divisor + slots.sum() / divisor
        return value + l2 * 0.5 * _squares(weights) / divisor if weights else value

    def _of_whole(self, l2: Tensor, tensors: Sequence[Tensor], batch: Batch) -> Tensor:
        divisor = {"batch": len(batch.user), "rows": len(tensors[-1]), "1": 1}[self.l2_divisor]
        if self.l2_form == "norms":
            return l2 * torch.stack([_norm(tensor) for tensor in tensors]).sum() / divisor
        return l2 * 0.5 * _squares(tensors) / divisor


def _norm(tensor: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(tensor)
    return norm


def _squares(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([tensor.square().sum() for tensor in tensors]).sum()
