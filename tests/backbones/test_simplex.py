"""SimpleX: its aggregators by loop, its gradient, and whose history counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recbench.backbones.base import create
from recbench.backbones.mf import MF
from recbench.backbones.simplex import SimpleX
from recbench.data.dataset import Dataset, Log
from recbench.errors import UsageError

AGGREGATES = ["mean", "user-attention", "self-attention"]
ROWS = [(0, 5, 1), (0, 6, 0), (0, 7, 1), (1, 5, 1), (0, 39, 1)]


def log_of(rows: list[tuple[int, int, int]]) -> Log:
    table = torch.tensor(rows, dtype=torch.int32)
    return Log(table[:, 0].contiguous(), table[:, 1].contiguous(), table[:, 2:].to(torch.uint8))


def made(toy: Dataset, towers: int = 1, **settings: object) -> SimpleX:
    """Its users have had [5, 7], [5] and nothing; 39 is unseen in training."""
    view = toy.narrow(["view"])
    data = replace(view, train=log_of(ROWS), items=replace(view.items, seen=39))
    torch.manual_seed(0)
    values = {"dim": 3, "length": 4, "std": 1.0} | settings
    return SimpleX(data, towers, False, **values).double().eval()  # type: ignore[arg-type]


def by_loop(backbone: SimpleX, user: int, history: list[int], tower: int = 0) -> Tensor:
    at = slice(3 * tower, 3 * tower + 3)
    own, vectors = backbone.user_table[user, at], [backbone.item_table[item, at] for item in history]
    past = torch.zeros(3, dtype=torch.double)
    if vectors and backbone.aggregate == "mean":
        past = sum(vectors, past) / len(vectors)
    elif vectors:
        query = own if backbone.aggregate == "user-attention" else backbone.query[tower]
        logit = torch.stack([(v @ backbone.attention[tower]).tanh() @ query for v in vectors])
        past = sum((share * v for share, v in zip(logit.softmax(0), vectors, strict=True)), past)
    return backbone.own * own + (1 - backbone.own) * past @ backbone.mapping[tower]


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_vectors_by_loop(aggregate: str, toy: Dataset) -> None:
    backbone = made(toy, 2, aggregate=aggregate, own=0.3)
    out = backbone(torch.tensor([0, 1, 2]), torch.tensor([[1]]))
    for user, history in enumerate([[5, 7], [5], []]):
        for tower in range(2):
            torch.testing.assert_close(out.user[user, tower], by_loop(backbone, user, history, tower))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own use of it
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_gradients(aggregate: str, toy: Dataset) -> None:
    backbone = made(toy, aggregate=aggregate)
    names = [name for name, _ in backbone.named_parameters()]

    def score(*values: Tensor) -> Tensor:
        given = dict(zip(names, values, strict=True))
        out = torch.func.functional_call(backbone, given, (torch.tensor([0, 2]), torch.tensor([[5, 1], [7, 5]])))
        logit: Tensor = out.logit
        return logit

    assert torch.autograd.gradcheck(score, tuple(backbone.parameters()), check_forward_ad=True, fast_mode=True)


def test_only_the_last_items_count(toy: Dataset) -> None:
    backbone = made(toy, length=1)
    torch.testing.assert_close(backbone(torch.tensor([0]), torch.tensor([[1]])).user[0, 0], by_loop(backbone, 0, [7]))


def test_what_is_known_of_new_users_takes_the_place_of_train(toy: Dataset) -> None:
    backbone = made(toy)
    known = backbone.histories(log_of([(2, 7, 1), (2, 8, 0)]))
    users, _ = backbone.tables(known)
    torch.testing.assert_close(users[2, 0], by_loop(backbone, 2, [7]).detach())
    torch.testing.assert_close(users[0, 0], by_loop(backbone, 0, []).detach())


def test_without_histories_it_is_mf(toy: Dataset) -> None:
    backbone, plain = made(toy, own=1.0), MF(toy, 1, False, dim=3).double()
    plain.load_state_dict({name: backbone.get_parameter(name) for name in ("user_table", "item_table")})
    user, item = torch.arange(3), torch.arange(6).view(3, 2)
    torch.testing.assert_close(backbone(user, item).logit, plain(user, item).logit)


def test_dropout_is_of_users_in_training_alone(toy: Dataset) -> None:
    backbone = made(toy, dropout=0.5).train()
    users = torch.zeros(400, dtype=torch.long)
    out = backbone(users, torch.tensor([[5]]))
    assert float((out.user == 0).double().mean()) == pytest.approx(0.5, abs=0.1)
    assert (out.item != 0).all()


def test_settings_out_of_range(toy: Dataset) -> None:
    with pytest.raises(UsageError, match="^backbone.own=1.5: expected a number in \\[0, 1\\]"):
        create(SimpleX, toy, 1, False, {"own": 1.5})
