"""MGCCF against dense computations, and its graphs of similar entities."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recbench.backbones.base import create
from recbench.backbones.mgccf import MGCCF, similar_pairs, similarity_graph, threshold
from recbench.batch import Batch
from recbench.data.dataset import Dataset, Positives
from recbench.errors import UsageError
from tests.backbones.tiny_dataset import dataset

FORWARD_MODE = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own use of it


def adjacency(data: Dataset) -> Tensor:
    """The dense matrix of training positives [users, items]."""
    dense = torch.zeros(len(data.users), len(data.items), dtype=torch.double)
    dense[data.positives.user, data.positives.item] = 1
    return dense


def dense_mgccf(backbone: MGCCF, data: Dataset, close: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The formulas of the docstring, tower by tower, with dense matrices; `close` are those of similarity."""
    rows = adjacency(data)
    to_items = rows / rows.sum(1, keepdim=True).clamp(min=1)
    to_users = rows.T / rows.sum(0)[:, None].clamp(min=1)
    free_user = backbone.user_table.unflatten(1, (backbone.towers, -1))
    free_item = backbone.item_table.unflatten(1, (backbone.towers, -1))
    users, items = [], []
    for k in range(backbone.towers):
        user, item = e, f = free_user[:, k], free_item[:, k]
        layers = zip(backbone.of_users.convolutions, backbone.of_items.convolutions, strict=True)
        for of_users, of_items in layers:
            user, item = (
                torch.tanh(torch.cat([user, to_items @ item], 1) @ of_users.weight[k]),  # type: ignore[index,operator]
                torch.tanh(torch.cat([item, to_users @ user], 1) @ of_items.weight[k]),  # type: ignore[index,operator]
            )
        u, i = backbone.of_users, backbone.of_items
        users.append(user + torch.tanh(close[0] @ e @ u.similar.weight[k]) + torch.tanh(e @ u.skip.weight[k]))
        items.append(item + torch.tanh(close[1] @ f @ i.similar.weight[k]) + torch.tanh(f @ i.skip.weight[k]))
    return torch.stack(users, 1), torch.stack(items, 1)


def cosines(rows: Tensor) -> Tensor:
    """Cosines of the rows of a dense matrix, zero on and below the diagonal."""
    norm = rows.norm(dim=1, keepdim=True)
    return (rows @ rows.T / (norm * norm.T).clamp(min=1e-9)).triu(1)


def dense_close(rows: Tensor, neighbours: int) -> Tensor:
    """The similarity graph by sorting all cosines."""
    cosine = cosines(rows)
    order = cosine[cosine > 0].sort(descending=True).values
    budget = max(1, round(int((rows.sum(1) > 0).sum()) * neighbours / 2))
    if len(order) <= budget:
        close = cosine > 0
    else:
        bound = order[budget - 1]
        with_ties, without = int((order > bound - 1e-9).sum()), int((order > bound + 1e-9).sum())
        close = cosine > (bound - 1e-9 if with_ties - budget <= budget - without else bound + 1e-9)
    return (close | close.T).double()


@pytest.mark.parametrize(("towers", "layers"), [(1, 1), (2, 1), (1, 2), (2, 3)])
def test_mgccf_equals_the_dense_computation(towers: int, layers: int, toy: Dataset) -> None:
    torch.manual_seed(0)
    backbone = MGCCF(toy, towers, False, dim=4, layers=layers, neighbours=3, std=1.0).double()
    rows = adjacency(toy)
    users, items = dense_mgccf(backbone, toy, (dense_close(rows, 3), dense_close(rows.T, 3)))
    found_users, found_items = backbone.tables()
    torch.testing.assert_close(found_users, users.detach())
    torch.testing.assert_close(found_items, items.detach())


@FORWARD_MODE
def test_mgccf_gradients() -> None:
    data = dataset(torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 1, 1, 1, 2]), 3, 3)
    backbone = MGCCF(data, 2, False, dim=2, layers=2, neighbours=1, l2=0.1).double()
    user, item = torch.tensor([0, 2]), torch.tensor([[0, 1], [2, 1]])
    names = [name for name, _ in backbone.named_parameters()]
    assert len(names) == 2 + 2 * 4

    def score(*values: Tensor) -> tuple[Tensor, Tensor]:
        out = torch.func.functional_call(backbone, dict(zip(names, values, strict=True)), (user, item))
        return out.logit, torch.as_tensor(out.regulariser(Batch(user, item, torch.zeros(2, 2, 1))))

    assert torch.autograd.gradcheck(score, tuple(backbone.parameters()), check_forward_ad=True)


def test_entities_unseen_in_training_have_the_zero_vector(toy: Dataset) -> None:
    kept = toy.train[toy.train.item < 35]
    data = replace(toy, items=replace(toy.items, seen=35), train=kept)
    _, items = MGCCF(data, 1, False, dim=4).tables()
    assert (items[35:] == 0).all()
    assert (items[:35] != 0).any(-1).all()


@given(
    pairs=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 6)), min_size=1, max_size=60),
    neighbours=st.integers(1, 5),
    block=st.sampled_from([1, 30, 1000]),
)
def test_similar_pairs_equal_those_of_all_cosines(pairs: list[tuple[int, int]], neighbours: int, block: int) -> None:
    user, item = torch.tensor(pairs).T
    sets = Positives.from_pairs(user, item, 12, 7)
    rows = torch.zeros(12, 7, dtype=torch.double)
    rows[user, item] = 1
    found = torch.zeros(12, 12, dtype=torch.double)
    smaller, larger = similar_pairs(sets, 7, neighbours, block)
    assert (smaller < larger).all()
    found[smaller, larger] += 1
    found[larger, smaller] += 1
    torch.testing.assert_close(found, dense_close(rows, neighbours))


def test_mean_degree_of_the_similarity_graph_is_as_asked() -> None:
    generator = torch.Generator().manual_seed(0)
    popular = (torch.rand(9000, generator=generator) ** 2 * 200).long()
    data = dataset(torch.randint(300, (9000,), generator=generator), popular, 300, 200)
    degree = similarity_graph(data, 10).to_dense().sum(1)
    assert float(degree[:300].mean()) == pytest.approx(10, abs=0.5)
    assert float(degree[300:].mean()) == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize(
    ("value", "budget", "kept"),
    [([0.1, 0.5, 0.3], 2, 2), ([0.5, 0.5, 0.5, 0.1], 2, 3), ([0.9, 0.5, 0.5, 0.5, 0.5, 0.5], 2, 1), ([0.2] * 9, 2, 0)],
)
def test_ties_at_the_threshold_go_together(value: list[float], budget: int, kept: int) -> None:
    numbers = torch.tensor(value, dtype=torch.double)
    assert int((numbers >= threshold(numbers, budget)).sum()) == kept


@pytest.mark.parametrize(("setting", "value"), [("layers", 0), ("neighbours", 0), ("dim", 0), ("l2", -1.0)])
def test_settings_out_of_range(setting: str, value: float, toy: Dataset) -> None:
    with pytest.raises(UsageError, match=f"^backbone.{setting}={value}: expected at least"):
        create(MGCCF, toy, 1, False, {setting: value})
