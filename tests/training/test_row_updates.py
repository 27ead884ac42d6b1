"""Tables updated row by row against torch's optimisers of whole tables."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

from recbench.backbones.base import BACKBONES
from recbench.backbones.base import defaults as backbone_defaults
from recbench.backbones.building_blocks.row_table import RowTable, rows_of
from recbench.data.dataset import Dataset
from recbench.data.toy import toy
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, defaults
from recbench.training import row_updates
from recbench.training.model import Model, build
from recbench.training.row_updates import RULES, AdamRule, RowUpdates
from recbench.training.schedule import Schedule

CLASSES: dict[str, type[Optimizer]] = {"adam": Adam, "adamw": AdamW, "sgd": SGD, "adagrad": Adagrad}


def optimizer(name: str, table: Tensor, lr: float, decay: float) -> Optimizer:
    made: Any = CLASSES[name]
    return made([table], lr=lr, weight_decay=decay)  # type: ignore[no-any-return]


class Pair:
    """A table that is updated row by row in float32, and its twin that torch updates as a whole, in float64."""

    def __init__(self, name: str, rows: int, lr: float, decay: float = 0.0, dim: int = 3) -> None:
        start = torch.randn(rows, dim)
        self.table, self.twin = RowTable(start.clone()), nn.Parameter(start.double())
        self.optimizer, self.whole = (optimizer(name, p, lr, decay) for p in (self.table, self.twin))
        self.updates = RowUpdates(self.table, self.optimizer, RULES[name](self.optimizer.param_groups[0]))

    def step(self, reads: list[Tensor], target: float) -> None:
        """Make the same step of both; `reads` are indices of rows, each read on its own."""
        for table, trained in ((self.table, self.optimizer), (self.twin, self.whole)):
            trained.zero_grad()
            loss = sum((rows_of(table, index) - target).square().sum() for index in reads)
            if isinstance(loss, Tensor):
                loss.backward()
            trained.step()

    @property
    def difference(self) -> float:
        """The largest difference of the weights, relative to the largest weight."""
        self.updates.catch_up()
        return float((self.table.detach().double() - self.twin.detach()).abs().max() / self.twin.detach().abs().max())


@pytest.mark.parametrize(("name", "decay", "steps"), [("adam", 0, 1500), ("adamw", 0.1, 900), ("sgd", 0.1, 300)])
def test_rows_become_what_a_dense_optimiser_makes_of_them(name: str, decay: float, steps: int) -> None:
    """Over steps that read some rows every time and others every few hundred; in float32, within 1e-5."""
    torch.manual_seed(0)
    pair = Pair(name, rows=150, lr=0.01, decay=decay)
    chance = 1 / (torch.arange(150) + 1.0)
    for step in range(steps):
        index = torch.arange(150) if step == 0 else torch.multinomial(chance, 8, replacement=True)
        pair.step([index], float(torch.randn(())))
        if step in (steps // 2, steps - 1):
            assert pair.difference < 1e-5
    state, expected = pair.optimizer.state[pair.table], pair.whole.state[pair.twin]
    for moment in pair.updates.rule.moments:
        torch.testing.assert_close(state[moment].double(), expected[moment], rtol=1e-3, atol=1e-7)
    assert {key: float(value) for key, value in state.items() if key == "step"} == {
        key: float(value) for key, value in expected.items() if key == "step"
    }


INDICES = st.lists(st.integers(0, 9), min_size=1, max_size=6)


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from([("sgd", 0.0), ("sgd", 0.5), ("adagrad", 0.0)]),
    steps=st.lists(st.lists(INDICES, min_size=1, max_size=3), min_size=1, max_size=12),
    scored=st.integers(0, 12),
)
def test_any_batches_give_the_weights_of_whole_updates(
    name: tuple[str, float], steps: list[list[list[int]]], scored: int
) -> None:
    """Rows read several times in a step, or to be scored in between, without a step of their own."""
    torch.manual_seed(0)
    pair = Pair(name[0], rows=10, lr=0.1, decay=name[1])
    for number, reads in enumerate(steps):
        if number == scored:
            with torch.no_grad():
                rows = rows_of(pair.table, torch.arange(10))
            torch.testing.assert_close(rows.double(), pair.twin.detach(), rtol=1e-4, atol=1e-5)
        pair.step([torch.tensor(index) for index in reads], target=0.3)
    assert pair.difference < 1e-5


@settings(max_examples=50, deadline=None)
@given(
    step=st.integers(500, 20_000),
    skipped=st.integers(0, 3000),
    root=st.floats(-10, -1),
    decay=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_what_adam_does_to_a_row_without_gradients(step: int, skipped: int, root: float, decay: float) -> None:
    """Against the sum term by term, in float64; the root of the second moment is 10^root."""
    lr, beta1, beta2, eps = 0.01, 0.9, 0.999, 1e-8
    rule = AdamRule(optimizer("adamw", nn.Parameter(torch.zeros(1)), lr, decay).param_groups[0])
    average, square, kept = 10.0**root * 0.7, 10.0 ** (2 * root), 1 - lr * decay
    weight, *moments = (torch.full((1, 1), value, dtype=torch.double) for value in (0.5, average, square))
    rule.catch_up(weight, moments, torch.tensor([step]), torch.tensor([skipped]))
    later = torch.arange(1, skipped + 1).double()
    below = (square * beta2**later / (1 - beta2 ** (step + later))).sqrt() + eps
    moves = lr * average * beta1**later / (1 - beta1 ** (step + later)) / below
    moved = float((moves * kept ** (skipped - later)).sum())
    assert 0.5 * kept**skipped - float(weight) == pytest.approx(moved, rel=2e-6, abs=1e-13)
    expected = [average * beta1**skipped, square * beta2**skipped]
    assert [float(moment) for moment in moments] == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_the_first_steps_of_adam_are_those_of_the_whole_table() -> None:
    """While its bias correction changes quickly, a short sum would be wrong by 5 % at the first step."""
    torch.manual_seed(0)
    pair = Pair("adam", rows=5, lr=0.1)
    plain = nn.Parameter(pair.table.detach().clone())
    whole = optimizer("adam", plain, 0.1, 0)
    for step in range(20):
        index = torch.tensor([step % 5])
        pair.step([index], 1.0)
        whole.zero_grad()
        (F.embedding(index, plain) - 1.0).square().sum().backward()
        whole.step()
    assert pair.updates.last is None
    assert torch.equal(pair.table, plain)


def test_a_table_that_is_read_as_a_whole_is_refused() -> None:
    pair = Pair("sgd", rows=5, lr=0.1, decay=0.1)
    loss = rows_of(pair.table, torch.tensor([1])).sum() + pair.table.square().sum()
    loss.backward()
    with pytest.raises(RuntimeError, match=r"read as a whole; use train.lazy=off$"):
        pair.optimizer.step()


def data() -> Dataset:
    return toy().narrow(["view"])


def model(loss: str, schedule: Schedule, backbone: str = "mf", **given: Any) -> Model:
    values = {f"loss.{key}": value for key, value in defaults(LOSSES.get(loss)).items()}
    values |= {f"backbone.{key}": value for key, value in backbone_defaults(BACKBONES.get(backbone)).items()}
    made = build(data(), loss, backbone, values | given, seed=0, schedule=schedule)
    made.start_epoch(1)
    return made


def trained(made: Model, epochs: int) -> dict[str, Tensor]:
    """The weights of the backbone after some epochs."""
    made.backbone.train()
    for epoch in range(epochs):
        for batch in made.loss.sampler.batches(data(), 32, torch.Generator().manual_seed(epoch)):
            made.loss.step(made.backbone, batch, made.optimizer)
        made.end_epoch()
    return {name: weight.detach() for name, weight in made.backbone.named_parameters()}


@pytest.mark.parametrize(
    ("loss", "backbone"), [("bpr", "mf"), ("softmax", "mf"), ("bce", "twintower"), ("bpr", "neumf")]
)
def test_a_model_becomes_the_same_either_way(loss: str, backbone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Adagrad, which has no first steps that are those of whole tables."""
    common = {"lr": 0.05, "optimizer": "adagrad"}
    whole = trained(model(loss, Schedule(lazy="off", **common), backbone), 2)  # type: ignore[arg-type]
    by_rows = model(loss, Schedule(lazy="on", **common), backbone)  # type: ignore[arg-type]
    weights = trained(by_rows, 2)
    assert len(by_rows.row_updates) == 2
    assert all(updates.last is not None for updates in by_rows.row_updates)
    for name, weight in whole.items():
        torch.testing.assert_close(weights[name], weight, rtol=1e-4, atol=2e-5)


def test_large_tables_are_updated_by_rows_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(schedule: Schedule, loss: str = "bpr", **given: Any) -> int:
        made = model(loss, schedule, **given)
        assert made.optimizer is made.optimizer
        return len(made.row_updates)

    small = min(len(data().users), len(data().items)) * 64
    assert count(Schedule()) == 0
    assert count(Schedule(lazy="on")) == 2
    monkeypatch.setattr(row_updates, "LARGE", small + 1)
    assert count(Schedule()) == 1
    monkeypatch.setattr(row_updates, "LARGE", small)
    assert count(Schedule()) == 2
    assert count(Schedule(lazy="off")) == 0
    for unsuited in (
        Schedule(clip=1.0),
        Schedule(weight_decay=0.1),
        Schedule(warmup=1.0),
        Schedule(decay="cosine", optimizer="adamw"),
        Schedule(optimizer="adagrad", weight_decay=0.1),
    ):
        assert count(unsuited) == 0
    assert count(Schedule(optimizer="sgd", decay="linear", weight_decay=0.0)) == 2
    assert count(Schedule(), "buir") == count(Schedule(), "til-ui") == 0
    assert count(Schedule(), **{"backbone.l2": 0.1}) == 2
    assert count(Schedule(), **{"backbone.l2": 0.1, "backbone.l2_of": "tables"}) == 0


@pytest.mark.parametrize(
    ("given", "loss", "backbone", "reason"),
    [
        ({"clip": 1.0}, "bpr", "mf", "train.clip=1 needs the gradient of all rows"),
        ({"weight_decay": 0.1}, "bpr", "mf", "train.weight_decay=0.1 of adam has no closed form over many steps"),
        ({"warmup": 1.0}, "bpr", "mf", "train.optimizer=adam has no closed form while the learning rate changes"),
        ({"optimizer": "adamw", "weight_decay": 60.0}, "bpr", "mf", "takes more than 0.05 of a weight at every step"),
        ({}, "til-ui", "mf", "loss `til-ui` has steps of its own"),
        ({}, "bpr", "lightgcn", "backbone `lightgcn` has no tables"),
    ],
)
def test_what_has_no_closed_form_is_refused(given: dict[str, Any], loss: str, backbone: str, reason: str) -> None:
    with pytest.raises(UsageError, match=rf"^train.lazy=on: .*{reason}.*; leave it out$"):
        model(loss, Schedule(lazy="on", lr=0.01, **given), backbone)
