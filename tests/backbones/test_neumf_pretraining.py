"""NeuMF whose branches are trained apart first: each as if alone, then put together, once, whatever is resumed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from rich.console import Console
from torch.nn.functional import binary_cross_entropy_with_logits

from recbench.backbones.base import resolve
from recbench.backbones.gmf import GMF
from recbench.backbones.neumf import NeuMF
from recbench.data.toy import toy
from recbench.errors import UsageError
from recbench.home import results_home
from recbench.inspect.loss_trial import run_epoch
from recbench.preparation.prepare import prepare
from recbench.results.store import Store
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest, train_all
from recbench.settings import defaults
from recbench.training.bundling import difference, why_alone
from recbench.training.model import Model, build
from recbench.training.schedule import Schedule

DATA = toy(rows=300, tasks=1)
SIZES: dict[str, Any] = {"backbone.dim": 4, "backbone.std": 0.3}


def model(backbone: str = "neumf", loss: str = "bce", epochs: int = 5, **settings: Any) -> Model:
    values = {f"backbone.{key}": value for key, value in defaults(GMF if backbone == "gmf" else NeuMF).items()}
    if backbone == "neumf":
        values |= {"backbone.embedding": 3, "backbone.hidden": "5-2"}
    values |= SIZES | {f"backbone.{key}": value for key, value in settings.items()}
    return build(DATA, loss, backbone, values, seed=0, schedule=Schedule(epochs=epochs))


def train(made: Model, *epochs: int) -> None:
    for number in epochs:
        run_epoch(made, DATA, number)


def test_the_objective_is_the_sum_of_both_branches() -> None:
    made = model(pretrain=2)
    made.start_epoch(1)
    backbone, batch = made.backbone, next(made.loss.sampler.batches(DATA, 20, torch.Generator().manual_seed(1)))
    assert isinstance(backbone, NeuMF)
    backbone.train()
    (tower,) = backbone.models
    (p, p_mlp), (q, q_mlp) = (
        table[rows].split(backbone.split, -1)
        for table, rows in ((backbone.user_table, batch.user), (backbone.item_table, batch.item[:, 0]))
    )
    product = (p * q) @ tower.head.weight[0, :4]
    hidden = (tower.user_side(p_mlp) + tower.item_side(q_mlp)).relu()
    deep = tower.layers[0](hidden).relu() @ tower.head.weight[0, 4:]
    expected = sum(binary_cross_entropy_with_logits(score, batch.label[:, 0, 0]) for score in (product, deep))
    torch.testing.assert_close(made.loss.objective(backbone, batch), expected)
    backbone.eval()  # what is validated is the model that both will make
    torch.testing.assert_close(backbone(batch.user, batch.item).logit[:, 0, 0], (product + deep) / 2)


def test_each_branch_is_trained_as_if_it_were_alone() -> None:
    both, gmf, mlp = model(pretrain=2), model("gmf"), model()
    with torch.no_grad():
        for table in ("user_table", "item_table"):
            own = both.backbone.get_parameter(table)
            gmf.backbone.get_parameter(table).copy_(own[:, :4])
            mlp.backbone.get_parameter(table).copy_(own)[:, :4] = 0  # and so stays: its gradient is a product with it
        head = both.backbone.get_parameter("models.0.head.weight")
        gmf.backbone.get_parameter("weight").copy_(head[:, :4])
        mlp.backbone.load_state_dict(
            {name: value for name, value in both.backbone.state_dict().items() if name.startswith("models")},
            strict=False,
        )
    for made in (both, gmf, mlp):
        train(made, 1, 2)
    for table in ("user_table", "item_table"):
        trained = both.backbone.get_parameter(table)
        torch.testing.assert_close(trained[:, :4], gmf.backbone.get_parameter(table))
        torch.testing.assert_close(trained[:, 4:], mlp.backbone.get_parameter(table)[:, 4:])
    torch.testing.assert_close(head[:, :4], gmf.backbone.get_parameter("weight"))
    torch.testing.assert_close(head[:, 4:], mlp.backbone.get_parameter("models.0.head.weight")[:, 4:])


def test_the_branches_are_put_together_once() -> None:
    made, user, item = model(pretrain=1), torch.arange(5), torch.arange(10).view(5, 2)
    train(made, 1)
    made.backbone.eval()
    before, head = made.backbone(user, item).logit, made.backbone.get_parameter("models.0.head.weight").clone()
    for epoch in (2, 3):
        made.start_epoch(epoch)
        torch.testing.assert_close(made.backbone(user, item).logit, before)
        torch.testing.assert_close(made.backbone.get_parameter("models.0.head.weight"), head / 2)
    made.backbone.train()
    assert made.backbone(user, item).apart == ()


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(done: int) -> None:
    whole, resumed = model(pretrain=2), model(pretrain=2)
    train(whole, *range(1, done + 1))
    resumed.load(deepcopy(whole.state()))
    resumed.optimizer.load_state_dict(deepcopy(whole.optimizer.state_dict()))
    for made in (whole, resumed):
        train(made, *range(done + 1, 5))
    for one, other in zip(whole.backbone.state_dict().values(), resumed.backbone.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_runs_of_it_can_be_trained_side_by_side() -> None:
    one, other = model(pretrain=2), model(pretrain=2)
    batch = next(one.loss.sampler.batches(DATA, 20, torch.Generator().manual_seed(1)))
    assert difference(one, other) is None and why_alone(one, batch) is None
    assert difference(other, model(pretrain=3)) is not None


@pytest.mark.parametrize(
    ("loss", "settings", "message"),
    [
        (
            "bce",
            {"pretrain": 5},
            "backbone.pretrain=5: expected fewer epochs than train.epochs=5, which counts them too",
        ),
        ("bce", {"pretrain": -1}, "backbone.pretrain=-1: expected at least 0"),
        ("til-ui", {"pretrain": 1}, "backbone.pretrain=1: loss `til-ui` makes steps of its own"),
    ],
)
def test_what_is_refused(loss: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        model(loss=loss, **settings)


def test_runs_without_it_keep_their_names() -> None:
    assert "pretrain" not in resolve(NeuMF, {}) and resolve(NeuMF, {"pretrain": "2"})["pretrain"] == 2


def test_patience_counts_from_when_one_model_is_trained(own_folders: None) -> None:
    prepare("synthetic", rows=1500)
    words = ("train.epochs=6", "train.patience=1", "train.lr=1e-9", "backbone.pretrain=4", "backbone.dim=4")
    request = TrainRequest("bce", "neumf", "synthetic/global", (), (0,), words, ())
    (record,) = train_all(request, Invocation(Store(results_home()), Console(quiet=True), "recbench train"), "cpu")
    assert 4 <= record.curve[-1]["epoch"] < 6
