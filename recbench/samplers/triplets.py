"""A positive and negatives of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.samplers.base import AHEAD, Sampler, logged_batches, logged_rows, positive_rows, visiting_order
from recbench.samplers.negatives import ModelProposal, Proposal, Uniform


@dataclass(frozen=True)
class Triplets(Sampler):
    """One positive and negatives that are not training positives of the user, drawn from a proposal.

    Rendle et al., UAI 2009, https://arxiv.org/abs/1205.2618. With `negatives=0`, positive pairs only.
    """

    only_positives = True
    negatives: int = 1
    proposal: Proposal = Uniform()

    @property
    def title(self) -> str:
        """The own name, or that of the sampler that draws by the same proposal, whatever its settings."""
        alike = self.proposal.sampler if self.negatives and not hasattr(self, "name") else ""
        return f"`{alike}`" if alike else super().title

    @property
    def gives(self) -> frozenset[str]:
        """The row of each slate, its positive first, and negatives if there are any."""
        return frozenset({"row", "positive first", *(["negatives"] if self.negatives else [])})

    @property
    def needs(self) -> frozenset[str]:
        """What the proposal asks of the backbone."""
        return self.proposal.needs if self.negatives else frozenset()

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every positive row once per epoch: item [B, 1 + negatives], the positive first."""
        rows = positive_rows(data)
        order = visiting_order(data, generator, rows)
        if not self.negatives:
            yield from logged_batches(data.train, order, size)
            return
        negatives = self.proposal.on(data)
        batches = max(1, AHEAD // (size * (1 + self.negatives))) if negatives.several_batches else 1
        for index in order.split(size * batches):
            own = logged_rows(data.train, index)
            item, valid, log_q = negatives.draw(own.user, self.negatives, generator)
            slates = (
                own.user,
                torch.cat([own.item, item], 1),
                torch.cat([own.label, own.label.new_zeros(*item.shape, own.label.shape[-1])], 1),
                torch.cat([torch.ones_like(valid[:, :1]), valid], 1),
                torch.cat([torch.zeros_like(log_q[:, :1]), log_q], 1),
                index,
            )
            for user, items, label, mask, q, row in zip(*(part.split(size) for part in slates), strict=True):
                yield Batch(user, items, label, mask, q, rows=len(row), row=row, positive_slots=1)

    def refresh(self, user: Tensor, item: Tensor, scale: Tensor) -> None:
        """Hand the vectors to a proposal that draws by them."""
        if isinstance(self.proposal, ModelProposal):
            self.proposal.refresh(user * scale if self.proposal.scaled else user, item)
