"""Views of items of which some features are masked."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from recbench.backbones.base import Backbone, View
from recbench.backbones.building_blocks.two_sides import TwoSidedBackbone
from recbench.batch import Encoding
from recbench.data.dataset import Dataset, Table
from recbench.errors import UsageError


class FeatureMask(View):
    """Some items, drawn uniformly for each step, with about half of their features masked.

    Yao et al., CIKM 2021, https://arxiv.org/abs/2007.12865. Which of the F features are masked is drawn
    for each step too, alike for all items: floor(F / 2) of them (`random`), or (`correlated`) one feature and the
    floor(F / 2) that have most mutual information with it over the training items, but never all. Of what is left,
    each value of a bag is dropped with probability `drop`, on its own. `setup` must come first. Dense vectors are one
    feature, whose mutual information with others counts as 0.
    """

    random: ClassVar[bool] = True
    complete: ClassVar[bool] = False
    related: Tensor  # [F, F] the features by how much they have to do with each, itself first
    feature: Tensor  # [values] which feature each number of an item is of
    several: Tensor  # [values] whether it is one of several values
    item: Tensor  # [n] the items of this step
    masked: Tensor  # [F] whether each feature is masked in this step

    def __init__(self, items: int, mask: Literal["correlated", "random"], drop: float) -> None:
        super().__init__()
        self.items, self.mask, self.drop = items, mask, drop

    def setup(self, data: Dataset) -> None:
        """Find what the features of the items have to do with each other; raises UsageError where there is only one."""
        table = data.items
        widths = [column.width for column in table.columns] + [1] * (table.dense is not None)
        if len(widths) < 2:
            raise UsageError(
                f"masking half of the features takes two or more, and items of {data.name} have {len(widths)}; "
                f"choose a dataset that says more of its items, or another loss"
            )
        shared = torch.zeros(len(widths), len(widths), dtype=torch.double, device=table.value.device)
        if self.mask == "correlated":
            known = len(table.columns)
            shared[:known, :known] = mutual_information(table)
        shared.fill_diagonal_(torch.inf)
        width = torch.tensor(widths)
        of_value = torch.repeat_interleave(torch.arange(len(widths)), width)
        self.register_buffer("related", shared.argsort(dim=1, descending=True, stable=True), persistent=False)
        self.register_buffer("feature", of_value.to(table.value.device), persistent=False)
        self.register_buffer("several", (width > 1)[of_value].to(table.value.device), persistent=False)
        drawn = torch.zeros(min(self.items, len(table)), dtype=torch.long, device=table.value.device)
        self.register_buffer("item", drawn, persistent=False)
        self.register_buffer("masked", torch.zeros_like(shared[0], dtype=torch.bool), persistent=False)

    def encode(self, backbone: Backbone, first: Encoding | None) -> Encoding:
        """Draw the items and what is masked, and return the vectors of the items without it."""
        count, device = len(self.related), self.related.device
        self.item.copy_(drawn_items(backbone.items, len(self.item), device))
        chosen = torch.randperm(count, device=device)
        if self.mask == "random":
            chosen = chosen[: count // 2]
        else:
            chosen = self.related[chosen[:1]][0, : min(count // 2 + 1, count - 1)]
        self.masked.zero_().index_fill_(0, chosen, True)
        return self.encoded(backbone, ~self.masked)

    def encoded(self, backbone: Backbone, kept: Tensor) -> Encoding:
        """Return the vectors of the items of this step by the features that are `kept` [F], less what is dropped."""
        if not isinstance(backbone, TwoSidedBackbone):
            raise UsageError(f"backbone `{backbone.name}`: does not encode items by features that could be masked")
        dropped = self.several & (torch.rand(len(self.item), len(self.feature), device=kept.device) < self.drop)
        return Encoding(backbone.item_side(self.item, kept[self.feature] & ~dropped), 0)


class ComplementaryMask(View):
    """The same items as in an earlier view of the step, by the features that are masked there."""

    random: ClassVar[bool] = True
    complete: ClassVar[bool] = False

    def __init__(self, other: FeatureMask) -> None:
        super().__init__()
        self.other = other

    def encode(self, backbone: Backbone, first: Encoding | None) -> Encoding:
        """Return the vectors of the items by what the other view has masked."""
        return self.other.encoded(backbone, self.other.masked)


def drawn_items(items: int, count: int, device: torch.device) -> Tensor:
    """Return [count] distinct numbers below `items`, each as likely as any other, in time that does not grow with it.

    One number of each of `count` parts of the circle of all numbers, which is turned at random.
    """
    border = torch.arange(count + 1, device=device) * items // count
    place = border[:-1] + (torch.rand(count, device=device, dtype=torch.double) * border.diff()).long()
    return (place + torch.randint(items, (1,), device=device)) % items


def mutual_information(table: Table) -> Tensor:
    """Return the mutual information of each two columns [columns, columns] in nats, over the entities seen in train.

    It is 0 on the diagonal, which is left out since a long bag has very many pairs of values with itself. Sum over
    values a and b of p(a, b) log(p(a, b) / (p(a) p(b))), of an entity drawn uniformly and, of a bag, one of its members
    drawn uniformly. To be unknown is a value too.
    """
    value, columns = table.value[: table.seen].long(), []
    start = 0
    for column in table.columns:
        block = value[:, start : start + column.width]
        member = (block > 0) | (block.amax(1, keepdim=True) == 0) & (
            torch.arange(column.width, device=value.device) == 0
        )
        columns.append((block, member / member.sum(1, keepdim=True).double(), column.size))
        start += column.width
    shared = value.new_zeros(len(columns), len(columns), dtype=torch.double)
    for a, (block, weight, size) in enumerate(columns):
        for b, (other, other_weight, other_size) in enumerate(columns[a + 1 :], a + 1):
            key = (block[:, :, None] * other_size + other[:, None, :]).flatten()
            joint = (weight[:, :, None] * other_weight[:, None, :]).flatten() / max(1, len(value))
            pair, place = torch.unique(key, return_inverse=True)
            both = joint.new_zeros(len(pair)).index_add_(0, place, joint)
            one = _distribution(block, weight, size)[pair // other_size]
            two = _distribution(other, other_weight, other_size)[pair % other_size]
            shared[a, b] = shared[b, a] = torch.special.xlogy(both, both / (one * two)).nansum()
    return shared


def _distribution(block: Tensor, weight: Tensor, size: int) -> Tensor:
    """Return the probability of each id of a column, [size]."""
    return weight.new_zeros(size).index_add_(0, block.flatten(), weight.flatten()) / max(1, len(block))
