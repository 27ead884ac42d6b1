"""Self-attention over sequences: its values by loops over numbers, and what each place can see."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from recbench.backbones import base as backbones
from recbench.backbones.building_blocks.history import Sequences
from recbench.backbones.sasrec import EPSILON, SASRec
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, create, resolve, why_not
from recbench.samplers import CatalogueRows, Sampler
from recbench.samplers.uniform import UniformTriplets

Vector = NDArray[np.float64]
LENGTH = 5


def made(data: Dataset, towers: int = 1, **settings: int | float | str | bool) -> SASRec:
    torch.manual_seed(0)
    values = {"dim": 6, "length": LENGTH, "std": 0.5, "dropout": 0.0} | settings
    backbone = SASRec(data, towers, False, **values).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for norm in (norm for norm in backbone.modules() if isinstance(norm, torch.nn.LayerNorm)):
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.uniform_(-0.5, 0.5)
    return backbone


def items_of(*histories: list[int]) -> Sequences:
    padded = [[-1] * (LENGTH - len(history)) + history for history in histories]
    return Sequences(torch.tensor(padded, dtype=torch.int32), None)


def states_of(backbone: SASRec, *histories: list[int]) -> Tensor:
    """The vectors after each place, [S, L, D]."""
    return backbone.states(items_of(*histories))[:, :, 0].detach()


class Loops:
    """SASRec of one sequence, a place and a head at a time, in float64."""

    def __init__(self, backbone: SASRec, heads: int, *, as_released: bool) -> None:
        self.weight = {name: value.double().numpy() for name, value in backbone.state_dict().items()}
        self.heads, self.as_released = heads, as_released
        self.scale = backbone.scale

    def normal(self, name: str, x: Vector) -> Vector:
        centred = x - x.mean()
        found: Vector = centred / math.sqrt((centred**2).mean() + EPSILON)
        return found * self.weight[f"{name}.weight"] + self.weight[f"{name}.bias"]

    def layer(self, name: str, x: Vector) -> Vector:
        found: Vector = self.weight[f"{name}.weight"] @ x + self.weight[f"{name}.bias"]
        return found

    def block(self, name: str, xs: dict[int, Vector]) -> dict[int, Vector]:
        normal = {place: self.normal(f"{name}.norms.0", x) for place, x in xs.items()}
        read = xs if self.as_released else normal
        out = {}
        for place, x in xs.items():
            query = self.layer(f"{name}.query", normal[place])
            part, mixed = len(query) // self.heads, np.zeros_like(query)
            earlier = [other for other in xs if other <= place]
            for head in range(self.heads):
                own = slice(head * part, (head + 1) * part)
                keys = [self.layer(f"{name}.key", read[other])[own] for other in earlier]
                weights = np.exp([float(query[own] @ key) / math.sqrt(part) for key in keys])
                for other, weight in zip(earlier, weights / weights.sum(), strict=True):
                    mixed[own] += weight * self.layer(f"{name}.value", read[other])[own]
            after = mixed + (normal[place] if self.as_released else x)
            entering = self.normal(f"{name}.norms.1", after)
            hidden = np.maximum(self.layer(f"{name}.feed_forward.0", entering), 0)
            added = self.layer(f"{name}.feed_forward.3", hidden)
            out[place] = added + (entering if self.as_released else after)
        return out

    def states(self, history: list[int]) -> dict[int, Vector]:
        first = LENGTH - len(history)
        xs = {
            first + number: self.weight["item_table"][item] * self.scale + self.weight["place"][first + number]
            for number, item in enumerate(history)
        }
        for number in range(2):
            xs = self.block(f"blocks.{number}", xs)
        return {place: self.normal("last_norm", x) for place, x in xs.items()}


@pytest.mark.parametrize("block", ["paper", "code"])
@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("scaled", [True, False])
def test_values_are_those_of_plain_loops(toy: Dataset, block: str, heads: int, scaled: bool) -> None:
    backbone = made(toy, block=block, heads=heads, scaled=scaled)
    reference = Loops(backbone, heads, as_released=block == "code")
    assert reference.scale == (math.sqrt(6) if scaled else 1)
    histories = [[3, 1, 4, 1, 5], [9, 2], [6]]
    found = states_of(backbone, *histories)
    for number, history in enumerate(histories):
        for place, expected in reference.states(history).items():
            np.testing.assert_allclose(found[number, place], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("block", ["paper", "code"])
def test_a_later_item_changes_no_earlier_vector(toy: Dataset, block: str) -> None:
    backbone = made(toy, block=block)
    first, second = states_of(backbone, [1, 2, 3, 4, 5], [1, 2, 3, 6, 7])
    torch.testing.assert_close(first[:3], second[:3])
    assert not torch.isclose(first[3:], second[3:]).any(1).all()


def test_what_is_beside_a_sequence_and_what_pads_it_do_not_matter(toy: Dataset) -> None:
    backbone = made(toy)
    alone = states_of(backbone, [7, 8])
    torch.testing.assert_close(states_of(backbone, [1, 2, 3, 4, 5], [7, 8])[1:], alone)
    table = backbone.item_table.detach().clone()
    table[0] = 100.0  # whose vector padding looks up
    backbone.item_table = torch.nn.Parameter(table)
    assert torch.equal(states_of(backbone, [7, 8]), alone)


def test_of_a_user_without_a_history_there_is_one_vector(toy: Dataset) -> None:
    backbone = made(toy)
    nobody, somebody = states_of(backbone, [], [7, 8])
    assert torch.equal(nobody, backbone.last_norm.bias.expand(LENGTH, -1))
    assert torch.equal(somebody[:3], nobody[:3])


def test_every_place_has_finite_gradients(toy: Dataset) -> None:
    backbone = made(toy)
    backbone.states(items_of([], [7, 8], [1, 2, 3, 4, 5])).sum().backward()
    for parameter in backbone.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() < 1000


def test_without_blocks_a_state_is_the_normalised_last_item(toy: Dataset) -> None:
    """A factorised Markov chain (Kang & McAuley, section III-F)."""
    backbone = made(toy, blocks=0)
    x = backbone.item_table[8] * math.sqrt(6) + backbone.place[-1]
    expected = torch.nn.functional.layer_norm(x, (6,), backbone.last_norm.weight, backbone.last_norm.bias, EPSILON)
    torch.testing.assert_close(states_of(backbone, [7, 8])[0, -1], expected.detach())


def test_dropout_is_of_training_alone(toy: Dataset) -> None:
    backbone = made(toy, dropout=0.5)
    assert torch.equal(states_of(backbone, [7, 8]), states_of(backbone, [7, 8]))
    backbone.train()
    assert not torch.equal(states_of(backbone, [7, 8]), states_of(backbone, [7, 8]))


def test_a_table_of_its_own_scores(toy: Dataset) -> None:
    tied, apart = made(toy), made(toy, tied=False)
    assert torch.equal(tied.tables()[1][:, 0], tied.item_table)
    assert apart.scored_table is not None
    assert torch.equal(apart.tables()[1][:, 0], apart.scored_table)
    assert torch.equal(apart.item_table[: toy.items.seen].ne(0).any(1), torch.ones(toy.items.seen, dtype=torch.bool))
    assert sum(p.numel() for p in apart.parameters()) - sum(p.numel() for p in tied.parameters()) == len(toy.items) * 6


def test_vectors_are_split_among_heads(toy: Dataset) -> None:
    with pytest.raises(UsageError, match="backbone.heads=4: expected a divisor of the width of the vectors, 6"):
        made(toy, heads=4)


@pytest.mark.parametrize(("key", "value"), [("length", 0), ("dim", 0), ("blocks", -1), ("dropout", 1.0)])
def test_settings_out_of_range(toy: Dataset, key: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"backbone.{key}={value}: expected"):
        backbones.create(SASRec, toy, 1, False, {key: value})


def test_items_unseen_in_train_are_no_history(toy: Dataset) -> None:
    data = replace(toy, items=replace(toy.items, seen=20))
    backbone = made(data)
    assert int(backbone.past.histories.item.max()) < 20


def test_full_cross_entropy_predicts_each_next_item(toy: Dataset) -> None:
    """A step's loss is torch's cross-entropy of every place of every user's last window but the first item."""
    data = toy.narrow(["view"])
    backbone = made(data)
    loss = create(LOSSES.get("full-softmax"), data.info, resolve(LOSSES.get("full-softmax"), {}))
    (batch,) = CatalogueRows().batches(backbone.sequences(data), 10**6, torch.Generator().manual_seed(0))
    found = loss.objective(backbone, batch)
    costs = []
    for user in range(len(data.users)):
        own = (data.train.user == user) & (data.train.label[:, 0] > 0)
        items = data.train.item[own].tolist()
        last = int((data.train.user == user).nonzero()[-1, 0])
        known = int(own[:last].sum())  # items that come before the user's last row
        first = max(0, known - LENGTH)
        states = backbone.states(items_of(items[first:known]))[0, LENGTH - (known - first) :, 0]
        for place in range(first + 1, len(items)):
            logit = backbone.item_table @ states[place - 1 - first]
            costs.append(cross_entropy(logit, torch.tensor(items[place])))
    assert batch.rows == len(costs)
    torch.testing.assert_close(found, torch.stack(costs).mean())


@pytest.mark.parametrize(
    ("loss", "sampler", "reason"),
    [
        ("full-softmax", CatalogueRows(), None),
        ("full-softmax", None, "needs the training row that each slate stands for"),
        ("full-softmax", None, "the pairs that work, or add --sampler catalogue-rows"),
        ("bce", UniformTriplets(), None),
        ("gbce", None, None),
        ("bpr", None, None),
        ("softmax", None, None),
        ("gnolr", None, None),
        ("listnet", None, "needs the training row that each slate stands for"),
    ],
)
def test_what_trains_it_is_known_before_anything_is_written(
    loss: str, sampler: Sampler | None, reason: str | None
) -> None:
    found = why_not(LOSSES.get(loss), SASRec, sampler=sampler)
    assert found is None if reason is None else reason in str(found)
