"""Views of items by a part of their features."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
import torch
from torch import Tensor

from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.feature_views import ComplementaryMask, FeatureMask, drawn_items
from recbench.backbones.building_blocks.two_sides import TwoSidedBackbone
from recbench.backbones.twintower import TwinTower
from recbench.batch import Batch
from recbench.data.dataset import Dataset, Table
from recbench.data.manifest import Column
from recbench.errors import UsageError
from tests.backbones.rich_features import rich_dataset

BATCH = Batch(torch.tensor([3, 1]), torch.tensor([[5, 2], [0, 7]]), torch.ones(2, 2, 1))


def without(table: Table, rows: Tensor, masked: list[str]) -> Table:
    """These items, of which the masked features are unknown."""
    value, start, dense = table.value[rows].clone(), 0, table.dense
    for column in table.columns:
        if column.name in masked:
            value[:, start : start + column.width] = 0
        start += column.width
    if dense is not None:
        dense = dense[rows] * (0 if "dense" in masked else 1)
    return replace(table, value=value, seen=len(rows), dense=dense)


@pytest.mark.parametrize("name", ["twintower", "mmoe", "ple", "mmfi"])
@pytest.mark.parametrize(("mask", "count"), [("random", 2), ("correlated", 3)])
def test_a_masked_feature_is_as_one_that_is_unknown(name: str, mask: str, count: int) -> None:
    data = rich_dataset()
    features = ["id", "tags", "age", "dense"]
    torch.manual_seed(0)
    backbone = BACKBONES.get(name)(data, 2, False)
    view = FeatureMask(1000, mask, drop=0.0)  # type: ignore[arg-type]
    view.setup(data)
    one, other = backbone.encode_views(BATCH, [view, ComplementaryMask(view)]).views
    masked = [feature for feature, gone in zip(features, view.masked.tolist(), strict=True) if gone]
    assert len(masked) == count
    assert sorted(view.item.tolist()) == list(range(len(data.items)))
    for encoding, gone in ((one, masked), (other, [f for f in features if f not in masked])):
        torch.manual_seed(0)
        unknown = BACKBONES.get(name)(replace(data, items=without(data.items, view.item, gone)), 2, False)
        unknown.load_state_dict(backbone.state_dict())
        torch.testing.assert_close(encoding.vectors, unknown.tables()[1])
        assert encoding.user.shape[0] == 0 and torch.equal(encoding.item, encoding.vectors)


def test_each_value_of_a_bag_is_dropped_on_its_own() -> None:
    """With one value of three dropped, a bag is the mean of the others."""
    data = rich_dataset()
    backbone = TwinTower(data, 1, False)
    features = backbone.item_side.features
    row = torch.tensor([int((data.items.value[:, 1:4] > 0).all(1).nonzero()[0])])
    kept = torch.ones(1, 6, dtype=torch.bool)
    kept[0, 2] = False
    first, _, third = (features.table[features.index[row, slot].long()] for slot in (1, 2, 3))
    torch.testing.assert_close(features(row, kept)[:, 16:32], (first + third) / 2)
    torch.testing.assert_close(features(row, ~kept)[:, 16:32], features.table[features.index[row, 2].long()])
    torch.testing.assert_close(features(row, ~torch.zeros(1, 6, dtype=torch.bool)), features(row))
    assert not bool(features(row, ~kept)[:, -3:].any()) and not torch.equal(features(row), features(row, kept))


def test_the_share_of_values_of_bags_that_are_dropped() -> None:
    data = rich_dataset()
    seen: list[Tensor] = []

    class Recorded(torch.nn.Module):
        def forward(self, row: Tensor, kept: Tensor | None = None) -> Tensor:
            seen.extend([] if kept is None else [kept])
            return torch.zeros(len(row), 1, 1)

    backbone = TwinTower(data, 1, False)
    backbone.item_side = Recorded()
    view = FeatureMask(1000, "random", drop=0.3)
    view.setup(data)
    for _ in range(100):
        backbone.encode_views(BATCH, [view, ComplementaryMask(view)])
    one, other = torch.cat(seen[::2]).double(), torch.cat(seen[1::2]).double()
    assert not bool((one * other).any())  # what one view keeps, the other has masked
    share = torch.tensor([1, 0.7, 0.7, 0.7, 1, 1]).double()  # id, three tags, age, dense vector
    torch.testing.assert_close((one + other).mean(0), share, atol=0.02, rtol=0)


def test_what_has_most_to_do_with_each_other_is_masked_together() -> None:
    """Of seven features, four copies of one and three of another: a feature and the three nearest to it are masked."""
    generator = torch.Generator().manual_seed(0)
    one, two = (torch.randint(1, 4, (200, 1), generator=generator) for _ in range(2))
    columns = tuple(Column(name, "categorical", 4) for name in "abcdefg")
    data = rich_dataset()
    data = replace(data, items=Table(columns, torch.cat([one] * 4 + [two] * 3, 1).int(), seen=200))
    backbone = TwinTower(data, 1, False)
    found: dict[str, set[tuple[int, ...]]] = {"correlated": set(), "random": set()}
    for mask, sets in found.items():
        view = FeatureMask(5, mask, drop=0.0)  # type: ignore[arg-type]
        view.setup(data)
        for _ in range(300):
            backbone.encode_views(BATCH, [view])
            sets.add(tuple(view.masked.nonzero()[:, 0].tolist()))
    assert found["correlated"] == {(0, 1, 2, 3), (0, 4, 5, 6)}
    assert found["random"] == set(combinations(range(7), 3))


def test_of_two_features_one_is_masked() -> None:
    data = rich_dataset()
    two = Table((Column("a", "categorical", 4), Column("b", "categorical", 4)), torch.ones(9, 2).int(), seen=9)
    data = replace(data, items=two)
    view = FeatureMask(5, "correlated", drop=0.0)
    view.setup(data)
    TwinTower(data, 1, False).encode_views(BATCH, [view])
    assert int(view.masked.sum()) == 1


@pytest.mark.parametrize(("items", "count"), [(10, 10), (10, 7), (10, 3), (7, 1)])
def test_drawn_items_are_distinct_and_uniform(items: int, count: int) -> None:
    torch.manual_seed(0)
    draws = torch.stack([drawn_items(items, count, torch.device("cpu")) for _ in range(4000)])
    assert all(len(set(draw)) == count for draw in draws[:200].tolist())
    share = torch.bincount(draws.flatten(), minlength=items) / 4000
    torch.testing.assert_close(share, torch.full((items,), count / items), atol=0.04, rtol=0)


def test_refused_where_there_is_one_feature_or_none_to_mask(toy: Dataset) -> None:
    view = FeatureMask(5, "correlated", 0.1)
    alone = Table((Column("id", "categorical", 11),), torch.arange(1, 11)[:, None].int(), seen=10)
    with pytest.raises(UsageError, match="takes two or more, and items of toy have 1; choose"):
        view.setup(replace(toy, items=alone))
    view.setup(toy)
    with pytest.raises(UsageError, match="backbone `mf`: does not encode items by features"):
        view.encode(BACKBONES.get("mf")(toy, 1, False), None)
    assert not issubclass(BACKBONES.get("mf"), TwoSidedBackbone)
