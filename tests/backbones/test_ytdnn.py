"""The user tower over histories: what it reads, and when."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recbench.backbones import base as backbones
from recbench.backbones.ytdnn import YouTubeDNN
from recbench.batch import Batch
from recbench.data.dataset import Dataset, Log
from recbench.data.toy import toy as make_dataset
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, create, resolve
from recbench.samplers import Shared, Triplets


def made(data: Dataset, cosine: bool = False, dim: int = 8, **settings: int) -> YouTubeDNN:
    torch.manual_seed(0)
    return YouTubeDNN(data, 1, cosine, dim=dim, **settings)


def with_log(data: Dataset, rows: list[tuple[int, int, int]], seen: int = 40) -> Dataset:
    """The toy with these training rows (user, item, label) of one feedback."""
    narrow = data.narrow(["view"])
    return replace(narrow, train=log_of(rows), items=replace(narrow.items, seen=seen))


def log_of(rows: list[tuple[int, int, int]]) -> Log:
    table = torch.tensor(rows, dtype=torch.int32).reshape(-1, 3)
    return Log(table[:, 0].contiguous(), table[:, 1].contiguous(), table[:, 2:].to(torch.uint8))


def identity(backbone: YouTubeDNN) -> YouTubeDNN:
    with torch.no_grad():
        backbone.dense.weight.copy_(torch.eye(len(backbone.dense.weight)))
        backbone.dense.bias.zero_()
    return backbone


def batch_of(data: Dataset, row: list[int]) -> Batch:
    index = torch.tensor(row)
    log = data.train
    return Batch(log.user[index].long(), log.item[index].long()[:, None], log.label[index].float()[:, None], row=index)


def mean_of(backbone: YouTubeDNN, items: list[int]) -> Tensor:
    return backbone.item_table[items].mean(0) if items else torch.zeros(backbone.item_table.shape[1])


def test_the_masked_mean(toy: Dataset) -> None:
    """Items (1, 2) and (3, 4) and a padding: (2, 3)."""
    backbone = identity(made(with_log(toy, [(0, 5, 1), (0, 6, 1)]), dim=2, length=3))
    with torch.no_grad():
        backbone.item_table[5:7] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert backbone(torch.tensor([0]), torch.tensor([[5]])).user.tolist() == [[[2.0, 3.0]]]


def test_the_dense_layer(toy: Dataset) -> None:
    backbone = made(with_log(toy, [(0, 5, 1), (0, 6, 1)]))
    users, items = backbone.tables()
    expected = backbone.dense.weight @ (items[5, 0] + items[6, 0]) / 2 + backbone.dense.bias
    torch.testing.assert_close(users[0, 0], expected)
    assert sum(p.numel() for p in backbone.parameters()) == 40 * 8 + 8 * 8 + 8  # no user ids


@pytest.mark.parametrize("cosine", [False, True])
def test_without_a_history_the_mean_is_zero(toy: Dataset, cosine: bool) -> None:
    data = with_log(toy, [(0, 5, 1), (0, 6, 1), (1, 7, 1)])
    backbone = made(data, cosine)
    batch = batch_of(data, [0, 2])
    towers = backbone.encode(batch)
    bias = backbone.dense.bias / backbone.dense.bias.norm() if cosine else backbone.dense.bias
    torch.testing.assert_close(towers.user[:, 0], bias.expand(2, -1))
    towers.inner.sum().backward()
    for parameter in backbone.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() < 100


ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 1)), min_size=1, max_size=30)


@given(ROWS, st.integers(1, 4))
def test_training_sees_the_past_of_a_row_and_scoring_all(rows: list[tuple[int, int, int]], length: int) -> None:
    data = with_log(make_dataset(), rows, seen=8)
    backbone = identity(made(data, length=length))
    found = backbone.encode(batch_of(data, list(range(len(rows))))).user[:, 0]
    known, _ = backbone.tables()

    def history(user: int, before: int) -> list[int]:
        return [item for who, item, label in rows[:before] if who == user and label and item < 8][-length:]

    for number, (user, _, _) in enumerate(rows):
        torch.testing.assert_close(found[number], mean_of(backbone, history(user, number)))
    for user in range(5):
        torch.testing.assert_close(known[user, 0], mean_of(backbone, history(user, len(rows))))


def test_what_is_known_is_an_argument_of_scoring(toy: Dataset) -> None:
    data = with_log(toy, [(0, 5, 1), (0, 6, 1), (1, 7, 1)])
    backbone = identity(made(data))
    before = backbone.encode(batch_of(data, [1])).user
    in_train, _ = backbone.tables()
    known = backbone.histories(log_of([(0, 5, 1), (0, 6, 1), (2, 9, 1), (0, 4, 0), (0, 8, 1)]))
    users, _ = backbone.tables(known)
    torch.testing.assert_close(backbone(torch.arange(3), torch.zeros(1, 1, dtype=torch.long), known).user, users[:3])
    torch.testing.assert_close(users[0, 0], mean_of(backbone, [5, 6, 8]))
    torch.testing.assert_close(users[2, 0], mean_of(backbone, [9]))
    assert users[1].eq(0).all()
    assert torch.equal(backbone.encode(batch_of(data, [1])).user, before)
    assert torch.equal(backbone.tables()[0], in_train)


@pytest.mark.parametrize("sampler", [Triplets(2), Shared(negatives=1)])
def test_a_step_of_training_reads_the_rows_of_the_sampler(toy: Dataset, sampler: Triplets | Shared) -> None:
    data = toy.narrow(["view"])
    backbone = made(data)
    batch = next(sampler.batches(data, 32, torch.Generator().manual_seed(0)))
    assert batch.row is not None
    assert torch.equal(data.train.user[batch.row].long(), batch.user)
    expected = backbone.dense(torch.stack([mean_of(backbone, past(data, row)) for row in batch.row.tolist()]))
    torch.testing.assert_close(backbone.encode(batch).user[:, 0], expected)


def past(data: Dataset, row: int) -> list[int]:
    log = data.train[:row]
    held = (log.user == data.train.user[row]) & (log.label[:, 0] > 0)
    found: list[int] = log.item[held].tolist()
    return found[-20:]


def test_a_loss_steps_on_what_came_before(toy: Dataset) -> None:
    """One step of plain descent moves the items of the history, and no other item but the target."""
    data = with_log(toy, [(0, 5, 1), (0, 6, 1), (0, 7, 1)])
    backbone = made(data)
    loss = create(LOSSES.get("bce"), data.info, resolve(LOSSES.get("bce"), {}))
    before = backbone.item_table.detach().clone()
    loss.step(backbone, batch_of(data, [1]), torch.optim.SGD(backbone.parameters(), lr=1.0))  # type: ignore[arg-type]
    moved = (backbone.item_table.detach() != before).any(1).nonzero()[:, 0].tolist()
    assert moved == [5, 6]


def test_whole_lists_are_refused(toy: Dataset) -> None:
    batch = replace(batch_of(toy, [0, 1]), row=None)
    with pytest.raises(UsageError, match="backbone `ytdnn`: the batches have no `row`"):
        made(toy).encode(batch)


@pytest.mark.parametrize(("key", "value"), [("length", 0), ("dim", 0)])
def test_settings_out_of_range(toy: Dataset, key: str, value: int) -> None:
    with pytest.raises(UsageError, match=f"backbone.{key}={value}: expected at least 1"):
        backbones.create(YouTubeDNN, toy, 1, False, {key: value})
